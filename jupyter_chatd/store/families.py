"""Families of chats: who descends from whom, and what a child has said."""

from __future__ import annotations

import sqlite3

from ..messages import Chat, TextPart
from .rows import chat_from_row, message_from_row


def is_descendant(conn: sqlite3.Connection, *, ancestor_id: str, chat_id: str) -> bool:
    """Whether *chat_id* lies below *ancestor_id*, however deep; a chat is not below itself.

    Walks upwards, one look-up a level, so the size of the tree does not matter. A cycle in damaged data and a
    parent that is missing end the walk. Rule: spec/chatd.md §5.6.
    """
    seen = {chat_id}
    above = _parent_of(conn, chat_id)
    while above is not None and above not in seen:
        if above == ancestor_id:
            return True
        seen.add(above)
        above = _parent_of(conn, above)
    return False


def _parent_of(conn: sqlite3.Connection, chat_id: str) -> str | None:
    row = conn.execute("SELECT parent_chat_id FROM chats WHERE id = ?", (chat_id,)).fetchone()
    return None if row is None else row["parent_chat_id"]


def children(conn: sqlite3.Connection, chat_id: str) -> tuple[Chat, ...]:
    """Return the chat's own children, archived ones too, in the order of the calls that made them."""
    rows = conn.execute(
        "SELECT * FROM chats WHERE parent_chat_id = ?"
        " ORDER BY spawn_message_id, spawn_call_index, created_at, id",
        (chat_id,),
    )
    return tuple(chat_from_row(row) for row in rows)


def find(conn: sqlite3.Connection, chat_id: str) -> Chat | None:
    """Return a chat whoever owns it, `None` when there is none."""
    row = conn.execute("SELECT * FROM chats WHERE id = ?", (chat_id,)).fetchone()
    return None if row is None else chat_from_row(row)


def last_report(conn: sqlite3.Connection, chat_id: str) -> str:
    """Return the text of the newest assistant message that has any, trimmed."""
    rows = conn.execute(
        "SELECT * FROM messages WHERE chat_id = ? AND role = 'assistant' AND deleted = 0 AND compressed = 0"
        " ORDER BY id DESC",
        (chat_id,),
    )
    for row in rows:
        parts = message_from_row(row).parts
        text = "\n\n".join(part.text for part in parts if isinstance(part, TextPart)).strip()
        if text:
            return text
    return ""
