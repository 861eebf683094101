"""What a runner does next, as a pure function of what is stored.

It is asked again after every commit, so that a restart needs no code of its own. The rows of the table in
spec/state-machine.md "What the engine does for a state" are numbered in the comments; the first match wins.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeAlias

from .. import defaults
from ..messages import (
    ActionKind,
    Approval,
    CallKey,
    Chat,
    ChatStatus,
    ErrorDetail,
    StopReason,
    ToolCallPart,
    ToolResultPart,
    ToolRun,
)
from ..store.calls import UNKNOWN_OUTCOME, error_result
from .history import History

STEP_LIMIT = defaults.STEP_LIMIT
ATTEMPT_LIMIT = defaults.ATTEMPT_LIMIT

EXCLUSIVE_ALONE = "{name} must be called alone: no call of this step was run. Call it again by itself."
STEP_LIMIT_NOTE = "The turn was ended after {steps} steps, which is its limit. Send a message to go on."


class CallSite(StrEnum):
    """Who can run a call."""

    SERVER = "server"
    CLIENT = "client"
    QUESTION = "question"


class ToolRules(Protocol):
    """What `decide` must know of tools. Unknown names are the server's, which answers with an error."""

    def site(self, call: ToolCallPart) -> CallSite:
        """Who runs this call."""
        ...

    def is_repeatable(self, name: str) -> bool:
        """Whether a call that may have run can run again."""
        ...

    def is_exclusive(self, name: str) -> bool:
        """Whether it must be the only call of its step."""
        ...

    def stops_turn(self, name: str) -> bool:
        """Whether the turn ends once it succeeded."""
        ...

    def needs_approval(self, call: ToolCallPart) -> bool:
        """Whether somebody must allow this call first."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of one turn."""

    steps: int = STEP_LIMIT
    attempts: int = ATTEMPT_LIMIT


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """Nothing to do: the chat is idle, failed, archived, or waits for a client."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseInterruption:
    """The user stopped the turn: commit what was streamed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compact:
    """Summarise the history."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskClients:
    """Wait for clients to act on these calls."""

    calls: tuple[tuple[CallKey, ToolCallPart, ActionKind], ...]
    has_deadline: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTools:
    """Run `start` all at once; then commit them with `ready` in call order."""

    start: tuple[tuple[CallKey, ToolCallPart], ...]
    ready: tuple[tuple[CallKey, ToolResultPart], ...]
    """Results known already: journalled before a crash, denied, or refused by a rule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndTurn:
    """The turn is over; `note` tells the user why when it is not obvious."""

    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fail:
    """Give up."""

    error: ErrorDetail


@dataclass(frozen=True, slots=True, kw_only=True)
class CallModel:
    """Call the model, once the pause after a failed attempt is over."""


Decision: TypeAlias = Rest | CloseInterruption | Compact | AskClients | RunTools | EndTurn | Fail | CallModel


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What is known of a chat when a decision is due."""

    chat: Chat
    history: History
    journal: Mapping[CallKey, ToolRun]
    is_over_threshold: bool = False
    """The context is fuller than the compaction threshold, and it was not tried in vain to compact it."""


def decide(now: Situation, rules: ToolRules, limits: Limits = Limits()) -> Decision:
    """Return what comes next for the chat."""
    chat = now.chat
    if chat.archived or chat.status not in (ChatStatus.RUNNING, ChatStatus.INTERRUPTING):
        return Rest()  # 1
    if chat.status is ChatStatus.INTERRUPTING:
        return CloseInterruption()  # 2
    if chat.compaction_requested_at is not None:
        return Compact()  # 3
    return _with_open_calls(now, rules) or _without_open_calls(now, rules, limits)


def _with_open_calls(now: Situation, rules: ToolRules) -> Decision | None:
    calls = now.history.open_calls()
    if not calls:
        return None
    refused = _refuse_shared_exclusive(now, rules)
    if refused is not None:
        return refused
    if undecided := [pair for pair in calls if _is_undecided(pair, now, rules)]:  # 4
        asks = tuple((key, call, ActionKind.APPROVAL) for key, call in undecided)
        return AskClients(calls=asks, has_deadline=False)
    return _run(calls, now, rules) or _ask(calls, rules)  # 5, 6


def _is_undecided(pair: tuple[CallKey, ToolCallPart], now: Situation, rules: ToolRules) -> bool:
    key, call = pair
    run = now.journal.get(key)
    if run is not None and (run.result is not None or run.started_at is not None):
        return False
    decided = run is not None and run.approval in (Approval.ALLOWED, Approval.DENIED)
    return not decided and rules.needs_approval(call)


def _refuse_shared_exclusive(now: Situation, rules: ToolRules) -> RunTools | None:
    row = now.history.last_assistant
    assert row is not None
    calls = row.tool_calls
    names = [call.tool_name for _, call in calls if rules.is_exclusive(call.tool_name)]
    if not names or len(calls) == 1:
        return None
    text = EXCLUSIVE_ALONE.format(name=names[0])
    ready = tuple((key, error_result(call, text)) for key, call in now.history.open_calls())
    return RunTools(start=(), ready=ready)


def _run(
    calls: tuple[tuple[CallKey, ToolCallPart], ...], now: Situation, rules: ToolRules
) -> RunTools | None:
    start: list[tuple[CallKey, ToolCallPart]] = []
    ready: list[tuple[CallKey, ToolResultPart]] = []
    for key, call in calls:
        run = now.journal.get(key)
        if run is not None and run.result is not None:
            ready.append((key, run.result))
        elif rules.site(call) is not CallSite.SERVER:
            continue
        elif run is None or run.started_at is None or rules.is_repeatable(call.tool_name):
            start.append((key, call))
        else:
            ready.append((key, error_result(call, UNKNOWN_OUTCOME)))
    return RunTools(start=tuple(start), ready=tuple(ready)) if start or ready else None


def _ask(calls: tuple[tuple[CallKey, ToolCallPart], ...], rules: ToolRules) -> AskClients:
    kinds = {CallSite.CLIENT: ActionKind.CLIENT_TOOL, CallSite.QUESTION: ActionKind.QUESTION}
    asks = tuple((key, call, kinds[rules.site(call)]) for key, call in calls)
    return AskClients(calls=asks, has_deadline=all(kind is ActionKind.CLIENT_TOOL for _, _, kind in asks))


def _without_open_calls(now: Situation, rules: ToolRules, limits: Limits) -> Decision:
    history = now.history
    if history.steps and any(map(rules.stops_turn, history.successful_tools())):
        return EndTurn()  # 7
    if _is_answered(history):
        return EndTurn()  # 8
    if history.steps >= limits.steps:
        return EndTurn(note=STEP_LIMIT_NOTE.format(steps=history.steps))  # 9
    if now.chat.generation_attempt >= limits.attempts:
        return Fail(error=_attempts_spent(now.chat, limits))  # 10
    if now.is_over_threshold:
        return Compact()  # 11
    return CallModel()  # 12


def _is_answered(history: History) -> bool:
    """The newest row is an assistant row without calls, and the vendor did not pause."""
    row = history.last_assistant
    if row is None or not history.steps:
        return False
    return not row.tool_calls and row.stop_reason is not StopReason.PAUSED


def _attempts_spent(chat: Chat, limits: Limits) -> ErrorDetail:
    last = chat.retry_state
    reason = f" The last error was: {last.error}" if last else ""
    return ErrorDetail(
        message=f"The model failed in {limits.attempts} attempts.{reason} Send a message to try again.",
        kind=last.kind if last else "generic",
        provider=last.provider if last else None,
        status_code=last.status_code if last else None,
    )
