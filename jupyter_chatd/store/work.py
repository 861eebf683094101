"""Transitions that a worker causes while it drives a chat. All but Acquire and Reconcile are fenced."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import StaleWorkError
from ..messages import (
    CallKey,
    Chat,
    ChatStatus,
    ErrorDetail,
    Message,
    NewMessage,
    RetryState,
    ToolCallPart,
    ToolResultPart,
)
from .machine import State, Transition
from .reads import NEEDS_WORKER, needs_worker
from .rows import result_to_json
from .transaction import Claim, Transaction

LOST = ErrorDetail(
    message="The chat was found in an impossible state and was stopped. Send a message to go on.",
    kind="generic",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Acquire:
    """Take up to `len(runner_ids)` chats that need a worker and have none alive, oldest change first."""

    worker_id: str
    runner_ids: tuple[str, ...]
    dead_workers: frozenset[str] = frozenset()
    own: frozenset[str] = frozenset()
    """Chats that were last changed through this worker's server: they are its to take, at once."""
    spare_from: float = math.inf
    """Of the others, leave alone what was changed between this and `spare_until` (UTC seconds)."""
    spare_until: float = math.inf
    """What was changed later than that was changed before the clock was set back."""

    transition = Transition.ACQUIRE

    def apply(self, tx: Transaction) -> tuple[Chat, ...]:
        rows = tx.conn.execute(
            f"SELECT id FROM chats WHERE {NEEDS_WORKER} ORDER BY updated_at, id LIMIT :limit",  # noqa: S608
            needs_worker(self.dead_workers, self.own, self.spare_from, self.spare_until)
            | {"limit": len(self.runner_ids)},
        ).fetchall()
        return tuple(
            self._take(tx, row["id"], runner) for row, runner in zip(rows, self.runner_ids, strict=False)
        )

    def _take(self, tx: Transaction, chat_id: str, runner_id: str) -> Chat:
        cell = tx.cell(chat_id)
        cell.set(worker_id=self.worker_id, runner_id=runner_id)
        return cell.chat


@dataclass(frozen=True, slots=True, kw_only=True)
class Abandon:
    """Give a chat up so that any worker may take it."""

    chat_id: str
    runner_id: str

    transition = Transition.ABANDON

    def apply(self, tx: Transaction) -> None:
        if tx.peek(self.chat_id).chat.runner_id != self.runner_id:
            raise StaleWorkError(self.chat_id, self.transition)
        cell = tx.cell(self.chat_id)
        cell.set(worker_id=None, runner_id=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class BeginAttempt:
    """Count one more model call for the present history."""

    claim: Claim

    transition = Transition.BEGIN_ATTEMPT

    def apply(self, tx: Transaction) -> Chat:
        cell = tx.claimed(self.claim)
        cell.set(generation_attempt=cell.now("generation_attempt") + 1)
        cell.end_retry()
        return cell.chat


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordRetry:
    """Write down that the model call failed and when it is tried again."""

    claim: Claim
    retry: RetryState

    transition = Transition.RECORD_RETRY

    def apply(self, tx: Transaction) -> Chat:
        cell = tx.claimed(self.claim)
        cell.set(retry_state=self.retry, retry_state_version=cell.snapshot_version)
        return cell.chat


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """The chat after a commit, and the rows it added."""

    chat: Chat
    rows: tuple[Message, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitStep:
    """Append rows that the model or its tools made."""

    claim: Claim
    rows: tuple[NewMessage, ...]
    compacted: bool = False
    """The rows are a summary: the request for it is done."""

    transition = Transition.COMMIT_STEP

    def apply(self, tx: Transaction) -> Committed:
        cell = tx.claimed(self.claim)
        for row in self.rows:
            cell.insert(row)
        if self.compacted:
            cell.set(compaction_requested_at=None)
        return Committed(chat=cell.chat, rows=tuple(cell.inserted))


@dataclass(frozen=True, slots=True, kw_only=True)
class CallStart:
    """One call about to run."""

    key: CallKey
    call: ToolCallPart


@dataclass(frozen=True, slots=True, kw_only=True)
class StartTools:
    """Journal that calls start; nothing of them may run before this is durable."""

    claim: Claim
    calls: Sequence[CallStart]

    transition = Transition.START_TOOLS

    def apply(self, tx: Transaction) -> None:
        tx.claimed(self.claim)
        tx.conn.executemany(
            "INSERT INTO tool_runs (message_id, call_index, chat_id, tool_call_id, tool_name, started_at)"
            " VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET started_at = excluded.started_at WHERE tool_runs.result IS NULL",
            [
                (
                    start.key.message_id,
                    start.key.index,
                    self.claim.chat_id,
                    start.call.tool_call_id,
                    start.call.tool_name,
                    tx.now,
                )
                for start in self.calls
            ],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishTools:
    """Journal the results of calls that have ended; several that ended together share the commit."""

    claim: Claim
    results: Sequence[tuple[CallKey, ToolResultPart]]

    transition = Transition.FINISH_TOOLS

    def apply(self, tx: Transaction) -> None:
        tx.claimed(self.claim)
        tx.conn.executemany(
            "UPDATE tool_runs SET finished_at = ?, result = ?"
            " WHERE message_id = ? AND call_index = ? AND result IS NULL",
            [(tx.now, result_to_json(result), key.message_id, key.index) for key, result in self.results],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishInterruption:
    """Keep what had been streamed and end the turn; a queued message begins the next one."""

    claim: Claim
    partial: tuple[NewMessage, ...] = ()

    transition = Transition.FINISH_INTERRUPTION

    def apply(self, tx: Transaction) -> Committed:
        return _end_turn(tx, self.claim, self.partial)


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishTurn:
    """End the turn; a queued message begins the next one."""

    claim: Claim
    rows: tuple[NewMessage, ...] = ()
    """A visible note, when the turn ended for a reason that the user should know."""

    transition = Transition.FINISH_TURN

    def apply(self, tx: Transaction) -> Committed:
        return _end_turn(tx, self.claim, self.rows)


def _end_turn(tx: Transaction, claim: Claim, rows: tuple[NewMessage, ...]) -> Committed:
    cell = tx.claimed(claim)
    for row in rows:
        cell.insert(row)
    cell.close_calls()
    promoted = cell.promote_head()
    cell.set(status=ChatStatus.RUNNING if promoted else ChatStatus.WAITING, compaction_requested_at=None)
    return Committed(chat=cell.chat, rows=tuple(cell.inserted))


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishError:
    """Stop with an error; the queue stays until the user acts."""

    claim: Claim
    error: ErrorDetail

    transition = Transition.FINISH_ERROR

    def apply(self, tx: Transaction) -> Chat:
        cell = tx.claimed(self.claim)
        cell.close_calls()
        cell.set(status=ChatStatus.ERROR, last_error=self.error, compaction_requested_at=None)
        return cell.chat


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconcile:
    """Turn an impossible combination into an error that explains itself; a possible one is left alone."""

    chat_id: str

    transition = Transition.RECONCILE

    def apply(self, tx: Transaction) -> Chat:
        seen = tx.peek(self.chat_id)
        if seen.state is not State.IMPOSSIBLE:
            return seen.chat
        cell = tx.cell(self.chat_id)
        cell.close_calls()
        cell.set(status=ChatStatus.ERROR, last_error=LOST)
        return cell.chat
