"""Families of chats: who descends from whom, how children stand, and what one has said."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import TooManySubagentsError
from ..messages import Chat, Message, TextPart
from ..usage import Totals
from .reads import last_change_id, snapshot_of
from .rows import IS_UNREAD, chat_from_row, message_from_row
from .usage_report import family_usage

_SELECT_CHATS = f"SELECT *, {IS_UNREAD} FROM chats"  # noqa: S608 - built of literals


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
        f"{_SELECT_CHATS} WHERE parent_chat_id = ?"
        " ORDER BY spawn_message_id, spawn_call_index, created_at, id",
        (chat_id,),
    )
    return tuple(chat_from_row(row) for row in rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a chat's children stand, read in one snapshot."""

    change_id: int
    """Every commit up to this number is in it."""
    children: tuple[Chat, ...]
    usage: Totals
    """Of the chat and all below it."""
    usage_of: Mapping[str, Totals]
    """By chat; those without model calls are left out."""


def find_standing(conn: sqlite3.Connection, chat_id: str) -> Standing | None:
    """Return how the children of a chat stand; `None` when it has none."""
    with snapshot_of(conn):
        found = children(conn, chat_id)
        if not found:
            return None
        usage, usage_of = family_usage(conn, chat_id)
        return Standing(change_id=last_change_id(conn), children=found, usage=usage, usage_of=usage_of)


def check_room(conn: sqlite3.Connection, parent_id: str, *, limit: int | None) -> None:
    """Make sure that one more child of a chat may work.

    Raises:
        TooManySubagentsError: *limit* of them have not ended; `None` is no limit.
    """
    if limit is None:
        return
    (at_work,) = conn.execute(
        "SELECT count(*) FROM chats WHERE parent_chat_id = ? AND status NOT IN ('waiting', 'error')",
        (parent_id,),
    ).fetchone()
    if at_work >= limit:
        raise TooManySubagentsError(limit=limit)


def is_at_desktop(conn: sqlite3.Connection, root_id: str) -> bool:
    """Whether a chat that uses the family's desktop works, or waits for somebody."""
    (is_there,) = conn.execute(
        "SELECT EXISTS (SELECT 1 FROM chats WHERE root_chat_id = ? AND mode = 'computer_use'"
        " AND status NOT IN ('waiting', 'error'))",
        (root_id,),
    ).fetchone()
    return bool(is_there)


def is_planning(conn: sqlite3.Connection, chat_id: str) -> bool:
    """Whether a chat is in plan mode, or was last sent a message that asks for nothing but a plan."""
    chat = find(conn, chat_id)
    if chat is None or chat.plan_mode is not None:
        return chat is not None
    row = conn.execute(
        "SELECT * FROM messages WHERE chat_id = ? AND role = 'user' AND deleted = 0 AND compressed = 0"
        " ORDER BY id DESC LIMIT 1",
        (chat_id,),
    ).fetchone()
    options = message_from_row(row).turn_options if row else None
    return options is not None and options.plan_mode is not None


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
    reports = (report_of(message_from_row(row)) for row in rows)
    return next((report for report in reports if report), "")


def report_of(message: Message) -> str:
    """Return what an assistant message says, trimmed."""
    return "\n\n".join(part.text for part in message.parts if isinstance(part, TextPart)).strip()
