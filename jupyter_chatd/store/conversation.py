"""Transitions that a user causes: create, send, edit, queue, interrupt, archive.

Each is a value: what it needs comes in as fields (time and random ids too), `apply` runs inside one
transaction and may run again. Rows and rules: `machine.py` and spec/state-machine.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from .. import defaults
from ..errors import InvalidInputError, NotFoundError, QueueFullError
from ..messages import (
    ActionKind,
    Chat,
    ChatStatus,
    FilePart,
    Message,
    NewMessage,
    QueuedMessage,
    Role,
    ToolCallPart,
    ToolResultPart,
    ToolRun,
    TurnOptions,
    Visibility,
)
from .calls import is_open
from .cell import Cell
from .families import check_room
from .files import StoredFile, find_files, insert_file, link_files
from .machine import TABLE, State, Transition
from .rows import message_from_row, result_to_json
from .settle import settle
from .transaction import Claim, Transaction

QUEUE_LIMIT = defaults.QUEUE_LIMIT
CLEARED = "chat_cleared"
"""Name of the call that stands where the context was cleared; no tool has it."""


class BusyBehavior(StrEnum):
    """What sending does while a turn runs."""

    QUEUE = "queue"
    INTERRUPT = "interrupt"


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateChat:
    """Begin a chat with its first rows.

    A child is fenced by its parent's runner, so its parent runs and is not archived; made again by the same
    call, it is returned as it is.

    Raises:
        StaleWorkError: *parent* no longer holds.
        TooManySubagentsError: the parent has as many children at work as it may.
        ConflictError: there is another chat with this id.
    """

    chat: Chat
    rows: tuple[NewMessage, ...]
    parent: Claim | None = None
    most_at_work: int | None = None
    """Children of the parent, this one included; `None` for no limit."""

    transition = Transition.CREATE

    def apply(self, tx: Transaction) -> Chat:
        """Return the new chat."""
        if self.chat.parent_chat_id != (self.parent.chat_id if self.parent else None):
            raise ValueError(
                "a child chat is made under the claim of its parent's runner, and only a child is"
            )
        if self.parent is not None:
            tx.check_claim(self.parent)
            made = tx.find(self.chat.id)
            if made is not None and made.parent_chat_id == self.parent.chat_id:
                return made
            check_room(tx.conn, self.parent.chat_id, limit=self.most_at_work)
        cell = tx.create(replace(self.chat, status=ChatStatus.RUNNING, archived=False))
        for row in self.rows:
            cell.insert(row)
        return cell.chat


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportChat:
    """Store a chat that comes from elsewhere, idle. Its rows are not announced: there may be very many.

    What its model calls used is counted, unless it was when the same chat was here before.
    Rows have no ids yet: their `answers` and `covers_until` count the chat's rows from 1; what they do not
    say is found as `settle` has it.

    Raises:
        ConflictError: there is a chat with this id.
    """

    chat: Chat
    rows: Iterable[NewMessage]
    """In order; read once for each time that the transition runs."""
    created_at: float | None = None
    """UTC seconds, where that is known. The chat is then as old as its newest row."""
    files: tuple[StoredFile, ...] = ()
    """What the chat holds; those that the database does not know yet are written down."""

    transition = Transition.IMPORT

    def apply(self, tx: Transaction) -> Chat:
        """Return the new chat."""
        cell, _ = self.insert(tx, self.chat)
        return cell.chat

    def insert(self, tx: Transaction, chat: Chat) -> tuple[Cell, int]:
        """Insert everything, for *chat* as it shall be; return also the number before that of its rows."""
        cell = tx.create(replace(chat, status=ChatStatus.WAITING, archived=False, last_error=None))
        cell.counts_usage = not tx.is_counted(chat.id)
        self._insert_files(tx, cell)
        first: int | None = None
        newest = self.created_at
        for row in settle(self.rows):
            message = cell.add(_with_ids(row, before=(first or 1) - 1))
            first = first or message.id
            newest = message.created_at
        if self.created_at is not None:
            cell.set(created_at=self.created_at, updated_at=newest)
        return cell, (first or 1) - 1

    def _insert_files(self, tx: Transaction, cell: Cell) -> None:
        owner_id, ids = cell.chat.owner_id, [file.id for file in self.files]
        known = find_files(tx.conn, ids, owner_id=owner_id)
        for file in self.files:
            if file.id not in known:
                insert_file(tx.conn, replace(file, owner_id=owner_id))
        if ids:
            link_files(tx.conn, cell.id, ids, limit=None)


def _with_ids(row: NewMessage, *, before: int) -> NewMessage:
    """Return the row with ids instead of numbers; *before* is the id before that of row 1."""
    answers = row.answers and replace(row.answers, message_id=before + row.answers.message_id)
    return replace(row, answers=answers, covers_until=row.covers_until and before + row.covers_until)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportFamily:
    """Store a chat with its children: all of them or none.

    Raises:
        ConflictError: there is a chat with one of these ids.
    """

    members: tuple[ImportChat, ...]
    """A parent before its children. In `spawned_by`, rows of a parent are counted from 1."""

    transition = Transition.IMPORT

    def apply(self, tx: Transaction) -> tuple[Chat, ...]:
        """Return the new chats."""
        for member in self.members:
            tx.check_free(member.chat.id)
        cells: list[Cell] = []
        before: dict[str, int] = {}
        for member in self.members:
            chat = member.chat
            by, parent = chat.spawned_by, chat.parent_chat_id or ""
            if by is not None:
                chat = replace(chat, spawned_by=replace(by, message_id=before[parent] + by.message_id))
            cell, before[chat.id] = member.insert(tx, chat)
            cells.append(cell)
        return tuple(cell.chat for cell in cells)


@dataclass(frozen=True, slots=True, kw_only=True)
class PurgeChat:
    """Delete an archived chat for good, and with a root its children: they must not become roots."""

    chat_id: str

    transition = Transition.PURGE

    def apply(self, tx: Transaction) -> None:
        """Delete the family."""
        tx.cell(self.chat_id)
        for member in family(tx, self.chat_id):
            tx.cell(member).purged = True
            tx.conn.execute(
                "DELETE FROM message_search WHERE rowid IN (SELECT id FROM messages WHERE chat_id = ?)",
                (member,),
            )


def family(tx: Transaction, chat_id: str) -> list[str]:
    """Return the chat and its descendants, the chat first, then by age."""
    rows = tx.conn.execute(
        "SELECT id FROM chats WHERE root_chat_id = ? AND id <> ? ORDER BY created_at, id", (chat_id, chat_id)
    )
    return [chat_id, *(row["id"] for row in rows)]


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
        StaleWorkError: *parent* no longer holds.
        TooManySubagentsError: the chat would begin to work, and its parent has enough that do.
    """

    chat_id: str
    message: NewMessage
    busy: BusyBehavior = BusyBehavior.QUEUE
    queue_limit: int = QUEUE_LIMIT
    parent: Claim | None = None
    """The turn of a parent that sends it: what came after a stop must not begin anew what was stopped."""
    most_at_work: int | None = None
    """Children of that parent, this one included; `None` for no limit."""

    @property
    def transition(self) -> Transition:
        """The row of the table."""
        return Transition.SEND_QUEUE if self.busy is BusyBehavior.QUEUE else Transition.SEND_INTERRUPT

    def apply(self, tx: Transaction) -> Sent:
        """Return where the message went."""
        if self.parent is not None:
            tx.check_claim(self.parent)
        cell = tx.cell(self.chat_id)
        match cell.status:
            case ChatStatus.WAITING | ChatStatus.ERROR:
                if self.parent is not None:
                    check_room(tx.conn, self.parent.chat_id, limit=self.most_at_work)
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
            cell.set(compaction_requested_at=None)
            return self._begin_turn(cell)
        asked = [run for run in cell.journal().values() if is_open(run)]
        if self._is_answer_to(asked):
            for run in asked:
                finish_call(cell.tx, run, self._answer_to(run), decided_by=self.message.created_by)
            cell.set(status=ChatStatus.RUNNING)
            return Sent(queued=False)
        return self._enqueue(cell)

    def _is_answer_to(self, asked: Sequence[ToolRun]) -> bool:
        """Whether the message is the free-text answer to all that is asked. An answer holds no files."""
        has_files = any(isinstance(part, FilePart) for part in self.message.parts)
        return not has_files and bool(asked) and all(run.action is ActionKind.QUESTION for run in asked)

    def _answer_to(self, run: ToolRun) -> ToolResultPart:
        return ToolResultPart(
            tool_call_id=run.tool_call_id,
            tool_name=run.tool_name,
            result={"answer": _plain_text(self.message)},
        )

    def _enqueue(self, cell: Cell) -> Sent:
        if cell.queue_length() >= self.queue_limit:
            raise QueueFullError(limit=self.queue_limit)
        return Sent(queued=True, queued_message=cell.enqueue(self.message))


def _plain_text(message: NewMessage) -> str:
    texts = (getattr(part, "text", None) or getattr(part, "content", None) for part in message.parts)
    return "\n".join(str(text) for text in texts if text)


def finish_call(
    tx: Transaction, run: ToolRun, result: ToolResultPart, *, decided_by: str | None = None
) -> None:
    """Journal a call's result, and who gave it, unless somebody decided about the call before."""
    tx.conn.execute(
        "UPDATE tool_runs SET finished_at = ?, result = ?, decided_by = COALESCE(decided_by, ?)"
        " WHERE message_id = ? AND call_index = ? AND result IS NULL",
        (tx.now, result_to_json(result), decided_by, run.message_id, run.call_index),
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
    """Without options of its own it takes on those of the original."""
    client_message_id: str | None = None
    """Its name in any case: the original's would name another client."""

    transition = Transition.EDIT_MESSAGE

    def apply(self, tx: Transaction) -> Edited:
        """Return the replacement and what the queue held."""
        original = self._original(tx)
        cell = tx.cell(self.chat_id)
        for child in tx.children_to_stop(self.chat_id, spawned_since=self.message_id):
            interrupt_cell(child, drop=True)
        cell.delete_from(self.message_id)
        dropped = cell.empty_queue()
        message = cell.say(
            replace(
                self.message,
                visibility=original.visibility,
                model=self.message.model or original.model,
                model_config_id=self.message.model_config_id or original.model_config_id,
                turn_options=self._options(original),
            )
        )
        cell.set(status=ChatStatus.RUNNING, compaction_requested_at=None)
        return Edited(message=message, dropped=dropped)

    def _options(self, original: Message) -> TurnOptions | None:
        options = self.message.turn_options or original.turn_options or TurnOptions()
        options = replace(options, client_message_id=self.client_message_id)
        return None if options == TurnOptions() else options

    def _original(self, tx: Transaction) -> Message:
        tx.peek(self.chat_id)
        row = tx.conn.execute(
            "SELECT * FROM messages WHERE id = ? AND chat_id = ? AND deleted = 0",
            (self.message_id, self.chat_id),
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


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteQueued:
    """Remove a queued message; an unknown id is fine in every state."""

    chat_id: str
    queued_id: int

    transition = Transition.DELETE_QUEUED

    def apply(self, tx: Transaction) -> QueuedMessage | None:
        """Return what was removed; `None` when there was no such message."""
        queued = tx.peek(self.chat_id).find_queued(self.queued_id)
        if queued is not None:
            tx.cell(self.chat_id).dequeue(queued)
        return queued


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
        """Return the message in the history, or at the head of the queue while the running turn ends."""
        queued = tx.peek(self.chat_id).find_queued(self.queued_id)
        if queued is None:
            raise NotFoundError(f"Queued message {self.queued_id} was not found in this chat.")
        cell = tx.cell(self.chat_id)
        if cell.status in (ChatStatus.RUNNING, ChatStatus.INTERRUPTING):
            cell.move_to_head(queued)
            cell.set(status=ChatStatus.INTERRUPTING, compaction_requested_at=None)
            return Sent(queued=True, queued_message=queued)
        message = cell.promote(queued)
        cell.set(status=ChatStatus.RUNNING, compaction_requested_at=None)
        return Sent(queued=False, message=message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interrupted:
    """The chat after an interrupt, and the queued messages that it dropped."""

    chat: Chat
    dropped: tuple[QueuedMessage, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class InterruptChat:
    """Stop what runs, on a root with its running children; where nothing runs, nothing changes.

    Raises:
        ConflictError: the chat is archived, or in an impossible state.
    """

    chat_id: str
    drop_queue: bool = False

    @property
    def transition(self) -> Transition:
        """The row of the table."""
        return Transition.INTERRUPT_DROP if self.drop_queue else Transition.INTERRUPT_KEEP

    def apply(self, tx: Transaction) -> Interrupted:
        """Return the chat and the messages that its queue lost. Children lose their queues without a word."""
        seen = tx.peek(self.chat_id)
        if seen.chat.parent_chat_id is None:
            for child in tx.children_to_stop(self.chat_id):
                interrupt_cell(child, drop=True)
        if seen.state in _NOTHING_TO_STOP:
            return Interrupted(chat=seen.chat)
        cell = tx.cell(self.chat_id)
        dropped = interrupt_cell(cell, drop=self.drop_queue)
        return Interrupted(chat=cell.chat, dropped=dropped)


_NOTHING_TO_STOP = frozenset({State.W, State.E0, State.E1, State.I0, State.I1})


def interrupt_cell(cell: Cell, *, drop: bool) -> tuple[QueuedMessage, ...]:
    """Stop one chat that runs or waits for a client; return the queued messages dropped.

    One that is being interrupted loses its queue with *drop*, and nothing else.
    """
    dropped = cell.empty_queue() if drop else ()
    if cell.status is ChatStatus.INTERRUPTING:
        return dropped
    if cell.status is ChatStatus.RUNNING:
        cell.set(status=ChatStatus.INTERRUPTING, compaction_requested_at=None)
        return dropped
    cell.close_calls()
    promoted = cell.promote_head()
    cell.set(status=ChatStatus.RUNNING if promoted else ChatStatus.WAITING, compaction_requested_at=None)
    return dropped


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestCompaction:
    """Ask for the history to be summarised; after an error the failed turn runs again then.

    Raises:
        ConflictError: nothing has been answered since the last summary.
    """

    chat_id: str

    transition = Transition.REQUEST_COMPACTION

    def apply(self, tx: Transaction) -> Chat:
        """Return the chat."""
        cell = tx.cell(self.chat_id)
        if _last_answered(tx, self.chat_id) <= _covered(tx, self.chat_id):
            raise tx.conflict(cell, detail="There is nothing to compact: no answer since the last summary.")
        cell.set(status=ChatStatus.RUNNING, compaction_requested_at=tx.now)
        return cell.chat


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearContext:
    """Begin anew inside the same chat: a compaction marker with no summary. What is unanswered stays.

    Like a summary it comes with a call and its result, by which people see where the model's memory begins.
    """

    chat_id: str

    transition = Transition.CLEAR_CONTEXT

    def apply(self, tx: Transaction) -> Message:
        """Return the marker."""
        cell = tx.cell(self.chat_id)
        marker = NewMessage(
            role=Role.USER,
            parts=(),
            visibility=Visibility.MODEL,
            compressed=True,
            covers_until=max(_last_answered(tx, self.chat_id), _covered(tx, self.chat_id)),
        )
        cell.set(status=ChatStatus.WAITING)
        message = cell.insert(marker)
        for row in _shown_clearing(message):
            cell.insert(row)
        return message


def _shown_clearing(marker: Message) -> tuple[NewMessage, NewMessage]:
    call_id = f"{CLEARED}_{marker.id}"
    call = ToolCallPart(tool_call_id=call_id, tool_name=CLEARED, args={"source": "manual"})
    result = ToolResultPart(tool_call_id=call_id, tool_name=CLEARED, result={"source": "manual"})
    return (
        NewMessage(role=Role.ASSISTANT, parts=(call,), visibility=Visibility.USER, compressed=True),
        NewMessage(role=Role.TOOL, parts=(result,), visibility=Visibility.USER, compressed=True),
    )


def _last_answered(tx: Transaction, chat_id: str) -> int:
    """Return the id of the last row that a summary may cover: rows after it are unanswered."""
    row = tx.conn.execute(
        "SELECT id FROM messages WHERE chat_id = ? AND role IN ('assistant', 'tool') AND deleted = 0"
        " AND compressed = 0 ORDER BY id DESC LIMIT 1",
        (chat_id,),
    ).fetchone()
    return row["id"] if row else 0


def _covered(tx: Transaction, chat_id: str) -> int:
    """Return the id up to which summaries cover the history; 0 without one."""
    row = tx.conn.execute(
        "SELECT MAX(covers_until) FROM messages WHERE chat_id = ? AND deleted = 0 AND compressed = 1",
        (chat_id,),
    ).fetchone()
    return row[0] or 0


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
        """The row of the table."""
        return Transition.ARCHIVE if self.archived else Transition.UNARCHIVE

    def apply(self, tx: Transaction) -> tuple[Chat, ...]:
        """Return the chats that changed, the target first, then by age."""
        target = tx.peek(self.chat_id)
        if target.chat.archived == self.archived:
            word = "archived already" if self.archived else "not archived"
            raise InvalidInputError(f"The chat is {word}.")
        self._check_parent(tx, target)
        members = [tx.peek(member) for member in family(tx, self.chat_id)]
        members = [member for member in members if member.chat.archived != self.archived]
        self._check_idle(tx, target, members)
        for member in members:
            tx.cell(member.id).set(archived=self.archived, **({"pin_order": 0} if self.archived else {}))
        return tuple(member.chat for member in members)

    def _check_parent(self, tx: Transaction, target: Cell) -> None:
        parent = target.chat.parent_chat_id
        if not self.archived and parent and tx.peek(parent).chat.archived:
            raise tx.conflict(target, detail=f"Its parent chat {parent} is archived: unarchive that one.")

    def _check_idle(self, tx: Transaction, target: Cell, members: Sequence[Cell]) -> None:
        busy = [member.id for member in members if member.state not in TABLE[self.transition]]
        if busy:
            raise tx.conflict(target, detail=f"Still busy: {', '.join(busy)}. Interrupt and try again.")
