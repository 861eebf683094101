"""A database that another program has locked: writes wait, reads go on, and nobody is stuck for ever."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from jupyter_chatd.store import Store, reads
from jupyter_chatd.store.conversation import CreateChat
from jupyter_chatd.store.database import BUSY_TIMEOUT
from jupyter_chatd.store.schema import MIGRATIONS

from . import build
from .lockstep import put_database

pytestmark = pytest.mark.anyio

NEWEST = max(MIGRATIONS)
CREATE = CreateChat(chat=build.chat(), rows=(build.user("Hello."),))


@contextmanager
def locked(path: Path) -> Iterator[sqlite3.Connection]:
    """Hold the write lock as another program would, until it is rolled back."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield other


async def test_a_write_waits_while_reads_and_the_loop_go_on(store: Store, path: Path) -> None:
    with locked(path) as other:
        writing = asyncio.ensure_future(store.apply(CREATE))
        # Longer than any machine needs, and shorter than a read would wait for the lock.
        async with asyncio.timeout(10):
            for _ in range(20):
                assert await store.read(lambda conn: reads.has_work(conn)) is False
                await asyncio.sleep(0.01)
        assert not writing.done()
        other.execute("ROLLBACK")
        assert (await writing).id == "c"


async def test_a_lock_that_stays_fails_the_write_and_not_the_next_one(store: Store, path: Path) -> None:
    await store.write(lambda conn: conn.execute("PRAGMA busy_timeout = 100"))
    with locked(path) as other:
        with pytest.raises(sqlite3.OperationalError, match="database is locked"):
            await store.apply(CREATE)
        other.execute("ROLLBACK")
        assert (await store.apply(CREATE)).id == "c"


async def test_a_start_waits_for_another_that_migrates(path: Path) -> None:
    put_database(path)
    store = Store(path)
    with closing(sqlite3.connect(path)) as conn, conn:
        last = conn.execute("DELETE FROM _sqlite_migrations WHERE name = ? RETURNING *", (NEWEST,)).fetchone()
    with locked(path) as other:
        opening = asyncio.ensure_future(store.open())
        await asyncio.sleep(0.2)
        assert not opening.done()
        other.execute(f"INSERT INTO _sqlite_migrations VALUES ({', '.join('?' for _ in last)})", last)
        other.execute("COMMIT")
        await opening
    await store.close()


async def test_a_start_with_nothing_to_migrate_does_not_wait(path: Path) -> None:
    put_database(path)
    store = Store(path)
    with locked(path) as other:
        async with asyncio.timeout(BUSY_TIMEOUT / 1000):
            await store.open()
        other.execute("ROLLBACK")
    await store.close()
