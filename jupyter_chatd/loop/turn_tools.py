"""What one turn may use, found when it begins: its policy, its restraint, and tools from elsewhere."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from importlib.resources import files

from ..capabilities import Capabilities, Capability
from ..messages import CallKey, Chat, Grant, Message, ToolCallPart, TurnOptions
from ..providers.protocol import ToolDefinition
from ..store import Claim, families
from ..subagents.catalog import PLAN
from ..subagents.tools import SpawnAgent
from ..tools.computer import Computer
from ..tools.protocol import Caller, Restraint, Tool, ToolContext
from ..workspace.protocol import WorkspaceAgent, WorkspaceError
from .approvals import ApprovalPolicy, ChatApprovals
from .chat_tools import ChatTools
from .engine import INSTRUCTIONS_TIMEOUT, Engine, Tools
from .policy import ChatKind, ToolPolicy, plan_file, policy_of
from .toolphase import MakeContext
from .turn import model_of

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnTools:
    """What was found for one turn."""

    row_id: int
    """The user row that the turn began with; 0 for none."""
    policy: ToolPolicy
    plan_mode: str | None
    is_complete: bool = False
    """Whether it was looked for what can be found only by asking."""
    workspace_mark: object = None
    """Of the workspace that was looked at."""
    directory: str | None = None
    """The workspace's folder."""
    restraint: Restraint | None = None
    found: tuple[Tool, ...] = ()
    texts: Mapping[str, ToolDefinition] = field(default_factory=dict[str, ToolDefinition])
    system: tuple[str, ...] = ()
    """System messages: the skills that there are, what the chat's mode means."""

    def of(
        self,
        chat: Chat,
        tools: Tools,
        *,
        approvals: ApprovalPolicy,
        grants: frozenset[Grant],
        capabilities: Capabilities,
    ) -> ChatTools:
        """Return the tools of the turn."""
        asked = ChatApprovals(
            policy=approvals,
            mode=chat.approval_mode,
            grants=grants,
            directory=self.directory,
            plan_file=self.restraint.plan_file if self.restraint else None,
        )
        return ChatTools(
            chat,
            tools,
            self.policy,
            found=self.found,
            texts=self.texts,
            approvals=asked,
            capabilities=capabilities,
        )


class ToolsInTurn:
    """What the turn of one chat may use: looked for once, before its first tool runs or its model is called.

    After a restart that is in the middle of the turn. A child's turn is looked at anew when its family begins
    to plan or ends it. Lives as long as the chat's runner.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._known: TurnTools | None = None
        self._family_mode: str | None = None
        """The plan mode of the chat at the head of the family, at the last look."""

    def known(self, chat: Chat, row: Message | None) -> TurnTools:
        """Return what is known of the turn of *row*."""
        if self._known is None or self._known.row_id != (row.id if row else 0):
            self._known = known_at_once(chat, row, self._engine.capabilities.now, self._family_mode)
        return self._known

    def of(self, chat: Chat, row: Message | None, *, grants: frozenset[Grant]) -> ChatTools:
        """Return the tools of the turn of *row*, as far as they are known.

        Args:
            grants: What was allowed in this chat.
        """
        known, engine = self.known(chat, row), self._engine
        return known.of(
            chat,
            engine.tools,
            approvals=engine.approvals,
            grants=grants,
            capabilities=engine.capabilities.now,
        )

    async def find(self, chat: Chat, row: Message | None) -> bool:
        """Look for all that the turn of *row* may use, unless that was done with this workspace and mode.

        Returns whether it was looked: what was decided before may be decided otherwise now.
        """
        known, family_mode = self.known(chat, row), await self._find_family_mode(chat)
        is_same = (known.workspace_mark, self._family_mode) == (
            self._engine.workspace_mark(chat),
            family_mode,
        )
        if known.is_complete and is_same:
            return False
        found = await find_turn_tools(self._engine, chat, row, family_mode)
        self._family_mode = family_mode
        self._known = replace(found, workspace_mark=self._engine.workspace_mark(chat))
        return True

    async def _find_family_mode(self, chat: Chat) -> str | None:
        if chat.parent_chat_id is None:
            return None
        plans = await self._engine.store.read(lambda conn: families.is_planning(conn, chat.family_id))
        return PLAN if plans else None

    def contexts(self, chat: Chat, row: Message | None, *, claim: Claim) -> MakeContext:
        """Return what makes the contexts of the calls of one step; what they share is made once."""
        engine, known = self._engine, self.known(chat, row)
        model, config_id = model_of(chat, row)
        caller = Caller(
            chat=replace(chat, plan_mode=known.plan_mode),
            claim=claim,
            model=model,
            model_config_id=config_id,
        )

        def find_workspace() -> WorkspaceAgent:
            return engine.workspace(chat)

        def make(key: CallKey, call: ToolCallPart, emit: Callable[[str], None]) -> ToolContext:
            return ToolContext(
                chat_id=chat.id,
                key=key,
                tool_call_id=call.tool_call_id,
                workspace=find_workspace,
                emit=emit,
                restraint=known.restraint,
                caller=caller,
                files=engine.files,
            )

        return make

    @property
    def may_search(self) -> bool:
        """Whether the vendor may search the web for this turn."""
        return self._known is None or self._known.policy.web_search

    @property
    def system(self) -> tuple[str, ...]:
        """System messages after those of the workspace."""
        return self._known.system if self._known else ()


def known_at_once(
    chat: Chat, row: Message | None, capabilities: Capabilities, family_mode: str | None
) -> TurnTools:
    """Return what is known of the turn of *row* without asking anybody."""
    plan_mode = _options(row).plan_mode or chat.plan_mode or family_mode
    policy = policy_of(chat, plan_mode=plan_mode)
    return TurnTools(
        row_id=row.id if row else 0,
        policy=policy,
        plan_mode=plan_mode,
        # Commands of a chat that may write no files are to change none either.
        restraint=Restraint() if policy.read_only or not capabilities.has(Capability.FILE_WRITES) else None,
    )


async def find_turn_tools(
    engine: Engine, chat: Chat, row: Message | None, family_mode: str | None
) -> TurnTools:
    """Return all that the turn of *row* may use. What does not answer is left out.

    Args:
        family_mode: The plan mode of the chat at the head of the family.
    """
    known = known_at_once(chat, row, await engine.capabilities.read(), family_mode)
    texts, directory, (found, skills) = await asyncio.gather(
        _texts(engine.tools, replace(chat, plan_mode=known.plan_mode), known.policy),
        _directory(engine, chat),
        _elsewhere(engine, chat, row, known),
    )
    restraint = _restraint(chat, known, directory)
    guidance = _guidance(known.policy.kind, restraint)
    return replace(
        known,
        is_complete=True,
        directory=directory,
        restraint=restraint,
        found=found,
        texts=texts,
        system=(*skills, *guidance),
    )


async def _texts(tools: Tools, chat: Chat, policy: ToolPolicy) -> dict[str, ToolDefinition]:
    found = (tools.find(name) for name in (SpawnAgent.name, Computer.name) if policy.allows(name))
    return {
        tool.name: await tool.definition_for(chat)
        for tool in found
        if isinstance(tool, SpawnAgent | Computer)
    }


async def _directory(engine: Engine, chat: Chat) -> str | None:
    try:
        async with asyncio.timeout(INSTRUCTIONS_TIMEOUT):
            return (await engine.workspace(chat).facts()).directory
    except (TimeoutError, WorkspaceError, OSError) as error:
        log.warning("The folder of chat %s is not known: %r", chat.id, error)
        return None


def _restraint(chat: Chat, known: TurnTools, directory: str | None) -> Restraint | None:
    if known.policy.kind is not ChatKind.PLAN or directory is None:
        return known.restraint
    return Restraint(plan_file=plan_file(directory, chat), folder=directory)


async def _elsewhere(
    engine: Engine, chat: Chat, row: Message | None, known: TurnTools
) -> tuple[tuple[Tool, ...], tuple[str, ...]]:
    if engine.elsewhere is None:
        return (), ()
    options = replace(_options(row), plan_mode=known.plan_mode)
    return await engine.elsewhere.find(
        chat,
        options,
        with_servers=known.policy.mcp_tools,
        with_project=known.policy.project_tools,
        only_chosen=known.policy.only_chosen_servers,
    )


def _guidance(kind: ChatKind, restraint: Restraint | None) -> tuple[str, ...]:
    name = _GUIDANCE.get(kind)
    if name is None:
        return ()
    text = files(__spec__.parent).joinpath(name).read_text("utf-8").strip()
    place = restraint.plan_file if restraint else None
    return (text.replace("{plan_file}", place or "not available: the workspace does not answer"),)


_GUIDANCE = {ChatKind.PLAN: "plan_root.md", ChatKind.PLAN_CHILD: "plan_child.md"}


def _options(row: Message | None) -> TurnOptions:
    return (row.turn_options if row else None) or TurnOptions()
