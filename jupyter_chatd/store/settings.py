"""Settings that people change while the server runs: of the whole server, or each user's own."""

from __future__ import annotations

import sqlite3
from typing import Any

from .. import wire

SERVER = ""
"""The owner of what holds for all users."""


def find_setting(conn: sqlite3.Connection, name: str, *, owner_id: str = SERVER) -> Any:
    """Return the decoded value of a setting; `None` when nobody has set it."""
    row = conn.execute(
        "SELECT value FROM settings WHERE owner_id = ? AND name = ?", (owner_id, name)
    ).fetchone()
    return wire.load_json(row["value"]) if row else None


def put_setting(
    conn: sqlite3.Connection, name: str, value: Any, *, now: float, owner_id: str = SERVER
) -> None:
    """Store a setting; *now* in UTC seconds."""
    conn.execute(
        "INSERT INTO settings (owner_id, name, value, updated_at) VALUES (?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at",
        (owner_id, name, wire.dump_json(value), now),
    )
