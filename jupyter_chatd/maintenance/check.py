"""Everything that is looked at in a data folder, in order."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from ..errors import StoreError
from ..files.blobs import BlobFolder
from ..runtime import DATABASE, FILES
from .alone import check_migrated, open_beside_server
from .blobs import check_files
from .histories import check_histories
from .index import Expected, check_index
from .states import check_states

MOST_PROBLEMS = 20
"""Problems of one topic that are told; damage tends to come in thousands."""

RECOVER = (
    "Stop the server, keep a copy of the folder, and restore a backup (docs/export.md). Without one, "
    'sqlite3 chats.db ".recover" | sqlite3 recovered.db saves what can be read.'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was looked at, and what is wrong with it."""

    topic: str
    facts: str
    """What there is."""
    problems: tuple[str, ...] = ()


def check_folder(folder: Path) -> Iterator[Finding]:
    """Look at the database of a data folder and its files; changes nothing.

    A server may run meanwhile: what is looked at is one moment, but for the bytes of files.

    Raises:
        NoDatabaseError: there is none.
        StoreError: it is not a database of ours that this release can read.
    """
    path = folder / DATABASE
    with open_beside_server(path) as conn:
        check_migrated(path)
        _begin(path, conn)
        with Expected() as expected:
            yield _finding("database", lambda: _pages(path, conn), lambda: _check_pages(conn))
            yield _finding("states", lambda: _count(conn, "chats"), lambda: check_states(conn))
            yield _finding(
                "messages", lambda: _count(conn, "messages"), lambda: check_histories(conn, expected)
            )
            yield _finding("search", lambda: f"{expected.count} texts", lambda: check_index(conn, expected))
            yield _finding(
                "files",
                lambda: _count(conn, "files"),
                lambda: check_files(conn, BlobFolder(folder / FILES)),
            )


def _begin(path: Path, conn: sqlite3.Connection) -> None:
    """Fix the moment that is looked at. It ends with the connection: a damaged file may refuse a COMMIT."""
    try:
        conn.execute("CREATE VIRTUAL TABLE temp.stored_terms USING fts5vocab(main, message_search, 'row')")
        conn.execute("PRAGMA query_only = ON")
        conn.execute("BEGIN")
    except sqlite3.DatabaseError as error:
        raise StoreError(f"{path} is damaged: {error}. {RECOVER}") from error


def _finding(topic: str, facts: Callable[[], str], check: Callable[[], Iterator[str]]) -> Finding:
    """Return what a check finds; damage that keeps it from looking is a problem too."""
    problems: list[str] = []
    try:
        found = check()
        problems += islice(found, MOST_PROBLEMS)
        more = sum(1 for _ in found)
        if more:
            problems.append(f"… and {more} more")
        told = facts()
    except sqlite3.DatabaseError as error:
        problems.append(f"It cannot be read: {error}")
        told = ""
    return Finding(topic=topic, facts=told, problems=tuple(problems))


def _pages(path: Path, conn: sqlite3.Connection) -> str:
    (journal,) = conn.execute("PRAGMA journal_mode").fetchone()
    return f"{path}, {path.stat().st_size / 1e6:.1f} MB, journal {journal}"


def _count(conn: sqlite3.Connection, table: str) -> str:
    (count,) = conn.execute(f"SELECT COUNT(*) FROM {table}").fetchone()  # noqa: S608 - names are ours
    return f"{count} {table}"


def _check_pages(conn: sqlite3.Connection) -> Iterator[str]:
    """Yield what SQLite says of pages, indexes and references."""
    for (line,) in conn.execute("PRAGMA integrity_check"):
        if line != "ok":
            yield str(line)
    for table, row, target, _ in conn.execute("PRAGMA foreign_key_check"):
        yield f"Row {row} of {table} refers to a row of {target} that is not there."
