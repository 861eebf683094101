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
        workspace: Returns the agent of the server's own folder, whose project file can be trusted.
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
    ) -> None:
        self._workspace = workspace
        self.manager = McpManager(
            env=env,
            state_folder=state_folder,
            directory=directory,
            confinement=confinement,
            allows=allows,
        )
        self.projects = ProjectServers(FileTrustStore(folder), env=env)
        self.stored = StoredServers(store, SecretFile(folder), forget=self.manager.forget)
        self.source = McpSource(self.manager, self.projects, stored=self.stored.list)

    async def find_project(self) -> Project | None:
        """Return the project file of the server's folder, `None` when there is none.

        Raises:
            WorkspaceError: it cannot be read.
        """
        return await self.projects.find(self._workspace())

    async def decide(self, *, sha256: str, trusted: bool) -> Project:
        """Remember whether the user trusts the project file with that hash; see `ProjectServers.decide`.

        What is not trusted any more is disconnected.
        """
        project = await self.projects.decide(self._workspace(), sha256=sha256, trusted=trusted)
        if not trusted:
            await asyncio.gather(*(self.manager.forget(config.id) for config in project.file.configs))
        return project

    async def aclose(self) -> None:
        """End every connection and program. May be called twice."""
        await self.manager.aclose()
