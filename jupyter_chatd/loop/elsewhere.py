"""What a turn has besides the built-in tools: skills, and tools of MCP servers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..messages import Chat, TurnOptions
from ..skills.index import describe_skills
from ..skills.library import SkillLibrary
from ..tools.protocol import Tool
from ..tools.read_skill import ReadSkill
from ..tools.read_skill_file import ReadSkillFile
from ..workspace.protocol import WorkspaceAgent, WorkspaceError

if TYPE_CHECKING:
    from ..mcp.source import McpSource

SKILLS_TIMEOUT = 5.0  # seconds

log = logging.getLogger(__name__)


class Elsewhere:
    """Looks at the beginning of each turn; what does not answer is left out. Lives as long as the server."""

    def __init__(
        self, mcp: McpSource, skills: SkillLibrary, *, workspace: Callable[[Chat], WorkspaceAgent]
    ) -> None:
        self._mcp = mcp
        self._skills = skills
        self._skill_tools: tuple[Tool, ...] = (ReadSkill(skills), ReadSkillFile(skills))
        self._workspace = workspace

    async def find(
        self,
        chat: Chat,
        options: TurnOptions,
        *,
        with_servers: bool,
        with_project: bool,
        only_chosen: bool = False,
    ) -> tuple[tuple[Tool, ...], tuple[str, ...]]:
        """Return the tools that a turn of *chat* has, and system messages about them.

        Args:
            options: Of the turn; what the user chose for it goes before the chat's own.
            with_servers: Whether it may have MCP servers that were set up.
            with_project: Whether it may have those that the workspace names.
            only_chosen: It has none that it did not choose, though they are forced on all other chats.
        """
        chosen = chat.mcp_server_ids if options.mcp_server_ids is None else options.mcp_server_ids
        in_plan_mode = (options.plan_mode or chat.plan_mode) is not None
        try:
            agent = self._workspace(chat)
        except WorkspaceError:  # then it has nothing of all this; `prepare_turn` logs why
            return (), ()
        skills, tools = await asyncio.gather(
            self._find_skills(chat, agent),
            self._mcp.find_tools(
                chosen if with_servers else None,
                agent if with_project else None,
                workspace_id=chat.workspace_id,
                in_plan_mode=in_plan_mode,
                only_chosen=only_chosen,
            ),
        )
        return (*(self._skill_tools if skills else ()), *tools), skills

    async def find_servers(self, chat: Chat) -> tuple[str, ...]:
        """Return the ids of the MCP servers, of those that were set up, that *chat* has in its plan mode."""
        return await self._mcp.find_ids(chat.mcp_server_ids, in_plan_mode=chat.plan_mode is not None)

    async def _find_skills(self, chat: Chat, agent: WorkspaceAgent) -> tuple[str, ...]:
        try:
            async with asyncio.timeout(SKILLS_TIMEOUT):
                return describe_skills(await self._skills.list_skills(agent))
        except (TimeoutError, WorkspaceError, OSError) as error:
            log.warning("The skills of chat %s are left out: %r", chat.id, error)
            return ()
