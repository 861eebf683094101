"""Transitions that a user causes: create, send, edit, queue, interrupt, archive.

Each is a value: what it needs comes in as fields (time and random ids too), `apply` runs inside one transaction
and may run again. Rows and rules: `machine.py` and spec/state-machine.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from ..errors import ChatNotFoundError, InvalidInputError, NotFoundError, QueueFullError
from ..messages import (
    ActionKind,
    CallKey,
    Chat,
    ChatStatus,
    FilePart,
    Message,
    NewMessage,
    QueuedMessage,
    Role,
    ToolResultPart,
    Visibility,
)
from .machine import TABLE, State, Transition
from .rows import message_from_row, result_to_json
from .transaction import Cell, Claim, Transaction, is_open

QUEUE_LIMIT = 20


class BusyBehavior(StrEnum):
    """What sending does while a turn runs."""

    QUEUE = "queue"
    INTERRUPT = "interrupt"


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateChat:
    """Begin a chat with its first rows; a child is fenced by its parent's runner and made once per spawning call."""

    chat: Chat
    rows: tuple[NewMessage, ...]
    parent: Claim | None = None

    transition = Transition.CREATE

    def apply(self, tx: Transaction) -> Chat:
        if self.parent is not None:
            tx.check_claim(self.parent)
            try:
                return tx.peek(self.chat.id).chat
            except ChatNotFoundError:
                pass  # the usual case: the spawning call runs for the first time
        cell = tx.create(replace(self.chat, status=ChatStatus.RUNNING, archived=False))
        for row in self.rows:
            cell.insert(row)
        return cell.chat


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportChat:
    """Store a chat that comes from elsewhere, idle."""

    chat: Chat
    rows: tuple[NewMessage, ...]

    transition = Transition.IMPORT

    def apply(self, tx: Transaction) -> Chat:
        cell = tx.create(replace(self.chat, status=ChatStatus.WAITING, archived=False, last_error=None))
        for row in self.rows:
            cell.insert(row)
        cell.close_calls()
        return cell.chat


@dataclass(frozen=True, slots=True, kw_only=True)
class PurgeChat:
    """Delete an archived chat for good."""

    chat_id: str

    transition = Transition.PURGE

    def apply(self, tx: Transaction) -> None:
        tx.cell(self.chat_id).purged = True
        tx.conn.execute(
            "DELETE FROM message_search WHERE rowid IN (SELECT id FROM messages WHERE chat_id = ?)", (self.chat_id,)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What became of a message: in the history, or in the queue."""

    queued: bool
    message: Message | None = None
    queued_message: QueuedMessage | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SendMessage:
    """Add a user message: into the history when the chat is idle, else into the queue.

    Raises:
        QueueFullError: the queue holds `queue_limit` messages.
        ConflictError: the chat is archived.
    """

    chat_id: str
    message: NewMessage
    busy: BusyBehavior = BusyBehavior.QUEUE
    queue_limit: int = QUEUE_LIMIT

    @property
    def transition(self) -> Transition:
        return Transition.SEND_QUEUE if self.busy is BusyBehavior.QUEUE else Transition.SEND_INTERRUPT

    def apply(self, tx: Transaction) -> Sent:
        cell = tx.cell(self.chat_id)
        match cell.chat.status:
            case ChatStatus.WAITING | ChatStatus.ERROR:
                return self._begin_turn(cell)
            case ChatStatus.REQUIRES_ACTION:
                return self._send_to_waiting(cell)
            case ChatStatus.RUNNING | ChatStatus.INTERRUPTING:
                sent = self._enqueue(cell)
                if self.busy is BusyBehavior.INTERRUPT:
                    cell.set(status=ChatStatus.INTERRUPTING, compaction_requested_at=None)
                return sent

    def _begin_turn(self, cell: Cell) -> Sent:
        if cell.has_queue:
            sent = self._enqueue(cell)
            cell.promote_head()
        else:
            sent = Sent(queued=False, message=cell.say(self.message))
        cell.set(status=ChatStatus.RUNNING)
        return sent

    def _send_to_waiting(self, cell: Cell) -> Sent:
        if self.busy is BusyBehavior.INTERRUPT:
            return self._begin_turn(cell)
        questions = [run for run in cell.journal().values() if is_open(run)]
        has_files = any(isinstance(part, FilePart) for part in self.message.parts)
        if not has_files and questions and all(run.action is ActionKind.QUESTION for run in questions):
            for run in questions:
                answer = ToolResultPart(
                    tool_call_id=run.tool_call_id,
                    tool_name=run.tool_name,
                    result={"answer": _plain_text(self.message)},
                )
                finish_call(cell.tx, run.key, answer)
            cell.set(status=ChatStatus.RUNNING)
            return Sent(queued=False)
        return self._enqueue(cell)

    def _enqueue(self, cell: Cell) -> Sent:
        if len(cell.queue()) >= self.queue_limit:
            raise QueueFullError(limit=self.queue_limit)
        return Sent(queued=True, queued_message=cell.enqueue(self.message))


def _plain_text(message: NewMessage) -> str:
    texts = [text for part in message.parts if (text := getattr(part, "text", None) or getattr(part, "content", None))]
    return "\n".join(str(text) for text in texts)


def finish_call(tx: Transaction, key: CallKey, result: ToolResultPart, *, decided_by: str | None = None) -> None:
    """Journal a call's result."""
    tx.conn.execute(
        "UPDATE tool_runs SET finished_at = ?, result = ?, decided_by = COALESCE(?, decided_by)"
        " WHERE message_id = ? AND call_index = ? AND result IS NULL",
        (tx.now, result_to_json(result), decided_by, key.message_id, key.index),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Edited:
    """The replacement, and the queued messages that the edit dropped."""

    message: Message
    dropped: tuple[QueuedMessage, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EditMessage:
    """Replace a user message: it and all later rows are marked deleted, the replacement gets a new id.

    Raises:
        NotFoundError: no such message in this chat.
        InvalidInputError: it is not a user message.
    """

    chat_id: str
    message_id: int
    message: NewMessage

    transition = Transition.EDIT_MESSAGE

    def apply(self, tx: Transaction) -> Edited:
        original = self._original(tx)
        cell = tx.cell(self.chat_id)
        self._interrupt_children(tx)
        tx.conn.execute(
            "DELETE FROM message_search WHERE rowid IN"
            " (SELECT id FROM messages WHERE chat_id = ? AND id >= ? AND deleted = 0)",
            (self.chat_id, self.message_id),
        )
        tx.conn.execute(
            "UPDATE messages SET deleted = 1, revision = ? WHERE chat_id = ? AND id >= ? AND deleted = 0",
            (cell.snapshot_version, self.chat_id, self.message_id),
        )
        cell.history_reset = True
        dropped = cell.empty_queue()
        message = cell.insert(
            replace(
                self.message,
                visibility=original.visibility,
                model=self.message.model or original.model,
                model_config_id=self.message.model_config_id or original.model_config_id,
                turn_options=self.message.turn_options or original.turn_options,
            )
        )
        cell.set(status=ChatStatus.RUNNING, compaction_requested_at=None)
        return Edited(message=message, dropped=dropped)

    def _original(self, tx: Transaction) -> Message:
        tx.peek(self.chat_id)
        row = tx.conn.execute(
            "SELECT * FROM messages WHERE id = ? AND chat_id = ? AND deleted = 0", (self.message_id, self.chat_id)
        ).fetchone()
        if row is None:
            raise NotFoundError(f"Message {self.message_id} was not found in this chat.")
        message = message_from_row(row)
        if message.role is not Role.USER or message.visibility is Visibility.MODEL:
            raise InvalidInputError(
                "Only user messages can be edited.",
                detail=f"Message {self.message_id} has the role {message.role.value}.",
            )
        return message

    def _interrupt_children(self, tx: Transaction) -> None:
        rows = tx.conn.execute(
            "SELECT id FROM chats WHERE parent_chat_id = ? AND spawn_message_id >= ?"
            " AND status IN ('running', 'requires_action')",
            (self.chat_id, self.message_id),
        ).fetchall()
        for row in rows:
            interrupt_cell(tx.cell(row["id"], transition=Transition.INTERRUPT_DROP), drop=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteQueued:
    """Remove a queued message; an unknown id is fine in every state."""

    chat_id: str
    queued_id: int

    transition = Transition.DELETE_QUEUED

    def apply(self, tx: Transaction) -> QueuedMessage | None:
        if self.queued_id not in {queued.id for queued in tx.peek(self.chat_id).queue()}:
            return None
        return tx.cell(self.chat_id).dequeue(self.queued_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class PromoteQueued:
    """Make a queued message the next one; a running turn is interrupted for it.

    Raises:
        NotFoundError: no such message in this chat's queue.
    """

    chat_id: str
    queued_id: int

    transition = Transition.PROMOTE_QUEUED

    def apply(self, tx: Transaction) -> Sent:
        found = {queued.id: queued for queued in tx.peek(self.chat_id).queue()}.get(self.queued_id)
        if found is None:
            raise NotFoundError(f"Queued message {self.queued_id} was not found in this chat.")
        cell = tx.cell(self.chat_id)
        if cell.chat.status in (ChatStatus.RUNNING, ChatStatus.INTERRUPTING):
            cell.move_to_head(self.queued_id)
            cell.set(status=ChatStatus.INTERRUPTING, compaction_requested_at=None)
            return Sent(queued=True, queued_message=found)
        cell.dequeue(self.queued_id)
        message = cell.promote(found)
        cell.set(status=ChatStatus.RUNNING, compaction_requested_at=None)
        return Sent(queued=False, message=message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interrupted:
    """The chat after an interrupt, and the queued messages that it dropped."""

    chat: Chat
    dropped: tuple[QueuedMessage, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class InterruptChat:
    """Stop what runs; in a state where nothing runs, nothing changes."""

    chat_id: str
    drop_queue: bool = False

    @property
    def transition(self) -> Transition:
        return Transition.INTERRUPT_DROP if self.drop_queue else Transition.INTERRUPT_KEEP

    def apply(self, tx: Transaction) -> Interrupted:
        seen = tx.peek(self.chat_id)
        children = [] if seen.chat.parent_chat_id else tx.running_children(self.chat_id)
        for child in children:
            interrupt_cell(child, drop=True)
        if seen.state not in TABLE[self.transition]:
            return Interrupted(chat=seen.chat)
        cell = tx.cell(self.chat_id)
        dropped = interrupt_cell(cell, drop=self.drop_queue)
        return Interrupted(chat=cell.chat, dropped=dropped)


def interrupt_cell(cell: Cell, *, drop: bool) -> tuple[QueuedMessage, ...]:
    """Stop one chat that runs or waits for a client; return the queued messages dropped."""
    dropped = cell.empty_queue() if drop else ()
    if cell.chat.status is ChatStatus.RUNNING:
        cell.set(status=ChatStatus.INTERRUPTING, compaction_requested_at=None)
        return dropped
    cell.close_calls()
    promoted = cell.promote_head()
    cell.set(status=ChatStatus.RUNNING if promoted else ChatStatus.WAITING, compaction_requested_at=None)
    return dropped


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestCompaction:
    """Ask for the history to be summarised.

    Raises:
        ConflictError: nothing has been answered since the last summary.
    """

    chat_id: str

    transition = Transition.REQUEST_COMPACTION

    def apply(self, tx: Transaction) -> Chat:
        cell = tx.cell(self.chat_id)
        if not _answered_rows(tx, self.chat_id):
            raise tx.conflict(cell, detail="There is nothing to compact: no answer since the last summary.")
        cell.set(status=ChatStatus.RUNNING, compaction_requested_at=tx.now)
        return cell.chat


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearContext:
    """Begin anew inside the same chat: a compaction marker with no summary."""

    chat_id: str

    transition = Transition.CLEAR_CONTEXT

    def apply(self, tx: Transaction) -> Message:
        cell = tx.cell(self.chat_id)
        marker = NewMessage(
            role=Role.USER,
            parts=(),
            visibility=Visibility.MODEL,
            compressed=True,
            covers_until=max(_answered_rows(tx, self.chat_id), default=0),
        )
        cell.set(status=ChatStatus.WAITING)
        return cell.insert(marker)


def _answered_rows(tx: Transaction, chat_id: str) -> Sequence[int]:
    """The ids that a summary may cover: all since the last summary, up to the last assistant or tool row."""
    rows = tx.conn.execute(
        "SELECT id, role FROM messages WHERE chat_id = ? AND deleted = 0 AND compressed = 0 AND role <> 'system'"
        " AND id > COALESCE((SELECT MAX(covers_until) FROM messages"
        " WHERE chat_id = ? AND deleted = 0 AND compressed = 1), 0) ORDER BY id",
        (chat_id, chat_id),
    ).fetchall()
    last = max((row["id"] for row in rows if row["role"] in ("assistant", "tool")), default=0)
    return [row["id"] for row in rows if row["id"] <= last]


@dataclass(frozen=True, slots=True, kw_only=True)
class SetArchived:
    """Archive or unarchive; for a root chat, its whole family or none of it.

    Raises:
        InvalidInputError: it is so already.
        ConflictError: something runs; the detail names the chats. Or a child's parent is archived.
    """

    chat_id: str
    archived: bool

    @property
    def transition(self) -> Transition:
        return Transition.ARCHIVE if self.archived else Transition.UNARCHIVE

    def apply(self, tx: Transaction) -> tuple[Chat, ...]:
        target = tx.peek(self.chat_id)
        if target.chat.archived == self.archived:
            word = "archived already" if self.archived else "not archived"
            raise InvalidInputError(f"The chat is {word}.")
        self._check_parent(tx, target)
        members = [member for member in self._family(tx) if tx.peek(member).chat.archived != self.archived]
        self._check_idle(tx, target, members)
        for member in members:
            cell = tx.cell(member)
            cell.set(archived=self.archived, **({"pin_order": 0} if self.archived else {}))
        return tuple(tx.cells[member].chat for member in members)

    def _family(self, tx: Transaction) -> list[str]:
        rows = tx.conn.execute("SELECT id FROM chats WHERE root_chat_id = ? ORDER BY created_at, id", (self.chat_id,))
        return [self.chat_id, *(row["id"] for row in rows if row["id"] != self.chat_id)]

    def _check_parent(self, tx: Transaction, target: Cell) -> None:
        parent = target.chat.parent_chat_id
        if not self.archived and parent and tx.peek(parent).chat.archived:
            raise tx.conflict(target, detail=f"Its parent chat {parent} is archived: unarchive that one.")

    def _check_idle(self, tx: Transaction, target: Cell, members: list[str]) -> None:
        busy = [member for member in members if tx.peek(member).state not in TABLE[self.transition]]
        if busy:
            raise tx.conflict(target, detail=f"Still busy: {', '.join(busy)}. Interrupt and try again.")


IDLE = frozenset({State.W, State.E0, State.E1})
"""The states in which nothing runs and nobody is waited for."""
