"""The order of an owner's pinned chats: 1, 2, 3, … without gaps; 0 is not pinned."""

from __future__ import annotations

import sqlite3

_OTHERS = """
SELECT id FROM chats
WHERE owner_id = (SELECT owner_id FROM chats WHERE id = :chat) AND pin_order > 0 AND id <> :chat
ORDER BY pin_order, updated_at DESC, id
"""


def place_pin(conn: sqlite3.Connection, chat_id: str, wanted: int, *, change_id: int) -> int:
    """Renumber the other pinned chats so that *wanted* is free, and return the number that the chat gets.

    It is at most one more than there are others. 0 takes the chat out; then the others close up.
    """
    others = [row[0] for row in conn.execute(_OTHERS, {"chat": chat_id})]
    place = min(wanted, len(others) + 1)
    for number, other in enumerate(others, start=1):
        moved = number + 1 if 0 < place <= number else number
        conn.execute(
            "UPDATE chats SET pin_order = ?, change_id = ? WHERE id = ? AND pin_order <> ?",
            (moved, change_id, other, moved),
        )
    return place
