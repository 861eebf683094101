"""One chat inside a transition: columns, history, queue and open calls, and the rules that always hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from .. import wire
from ..messages import (
    CONTENT_VERSION,
    CallKey,
    Chat,
    ChatStatus,
    FilePart,
    Message,
    NewMessage,
    Part,
    QueuedMessage,
    Role,
    ToolCallPart,
    ToolRun,
)
from .calls import NOT_RUN, closing_result, result_row
from .files import MAX_CHAT_FILES, link_files
from .machine import State, Transition, state_of
from .quick import quick
from .rows import (
    IS_UNREAD,
    index_text,
    insert_message,
    message_from_row,
    queued_from_row,
    tool_run_from_row,
)
from .usage import PaidCall, count_call, is_paid

if TYPE_CHECKING:
    from .transaction import Transaction

_NEWEST_STEP = """
SELECT id, call_count, (
    SELECT COUNT(*) FROM messages AS a WHERE a.answers_message_id = m.id AND a.deleted = 0
) AS answered
FROM messages AS m WHERE chat_id = ? AND role = 'assistant' AND deleted = 0 AND compressed = 0
ORDER BY id DESC LIMIT 1
"""

JOURNAL = """
SELECT * FROM tool_runs WHERE message_id = (
    SELECT id FROM messages WHERE chat_id = ? AND role = 'assistant' AND deleted = 0 AND compressed = 0
    ORDER BY id DESC LIMIT 1
) ORDER BY call_index
"""
"""The journal of a chat's newest assistant row."""


_CHAT_FIELDS = tuple(field.name for field in fields(Chat))
_get_all = attrgetter(*_CHAT_FIELDS)
_PLACES = {name: place for place, name in enumerate(_CHAT_FIELDS)}
_make_chat: Callable[..., Chat] = quick(Chat)


def _with_changes(chat: Chat, changes: Mapping[str, Any]) -> Chat:
    """Return what `dataclasses.replace` returns, in a fifth of the time: it is done for every transition."""
    values = list(_get_all(chat))
    for name, value in changes.items():
        values[_PLACES[name]] = value
    return _make_chat(*values)


@dataclass(slots=True)
class Cell:
    """What a chat was, and what it becomes. Versions move at once, so `chat` is always up to date."""

    tx: Transaction
    transition: Transition
    """The row of the table that this cell is held to."""
    before: Chat | None
    """`None` while it is being created."""
    _chat: Chat
    had_queue: bool
    calls_closed: bool
    """Known to have no open call; `False` when nobody has looked."""
    snapshot_version: int
    """What this transition allots."""
    changed: dict[str, Any] = field(default_factory=dict[str, Any])
    """Fields to write."""
    inserted: list[Message] = field(default_factory=list[Message])
    history_reset: bool = False
    queue_changed: bool = False
    purged: bool = False
    counts_usage: bool = True
    """Whether inserted rows are model calls that were made now, or at least are not in the sums yet."""
    _is_behind: bool = False
    """`_chat` lacks some of `changed`."""

    @property
    def id(self) -> str:
        """The chat's id."""
        return self._chat.id

    @property
    def chat(self) -> Chat:
        """The chat as far as the transition has got."""
        if self._is_behind:
            self._chat = _with_changes(self._chat, self.changed)
            self._is_behind = False
        return self._chat

    def now(self, name: str) -> Any:
        """Return one field of `chat`, without making a chat of all of them."""
        return self.changed[name] if name in self.changed else getattr(self._chat, name)

    @property
    def status(self) -> ChatStatus:
        """The status as far as the transition has got."""
        return self.now("status")

    @property
    def state(self) -> State:
        """The state as far as the transition has got."""
        return state_of(self.status, has_queue=self.has_queue, archived=self.now("archived"))

    @property
    def state_before(self) -> State:
        """The state that the transition found."""
        if self.before is None:
            return State.N
        return state_of(self.before.status, has_queue=self.had_queue, archived=self.before.archived)

    @property
    def has_queue(self) -> bool:
        """Whether queued messages wait."""
        return self.tx.has_queue(self.id) if self.queue_changed else self.had_queue

    def set(self, **values: Any) -> None:
        """Change columns. A new status brings its consequences: see `_consequences`."""
        status = values.get("status")
        if status is not None and status is not self.status:
            values = self._consequences(status) | values
        self.changed |= values
        self._is_behind = True

    def _consequences(self, status: ChatStatus) -> dict[str, Any]:
        """What a chat that becomes *status* cannot have: an error (rule 2), a deadline, an owner, a retry."""
        values: dict[str, Any] = {}
        if status is not ChatStatus.ERROR:
            values["last_error"] = None
        if status is not ChatStatus.REQUIRES_ACTION:
            values["action_deadline_at"] = None
        if status not in (ChatStatus.RUNNING, ChatStatus.INTERRUPTING):
            values |= {"worker_id": None, "runner_id": None}
        if status is not ChatStatus.RUNNING:
            values |= self._without_retry()
        return values

    def _without_retry(self) -> dict[str, Any]:
        if self.now("retry_state") is None:
            return {}
        return {"retry_state": None, "retry_state_version": self.snapshot_version}

    def end_retry(self) -> None:
        """Forget the failed attempt, because another one begins."""
        self.set(**self._without_retry())

    # The history

    def touch_history(self) -> None:
        """Count a change of message rows: work and attempts that were begun before are void."""
        if "history_version" not in self.changed:
            self.set(history_version=self.snapshot_version, generation_attempt=0, **self._without_retry())

    def insert(self, new: NewMessage) -> Message:
        """Append a row to the history; before a user row (rule 1) and another step open calls are closed."""
        if new.role in (Role.USER, Role.ASSISTANT) and not new.compressed:
            self.close_calls()
        message = self._append(new)
        self.inserted.append(message)
        return message

    def add(self, new: NewMessage) -> Message:
        """Append a row as it is, and keep nothing of it in memory: it is not announced."""
        message = self._append(new)
        index_text(self.tx.conn, message)
        if self.counts_usage and is_paid(message):
            count_call(self.tx.conn, self._chat, PaidCall.of(message), now=message.created_at)
        return message

    def _append(self, new: NewMessage) -> Message:
        message = insert_message(
            self.tx.conn,
            new,
            message_id=self.tx.next_message_id(),
            chat_id=self.id,
            now=self.tx.now,
            revision=self.snapshot_version,
        )
        self._hold_files(new.parts)
        self.touch_history()
        if new.role is Role.ASSISTANT:
            self.calls_closed = self.calls_closed and not message.tool_calls
            self.set(has_unread=True)
        return message

    def _hold_files(self, parts: Sequence[Part]) -> None:
        """Let the chat hold the files that are said in it; one that comes from elsewhere keeps them all."""
        file_ids = {part.file_id for part in parts if isinstance(part, FilePart) and part.file_id}
        if file_ids:
            limit = None if self.transition is Transition.IMPORT else MAX_CHAT_FILES
            link_files(self.tx.conn, self.id, file_ids, limit=limit)

    def delete_from(self, message_id: int) -> None:
        """Mark a row and all later ones deleted; what is deleted is not found by a search either."""
        conn, doomed = self.tx.conn, "chat_id = ? AND id >= ? AND deleted = 0"
        conn.execute(
            "DELETE FROM message_search"  # noqa: S608 - built of literals
            f" WHERE rowid IN (SELECT id FROM messages WHERE {doomed})",
            (self.id, message_id),
        )
        conn.execute(
            f"UPDATE messages SET deleted = 1, revision = ? WHERE {doomed}",  # noqa: S608 - built of literals
            (self.snapshot_version, self.id, message_id),
        )
        (is_unread,) = conn.execute(f"SELECT {IS_UNREAD} FROM chats WHERE id = ?", (self.id,)).fetchone()  # noqa: S608
        self.history_reset = True
        self.calls_closed = False
        self.touch_history()
        self.set(has_unread=bool(is_unread))

    def say(self, new: NewMessage) -> Message:
        """Append a user row; the chat takes on the model that was chosen for it."""
        message = self.insert(new)
        options = new.turn_options
        if options is not None and options.model is not None:
            self.set(model=options.model, model_config_id=options.model_config_id)
        return message

    # The queue

    def queue(self) -> tuple[QueuedMessage, ...]:
        """Return the whole queue, head first."""
        rows = self.tx.conn.execute(
            "SELECT * FROM queued_messages WHERE chat_id = ? ORDER BY position, id", (self.id,)
        )
        return tuple(queued_from_row(row) for row in rows)

    def find_queued(self, queued_id: int) -> QueuedMessage | None:
        """Return a queued message of this chat; `None` when it is not there."""
        row = self.tx.conn.execute(
            "SELECT * FROM queued_messages WHERE id = ? AND chat_id = ?", (queued_id, self.id)
        ).fetchone()
        return None if row is None else queued_from_row(row)

    def queue_length(self) -> int:
        """Return how many messages wait."""
        count = self.tx.conn.execute("SELECT COUNT(*) FROM queued_messages WHERE chat_id = ?", (self.id,))
        return count.fetchone()[0]

    def enqueue(self, new: NewMessage) -> QueuedMessage:
        """Append a user message to the queue, with its author and what its turn shall run with."""
        cursor = self.tx.conn.execute(
            "INSERT INTO queued_messages"
            " (chat_id, position, created_by, created_at, content, content_version, turn_options)"
            " SELECT ?, COALESCE(MAX(position), 0) + 1, ?, ?, ?, ?, ? FROM queued_messages WHERE chat_id = ?",
            (
                self.id,
                new.created_by,
                self.tx.now,
                wire.dump_parts(new.parts),
                CONTENT_VERSION,
                wire.dump_value(new.turn_options) if new.turn_options else None,
                self.id,
            ),
        )
        self._hold_files(new.parts)
        self._touch_queue()
        return QueuedMessage(
            id=cursor.lastrowid or 0,
            chat_id=self.id,
            parts=new.parts,
            created_at=self.tx.now,
            created_by=new.created_by,
            turn_options=new.turn_options,
        )

    def dequeue(self, queued: QueuedMessage) -> None:
        """Take a message out of the queue."""
        self.tx.conn.execute("DELETE FROM queued_messages WHERE id = ?", (queued.id,))
        self._touch_queue()

    def move_to_head(self, queued: QueuedMessage) -> None:
        """Make a queued message the next to be promoted."""
        if self._head() == queued:
            return
        self.tx.conn.execute(
            "UPDATE queued_messages SET position ="
            " (SELECT MIN(position) - 1 FROM queued_messages WHERE chat_id = ?) WHERE id = ?",
            (self.id, queued.id),
        )
        self._touch_queue()

    def empty_queue(self) -> tuple[QueuedMessage, ...]:
        """Remove all queued messages and return them, head first."""
        dropped = self.queue()
        if dropped:
            self.tx.conn.execute("DELETE FROM queued_messages WHERE chat_id = ?", (self.id,))
            self._touch_queue()
        return dropped

    def promote_head(self) -> Message | None:
        """Move the oldest queued message into the history; `None` when the queue is empty."""
        head = self._head()
        return None if head is None else self.promote(head)

    def _head(self) -> QueuedMessage | None:
        row = self.tx.conn.execute(
            "SELECT * FROM queued_messages WHERE chat_id = ? ORDER BY position, id LIMIT 1", (self.id,)
        ).fetchone()
        return None if row is None else queued_from_row(row)

    def promote(self, queued: QueuedMessage) -> Message:
        """Move a queued message into the history, with its author, options and content (rule 3)."""
        self.dequeue(queued)
        options = queued.turn_options
        return self.say(
            NewMessage(
                role=Role.USER,
                parts=queued.parts,
                created_by=queued.created_by,
                turn_options=options,
                model=options.model if options else None,
                model_config_id=options.model_config_id if options else None,
            )
        )

    def _touch_queue(self) -> None:
        self.queue_changed = True
        self.set(queue_version=self.snapshot_version)

    # Calls

    def open_calls(self) -> list[tuple[CallKey, ToolCallPart]]:
        """Return the calls of the visible history without a result row, in call order.

        Only the newest assistant row can have any: calls are closed before the history goes on.
        """
        if self.calls_closed:
            return []
        row = self.tx.conn.execute(_NEWEST_STEP, (self.id,)).fetchone()
        if row is None or row["call_count"] <= row["answered"]:
            return []
        message = message_from_row(
            self.tx.conn.execute("SELECT * FROM messages WHERE id = ?", (row["id"],)).fetchone()
        )
        answered = {
            index
            for (index,) in self.tx.conn.execute(
                "SELECT answers_call_index FROM messages WHERE answers_message_id = ? AND deleted = 0",
                (message.id,),
            )
        }
        return [
            (CallKey(message_id=message.id, index=index), call)
            for index, call in message.tool_calls
            if index not in answered
        ]

    def journal(self) -> dict[CallKey, ToolRun]:
        """Return the journal of the newest assistant row: the only one that can have open calls."""
        rows = self.tx.conn.execute(JOURNAL, (self.id,))
        return {(run := tool_run_from_row(row)).key: run for row in rows}

    def close_calls(self, *, not_run: str = NOT_RUN) -> None:
        """Give every open call a result row: its journalled result, else an error that says what is known."""
        calls = self.open_calls()
        journal = self.journal() if calls else {}
        for key, call in calls:
            self.insert(result_row(key, closing_result(call, journal.get(key), not_run=not_run)))
        self.calls_closed = True
