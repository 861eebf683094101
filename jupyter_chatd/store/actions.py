"""Transitions around what only a client can do: run its own tool, approve, answer."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import AlreadyDecidedError, InvalidInputError, NotFoundError
from ..messages import ActionKind, Approval, CallKey, Chat, ChatStatus, ToolResultPart, ToolRun
from .conversation import finish_call
from .machine import Transition
from .rows import tool_run_from_row
from .transaction import Cell, Claim, Transaction, is_open

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
    """Give the chat up until clients have acted; *deadline_at* (UTC seconds) bounds client-side tools."""

    claim: Claim
    asks: tuple[Ask, ...]
    deadline_at: float | None = None

    transition = Transition.ENTER_ACTION

    def apply(self, tx: Transaction) -> Chat:
        cell = tx.claimed(self.claim)
        tx.conn.executemany(
            "INSERT INTO tool_runs (message_id, call_index, chat_id, tool_call_id, tool_name, args, action, approval)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET action = excluded.action"
            " WHERE tool_runs.result IS NULL",
            [self._row(ask) for ask in self.asks],
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


def _run(tx: Transaction, chat_id: str, key: CallKey) -> ToolRun:
    """Return the journal's row of a visible call of the chat.

    Raises:
        NotFoundError: the chat has no such call, or it was removed by an edit.
    """
    tx.peek(chat_id)
    row = tx.conn.execute(
        "SELECT r.* FROM tool_runs AS r JOIN messages AS m ON m.id = r.message_id"
        " WHERE r.message_id = ? AND r.call_index = ? AND r.chat_id = ? AND m.deleted = 0",
        (key.message_id, key.index, chat_id),
    ).fetchone()
    if row is None:
        raise NotFoundError(f"Call {key.message_id}/{key.index} was not found among the calls of this chat.")
    return tool_run_from_row(row)


def _resume_when_done(cell: Cell) -> None:
    """A→R when no client is waited for any more."""
    if not any(is_open(run) for run in cell.journal().values()):
        cell.set(status=ChatStatus.RUNNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimAction:
    """Reserve a client-side call: the first client to claim it runs it.

    Raises:
        AlreadyDecidedError: another client has it, or it is finished.
    """

    chat_id: str
    key: CallKey
    client: str

    transition = Transition.CLAIM_ACTION

    def apply(self, tx: Transaction) -> ToolRun:
        run = _run(tx, self.chat_id, self.key)
        seen = tx.peek(self.chat_id)
        if run.claimed_by == self.client and run.result is None:
            return run
        if run.claimed_by is not None or run.result is not None:
            raise AlreadyDecidedError(
                "Another client runs this call." if run.result is None else "This call is finished.",
                state=seen.state.value,
                transition=self.transition.value,
            )
        if run.action is not ActionKind.CLIENT_TOOL:
            raise InvalidInputError("Only calls of client-side tools are claimed.")
        tx.cell(self.chat_id)
        tx.conn.execute(
            "UPDATE tool_runs SET claimed_by = ?, started_at = ? WHERE message_id = ? AND call_index = ?",
            (self.client, tx.now, self.key.message_id, self.key.index),
        )
        return _run(tx, self.chat_id, self.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionResult:
    """What a client answers to one call."""

    key: CallKey
    result: object
    is_error: bool = False


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

    transition = Transition.COMPLETE_ACTION

    def apply(self, tx: Transaction) -> Chat:
        fresh = [(answer, run) for answer in self.results if (run := self._wanted(tx, answer)) is not None]
        if not fresh:
            return tx.peek(self.chat_id).chat
        cell = tx.cell(self.chat_id)
        for answer, run in fresh:
            finish_call(tx, run.key, _result_part(answer, run))
        _resume_when_done(cell)
        return cell.chat

    def _wanted(self, tx: Transaction, answer: ActionResult) -> ToolRun | None:
        """The call, when it still wants this result; `None` when it has this very one."""
        run = _run(tx, self.chat_id, answer.key)
        if run.result is not None:
            if run.result == _result_part(answer, run):
                return None
            raise self._refusal(tx, "This call has another result already.")
        if run.action not in (ActionKind.CLIENT_TOOL, ActionKind.QUESTION):
            raise InvalidInputError(f"Call {run.key.message_id}/{run.key.index} takes an approval, not a result.")
        if run.claimed_by is not None and run.claimed_by != self.client:
            raise self._refusal(tx, "Another client runs this call.")
        return run

    def _refusal(self, tx: Transaction, text: str) -> AlreadyDecidedError:
        state = tx.peek(self.chat_id).state.value
        return AlreadyDecidedError(text, state=state, transition=self.transition.value)


def _result_part(answer: ActionResult, run: ToolRun) -> ToolResultPart:
    return ToolResultPart(
        tool_call_id=run.tool_call_id,
        tool_name=run.tool_name,
        result=answer.result,  # pyright: ignore[reportArgumentType] - checked JSON
        is_error=answer.is_error,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DecideApproval:
    """Allow or deny a call that asks for it; deciding the same again changes nothing.

    Raises:
        AlreadyDecidedError: it was decided otherwise.
        NotFoundError, ConflictError: no such call; the chat no longer waits for it.
    """

    chat_id: str
    key: CallKey
    allow: bool
    decided_by: str

    transition = Transition.DECIDE_APPROVAL

    def apply(self, tx: Transaction) -> Chat:
        run = _run(tx, self.chat_id, self.key)
        if run.action is not ActionKind.APPROVAL:
            raise InvalidInputError("This call does not ask for an approval.")
        wanted = Approval.ALLOWED if self.allow else Approval.DENIED
        if run.approval is not Approval.PENDING:
            return self._again(tx, run, wanted)
        cell = tx.cell(self.chat_id)
        tx.conn.execute(
            "UPDATE tool_runs SET approval = ?, decided_by = ?, decided_at = ? WHERE message_id = ? AND call_index = ?",
            (wanted.value, self.decided_by, tx.now, self.key.message_id, self.key.index),
        )
        if not self.allow:
            finish_call(tx, self.key, _denial(run))
        _resume_when_done(cell)
        return cell.chat

    def _again(self, tx: Transaction, run: ToolRun, wanted: Approval) -> Chat:
        seen = tx.peek(self.chat_id)
        if run.approval is wanted:
            return seen.chat
        word = run.approval.value if run.approval else "closed"
        raise AlreadyDecidedError(
            f"This call was {word} already.", state=seen.state.value, transition=self.transition.value
        )


def _denial(run: ToolRun) -> ToolResultPart:
    return ToolResultPart(
        tool_call_id=run.tool_call_id, tool_name=run.tool_name, result={"error": DENIED}, is_error=True
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelAction:
    """Stop waiting for a client whose deadline has passed; its calls are closed and the turn goes on."""

    chat_id: str

    transition = Transition.CANCEL_ACTION

    def apply(self, tx: Transaction) -> Chat:
        cell = tx.cell(self.chat_id)
        deadline = cell.chat.action_deadline_at
        if deadline is None or deadline > tx.now:
            raise tx.conflict(cell, detail="The deadline has not passed.")
        cell.close_calls()
        cell.set(status=ChatStatus.RUNNING)
        return cell.chat
