"""Tool calls between question and answer: what closes them, and what a client still has to do."""

from __future__ import annotations

from collections.abc import Iterable

from ..messages import (
    Action,
    ActionKind,
    Approval,
    CallKey,
    Chat,
    NewMessage,
    Role,
    ToolCallPart,
    ToolResultPart,
    ToolRun,
)

UNKNOWN_OUTCOME = (
    "The outcome of this call is unknown: it had started, but the turn or the server ended before its result "
    "arrived. Check what it did before repeating it."
)
NOT_RUN = "This call was not run: the turn ended before it started."
NO_CLIENT = "This call was not run: no client took it up in time."
INTERRUPTED = "This call was interrupted before it produced a result."


def closing_result(call: ToolCallPart, run: ToolRun | None, *, not_run: str = NOT_RUN) -> ToolResultPart:
    """Return the result that close-calls gives a call; *not_run* is the error of one that never started."""
    if run is not None and run.result is not None:
        return run.result
    started = run is not None and (run.started_at is not None or run.claimed_by is not None)
    return error_result(call, UNKNOWN_OUTCOME if started else not_run)


def error_result(call: ToolCallPart, text: str) -> ToolResultPart:
    """Return an error for the model in place of a call's result."""
    return ToolResultPart(
        tool_call_id=call.tool_call_id,
        tool_name=call.tool_name,
        result={"error": text},
        is_error=True,
        mcp_server_config_id=call.mcp_server_config_id,
    )


def result_row(key: CallKey, result: ToolResultPart) -> NewMessage:
    """Return the tool row that answers a call."""
    return NewMessage(role=Role.TOOL, parts=(result,), answers=key)


def is_open(run: ToolRun) -> bool:
    """Whether a client still has to act on this call of a waiting chat."""
    if run.action is None or run.result is not None:
        return False
    return run.action is not ActionKind.APPROVAL or run.approval is Approval.PENDING


def actions_of(chat: Chat, runs: Iterable[ToolRun]) -> tuple[Action, ...]:
    """Return the actions that the journal of a waiting chat still asks for, in call order."""
    return tuple(
        Action(
            kind=run.action,
            message_id=run.message_id,
            call_index=run.call_index,
            tool_call_id=run.tool_call_id,
            tool_name=run.tool_name,
            args=run.args,
            claimed_by=run.claimed_by,
            deadline_at=chat.action_deadline_at,
        )
        for run in sorted(runs, key=lambda run: run.key)
        if run.action is not None and is_open(run)
    )
