"""One transition as it runs: the chats it touches, the checks against the table, and what it announces.

A transition's code works on *cells*. When it is done, `Transaction.finish` checks each cell's old and new
state against the table and writes the columns that changed. Nothing here has an effect outside the database:
a transition can be run again, and its changes leave after COMMIT only.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

from ..errors import ChatNotFoundError, ConflictError, StaleWorkError
from ..events import Change
from ..messages import Action, Chat, ChatStatus, Message
from .calls import (
    INTERRUPTED,
    NOT_RUN,
    UNKNOWN_OUTCOME,
    actions_of,
    closing_result,
    error_result,
    is_open,
    result_row,
)
from .cell import Cell
from .group import Group, KnownChat
from .machine import QUIET, TABLE, State, Transition
from .quick import quick
from .rows import IS_UNREAD, chat_columns, chat_from_row, messages_from_rows

__all__ = [
    "INTERRUPTED",
    "NOT_RUN",
    "UNKNOWN_OUTCOME",
    "Cell",
    "Claim",
    "Transaction",
    "actions_of",
    "closing_result",
    "error_result",
    "is_open",
    "result_row",
]

_make_change = quick(Change)
_know = quick(KnownChat)
_SELECT_CHAT = f"SELECT *, {IS_UNREAD} FROM chats WHERE id = ?"  # noqa: S608 - built of literals
_TO_STOP = {
    "running": Transition.INTERRUPT_DROP,
    "requires_action": Transition.INTERRUPT_DROP,
    "interrupting": Transition.DELETE_QUEUED,
}
"""The row of the table by which a child is stopped, by its status."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What work was started for; it may be committed only while all of it still holds."""

    chat_id: str
    runner_id: str
    history_version: int
    status: ChatStatus = ChatStatus.RUNNING


class Transaction:
    """One transition, running on the writer's connection; when it raises, what it wrote is undone."""

    def __init__(self, conn: sqlite3.Connection, *, transition: Transition, now: float, group: Group) -> None:
        self.conn = conn
        self.transition = transition
        self.now = now
        self.cells: dict[str, Cell] = {}
        """The chats that this transition changes."""
        self._group = group
        self._seen: dict[str, Cell] = {}

    # Chats

    def cell(self, chat_id: str, *, transition: Transition | None = None) -> Cell:
        """Open a chat for this transition; its state must be one that the table lets it start from.

        Args:
            chat_id: The chat.
            transition: The row that applies to this chat, where it is taken along by a transition of another.

        Raises:
            ChatNotFoundError: no such chat.
            ConflictError: the chat's state does not allow this transition.
        """
        cell = self.peek(chat_id)
        if chat_id in self.cells:
            return cell
        cell.transition = transition or self.transition
        if cell.state not in TABLE[cell.transition]:
            raise self.conflict(cell)
        return self._open(cell)

    def peek(self, chat_id: str) -> Cell:
        """Read a chat without opening it: nothing done to this cell is written.

        Raises:
            ChatNotFoundError: no such chat.
        """
        if chat_id in self._seen:
            return self._seen[chat_id]
        known = self._group.find_chat(chat_id) or self._read_chat(chat_id)
        cell = self._seen[chat_id] = self._cell(known, before=known.chat)
        return cell

    def _read_chat(self, chat_id: str) -> KnownChat:
        row = self.conn.execute(_SELECT_CHAT, (chat_id,)).fetchone()
        if row is None:
            raise ChatNotFoundError(chat_id)
        return KnownChat(chat=chat_from_row(row), has_queue=self.has_queue(chat_id), calls_closed=False)

    def _cell(self, known: KnownChat, *, before: Chat | None) -> Cell:
        return Cell(
            self,
            self.transition,
            before,
            known.chat,
            had_queue=known.has_queue,
            calls_closed=known.calls_closed,
            snapshot_version=known.chat.snapshot_version + 1,
        )

    def claimed(self, claim: Claim) -> Cell:
        """Open a chat for work that was started under *claim*.

        Raises:
            StaleWorkError: the claim no longer holds.
            ConflictError: it holds, but this transition is not for the chat's state.
        """
        self.check_claim(claim)
        return self.cell(claim.chat_id)

    def check_claim(self, claim: Claim) -> None:
        """Make sure that a claim still holds.

        Raises:
            StaleWorkError: it does not.
        """
        try:
            chat = self.peek(claim.chat_id).chat
        except ChatNotFoundError as error:
            raise StaleWorkError(claim.chat_id, self.transition) from error
        claimed = (claim.runner_id, claim.history_version, claim.status)
        if (chat.runner_id, chat.history_version, chat.status) != claimed:
            raise StaleWorkError(claim.chat_id, self.transition)

    def create(self, chat: Chat) -> Cell:
        """Begin a new chat; its row is written at once because messages refer to it.

        Raises:
            ConflictError: there is a chat with this id.
        """
        self.check_free(chat.id)
        chat = replace(chat, snapshot_version=0, history_version=1, created_at=self.now, updated_at=self.now)
        columns = chat_columns({name: getattr(chat, name) for name in Chat.__slots__})
        marks = ", ".join("?" * len(columns))
        self.conn.execute(
            f"INSERT INTO chats ({', '.join(columns)}) VALUES ({marks})",  # noqa: S608 - names are ours
            list(columns.values()),
        )
        return self._open(self._cell(KnownChat(chat=chat, has_queue=False, calls_closed=True), before=None))

    def check_free(self, chat_id: str) -> None:
        """Make sure that a new chat may have this id.

        Raises:
            ConflictError: there is a chat with it.
        """
        if self.find(chat_id) is not None:
            raise self.conflict(self.peek(chat_id), detail=f"There is a chat {chat_id} already.")

    def find(self, chat_id: str) -> Chat | None:
        """Return a chat; `None` when there is none of that id."""
        try:
            return self.peek(chat_id).chat
        except ChatNotFoundError:
            return None

    def _open(self, cell: Cell) -> Cell:
        moves = {} if cell.transition in QUIET else {"updated_at": self.now}
        cell.set(snapshot_version=cell.snapshot_version, **moves)
        self.cells[cell.id] = self._seen[cell.id] = cell
        return cell

    def children_to_stop(self, chat_id: str, *, spawned_since: int | None = None) -> list[Cell]:
        """Open the children that an interruption takes along: what runs, waits for a client, or is about to.

        One that is being interrupted goes on with its queue afterwards, and to lose it is to lose all.

        Args:
            chat_id: The root.
            spawned_since: Only those whose spawning call is of this message or a later one.
        """
        rows = self.conn.execute(
            "SELECT id, status FROM chats"
            " WHERE (parent_chat_id = :chat OR root_chat_id = :chat) AND id <> :chat"
            " AND (:since IS NULL OR spawn_message_id >= :since)"
            " AND (status IN ('running', 'requires_action') OR status = 'interrupting'"
            " AND EXISTS (SELECT 1 FROM queued_messages WHERE chat_id = chats.id))"
            " ORDER BY created_at, id",
            {"chat": chat_id, "since": spawned_since},
        ).fetchall()
        return [self.cell(row["id"], transition=_TO_STOP[row["status"]]) for row in rows]

    def has_queue(self, chat_id: str) -> bool:
        """Whether queued messages wait in the chat, now."""
        found = self.conn.execute("SELECT 1 FROM queued_messages WHERE chat_id = ? LIMIT 1", (chat_id,))
        return found.fetchone() is not None

    def is_counted(self, chat_id: str) -> bool:
        """Whether a chat has sums of usage, perhaps from before it was deleted here."""
        return self._group.is_counted(self.conn, chat_id)

    def next_message_id(self) -> int:
        """Allot a message id."""
        return self._group.next_message_id(self.conn)

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

    # The end

    def finish(self) -> tuple[Change, ...]:
        """Check every cell against the table, write its columns, and return what to announce.

        Raises:
            AssertionError: a transition led where the table does not; it is rolled back.
        """
        if not self.cells:
            return ()
        change_id = self._group.next_change_id(self.conn)
        changes = tuple(self._finish_cell(cell, change_id) for cell in self.cells.values())
        self._leave()
        return changes

    def _leave(self) -> None:
        """Hand on what the next transition need not read again."""
        cells = self.cells.values()
        if any(cell.purged or cell.history_reset for cell in cells):
            self._group.look_again()  # messages are gone, and chats that referred to a purged one changed
        for cell in cells:
            self._group.index(cell.inserted)
            if cell.counts_usage:
                self._group.count(cell.chat, cell.inserted)
            if not cell.purged:
                self._group.keep(
                    _know(chat=cell.chat, has_queue=cell.has_queue, calls_closed=cell.calls_closed)
                )

    def _finish_cell(self, cell: Cell, change_id: int) -> Change:
        before, after = cell.state_before, State.N if cell.purged else cell.state
        if after not in TABLE[cell.transition].get(before, frozenset()):
            raise AssertionError(f"{cell.transition} led from {before} to {after}, which is not in the table")
        if cell.purged:
            self.conn.execute("DELETE FROM chats WHERE id = ?", (cell.id,))
            return Change(chat=cell.chat, kind="deleted", purged=True)
        self._write(cell, change_id)
        return self._change(cell)

    def _write(self, cell: Cell, change_id: int) -> None:
        columns = chat_columns(cell.changed)
        self.conn.execute(_update_chat(tuple(columns)), (*columns.values(), change_id, cell.id))

    def _change(self, cell: Cell) -> Change:
        before, chat = cell.before, cell.chat
        status_changed = before is None or _shown(before) != _shown(chat)
        return _make_change(
            chat=chat,
            inserted=tuple(cell.inserted),
            history=visible_messages(self.conn, cell.id) if cell.history_reset else None,
            queue=cell.queue() if cell.queue_changed else None,
            actions=self._changed_actions(cell),
            status_changed=status_changed,
            error_set=chat.last_error is not None
            and (before is None or before.last_error != chat.last_error),
            retry_set=chat.retry_state is not None and "retry_state" in cell.changed,
            kind=_change_kind(before, chat, status_changed=status_changed),
        )

    def _changed_actions(self, cell: Cell) -> tuple[Action, ...] | None:
        if cell.status is ChatStatus.REQUIRES_ACTION:
            return actions_of(cell.chat, cell.journal().values())
        waited = cell.before is not None and cell.before.status is ChatStatus.REQUIRES_ACTION
        return () if waited else None


@cache
def _update_chat(columns: tuple[str, ...]) -> str:
    """Return the statement that writes these columns of a chat, then its change id."""
    assignments = ", ".join(f"{name} = ?" for name in (*columns, "change_id"))
    return f"UPDATE chats SET {assignments} WHERE id = ?"  # noqa: S608 - names are ours


def _shown(chat: Chat) -> tuple[object, ...]:
    """What a status event tells: the status, and whether somebody works on it."""
    return (chat.status, chat.worker_id is None, chat.archived)


def _change_kind(
    before: Chat | None, chat: Chat, *, status_changed: bool
) -> Literal["created", "deleted", "status_change", "updated"]:
    """What watchers of the list are told; the archive is out of their sight."""
    if before is None:
        return "created"
    if before.archived != chat.archived:
        return "deleted" if chat.archived else "created"
    return "status_change" if status_changed else "updated"


def visible_messages(conn: sqlite3.Connection, chat_id: str, *, after_id: int = 0) -> tuple[Message, ...]:
    """Return the rows that are not deleted with an id above *after_id*, oldest first."""
    return messages_from_rows(
        conn.execute(
            "SELECT * FROM messages WHERE chat_id = ? AND deleted = 0 AND id > ? ORDER BY id",
            (chat_id, after_id),
        )
    )
