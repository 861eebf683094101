"""Plans that a chat has proposed: finding the one that waits for its user, and approving it.

The journal keeps who approved it, on the call that proposed it.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from ..errors import AlreadyDecidedError, NotFoundError
from ..messages import (
    Approval,
    CallKey,
    Chat,
    ChatStatus,
    Message,
    NewMessage,
    Role,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    ToolRun,
)
from .machine import Transition
from .rows import message_from_row, tool_run_from_row
from .transaction import Transaction

PROPOSE_PLAN = "propose_plan"
"""The tool whose successful call is a proposal."""
APPROVED = "The plan is approved. Carry it out."

_NEWEST = """
SELECT * FROM messages WHERE chat_id = ? AND deleted = 0 AND compressed = 0 AND role IN ('user', 'assistant')
ORDER BY id DESC LIMIT 1
"""
_RUN = "SELECT * FROM tool_runs WHERE message_id = ? AND call_index = ?"


def find_proposal(conn: sqlite3.Connection, chat_id: str) -> ToolRun | None:
    """Return the call whose plan waits for the user: nothing was said since. Its approval is pending."""
    row = conn.execute(_NEWEST, (chat_id,)).fetchone()
    newest = message_from_row(row) if row else None
    if newest is None or newest.role is not Role.ASSISTANT:
        return None
    found = next((pair for pair in newest.tool_calls if pair[1].tool_name == PROPOSE_PLAN), None)
    if found is None or not _has_succeeded(conn, CallKey(message_id=newest.id, index=found[0])):
        return None
    return _pending(newest, *found)


def is_proposal(conn: sqlite3.Connection, chat_id: str, key: CallKey) -> bool:
    """Whether a call of the chat has proposed a plan, lately or long ago."""
    row = conn.execute(
        "SELECT * FROM messages WHERE id = ? AND chat_id = ? AND deleted = 0", (key.message_id, chat_id)
    ).fetchone()
    calls = dict(message_from_row(row).tool_calls) if row else {}
    call = calls.get(key.index)
    return call is not None and call.tool_name == PROPOSE_PLAN and _has_succeeded(conn, key)


def _has_succeeded(conn: sqlite3.Connection, key: CallKey) -> bool:
    row = conn.execute(
        "SELECT * FROM messages WHERE answers_message_id = ? AND answers_call_index = ? AND deleted = 0",
        (key.message_id, key.index),
    ).fetchone()
    parts = message_from_row(row).parts if row else ()
    return any(isinstance(part, ToolResultPart) and not part.is_error for part in parts)


def _pending(message: Message, index: int, call: ToolCallPart) -> ToolRun:
    return ToolRun(
        message_id=message.id,
        call_index=index,
        chat_id=message.chat_id,
        tool_call_id=call.tool_call_id,
        tool_name=call.tool_name,
        args=call.args,
        approval=Approval.PENDING,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovePlan:
    """Leave plan mode, and begin a turn that carries the plan out.

    Approving the same plan again changes nothing.

    Raises:
        NotFoundError: no plan was proposed by that call.
        AlreadyDecidedError: something was said since, so that it is not the plan any more.
        ConflictError: the turn that proposed it has not ended yet, or the chat is archived.
    """

    chat_id: str
    key: CallKey
    decided_by: str

    transition = Transition.SEND_QUEUE

    def apply(self, tx: Transaction) -> Chat:
        """Return the chat."""
        if not is_proposal(tx.conn, self.chat_id, self.key):
            raise NotFoundError(f"Call {self.key.message_id}/{self.key.index} of this chat proposes no plan.")
        waiting = find_proposal(tx.conn, self.chat_id)
        if waiting is None or waiting.key != self.key:
            return self._again(tx)
        if tx.peek(self.chat_id).status is not ChatStatus.WAITING:
            raise tx.conflict(tx.peek(self.chat_id), detail="Wait for the end of the turn that proposes it.")
        self._record(tx, waiting)
        cell = tx.cell(self.chat_id)
        cell.set(plan_mode=None)
        cell.say(NewMessage(role=Role.USER, parts=(TextPart(text=APPROVED),), created_by=self.decided_by))
        cell.set(status=ChatStatus.RUNNING)
        return cell.chat

    def _record(self, tx: Transaction, waiting: ToolRun) -> None:
        tx.conn.execute(
            "INSERT INTO tool_runs"
            " (message_id, call_index, chat_id, tool_call_id, tool_name, approval, decided_by, decided_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET approval = excluded.approval, decided_by = excluded.decided_by,"
            " decided_at = excluded.decided_at",
            (
                *(self.key.message_id, self.key.index, self.chat_id),
                *(waiting.tool_call_id, waiting.tool_name, Approval.ALLOWED.value),
                *(self.decided_by, tx.now),
            ),
        )

    def _again(self, tx: Transaction) -> Chat:
        cell = tx.peek(self.chat_id)
        row = tx.conn.execute(_RUN, (self.key.message_id, self.key.index)).fetchone()
        if row is not None and tool_run_from_row(row).approval is Approval.ALLOWED:
            return cell.chat
        raise AlreadyDecidedError(
            "The chat went on since this plan was proposed: it is not the plan any more.",
            state=cell.state.value,
            transition=self.transition.value,
        )
