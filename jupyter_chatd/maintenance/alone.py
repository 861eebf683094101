"""Opening a database that a server may have open."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from ..errors import ChatdError, StoreError
from ..store.database import check_schema, connect, lock_exclusively, pending_migrations


class NoDatabaseError(ChatdError):
    """There is no database yet."""


@contextmanager
def open_beside_server(path: Path) -> Generator[sqlite3.Connection]:
    """Open the database to read all of it, whether or not a server runs.

    With a write-ahead log a long look holds nobody up. With a rollback journal, as on a network file system,
    it would keep the server from writing, so it is taken only when no server runs.

    Raises:
        NoDatabaseError: there is none.
        StoreError: it is not one of ours, a newer release wrote it, or a server has it where only one may.
    """
    if not path.exists():
        raise NoDatabaseError(f"There are no chats yet: {path} does not exist.")
    check_schema(path)
    with ExitStack() as stack:
        conn = stack.enter_context(closing(connect(path)))
        try:
            (journal,) = conn.execute("PRAGMA journal_mode").fetchone()
        except sqlite3.Error as error:
            raise StoreError(f"{path} cannot be opened: {error}.") from error
        if journal != "wal":
            stack.enter_context(closing(lock_exclusively(path)))
        yield conn


def check_migrated(path: Path) -> None:
    """Refuse a database that this release has not migrated yet: it lacks tables.

    Raises:
        StoreError: it is so.
    """
    if pending := pending_migrations(path):
        raise StoreError(
            f"{path} was last used by an older release (it lacks {', '.join(sorted(pending))}). Start the "
            "server once: it upgrades the file. jupyter chatd backup works before that too."
        )
