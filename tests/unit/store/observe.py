"""What is in the file, read on a connection of its own and as the model says it."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jupyter_chatd.messages import Role, Visibility
from jupyter_chatd.store import reads
from jupyter_chatd.store.database import connect
from jupyter_chatd.store.rows import message_from_row, tool_run_from_row

from .model import Record


@dataclass(frozen=True)
class Observation:
    """Everything that a transition could have changed."""

    chats: Mapping[str, Record]
    searchable: frozenset[int]
    """Ids in the search index."""


def observe(path: Path) -> Observation:
    """Read the whole file as another process would."""
    conn = connect(path, readonly=True)
    try:
        return observe_on(conn)
    finally:
        conn.close()


def observe_on(conn: sqlite3.Connection) -> Observation:
    ids = [row["id"] for row in conn.execute("SELECT id FROM chats ORDER BY id")]
    searchable = frozenset(row[0] for row in conn.execute("SELECT rowid FROM message_search"))
    return Observation({chat_id: _record(conn, chat_id) for chat_id in ids}, searchable)


def _record(conn: sqlite3.Connection, chat_id: str) -> Record:
    rows = conn.execute("SELECT * FROM messages WHERE chat_id = ? ORDER BY id", (chat_id,))
    runs = [
        tool_run_from_row(row)
        for row in conn.execute("SELECT * FROM tool_runs WHERE chat_id = ?", (chat_id,))
    ]
    return Record(
        chat=reads.get_chat(conn, chat_id),
        rows=tuple(message_from_row(row) for row in rows),
        queue=reads.queue(conn, chat_id),
        journal={run.key: run for run in runs},
    )


def expected_of(chats: Mapping[str, Record]) -> Observation:
    """Return what a file with these chats must hold."""
    searchable = frozenset(
        row.id
        for record in chats.values()
        for row in record.visible
        if row.role in (Role.USER, Role.ASSISTANT)
        and row.visibility is not Visibility.MODEL
        and row.text.strip()
    )
    return Observation(chats, searchable)
