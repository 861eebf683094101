"""The tools by which a root chat works with its subagents. Their texts for the model lie beside this module.

Results: `{chat_id, title, status, type, …}`. Once the chat that is meant is known, an error is
`{"error": …, "type": …}` (spec/chatd.md §5.8).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from pydantic import with_config

from ..errors import StaleWorkError
from ..messages import Chat, ChatStatus, JsonValue
from ..providers.protocol import ToolDefinition
from ..recordings import ChatRecordings
from ..tools.arguments import STRICT_OBJECT
from ..tools.builtin import BuiltinTool
from ..tools.protocol import Caller, ToolContext, ToolOutput, error_output
from ..tools.results import json_output
from ..tools.text import printable
from .catalog import PLAN, SubagentType, describe
from .manager import Outcome, SubagentError, SubagentManager, Until

DEFAULT_WAIT = 300.0  # seconds
LONGEST_WAIT = 4 * 3600.0  # seconds

A = TypeVar("A")

_NO_CALLER = "Subagents can only be used from a chat."
_TURN_IS_OVER = "Nothing was done: the turn of this chat had ended before."
_NO_REPORT = "The subagent reached error status and left no report."
_AFTER_ERROR = "Send it a message to let it go on, or do without it."
_ARCHIVED = "The subagent was archived and does nothing more: do without it, or spawn another one."


class SubagentTool(BuiltinTool[A]):
    """A tool that acts through the manager. Subclasses implement `act`."""

    package = __spec__.parent or ""

    def __init__(self, manager: SubagentManager) -> None:
        super().__init__()
        self.manager = manager

    async def call(self, args: A, context: ToolContext) -> ToolOutput:
        """Act for the caller; what cannot be done is an error output."""
        if context.caller is None:
            return error_output(_NO_CALLER)
        try:
            return await self.act(args, context.caller, context)
        except StaleWorkError:
            return error_output(_TURN_IS_OVER)
        except SubagentError as error:
            if error.kind is None:
                return error_output(str(error))
            return _typed_error(str(error), error.kind)

    async def act(self, args: A, caller: Caller, context: ToolContext) -> ToolOutput:
        """Do it.

        Raises:
            SubagentError: what the model should read.
        """
        raise NotImplementedError


@with_config(STRICT_OBJECT)
@dataclass(frozen=True, slots=True, kw_only=True)
class SpawnArguments:
    """What `spawn_agent` takes."""

    type: str
    """The type of subagent, one of those listed above."""
    prompt: str
    """The whole task: the subagent sees nothing of this chat. Say what to report."""
    title: str | None = None
    """A few words for the user. Default: the first words of the prompt."""


class SpawnAgent(SubagentTool[SpawnArguments]):
    """`{chat_id, title, status, type}`. May run again: one call makes one child."""

    name = "spawn_agent"
    arguments_type = SpawnArguments
    repeatable = True

    async def definition_for(self, chat: Chat) -> ToolDefinition:
        """What the model of *chat* is told: the types that it can have now, and what its plan mode means."""
        kinds = await self.manager.catalog.available(chat)
        text = self.definition.description.replace("{types}", describe(kinds))
        if chat.plan_mode == PLAN:
            text = f"{text}\n\n{_PLAN_NOTE}"
        return ToolDefinition(name=self.name, description=text, input_schema=self.definition.input_schema)

    async def act(self, args: SpawnArguments, caller: Caller, context: ToolContext) -> ToolOutput:
        """Make the child."""
        child = await self.manager.spawn(
            caller, context.key, type_name=args.type, prompt=args.prompt, title=args.title
        )
        return json_output(_facts(child))


_PLAN_NOTE = (
    "This chat is in plan mode: subagents change nothing either. Only general may clone repositories or look "
    "beyond the workspace."
)


@with_config(STRICT_OBJECT)
@dataclass(frozen=True, slots=True, kw_only=True)
class WaitArguments:
    """What `wait_agent` takes."""

    chat_id: str | None = None
    """One subagent, by the id that spawn_agent gave. Give this or chat_ids."""
    chat_ids: list[str] | None = None
    """Several subagents, by their ids."""
    until: Literal["all", "any"] = "all"
    """With chat_ids: return once all of them have ended, or as soon as any of them has."""
    timeout_seconds: int | None = None
    """How long to wait. Default 300, at most 14400."""


class WaitAgent(SubagentTool[WaitArguments]):
    """Of one: `{chat_id, title, report, status, type}`. Of several: `{agents: […], not_ended: […]}`.

    Each of `agents` has what one alone gives; with `error` in place of `report` when it failed. What a
    computer_use child does meanwhile is filmed, where that is possible: then `recording_file_id` and
    `thumbnail_file_id` name files of the chat that waited. Of one that failed nothing is kept; of one that
    has not ended in time the film goes on until the next wait.
    """

    name = "wait_agent"
    arguments_type = WaitArguments
    repeatable = True

    def __init__(self, manager: SubagentManager, recordings: ChatRecordings) -> None:
        super().__init__(manager)
        self._recordings = recordings

    async def act(self, args: WaitArguments, caller: Caller, context: ToolContext) -> ToolOutput:
        """Wait for the child, or the children."""
        if bool(args.chat_id) == (args.chat_ids is not None):
            raise SubagentError("Give chat_id for one subagent, or chat_ids for several.")
        wanted = args.timeout_seconds or 0
        timeout_s = min(wanted, LONGEST_WAIT) if wanted > 0 else DEFAULT_WAIT
        if args.chat_ids is None:
            return await self._one(caller.chat, args.chat_id or "", timeout_s=timeout_s)
        return await self._several(caller.chat, args.chat_ids, timeout_s=timeout_s, until=Until(args.until))

    async def _one(self, caller: Chat, chat_id: str, *, timeout_s: float) -> ToolOutput:
        outcome = await self.manager.wait(caller, chat_id, timeout_s=timeout_s, on_wait=self._film)
        told = await self._told(outcome, caller)
        failure = _failure(outcome)
        if failure is not None:
            return _typed_error(failure, SubagentType.of(outcome.chat))
        return json_output(told)

    async def _several(
        self, caller: Chat, chat_ids: Sequence[str], *, timeout_s: float, until: Until
    ) -> ToolOutput:
        waited = await self.manager.wait_for_several(
            caller, chat_ids, timeout_s=timeout_s, until=until, on_wait=self._film
        )
        result: dict[str, JsonValue] = {
            "agents": [await self._told(outcome, caller) for outcome in waited.ended],
            "not_ended": [_facts(chat) for chat in waited.going_on],
        }
        if waited.is_over:
            return json_output(result)
        text = _NOT_IN_TIME.format(seconds=f"{timeout_s:g}", left=len(waited.going_on))
        return ToolOutput(result={"error": text, **result}, is_error=True)

    def _film(self, child: Chat) -> None:
        if SubagentType.of(child) is SubagentType.COMPUTER_USE:
            self._recordings.start_soon(child)

    async def _told(self, outcome: Outcome, caller: Chat) -> dict[str, JsonValue]:
        """Return how a child ended, with its report and film, or with why it failed."""
        failure = _failure(outcome)
        if failure is not None:
            await self._recordings.discard(outcome.chat)
            return _facts(outcome.chat, error=printable(failure))
        kept = await self._recordings.find_kept(outcome.chat, into=caller.id)
        return _facts(outcome.chat, report=printable(outcome.report), **(kept.file_ids if kept else {}))


_NOT_IN_TIME = (
    "After {seconds} s {left} of them have not ended: they go on, or wait for a decision of the user. "
    "Wait for them again, or stop them with close_agent."
)


@with_config(STRICT_OBJECT)
@dataclass(frozen=True, slots=True, kw_only=True)
class MessageArguments:
    """What `message_agent` takes."""

    chat_id: str
    """The subagent, by the id that spawn_agent gave."""
    message: str
    """What it is to do next."""
    interrupt: bool = False
    """Stop what it does now, instead of waiting for its turn to end."""


class MessageAgent(SubagentTool[MessageArguments]):
    """`{chat_id, title, status, interrupted, type}`."""

    name = "message_agent"
    arguments_type = MessageArguments

    async def act(self, args: MessageArguments, caller: Caller, context: ToolContext) -> ToolOutput:
        """Send the message."""
        child = await self.manager.message(caller, args.chat_id, args.message, interrupt=args.interrupt)
        return json_output(_facts(child, interrupted=args.interrupt))


@with_config(STRICT_OBJECT)
@dataclass(frozen=True, slots=True, kw_only=True)
class CloseArguments:
    """What `close_agent` takes."""

    chat_id: str
    """The subagent, by the id that spawn_agent gave."""


class CloseAgent(SubagentTool[CloseArguments]):
    """`{chat_id, title, terminated, status, type}`. May run again: stopping twice is stopping once."""

    name = "close_agent"
    arguments_type = CloseArguments
    repeatable = True

    async def act(self, args: CloseArguments, caller: Caller, context: ToolContext) -> ToolOutput:
        """Stop the child."""
        child = await self.manager.close_child(caller.chat, args.chat_id)
        return json_output(_facts(child, terminated=True))


@with_config(STRICT_OBJECT)
@dataclass(frozen=True, slots=True, kw_only=True)
class ListArguments:
    """What `list_agents` takes: nothing."""


class ListAgents(SubagentTool[ListArguments]):
    """`{agents: [{chat_id, title, status, type}]}`, oldest first."""

    name = "list_agents"
    arguments_type = ListArguments
    repeatable = True

    async def act(self, args: ListArguments, caller: Caller, context: ToolContext) -> ToolOutput:
        """List the children."""
        children = await self.manager.children(caller.chat)
        return json_output({"agents": [_facts(child) for child in children]})


def subagent_tools(manager: SubagentManager, recordings: ChatRecordings) -> tuple[SubagentTool[Any], ...]:
    """The tools in the order in which the model is told of them."""
    return (
        SpawnAgent(manager),
        WaitAgent(manager, recordings),
        MessageAgent(manager),
        CloseAgent(manager),
        ListAgents(manager),
    )


def _facts(chat: Chat, **more: JsonValue) -> dict[str, JsonValue]:
    return {
        "chat_id": chat.id,
        "title": chat.title,
        "status": _status(chat),
        "type": SubagentType.of(chat).value,
        **more,
    }


def _status(chat: Chat) -> str:
    is_pending = chat.status is ChatStatus.RUNNING and chat.worker_id is None
    return "pending" if is_pending else chat.status.value


def _typed_error(text: str, kind: SubagentType) -> ToolOutput:
    result: Mapping[str, JsonValue] = {"error": printable(text), "type": kind.value}
    return ToolOutput(result=dict(result), is_error=True)


def _failure(outcome: Outcome) -> str | None:
    """Return why a child will not do what it was asked, with what it said; `None` when it has done it."""
    chat, report = outcome.chat, outcome.report
    if chat.status is ChatStatus.ERROR:
        why = (chat.last_error.message,) if chat.last_error else ()
        return "\n\n".join((report or _NO_REPORT, *why, _AFTER_ERROR))
    if chat.archived:
        return f"{_ARCHIVED} It said last: {report}" if report else _ARCHIVED
    return None
