"""One transition as it runs: the chats it touches, the rules that hold in every transition, and what it announces.

A transition's code works on *cells*. When it is done, `Transaction.finish` writes the columns that changed,
allots the versions, and checks each cell's old and new state against the table. Nothing here has an effect
outside the database: a transition can be run again, and its changes leave after COMMIT only.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field, replace
from typing import Any

from .. import wire
from ..errors import ChatNotFoundError, ConflictError, StaleWorkError
from ..events import Change
from ..messages import (
    CONTENT_VERSION,
    Action,
    CallKey,
    Chat,
    ChatStatus,
    Message,
    NewMessage,
    QueuedMessage,
    Role,
    ToolCallPart,
    ToolResultPart,
    ToolRun,
)
from .machine import TABLE, State, Transition, state_of
from .rows import (
    chat_columns,
    chat_from_row,
    insert_message,
    message_from_row,
    messages_from_rows,
    queued_from_row,
    tool_run_from_row,
)

UNKNOWN_OUTCOME = "The outcome of this call is unknown: it was running when the server stopped. Check before repeating it."
NOT_RUN = "This call was not run: the turn ended before it started."
INTERRUPTED = "This call was interrupted before it produced a result."


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What work was started for; it may be committed only while all of it still holds."""

    chat_id: str
    runner_id: str
    history_version: int
    status: ChatStatus = ChatStatus.RUNNING


class MessageIds:
    """Allots message ids that are never reused, not even after a rollback (rule 4)."""

    def __init__(self) -> None:
        self._last = 0

    def allot(self, conn: sqlite3.Connection) -> int:
        """Return the next id: above every id stored and every id allotted by this process."""
        row = conn.execute("SELECT seq FROM sqlite_sequence WHERE name = 'messages'").fetchone()
        self._last = max(self._last, row[0] if row else 0) + 1
        return self._last


@dataclass(slots=True)
class Cell:
    """One chat inside a transition: what it was, and what it becomes."""

    tx: Transaction
    transition: Transition
    """The row of the table that this cell is held to."""
    before: Chat | None
    """`None` while it is being created."""
    chat: Chat
    had_queue: bool
    snapshot_version: int
    changed: dict[str, Any] = field(default_factory=dict[str, Any])
    inserted: list[Message] = field(default_factory=list[Message])
    history_changed: bool = False
    history_reset: bool = False
    queue_changed: bool = False
    purged: bool = False
    touched: bool = True
    """`updated_at` moves: list order follows."""

    @property
    def state(self) -> State:
        """The state now, as far as the transition has got."""
        return state_of(self.chat.status, has_queue=self.has_queue, archived=self.chat.archived)

    @property
    def has_queue(self) -> bool:
        """Whether queued messages wait."""
        if not self.queue_changed:
            return self.had_queue
        return self.tx.has_queue(self.chat.id)

    def set(self, **values: Any) -> None:
        """Change columns; leaving an error state clears `last_error` unless the chat goes into the archive (rule 2)."""
        status = values.get("status")
        if status is not None and status != self.chat.status:
            values = self._consequences(status) | values
        self.changed.update(values)
        self.chat = replace(self.chat, **values)

    def _consequences(self, status: ChatStatus) -> dict[str, Any]:
        values: dict[str, Any] = {}
        if status is not ChatStatus.ERROR:
            values["last_error"] = None
        if status is not ChatStatus.REQUIRES_ACTION:
            values["action_deadline_at"] = None
        if status not in (ChatStatus.RUNNING, ChatStatus.INTERRUPTING):
            values |= {"worker_id": None, "runner_id": None}
        if status is not ChatStatus.RUNNING and self.chat.retry_state is not None:
            values |= {"retry_state": None, "retry_state_version": self.snapshot_version}
        return values

    def insert(self, new: NewMessage) -> Message:
        """Append a row to the history."""
        message = insert_message(
            self.tx.conn,
            new,
            message_id=self.tx.ids.allot(self.tx.conn),
            chat_id=self.chat.id,
            now=self.tx.now,
            revision=self.snapshot_version,
        )
        self.inserted.append(message)
        self.history_changed = True
        return message

    # The queue

    def queue(self) -> tuple[QueuedMessage, ...]:
        """Return the whole queue, head first."""
        rows = self.tx.conn.execute(
            "SELECT * FROM queued_messages WHERE chat_id = ? ORDER BY position, id", (self.chat.id,)
        )
        return tuple(queued_from_row(row) for row in rows)

    def enqueue(self, new: NewMessage) -> QueuedMessage:
        """Append a user message to the queue."""
        cursor = self.tx.conn.execute(
            "INSERT INTO queued_messages (chat_id, position, created_by, created_at, content, content_version, turn_options)"
            " SELECT ?, COALESCE(MAX(position), 0) + 1, ?, ?, ?, ?, ? FROM queued_messages WHERE chat_id = ?",
            (
                self.chat.id,
                new.created_by,
                self.tx.now,
                wire.dump_parts(new.parts),
                CONTENT_VERSION,
                wire.dump_value(new.turn_options) if new.turn_options else None,
                self.chat.id,
            ),
        )
        self.queue_changed = True
        return QueuedMessage(
            id=cursor.lastrowid or 0,
            chat_id=self.chat.id,
            parts=new.parts,
            created_at=self.tx.now,
            created_by=new.created_by,
            turn_options=new.turn_options,
        )

    def dequeue(self, queued_id: int) -> QueuedMessage | None:
        """Take a message out of the queue; `None` when it is not there."""
        row = self.tx.conn.execute(
            "SELECT * FROM queued_messages WHERE id = ? AND chat_id = ?", (queued_id, self.chat.id)
        ).fetchone()
        if row is None:
            return None
        self.tx.conn.execute("DELETE FROM queued_messages WHERE id = ?", (queued_id,))
        self.queue_changed = True
        return queued_from_row(row)

    def move_to_head(self, queued_id: int) -> None:
        """Make a queued message the next to be promoted."""
        self.tx.conn.execute(
            "UPDATE queued_messages SET position ="
            " (SELECT MIN(position) - 1 FROM queued_messages WHERE chat_id = ?) WHERE id = ? AND chat_id = ?",
            (self.chat.id, queued_id, self.chat.id),
        )
        self.queue_changed = True

    def empty_queue(self) -> tuple[QueuedMessage, ...]:
        """Remove all queued messages and return them, head first."""
        dropped = self.queue()
        if dropped:
            self.tx.conn.execute("DELETE FROM queued_messages WHERE chat_id = ?", (self.chat.id,))
            self.queue_changed = True
        return dropped

    def promote_head(self) -> Message | None:
        """Move the oldest queued message into the history; `None` when the queue is empty."""
        row = self.tx.conn.execute(
            "SELECT id FROM queued_messages WHERE chat_id = ? ORDER BY position, id LIMIT 1", (self.chat.id,)
        ).fetchone()
        queued = self.dequeue(row["id"]) if row else None
        return self.promote(queued) if queued else None

    def promote(self, queued: QueuedMessage) -> Message:
        """Append a dequeued message to the history with the author, options and content it was queued with (rule 3)."""
        return self.say(
            NewMessage(
                role=Role.USER,
                parts=queued.parts,
                created_by=queued.created_by,
                turn_options=queued.turn_options,
                model=queued.turn_options.model if queued.turn_options else None,
                model_config_id=queued.turn_options.model_config_id if queued.turn_options else None,
            )
        )

    def say(self, new: NewMessage) -> Message:
        """Append a user row: the calls before it are closed first (rule 1), and the chat takes on its model."""
        self.close_calls()
        message = self.insert(new)
        options = new.turn_options
        if options and options.model:
            self.set(model=options.model, model_config_id=options.model_config_id)
        return message

    # Calls

    def open_calls(self) -> list[tuple[CallKey, ToolCallPart]]:
        """Return the calls of the visible history without a result row, in call order.

        Only the newest assistant row can have any: every transition closes them before it goes on.
        """
        row = self.tx.conn.execute(
            "SELECT * FROM messages WHERE chat_id = ? AND role = 'assistant' AND deleted = 0 AND compressed = 0"
            " ORDER BY id DESC LIMIT 1",
            (self.chat.id,),
        ).fetchone()
        if row is None:
            return []
        message = message_from_row(row)
        if not message.tool_calls:
            return []
        answered = {
            index
            for (index,) in self.tx.conn.execute(
                "SELECT answers_call_index FROM messages WHERE answers_message_id = ? AND deleted = 0", (message.id,)
            )
        }
        return [
            (CallKey(message_id=message.id, index=index), call)
            for index, call in message.tool_calls
            if index not in answered
        ]

    def journal(self) -> dict[CallKey, ToolRun]:
        """Return the journal of the open calls' row."""
        return {
            (run := tool_run_from_row(row)).key: run
            for row in self.tx.conn.execute(
                "SELECT * FROM tool_runs WHERE message_id = (SELECT MAX(id) FROM messages"
                " WHERE chat_id = ? AND role = 'assistant' AND deleted = 0 AND compressed = 0)",
                (self.chat.id,),
            )
        }

    def close_calls(self) -> None:
        """Give every open call a result row: its journalled result, else an error that says what is known."""
        calls = self.open_calls()
        if not calls:
            return
        journal = self.journal()
        for key, call in calls:
            self.insert(result_row(key, closing_result(call, journal.get(key))))


def closing_result(call: ToolCallPart, run: ToolRun | None) -> ToolResultPart:
    """Return the result that close-calls gives a call."""
    if run is not None and run.result is not None:
        return run.result
    started = run is not None and (run.started_at is not None or run.claimed_by is not None)
    return error_result(call, UNKNOWN_OUTCOME if started else NOT_RUN)


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


class Transaction:
    """One transition, running in a savepoint of the writer's connection."""

    def __init__(self, conn: sqlite3.Connection, *, transition: Transition, now: float, ids: MessageIds) -> None:
        self.conn = conn
        self.transition = transition
        self.now = now
        self.ids = ids
        self.cells: dict[str, Cell] = {}

    def cell(self, chat_id: str, *, transition: Transition | None = None) -> Cell:
        """Open a chat for this transition; its state must be one that the table lets it start from.

        Args:
            transition: The row that applies to this chat, where it is taken along by a transition of another.

        Raises:
            ChatNotFoundError: no such chat.
            ConflictError: the chat's state does not allow this transition.
        """
        cell = self.peek(chat_id)
        cell.transition = transition or self.transition
        if cell.state not in TABLE[cell.transition]:
            raise self.conflict(cell)
        self.cells[chat_id] = cell
        return cell

    def peek(self, chat_id: str) -> Cell:
        """Read a chat without opening it: nothing done to this cell is written."""
        if chat_id in self.cells:
            return self.cells[chat_id]
        row = self.conn.execute("SELECT * FROM chats WHERE id = ?", (chat_id,)).fetchone()
        if row is None:
            raise ChatNotFoundError(chat_id)
        chat = chat_from_row(row)
        return Cell(
            tx=self,
            transition=self.transition,
            before=chat,
            chat=chat,
            had_queue=self.has_queue(chat_id),
            snapshot_version=chat.snapshot_version + 1,
        )

    def claimed(self, claim: Claim) -> Cell:
        """Open a chat for work that was started under *claim*.

        Raises:
            StaleWorkError: the claim no longer holds.
        """
        cell = self.check_claim(claim)
        if cell.state not in TABLE[self.transition]:
            raise StaleWorkError(claim.chat_id, self.transition)
        self.cells[claim.chat_id] = cell
        return cell

    def check_claim(self, claim: Claim) -> Cell:
        """Return the claimed chat without opening it.

        Raises:
            StaleWorkError: the claim no longer holds.
        """
        try:
            cell = self.peek(claim.chat_id)
        except ChatNotFoundError as error:
            raise StaleWorkError(claim.chat_id, self.transition) from error
        chat = cell.chat
        same = (claim.runner_id, claim.history_version, claim.status)
        if (chat.runner_id, chat.history_version, chat.status) != same:
            raise StaleWorkError(claim.chat_id, self.transition)
        return cell

    def create(self, chat: Chat) -> Cell:
        """Begin a new chat; its row is written at once because messages refer to it."""
        chat = replace(chat, snapshot_version=1, history_version=1, created_at=self.now, updated_at=self.now)
        values = {name: getattr(chat, name) for name in chat.__slots__ if name != "has_unread"}
        columns = chat_columns(values) | {"change_id": self.next_change_id()}
        marks = ", ".join("?" * len(columns))
        self.conn.execute(f"INSERT INTO chats ({', '.join(columns)}) VALUES ({marks})", list(columns.values()))  # noqa: S608
        cell = Cell(
            tx=self, transition=self.transition, before=None, chat=chat, had_queue=False, snapshot_version=1
        )
        self.cells[chat.id] = cell
        return cell

    def has_queue(self, chat_id: str) -> bool:
        """Whether queued messages wait in the chat, now."""
        found = self.conn.execute("SELECT 1 FROM queued_messages WHERE chat_id = ? LIMIT 1", (chat_id,))
        return found.fetchone() is not None

    def next_change_id(self) -> int:
        """The database-wide number by which other processes find what changed."""
        return self.conn.execute("SELECT COALESCE(MAX(change_id), 0) + 1 FROM chats").fetchone()[0]

    def running_children(self, chat_id: str) -> list[Cell]:
        """Open the children that this transition can take along, those that run or wait for a client."""
        rows = self.conn.execute(
            "SELECT id FROM chats WHERE (parent_chat_id = ? OR root_chat_id = ?) AND id <> ?"
            " AND status IN ('running', 'requires_action')",
            (chat_id, chat_id, chat_id),
        ).fetchall()
        return [self.cell(row["id"], transition=Transition.INTERRUPT_DROP) for row in rows]

    def conflict(self, cell: Cell, detail: str | None = None) -> ConflictError:
        """Return the refusal of this transition in the cell's state."""
        chat = cell.chat
        status = "archived" if chat.archived else chat.status.value
        return ConflictError(
            f"{cell.transition} is not possible while the chat is {status}.",
            state=cell.state.value,
            transition=cell.transition.value,
            detail=detail,
        )

    def finish(self) -> tuple[Change, ...]:
        """Write the cells' columns, check every cell against the table, and return what to announce."""
        return tuple(self._finish_cell(cell) for cell in self.cells.values())

    def _finish_cell(self, cell: Cell) -> Change:
        before = State.N if cell.before is None else _state_before(cell)
        after = State.N if cell.purged else cell.state
        if after not in TABLE[cell.transition].get(before, frozenset()):
            raise AssertionError(f"{cell.transition} led from {before} to {after}, which is not in the table")
        if cell.purged:
            self.conn.execute("DELETE FROM chats WHERE id = ?", (cell.chat.id,))
            return Change(chat=cell.chat, kind="deleted")
        self._allot_versions(cell)
        self._write(cell)
        return self._change(cell)

    def _allot_versions(self, cell: Cell) -> None:
        version = cell.snapshot_version
        values: dict[str, Any] = {"snapshot_version": version}
        if cell.history_changed:
            values |= {"history_version": version, "generation_attempt": 0}
            if cell.chat.retry_state is not None:
                values |= {"retry_state": None, "retry_state_version": version}
        if cell.queue_changed:
            values["queue_version"] = version
        if cell.touched:
            values["updated_at"] = self.now
        cell.set(**values)

    def _write(self, cell: Cell) -> None:
        columns = chat_columns(cell.changed) | {"change_id": self.next_change_id()}
        assignments = ", ".join(f"{name} = ?" for name in columns)
        self.conn.execute(
            f"UPDATE chats SET {assignments} WHERE id = ?",  # noqa: S608 - names are ours
            [*columns.values(), cell.chat.id],
        )

    def _change(self, cell: Cell) -> Change:
        before = cell.before
        status_changed = before is None or _shown(before) != _shown(cell.chat)
        waits = cell.chat.status is ChatStatus.REQUIRES_ACTION
        waited = before is not None and before.status is ChatStatus.REQUIRES_ACTION
        actions = self.actions(cell) if waits or waited else None
        return Change(
            chat=cell.chat,
            inserted=tuple(cell.inserted),
            history=visible_messages(self.conn, cell.chat.id) if cell.history_reset else None,
            queue=cell.queue() if cell.queue_changed else None,
            actions=actions,
            status_changed=status_changed,
            error_set=cell.chat.last_error is not None and (before is None or before.last_error != cell.chat.last_error),
            retry_set=cell.chat.retry_state is not None and "retry_state" in cell.changed,
            kind=_change_kind(cell, status_changed=status_changed),
        )

    def actions(self, cell: Cell) -> tuple[Action, ...]:
        """Return what the chat waits for; empty when it does not."""
        if cell.chat.status is not ChatStatus.REQUIRES_ACTION:
            return ()
        return actions_of(cell.chat, cell.journal().values())


def actions_of(chat: Chat, runs: Any) -> tuple[Action, ...]:
    """Return the actions that the journal of a waiting chat still asks for."""
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
        if is_open(run)
    )


def is_open(run: ToolRun) -> bool:
    """Whether a client still has to act on this call."""
    if run.action is None or run.result is not None:
        return False
    return run.approval is None or run.approval.value == "pending"


def _state_before(cell: Cell) -> State:
    assert cell.before is not None
    return state_of(cell.before.status, has_queue=cell.had_queue, archived=cell.before.archived)


def _shown(chat: Chat) -> tuple[object, ...]:
    """What a status event tells: the status, and whether somebody works on it."""
    return (chat.status, chat.worker_id is None, chat.archived)


def _change_kind(cell: Cell, *, status_changed: bool) -> Any:
    if cell.before is None:
        return "created"
    if cell.before.archived != cell.chat.archived:
        return "deleted" if cell.chat.archived else "created"
    return "status_change" if status_changed else "updated"


def visible_messages(conn: sqlite3.Connection, chat_id: str, *, after_id: int = 0) -> tuple[Message, ...]:
    """Return the rows that are not deleted with an id above *after_id*, oldest first."""
    return messages_from_rows(
        conn.execute(
            "SELECT * FROM messages WHERE chat_id = ? AND deleted = 0 AND id > ? ORDER BY id", (chat_id, after_id)
        )
    )
