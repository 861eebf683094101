"""Chats straight from the database: for looking at them while no server runs.

A server that is started only to look would take up turns that another one left behind.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import date
from pathlib import Path

from ..client.errors import ClientError
from ..client.tree import ChatTree
from ..client.usage import UsageReport, period
from ..hits import Hit
from ..messages import Chat, Message
from ..store import families, reads
from ..store.database import check_schema, connect
from ..store.search import SearchQuery, search_messages
from ..store.usage_report import chat_usage, whole_usage
from .output import NEWEST, pick


@contextmanager
def open_archive(path: Path) -> Generator[sqlite3.Connection]:
    """Open the database for reading.

    Raises:
        ClientError: there is none.
        StoreError: it cannot be read by this release.
    """
    if not path.exists():
        raise ClientError(f"There are no chats yet: {path} does not exist. Begin one with jupyter chatd run.")
    check_schema(path)
    conn = connect(path, readonly=True)
    try:
        yield conn
    finally:
        conn.close()


def list_chats(
    conn: sqlite3.Connection,
    *,
    limit: int,
    text: str | None = None,
    labels: Mapping[str, str] | None = None,
    archived: bool = False,
) -> tuple[Chat, ...]:
    """Return the newest chats of all owners."""
    found = [
        chat
        for owner in _owners(conn)
        for chat in reads.list_chats(
            conn,
            reads.ChatQuery(owner_id=owner, limit=limit, archived=archived, text=text, labels=labels),
        )
    ]
    return tuple(sorted(found, key=lambda chat: chat.updated_at, reverse=True)[:limit])


def search(conn: sqlite3.Connection, words: str, *, limit: int, archived: bool) -> tuple[Hit, ...]:
    """Return the messages of all owners that have these words: of each owner the best match first."""
    found = [
        hit
        for owner in _owners(conn)
        for hit in search_messages(
            conn, SearchQuery(owner_id=owner, text=words, limit=limit, archived=archived)
        )
    ]
    return tuple(found[:limit])


def _owners(conn: sqlite3.Connection) -> list[str]:
    return [str(row[0]) for row in conn.execute("SELECT DISTINCT owner_id FROM chats")]


def find_chat(conn: sqlite3.Connection, word: str) -> Chat:
    """Return the chat that a person means; see `output.pick`.

    Raises:
        ClientError: none is meant, or several.
        ChatNotFoundError: there is no chat with that id.
    """
    if is_chat_id(word):
        return reads.get_chat(conn, word)
    return pick(list_chats(conn, limit=NEWEST), word)


def is_chat_id(word: str) -> bool:
    """Whether that is a whole id."""
    try:
        return str(uuid.UUID(word)) == word
    except ValueError:
        return False


def messages(conn: sqlite3.Connection, chat_id: str) -> tuple[Message, ...]:
    """Return what clients may see of a chat, oldest first."""
    return reads.client_messages(conn, chat_id)


def usage(conn: sqlite3.Connection, word: str | None, first: date, last: date) -> UsageReport:
    """Return what a chat used, or without one all chats on those days.

    Raises:
        ClientError, ChatNotFoundError: as `find_chat`.
    """
    if word is not None:
        return UsageReport.of_json(asdict(chat_usage(conn, find_chat(conn, word).id)))
    summary = whole_usage(conn, first_day=first.isoformat(), last_day=last.isoformat())
    return UsageReport.of_json({**asdict(summary), **period(first, last)})


def tree(conn: sqlite3.Connection, chat: Chat, *, above: frozenset[str] = frozenset()) -> ChatTree:
    """Return a chat with its subagents; *above* is what damaged data must not lead back to."""
    above |= {chat.id}
    children = [child for child in families.children(conn, chat.id) if child.id not in above]
    return ChatTree(chat=chat, children=tuple(tree(conn, child, above=above) for child in children))
