"""The state machine of a chat as data: which transition may lead from which state to which.

The table stands here once; `transaction.py` enforces it on every commit and the tests walk it.
States: X for archived, then the letter of the status, then 1 when the queue has messages and 0 when not.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from ..messages import ChatStatus


class State(StrEnum):
    """The execution state of a chat, as far as the table tells them apart."""

    N = "N"
    """No such chat."""
    W = "W"
    """Idle."""
    E0 = "E0"
    """The last run failed; nothing runs until the user acts."""
    E1 = "E1"
    """The same, with queued messages."""
    R0 = "R0"
    """A worker should be, or become, busy with it."""
    R1 = "R1"
    I0 = "I0"
    """The user stopped it; the worker must commit the partial output."""
    I1 = "I1"
    A0 = "A0"
    """Waits for a client; nobody owns it."""
    A1 = "A1"
    XW = "XW"
    """Archived; returns to the same state when unarchived."""
    XE0 = "XE0"
    XE1 = "XE1"
    IMPOSSIBLE = "!"
    """A combination that no transition leads to; only Reconcile leaves it."""


class Transition(StrEnum):
    """The name of each way to change a chat; behaviours that differ in their rows are named apart."""

    CREATE = "Create"
    IMPORT = "Import"
    PURGE = "Purge"
    SEND_QUEUE = "SendMessage(queue)"
    SEND_INTERRUPT = "SendMessage(interrupt)"
    EDIT_MESSAGE = "EditMessage"
    DELETE_QUEUED = "DeleteQueued"
    PROMOTE_QUEUED = "PromoteQueued"
    INTERRUPT_KEEP = "Interrupt(keep)"
    INTERRUPT_DROP = "Interrupt(drop)"
    CLAIM_ACTION = "ClaimAction"
    DECIDE_APPROVAL = "DecideApproval"
    COMPLETE_ACTION = "CompleteAction"
    REQUEST_COMPACTION = "RequestCompaction"
    CLEAR_CONTEXT = "ClearContext"
    ARCHIVE = "SetArchived(true)"
    UNARCHIVE = "SetArchived(false)"
    ACQUIRE = "Acquire"
    ABANDON = "Abandon"
    BEGIN_ATTEMPT = "BeginAttempt"
    RECORD_RETRY = "RecordRetry"
    COMMIT_STEP = "CommitStep"
    START_TOOLS = "StartTools"
    FINISH_TOOLS = "FinishTool"
    ENTER_ACTION = "EnterAction"
    CANCEL_ACTION = "CancelAction"
    FINISH_INTERRUPTION = "FinishInterruption"
    FINISH_TURN = "FinishTurn"
    FINISH_ERROR = "FinishError"
    RECONCILE = "Reconcile"


_RUNNING = "R0→R0 R1→R1"

_ROWS: dict[Transition, str] = {
    Transition.CREATE: "N→R0",
    Transition.IMPORT: "N→W",
    Transition.PURGE: "XW→N XE0→N XE1→N",
    # The last two are the free-text answer to open questions.
    Transition.SEND_QUEUE: "W→R0 E0→R0 E1→R1 R0→R1 R1→R1 I0→I1 I1→I1 A0→A1 A1→A1 A0→R0 A1→R1",
    Transition.SEND_INTERRUPT: "W→R0 E0→R0 E1→R1 R0→I1 R1→I1 I0→I1 I1→I1 A0→R0 A1→R1",
    Transition.EDIT_MESSAGE: "W→R0 E0→R0 E1→R0 R0→R0 R1→R0 I0→R0 I1→R0 A0→R0 A1→R0",
    Transition.DELETE_QUEUED: "E1→E0 E1→E1 R1→R0 R1→R1 I1→I0 I1→I1 A1→A0 A1→A1",
    Transition.PROMOTE_QUEUED: "E1→R0 E1→R1 A1→R0 A1→R1 R1→I1 I1→I1",
    Transition.INTERRUPT_KEEP: "R0→I0 R1→I1 A0→W A1→R0 A1→R1",
    Transition.INTERRUPT_DROP: "R0→I0 R1→I0 A0→W A1→W",
    Transition.CLAIM_ACTION: "A0→A0 A1→A1",
    Transition.DECIDE_APPROVAL: "A0→A0 A1→A1 A0→R0 A1→R1",
    Transition.COMPLETE_ACTION: "A0→A0 A1→A1 A0→R0 A1→R1",
    Transition.REQUEST_COMPACTION: "W→R0 E0→R0 E1→R1",
    Transition.CLEAR_CONTEXT: "W→W E0→W",
    Transition.ARCHIVE: "W→XW E0→XE0 E1→XE1",
    Transition.UNARCHIVE: "XW→W XE0→E0 XE1→E1",
    Transition.ACQUIRE: "R0→R0 R1→R1 I0→I0 I1→I1",
    Transition.ABANDON: "R0→R0 R1→R1 I0→I0 I1→I1",
    Transition.BEGIN_ATTEMPT: _RUNNING,
    Transition.RECORD_RETRY: _RUNNING,
    Transition.COMMIT_STEP: _RUNNING,
    Transition.START_TOOLS: _RUNNING,
    Transition.FINISH_TOOLS: _RUNNING,
    Transition.ENTER_ACTION: "R0→A0 R1→A1",
    Transition.CANCEL_ACTION: "A0→R0 A1→R1",
    Transition.FINISH_INTERRUPTION: "I0→W I1→R0 I1→R1",
    Transition.FINISH_TURN: "R0→W R1→R0 R1→R1",
    Transition.FINISH_ERROR: "R0→E0 R1→E1 I0→E0 I1→E1",
    Transition.RECONCILE: "!→E0 !→E1 !→XE0 !→XE1",
}


def _parse(rows: str) -> Mapping[State, frozenset[State]]:
    targets: dict[State, set[State]] = {}
    for row in rows.split():
        source, target = row.split("→")
        targets.setdefault(State(source), set()).add(State(target))
    return MappingProxyType({source: frozenset(found) for source, found in targets.items()})


TABLE: Mapping[Transition, Mapping[State, frozenset[State]]] = MappingProxyType(
    {transition: _parse(rows) for transition, rows in _ROWS.items()}
)
"""For each transition: the states that it may start from, and where it may lead from each."""

QUIET = frozenset(
    {
        Transition.ACQUIRE,
        Transition.ABANDON,
        Transition.BEGIN_ATTEMPT,
        Transition.RECORD_RETRY,
        Transition.START_TOOLS,
        Transition.FINISH_TOOLS,
    }
)
"""Transitions that leave `updated_at` alone, so that the list of chats does not jump while a worker works."""

_LETTERS = {
    ChatStatus.WAITING: "W",
    ChatStatus.ERROR: "E",
    ChatStatus.RUNNING: "R",
    ChatStatus.INTERRUPTING: "I",
    ChatStatus.REQUIRES_ACTION: "A",
}
_BY_NAME = {state.value: state for state in State}


def _spell(letter: str, *, has_queue: bool, archived: bool) -> State:
    digit = str(int(has_queue)) if letter != "W" or has_queue else ""
    return _BY_NAME.get(("X" if archived else "") + letter + digit, State.IMPOSSIBLE)


_STATES = {
    status: tuple(
        _spell(letter, has_queue=has_queue, archived=archived)
        for archived in (False, True)
        for has_queue in (False, True)
    )
    for status, letter in _LETTERS.items()
}


def state_of(status: ChatStatus, *, has_queue: bool, archived: bool) -> State:
    """Return the state that the columns spell; `IMPOSSIBLE` for a combination outside the table."""
    return _STATES[status][2 * archived + has_queue]
