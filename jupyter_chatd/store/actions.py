"""Transitions around what only a client can do: run its own tool, approve, answer."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..errors import AlreadyDecidedError, InvalidInputError, NotFoundError
from ..messages import ActionKind, Approval, CallKey, Chat, ChatStatus, Scope, ToolResultPart, ToolRun
from .calls import NO_CLIENT, is_open
from .cell import Cell
from .conversation import finish_call
from .machine import Transition
from .rows import as_stored, tool_run_from_row
from .transaction import Claim, Transaction

DENIED = "The user denied this call. Do not repeat it unchanged; ask what to do instead."


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One call that a client must act on before it can go on."""

    key: CallKey
    tool_call_id: str
    tool_name: str
    args_json: str | None
    kind: ActionKind


@dataclass(frozen=True, slots=True, kw_only=True)
class EnterAction:
    """Give the chat up until clients have acted; *deadline_at* (UTC seconds) bounds client-side tools.

    Raises:
        StaleWorkError: the claim no longer holds.
        ValueError: no client could do anything, so that the chat would wait for ever.
    """

    claim: Claim
    asks: tuple[Ask, ...]
    deadline_at: float | None = None

    transition = Transition.ENTER_ACTION

    def apply(self, tx: Transaction) -> Chat:
        """Return the chat."""
        cell = tx.claimed(self.claim)
        tx.conn.executemany(
            "INSERT INTO tool_runs"
            " (message_id, call_index, chat_id, tool_call_id, tool_name, args, action, approval)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET action = excluded.action, args = excluded.args,"
            " approval = COALESCE(tool_runs.approval, excluded.approval) WHERE tool_runs.result IS NULL",
            [self._row(ask) for ask in self.asks],
        )
        if not any(is_open(run) for run in cell.journal().values()):
            raise ValueError(
                "expected a call that a client can act on, came none: run what is decided instead"
            )
        cell.set(status=ChatStatus.REQUIRES_ACTION, action_deadline_at=self.deadline_at)
        return cell.chat

    def _row(self, ask: Ask) -> tuple[object, ...]:
        approval = Approval.PENDING.value if ask.kind is ActionKind.APPROVAL else None
        return (
            ask.key.message_id,
            ask.key.index,
            self.claim.chat_id,
            ask.tool_call_id,
            ask.tool_name,
            ask.args_json,
            ask.kind.value,
            approval,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """A visible call of a chat that a client was asked for."""

    run: ToolRun
    is_closed: bool
    """It has a result row: the turn went on, whether or not a client had answered."""


def _find_call(tx: Transaction, chat_id: str, key: CallKey) -> _Call:
    """Return a call that clients were asked for.

    Raises:
        NotFoundError: the chat has no such call, or it was removed by an edit.
    """
    tx.peek(chat_id)
    row = tx.conn.execute(
        "SELECT r.* FROM tool_runs AS r JOIN messages AS m ON m.id = r.message_id"
        " WHERE r.message_id = ? AND r.call_index = ? AND r.chat_id = ? AND r.action IS NOT NULL"
        " AND m.deleted = 0",
        (key.message_id, key.index, chat_id),
    ).fetchone()
    if row is None:
        raise NotFoundError(
            f"Call {key.message_id}/{key.index} was not found among the actions of this chat."
        )
    answer = tx.conn.execute(
        "SELECT 1 FROM messages WHERE answers_message_id = ? AND answers_call_index = ? AND deleted = 0",
        (key.message_id, key.index),
    ).fetchone()
    return _Call(run=tool_run_from_row(row), is_closed=answer is not None)


def _refusal(tx: Transaction, chat_id: str, text: str) -> AlreadyDecidedError:
    state = tx.peek(chat_id).state.value
    return AlreadyDecidedError(text, state=state, transition=tx.transition.value)


def _resume_when_done(cell: Cell) -> None:
    """A→R when no client is waited for any more."""
    if not any(is_open(run) for run in cell.journal().values()):
        cell.set(status=ChatStatus.RUNNING)


CLOSED = "This call was closed before a client had answered it: the turn went on without."


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimAction:
    """Reserve client-side calls, all or none: the first client to claim a call runs it.

    Claiming a call again changes nothing.

    Raises:
        AlreadyDecidedError: another client has one, or it is finished or closed.
        InvalidInputError: one is not the call of a client-side tool.
        NotFoundError: no such call.
        ConflictError: the chat no longer waits for it.
    """

    chat_id: str
    keys: tuple[CallKey, ...]
    client: str

    transition = Transition.CLAIM_ACTION

    def apply(self, tx: Transaction) -> tuple[ToolRun, ...]:
        """Return the calls with their claims, in the order of `keys`."""
        return tuple(self._claim(tx, key) for key in self.keys)

    def _claim(self, tx: Transaction, key: CallKey) -> ToolRun:
        call = _find_call(tx, self.chat_id, key)
        self._check_free(tx, call)
        if call.run.claimed_by is not None:
            return call.run
        tx.cell(self.chat_id)
        tx.conn.execute(
            "UPDATE tool_runs SET claimed_by = ?, started_at = ? WHERE message_id = ? AND call_index = ?",
            (self.client, tx.now, key.message_id, key.index),
        )
        return replace(call.run, claimed_by=self.client, started_at=tx.now)

    def _check_free(self, tx: Transaction, call: _Call) -> None:
        if call.run.action is not ActionKind.CLIENT_TOOL:
            raise InvalidInputError("Only calls of client-side tools are claimed.")
        if call.run.result is not None:
            raise _refusal(tx, self.chat_id, "This call is finished.")
        if call.is_closed:
            raise _refusal(tx, self.chat_id, CLOSED)
        if call.run.claimed_by not in (None, self.client):
            raise _refusal(tx, self.chat_id, "Another client runs this call.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionResult:
    """What a client answers to one call."""

    key: CallKey
    result: object
    is_error: bool = False
    is_media: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CompleteAction:
    """Store results of client-side calls or answers; the turn goes on when none is open any more.

    The same result again changes nothing.

    Raises:
        AlreadyDecidedError: a different result is stored, or another client claimed the call.
        NotFoundError: no such call.
        ConflictError: the chat no longer waits for it.
    """

    chat_id: str
    results: tuple[ActionResult, ...]
    client: str
    """Who runs the tool; a claim is held by one."""
    decided_by: str | None = None
    """The user on whose behalf."""

    transition = Transition.COMPLETE_ACTION

    def apply(self, tx: Transaction) -> Chat:
        """Return the chat."""
        if len({answer.key for answer in self.results}) < len(self.results):
            raise InvalidInputError("Each call can have one result; a call was named twice.")
        fresh = [(answer, run) for answer in self.results if (run := self._wanted(tx, answer)) is not None]
        if not fresh:
            return tx.peek(self.chat_id).chat
        cell = tx.cell(self.chat_id)
        for answer, run in fresh:
            finish_call(tx, run, _result_part(answer, run), decided_by=self.decided_by)
        _resume_when_done(cell)
        return cell.chat

    def _wanted(self, tx: Transaction, answer: ActionResult) -> ToolRun | None:
        """The call, when it still wants this result; `None` when it has this very one."""
        call = _find_call(tx, self.chat_id, answer.key)
        run = call.run
        if run.action is ActionKind.APPROVAL:
            raise InvalidInputError(
                f"Call {run.message_id}/{run.call_index} waits for an approval, not for a result."
            )
        if run.result is not None:
            if run.result == as_stored(_result_part(answer, run)):
                return None
            raise _refusal(tx, self.chat_id, "This call has another result already.")
        if call.is_closed:
            raise _refusal(tx, self.chat_id, CLOSED)
        if run.claimed_by not in (None, self.client):
            raise _refusal(tx, self.chat_id, "Another client runs this call.")
        return run


def _result_part(answer: ActionResult, run: ToolRun) -> ToolResultPart:
    return ToolResultPart(
        tool_call_id=run.tool_call_id,
        tool_name=run.tool_name,
        result=answer.result,  # pyright: ignore[reportArgumentType] - checked JSON
        is_error=answer.is_error,
        is_media=answer.is_media,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DecideApproval:
    """Allow or deny a call that asks for it; deciding the same again changes nothing, its scope neither.

    Raises:
        AlreadyDecidedError: it was decided otherwise.
        NotFoundError, ConflictError: no such call; the chat no longer waits for it.
    """

    chat_id: str
    key: CallKey
    allow: bool
    decided_by: str
    scope: Scope | None = None
    """How far it goes when it is allowed; `None` leaves that to the rule that asked."""

    transition = Transition.DECIDE_APPROVAL

    def apply(self, tx: Transaction) -> Chat:
        """Return the chat."""
        call = _find_call(tx, self.chat_id, self.key)
        if call.run.approval is not Approval.PENDING:
            return self._again(tx, call.run)
        if call.is_closed:
            raise _refusal(tx, self.chat_id, CLOSED)
        cell = tx.cell(self.chat_id)
        tx.conn.execute(
            "UPDATE tool_runs SET approval = ?, approval_scope = ?, decided_by = ?, decided_at = ?"
            " WHERE message_id = ? AND call_index = ?",
            (
                *(self._wanted.value, self.scope if self.allow else None),
                *(self.decided_by, tx.now, self.key.message_id, self.key.index),
            ),
        )
        if not self.allow:
            finish_call(tx, call.run, _denial(call.run))
        _resume_when_done(cell)
        return cell.chat

    @property
    def _wanted(self) -> Approval:
        return Approval.ALLOWED if self.allow else Approval.DENIED

    def _again(self, tx: Transaction, run: ToolRun) -> Chat:
        if run.approval is None:
            raise InvalidInputError("This call does not ask for an approval.")
        if run.approval is self._wanted:
            return tx.peek(self.chat_id).chat
        raise _refusal(tx, self.chat_id, f"This call was {run.approval.value} already.")


def _denial(run: ToolRun) -> ToolResultPart:
    return ToolResultPart(
        tool_call_id=run.tool_call_id, tool_name=run.tool_name, result={"error": DENIED}, is_error=True
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelAction:
    """Stop waiting for a client whose deadline has passed; its calls are closed and the turn goes on.

    Raises:
        ConflictError: the chat does not wait, or may wait longer: its deadline has not passed, and a client
            is there or has claimed a call.
    """

    chat_id: str
    reason: str = NO_CLIENT
    """What the model is told of calls that no client took up."""
    is_unattended: bool = False
    """No client is there: what nobody has claimed need not wait for its deadline."""

    transition = Transition.CANCEL_ACTION

    def apply(self, tx: Transaction) -> Chat:
        """Return the chat."""
        cell = tx.cell(self.chat_id)
        deadline = cell.chat.action_deadline_at
        if deadline is None or (deadline > tx.now and not self._may_be_early(cell)):
            raise tx.conflict(cell, detail="The deadline has not passed.")
        cell.close_calls(not_run=self.reason)
        cell.set(status=ChatStatus.RUNNING)
        return cell.chat

    def _may_be_early(self, cell: Cell) -> bool:
        return self.is_unattended and all(run.claimed_by is None for run in cell.journal().values())
