"""Opening the file: who may, what is refused untouched, and what an unclean stop leaves."""

from __future__ import annotations

import logging
import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from jupyter_chatd.errors import NewerSchemaError, StoreError
from jupyter_chatd.store import Store, database
from jupyter_chatd.store.conversation import CreateChat
from jupyter_chatd.store.database import (
    check_schema,
    filesystem_of,
    has_journal,
    open_file,
    prepare,
    quick_check,
)

from . import build
from .lockstep import copy_of

pytestmark = pytest.mark.anyio


def put(path: Path, content: bytes) -> None:
    """Make a file where the database belongs."""
    path.parent.mkdir()
    path.write_bytes(content)


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


def remove(path: Path) -> None:
    path.unlink()


def damage(path: Path) -> None:
    """Overwrite eight pages in the middle."""
    content = bytearray(path.read_bytes())
    middle = len(content) // 2 // 4096 * 4096
    content[middle : middle + 8 * 4096] = b"?" * 8 * 4096
    path.write_bytes(content)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# Access


async def test_file_folder_and_journals_are_private(path: Path) -> None:
    old = os.umask(0)
    try:
        async with Store(path) as store:
            await store.apply(CreateChat(chat=build.chat(), rows=(build.user(),)))
            modes = {file.name: mode(file) for file in path.parent.iterdir()}
    finally:
        os.umask(old)
    assert modes == {"chats.db": 0o600, "chats.db-wal": 0o600, "chats.db-shm": 0o600}
    assert mode(path.parent) == 0o700


def test_only_a_file_that_is_migrated_needs_sqlite_utils(path: Path) -> None:
    """It imports pandas, where that is installed: too much for a server that merely starts."""
    script = f"""
import pathlib, sys
from jupyter_chatd.store.database import open_file
open_file(pathlib.Path({str(path)!r})).close()
print("sqlite_utils" in sys.modules)
"""
    for expected in ("True", "False"):
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == expected


async def test_closed_file_stands_alone(path: Path) -> None:
    async with Store(path) as store:
        await store.apply(CreateChat(chat=build.chat(), rows=(build.user(),)))
    assert [file.name for file in path.parent.iterdir()] == ["chats.db"]


async def test_acknowledged_writes_are_synced(path: Path) -> None:
    """WAL with FULL: what was acknowledged survives a power cut."""
    names = ("journal_mode", "synchronous", "foreign_keys")
    async with Store(path) as store:
        settings = await store.write(
            lambda conn: [conn.execute(f"PRAGMA {name}").fetchone()[0] for name in names]
        )
    assert settings == ["wal", 2, 1]


async def test_readers_cannot_write(store: Store) -> None:
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        await store.read(lambda conn: conn.execute("DELETE FROM chats"))


# Files that are refused


def migrate_further(path: Path) -> None:
    """Leave the mark of a migration that this release does not know."""
    conn = sqlite3.connect(path)
    conn.execute(
        "INSERT INTO _sqlite_migrations (migration_set, name, applied_at)"
        " VALUES ('jupyter_chatd', 'm999_later', '')"
    )
    conn.commit()
    conn.close()


@pytest.mark.parametrize("clean", [True, False], ids=["closed", "left open"])
async def test_file_of_a_newer_release_is_refused_and_not_touched(path: Path, clean: bool) -> None:
    """Byte by byte, and nothing new beside it."""
    prepare(path, journal="wal")
    if clean:
        migrate_further(path)
    else:
        holder = sqlite3.connect(path)
        holder.execute("SELECT * FROM chats")
        migrate_further(path)
        path = copy_of(path)
        holder.close()
    before = contents(path.parent)
    assert ("chats.db-wal" in before) is not clean
    with pytest.raises(NewerSchemaError, match=r"m999_later.*Upgrade jupyter_chatd"):
        await Store(path).open()
    after = contents(path.parent)
    after.pop("chats.db-shm", None)  # an index over the journal; SQLite makes it to read that
    assert after == before


@pytest.mark.parametrize(
    "content", [b"not a database at all, but long enough to look at" * 40, b"SQLite format 3\0" + b"x" * 4096]
)
async def test_what_is_no_database_is_refused_and_not_touched(path: Path, content: bytes) -> None:
    put(path, content)
    with pytest.raises(StoreError, match=r"not a usable SQLite database.*Restore a backup"):
        await Store(path).open()
    assert contents(path.parent) == {"chats.db": content}


async def test_database_of_another_program_is_refused_and_not_touched(path: Path) -> None:
    put(path, b"")
    conn = sqlite3.connect(path)
    conn.execute("CREATE TABLE recipes (title)")
    conn.close()
    before = contents(path.parent)
    with pytest.raises(StoreError, match="another program"):
        await Store(path).open()
    assert contents(path.parent) == before


async def test_empty_file_becomes_a_database(path: Path) -> None:
    put(path, b"")
    async with Store(path) as store:
        assert await store.quick_check() is None


def test_opening_again_migrates_nothing(path: Path) -> None:
    prepare(path, journal="wal")
    before = path.read_bytes()
    prepare(path, journal="wal")
    check_schema(path)
    assert path.read_bytes() == before


def test_all_messages_are_in_one_index_only_also_where_an_older_release_had_two(path: Path) -> None:
    """Each index that begins with the chat costs a commit of many chats a page for each of them."""
    prepare(path, journal="wal")
    with closing(sqlite3.connect(path)) as conn, conn:
        conn.execute("CREATE INDEX messages_revision ON messages (chat_id, revision)")
        conn.execute("DELETE FROM _sqlite_migrations WHERE name = 'm009_no_revision_index'")
    prepare(path, journal="wal")
    with closing(sqlite3.connect(path)) as conn:
        indexes = conn.execute("SELECT name, partial FROM pragma_index_list('messages')").fetchall()
    assert [name for name, partial in indexes if not partial] == ["messages_chat"]


async def test_refused_store_can_be_closed_and_leaves_no_lock(path: Path) -> None:
    put(path, b"junk" * 2000)
    refused = Store(path, journal="delete")
    with pytest.raises(StoreError):
        await refused.open()
    remove(path)
    async with Store(path, journal="delete"):
        pass
    await refused.close()


# Unclean stops


async def test_unclean_stop_is_noticed_and_a_clean_one_is_not(path: Path) -> None:
    async with Store(path) as store:
        assert not store.stopped_uncleanly
        await store.apply(CreateChat(chat=build.chat(), rows=(build.user(),)))
        crashed = copy_of(path)
    async with Store(crashed) as after_crash:
        assert after_crash.stopped_uncleanly
        assert await after_crash.quick_check() is None
    async with Store(path) as after_close:
        assert not after_close.stopped_uncleanly
    assert not has_journal(path)


async def test_damage_is_found_by_the_check_but_not_by_opening(path: Path) -> None:
    """The check reads the whole file, so it is off the start path."""
    async with Store(path) as store:
        rows = tuple(build.user("x" * 3000) for _ in range(60))
        await store.apply(CreateChat(chat=build.chat(), rows=rows))
    damage(path)
    async with Store(path) as store:
        assert await store.quick_check() is not None


def test_file_that_cannot_be_read_is_a_finding(path: Path) -> None:
    put(path, b"junk" * 2000)
    assert quick_check(path) == "file is not a database"


# Network file systems


async def test_rollback_journal_admits_one_store(path: Path) -> None:
    async with Store(path, journal="delete") as store:
        mode = await store.write(lambda conn: conn.execute("PRAGMA journal_mode").fetchone()[0])
        assert mode == "delete"
        with pytest.raises(StoreError, match="another server has it open"):
            await Store(path, journal="delete").open()
    async with Store(path, journal="delete"):
        pass


async def test_network_file_system_gets_a_rollback_journal_and_a_word_about_it(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(database, "filesystem_of", lambda _: "nfs4")
    with caplog.at_level(logging.WARNING):
        opened = open_file(path)
    mode = opened.connection.execute("PRAGMA journal_mode").fetchone()[0]
    has_lock = opened.lock is not None
    opened.close()
    assert (mode, has_lock) == ("delete", True)
    assert "The data folder is on nfs4" in caplog.text


async def test_file_that_moved_to_a_network_file_system_changes_its_journal(path: Path) -> None:
    for journal in ("wal", "delete", "wal"):
        async with Store(path, journal=journal) as store:
            now = await store.read(lambda conn: conn.execute("PRAGMA journal_mode").fetchone()[0])
            assert now == journal


@pytest.mark.skipif(not Path("/proc/self/mountinfo").exists(), reason="the system tells no mounts")
def test_file_system_is_that_of_the_longest_mount_point() -> None:
    assert filesystem_of(Path("/proc/self")) == "proc"
    assert filesystem_of(Path("/")) not in ("", "proc")
