"""What the transitions of one commit share, so that each of them costs a few statements less.

Ids are read once per group and counted in memory; texts are indexed together right before the commit (FTS5
writes a segment of its own for each savepoint, which costs more than the message), where usage is added up
too; and the chats that were just written are not read again. All of it lives on the writer's thread and holds
only while nobody else writes: whoever writes past the transitions calls `look_again`. See `DECISIONS.md`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from ..messages import Chat, Message
from ..wire import dump_json
from .reads import last_change_id
from .rows import searchable_text
from .usage import Addend, PaidCall, add_up, addend, is_counted, is_paid

KNOWN_CHATS = 512
"""Chats kept at the most: more than anybody has running at once, and about 1 MB."""

_VISIBLE = "SELECT id FROM messages WHERE id IN (SELECT value FROM json_each(?)) AND deleted = 0"


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownChat:
    """A chat as the last transition left it."""

    chat: Chat
    has_queue: bool
    calls_closed: bool
    """No call of the visible history is open; `False` when nobody has looked."""


class Group:
    """What the commit that is being made holds back and knows. One per store, used on the writer's thread."""

    def __init__(self) -> None:
        self._last_message_id = 0
        self._last_change_id = 0
        self._has_risen = False
        """Both ids are above all that is stored."""
        self._is_ahead = False
        """The counter of changes is to be written."""
        self._texts: list[tuple[int, str]] = []
        self._paid: list[Addend] = []
        self._may_be_gone = False
        """Messages of `_texts` may have been deleted since."""
        self._chats: dict[str, KnownChat] = {}

    # Ids

    def next_message_id(self, conn: sqlite3.Connection) -> int:
        """Allot an id above all that is stored or was allotted: rollbacks free none (rule 4)."""
        self._rise(conn)
        self._last_message_id += 1
        return self._last_message_id

    def next_change_id(self, conn: sqlite3.Connection) -> int:
        """Allot the next database-wide number, by which other processes find what changed.

        It is counted apart from the chats: purging the newest one must not free its number.
        """
        self._rise(conn)
        self._last_change_id += 1
        self._is_ahead = True
        return self._last_change_id

    def _rise(self, conn: sqlite3.Connection) -> None:
        """Rise to what is stored: another process, or a write past the transitions, may have added to it."""
        if self._has_risen:
            return
        row = conn.execute("SELECT seq FROM sqlite_sequence WHERE name = 'messages'").fetchone()
        self._last_message_id = max(self._last_message_id, row[0] if row else 0)
        self._last_change_id = max(self._last_change_id, last_change_id(conn))
        self._has_risen = True

    # Chats, texts and usage

    def find_chat(self, chat_id: str) -> KnownChat | None:
        """Return a chat as it is now; `None` when it must be read."""
        return self._chats.get(chat_id)

    def keep(self, known: KnownChat) -> None:
        """Take a chat that a transition has written; the one that was longest unused makes room."""
        self._chats.pop(known.chat.id, None)
        self._chats[known.chat.id] = known
        if len(self._chats) > KNOWN_CHATS:
            del self._chats[next(iter(self._chats))]

    def index(self, messages: Iterable[Message]) -> None:
        """Make the texts of new messages searchable with the commit, where a person may read them."""
        self._texts.extend((message.id, text) for message in messages if (text := searchable_text(message)))

    def count(self, chat: Chat, messages: Iterable[Message]) -> None:
        """Add the model calls that gave the new messages to the chat's sums, with the commit."""
        self._paid.extend(
            addend(chat, PaidCall.of(message), now=message.created_at)
            for message in messages
            if is_paid(message)
        )

    def is_counted(self, conn: sqlite3.Connection, chat_id: str) -> bool:
        """Whether a chat has sums, or will have them with the commit."""
        return any(one[0] == chat_id for one in self._paid) or is_counted(conn, chat_id)

    # What was held back

    def settle(self, conn: sqlite3.Connection) -> None:
        """Write all that was held back; the commit follows."""
        if self._is_ahead:
            # A write past the transitions may have counted on from what was stored: their numbers may
            # coincide within the commit, never with one of a later commit.
            conn.execute(
                "UPDATE counters SET value = ?1 WHERE name = 'change' AND value < ?1", (self._last_change_id,)
            )
        add_up(conn, self._paid)
        if self._may_be_gone:
            visible = {
                row[0] for row in conn.execute(_VISIBLE, (dump_json([id_ for id_, _ in self._texts]),))
            }
            self._texts = [entry for entry in self._texts if entry[0] in visible]
        # One `INSERT … SELECT` with the condition would flush the index for every row.
        conn.executemany("INSERT INTO message_search (rowid, text) VALUES (?, ?)", self._texts)

    def end(self) -> None:
        """Begin anew, after a commit. The chats stay known."""
        self._texts.clear()
        self._paid.clear()
        self._has_risen = self._is_ahead = self._may_be_gone = False

    def look_again(self) -> None:
        """Trust nothing that is known: rows were deleted, or somebody wrote past the transitions."""
        self._chats.clear()
        self._has_risen = False
        self._may_be_gone = True

    def drop(self) -> None:
        """Begin anew, after the transaction was lost."""
        self.look_again()
        self.end()
