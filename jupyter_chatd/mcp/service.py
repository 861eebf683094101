"""The parts of this folder, made and ended together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

from ..store import Store
from ..workspace.protocol import WorkspaceAgent
from .config import McpServerConfig
from .confinement import Confinement
from .manager import McpManager
from .project_servers import Project, ProjectServers
from .secret_file import SecretFile
from .source import McpSource
from .stored import StoredServers
from .trust import FileTrustStore


class McpService:
    """What turns and routes need of MCP. One per server.

    Args:
        folder: The private data folder, for secrets and decisions.
        store: Returns the store, which need not be open yet.
        env: What programs and project files see: the scrubbed environment.
        state_folder: Where running programs are noted; the workspace agent sweeps it.
        directory: Where programs start.
        confinement: Which programs run in a sandbox.
        allows: Whether a server may be used now.
        workspace: Returns the agent of the server's own folder.
        agent_in: Returns the agent of a workspace.
    """

    def __init__(
        self,
        *,
        folder: Path,
        store: Callable[[], Store],
        env: Mapping[str, str],
        state_folder: Path,
        directory: str,
        confinement: Confinement,
        allows: Callable[[McpServerConfig], bool] = lambda _config: True,
        workspace: Callable[[], WorkspaceAgent],
        agent_in: Callable[[str], WorkspaceAgent],
    ) -> None:
        self._workspace = workspace
        self._agent_in = agent_in
        self.manager = McpManager(
            env=env,
            state_folder=state_folder,
            directory=directory,
            confinement=confinement,
            agent_in=agent_in,
            allows=allows,
        )
        self.projects = ProjectServers(FileTrustStore(folder), env=env)
        self.stored = StoredServers(store, SecretFile(folder), forget=self.manager.forget)
        self.source = McpSource(self.manager, self.projects, stored=self.stored.list)

    async def find_project(self, workspace_id: str | None = None) -> Project | None:
        """Return the project file of a workspace, or of the server's folder; `None` when there is none.

        Raises:
            WorkspaceError: it cannot be read.
        """
        return await self.projects.find(self._agent(workspace_id), workspace_id=workspace_id)

    async def decide(self, *, sha256: str, trusted: bool, workspace_id: str | None = None) -> Project:
        """Remember whether the user trusts the project file with that hash; see `ProjectServers.decide`.

        What is not trusted any more is disconnected.
        """
        project = await self.projects.decide(
            self._agent(workspace_id), sha256=sha256, trusted=trusted, workspace_id=workspace_id
        )
        if not trusted:
            await asyncio.gather(*(self.manager.forget(config.id) for config in project.file.configs))
        return project

    def _agent(self, workspace_id: str | None) -> WorkspaceAgent:
        return self._workspace() if workspace_id is None else self._agent_in(workspace_id)

    async def aclose(self) -> None:
        """End every connection and program. May be called twice."""
        await self.manager.aclose()
