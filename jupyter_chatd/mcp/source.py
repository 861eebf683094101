"""The MCP tools of one turn: of the servers that its chat has, and of the project file in its workspace."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Sequence

from ..private_file import PrivateFileError
from ..workspace.protocol import WorkspaceAgent, WorkspaceError
from .config import McpServerConfig, select
from .manager import McpManager
from .project_servers import ProjectServers
from .tool import McpTool

PROJECT_TIMEOUT = 5.0  # seconds

log = logging.getLogger(__name__)


class McpSource:
    """Finds them. A turn goes on without what cannot be found. Lives as long as the extension.

    Args:
        stored: Returns the servers that were set up, with their secrets.
        project_timeout_s: How long a workspace may take to show its project file.
    """

    def __init__(
        self,
        manager: McpManager,
        projects: ProjectServers,
        *,
        stored: Callable[[], Awaitable[Sequence[McpServerConfig]]],
        project_timeout_s: float = PROJECT_TIMEOUT,
    ) -> None:
        self.manager = manager
        self.projects = projects
        self._stored = stored
        self._project_timeout_s = project_timeout_s

    async def find_ids(self, chosen: Collection[str], *, in_plan_mode: bool) -> tuple[str, ...]:
        """Return the ids of the servers that a turn has of those that were set up, forced ones included."""
        return tuple(
            config.id for config in select(await self._find_stored(), chosen, in_plan_mode=in_plan_mode)
        )

    async def find_tools(
        self,
        chosen: Collection[str] | None,
        agent: WorkspaceAgent | None,
        *,
        workspace_id: str | None = None,
        in_plan_mode: bool = False,
        only_chosen: bool = False,
    ) -> tuple[McpTool, ...]:
        """Return the tools of a turn, sorted by name. Takes up to the longest connect timeout.

        Args:
            chosen: Ids of the servers that the chat chose; `None` when it may not have any that were set up.
            agent: Of the chat's workspace; `None` when it may not have those that the workspace names.
            workspace_id: Whose agent that is; `None` for this server's own.
            only_chosen: It has no servers besides, though they are forced on all others.
        """
        stored, project = await asyncio.gather(
            _nothing() if chosen is None else self._find_stored(),
            _nothing() if in_plan_mode or agent is None else self._find_project(agent, workspace_id),
        )
        return await self.manager.connect(
            [
                *select(stored, chosen or (), in_plan_mode=in_plan_mode, only_chosen=only_chosen),
                *project,
            ]
        )

    async def _find_stored(self) -> Sequence[McpServerConfig]:
        try:
            return await self._stored()
        except PrivateFileError as error:
            log.warning("The MCP servers that were set up are left out: %s", error)
            return ()

    async def _find_project(
        self, agent: WorkspaceAgent, workspace_id: str | None
    ) -> Sequence[McpServerConfig]:
        try:
            async with asyncio.timeout(self._project_timeout_s):
                project = await self.projects.find(agent, workspace_id=workspace_id)
        except (TimeoutError, WorkspaceError) as error:
            log.warning("The MCP servers of a project file are left out: %r", error)
            return ()
        return project.configs if project else ()


async def _nothing() -> Sequence[McpServerConfig]:
    return ()
