"""Finding messages by the words in them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

from .. import wire
from ..hits import Hit, SnippetPiece
from ..messages import Role
from ..wire import clean_text

SNIPPET_WORDS = 24
_BEGIN, _END = "\x02", "\x03"  # around a match inside a snippet; people do not type them

_BEST = """
SELECT message_search.rowid FROM message_search
JOIN messages AS m ON m.id = message_search.rowid
JOIN chats ON chats.id = m.chat_id
WHERE message_search MATCH :words AND chats.owner_id = :owner AND m.deleted = 0
  AND (:archived IS NULL OR chats.archived = :archived)
ORDER BY rank, m.id DESC LIMIT :limit
"""

# Apart from the query above, which would cut a snippet out of every message before it sorts them.
_SNIPPETS = """
SELECT m.id, m.chat_id, m.role, m.created_at, chats.title, chats.archived,
       snippet(message_search, 0, :begin, :end, '…', :length) AS snippet
FROM message_search
JOIN messages AS m ON m.id = message_search.rowid
JOIN chats ON chats.id = m.chat_id
WHERE message_search MATCH :words AND message_search.rowid IN (SELECT value FROM json_each(:ids))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchQuery:
    """Which messages to look for."""

    owner_id: str
    text: str
    """Words that a message must have, all of them; the last one may be the beginning of a word."""
    limit: int = 20
    archived: bool | None = False
    """Of archived chats, of others, or `None` of all."""


def search_messages(conn: sqlite3.Connection, query: SearchQuery) -> tuple[Hit, ...]:
    """Return the owner's messages that hold all the words, best match first, then the newest."""
    words = match_expression(query.text)
    archived = None if query.archived is None else int(query.archived)
    best = [
        row[0]
        for row in conn.execute(
            _BEST, {"words": words, "owner": query.owner_id, "archived": archived, "limit": query.limit}
        )
    ]
    rows = conn.execute(
        _SNIPPETS,
        {"words": words, "ids": wire.dump_json(best), "begin": _BEGIN, "end": _END, "length": SNIPPET_WORDS},
    )
    found = {row["id"]: _hit_from_row(row) for row in rows}
    return tuple(found[message_id] for message_id in best)


def match_expression(text: str) -> str:
    """Return words as FTS5 looks for them, none of them as syntax; the last one as a prefix.

    NUL would end the expression early, and SQLite takes no lone surrogates.
    """
    words = clean_text(text).replace("\0", " ").replace('"', '""').split()
    return " ".join(f'"{word}"' for word in words) + "*" if words else '""'


def _hit_from_row(row: sqlite3.Row) -> Hit:
    return Hit(
        message_id=row["id"],
        chat_id=row["chat_id"],
        chat_title=row["title"],
        archived=bool(row["archived"]),
        role=Role(row["role"]),
        created_at=row["created_at"],
        snippet=tuple(_pieces(row["snippet"])),
    )


def _pieces(marked: str) -> Iterator[SnippetPiece]:
    """Cut a snippet at its marks."""
    for outer in marked.split(_BEGIN):
        inside, mark, rest = outer.partition(_END)
        if mark:
            yield SnippetPiece(text=inside, is_match=True)
        else:
            rest = inside
        if rest:
            yield SnippetPiece(text=rest.replace(_END, ""), is_match=False)
