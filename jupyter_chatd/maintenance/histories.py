"""Every message: whether it can be read, and whether the calls in it have one result each."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from ..errors import StoreError
from ..messages import CallKey, Message, Role
from ..store.rows import message_from_row, searchable_text
from .index import Expected

_IDLE = "SELECT id FROM chats WHERE status IN ('waiting', 'error')"


def check_histories(conn: sqlite3.Connection, expected: Expected) -> Iterator[str]:
    """Yield what is wrong with messages; deleted ones must be readable too.

    Args:
        conn: The database.
        expected: Takes the texts that a search should find.
    """
    idle = {row["id"] for row in conn.execute(_IDLE)}
    history: _History | None = None
    for row in conn.execute("SELECT * FROM messages ORDER BY chat_id, id"):
        if history is None or history.chat_id != row["chat_id"]:
            yield from history.end() if history else ()
            history = _History(row["chat_id"], is_idle=row["chat_id"] in idle)
        try:
            message = message_from_row(row)
        except (StoreError, ValueError) as error:
            yield f"Message {row['id']} of chat {row['chat_id']} cannot be read: {error}"
            history.is_known = False
            continue
        if len(message.tool_calls) != row["call_count"]:
            yield f"Message {message.id} has {len(message.tool_calls)} calls, and not {row['call_count']}."
        if not message.deleted:
            yield from history.add(message)
            expected.add(message.id, searchable_text(message))
    yield from history.end() if history else ()


class _History:
    """The visible history of one chat, as far as it was read."""

    def __init__(self, chat_id: str, *, is_idle: bool) -> None:
        self.chat_id = chat_id
        self.is_known = True
        """All messages so far could be read."""
        self._is_idle = is_idle
        self._open: set[CallKey] = set()

    def add(self, message: Message) -> Iterator[str]:
        if message.covers_until is not None and message.covers_until >= message.id:
            yield f"Message {message.id} claims to sum up what comes after it."
        if message.compressed:
            return
        if message.role is Role.TOOL:
            yield from self._answer(message)
        elif message.role in (Role.USER, Role.ASSISTANT):
            yield from self._complain("the history goes on")
            self._open = set()
        if message.role is Role.ASSISTANT:
            self._open = {CallKey(message_id=message.id, index=index) for index, _ in message.tool_calls}

    def end(self) -> Iterator[str]:
        """Yield what is wrong with the end of the history."""
        if self._is_idle:
            yield from self._complain("the chat is idle")

    def _answer(self, message: Message) -> Iterator[str]:
        if message.answers is None:
            return
        if message.answers not in self._open and self.is_known:
            yield f"Message {message.id} answers {_name(message.answers)}, which is no open call."
        self._open.discard(message.answers)

    def _complain(self, why: str) -> Iterator[str]:
        for key in sorted(self._open) if self.is_known else ():
            yield f"Nothing answers {_name(key)} of chat {self.chat_id}, though {why}."


def _name(key: CallKey) -> str:
    return f"call {key.index} of message {key.message_id}"
