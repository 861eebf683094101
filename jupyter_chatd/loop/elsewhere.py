"""What a turn has besides the built-in tools: skills, and tools of MCP servers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..messages import Chat, Message, TurnOptions
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


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnTools:
    """What was found for one turn."""

    tools: tuple[Tool, ...] = ()
    system: tuple[str, ...] = ()
    """System messages: the skill index."""


class Elsewhere:
    """Looks at the beginning of each turn; what does not answer is left out. Lives as long as the server."""

    def __init__(
        self, mcp: McpSource, skills: SkillLibrary, *, workspace: Callable[[Chat], WorkspaceAgent]
    ) -> None:
        self._mcp = mcp
        self._skills = skills
        self._skill_tools: tuple[Tool, ...] = (ReadSkill(skills), ReadSkillFile(skills))
        self._workspace = workspace

    async def find(self, chat: Chat, options: TurnOptions) -> TurnTools:
        """Return what a turn of *chat* has; what the user chose for it goes before the chat's own."""
        chosen = chat.mcp_server_ids if options.mcp_server_ids is None else options.mcp_server_ids
        in_plan_mode = (options.plan_mode or chat.plan_mode) is not None
        try:
            agent = self._workspace(chat)
        except WorkspaceError:  # then it has nothing of all this; `prepare_turn` logs why
            return TurnTools()
        skills, tools = await asyncio.gather(
            self._find_skills(chat, agent),
            self._mcp.find_tools(chosen, agent, in_plan_mode=in_plan_mode),
        )
        return TurnTools(tools=(*(self._skill_tools if skills else ()), *tools), system=skills)

    async def _find_skills(self, chat: Chat, agent: WorkspaceAgent) -> tuple[str, ...]:
        try:
            async with asyncio.timeout(SKILLS_TIMEOUT):
                return describe_skills(await self._skills.list_skills(agent))
        except (TimeoutError, WorkspaceError, OSError) as error:
            log.warning("The skills of chat %s are left out: %r", chat.id, error)
            return ()


class ElsewhereInTurn:
    """What the turn of one chat has: looked for once, before its first tool runs or its model is called.

    After a restart that is in the middle of the turn. Lives as long as the chat's runner.
    """

    def __init__(self, elsewhere: Elsewhere | None) -> None:
        self._elsewhere = elsewhere
        self._turn_id = -1
        self._found = TurnTools()

    async def look(self, chat: Chat, row: Message | None) -> None:
        """Find what the turn of the user row *row* has, unless that is known."""
        turn_id = row.id if row else 0
        if self._elsewhere is None or self._turn_id == turn_id:
            return
        options = (row.turn_options if row else None) or TurnOptions()
        self._found = await self._elsewhere.find(chat, options)
        self._turn_id = turn_id

    @property
    def tools(self) -> tuple[Tool, ...]:
        """Besides the built-in ones; of the turn before until `look` has returned."""
        return self._found.tools

    @property
    def system(self) -> tuple[str, ...]:
        """System messages after those of the workspace."""
        return self._found.system
