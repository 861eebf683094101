"""The search index against the messages.

The texts that should be found are indexed anew in a scratch database; then texts and words are compared.
SQLite's own check of an FTS5 index is a write, which would hold up a running server.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from itertools import zip_longest
from types import TracebackType

REBUILD = "A search may miss messages or find others; the chats themselves are not harmed."


class Expected:
    """What the index should hold, in a database of its own, on the disk when it is large. Close it."""

    def __init__(self) -> None:
        self.count = 0
        self.conn = sqlite3.connect("", isolation_level=None)
        self.conn.execute(
            "CREATE VIRTUAL TABLE message_search USING fts5"
            " (text, tokenize = 'unicode61 remove_diacritics 2')"
        )
        self.conn.execute("CREATE VIRTUAL TABLE terms USING fts5vocab(message_search, 'row')")
        self.conn.execute("BEGIN")

    def __enter__(self) -> Expected:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.conn.close()

    def add(self, message_id: int, text: str) -> None:
        """Take the text of a message, `""` for one that a search does not find."""
        if text:
            self.conn.execute("INSERT INTO message_search (rowid, text) VALUES (?, ?)", (message_id, text))
            self.count += 1


def check_index(conn: sqlite3.Connection, expected: Expected) -> Iterator[str]:
    """Yield what the index holds and should not, or should and does not."""
    query = "SELECT rowid, text FROM message_search ORDER BY rowid"
    stored = {row[0]: hash(row[1]) for row in conn.execute(query)}
    wanted = {row[0]: hash(row[1]) for row in expected.conn.execute(query)}
    for message_id in sorted(wanted.keys() - stored.keys()):
        yield f"Message {message_id} is not in the index. {REBUILD}"
    for message_id in sorted(stored.keys() - wanted.keys()):
        yield f"The index has message {message_id}, which is gone or not to be found. {REBUILD}"
    for message_id in sorted(stored.keys() & wanted.keys()):
        if stored[message_id] != wanted[message_id]:
            yield f"The index has another text of message {message_id}. {REBUILD}"
    if stored == wanted and not _has_same_terms(conn, expected):
        yield f"The words of the index are not those of its texts. {REBUILD}"


def _has_same_terms(conn: sqlite3.Connection, expected: Expected) -> bool:
    columns = "SELECT term, doc, cnt FROM"
    stored = conn.execute(f"{columns} stored_terms")
    wanted = expected.conn.execute(f"{columns} terms")
    return all(tuple(one or ()) == other for one, other in zip_longest(stored, wanted))
