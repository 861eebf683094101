"""A backup is one moment of a live database, and private; what was there before is not harmed."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest
from store import build
from transfer.place import Place

from jupyter_chatd.errors import StoreError
from jupyter_chatd.maintenance.alone import NoDatabaseError
from jupyter_chatd.maintenance.backup import BackupError, back_up
from jupyter_chatd.maintenance.check import check_folder
from jupyter_chatd.store import Store
from jupyter_chatd.store.conversation import ImportChat, SendMessage

from .conftest import Change

pytestmark = pytest.mark.anyio


def is_sound(folder: Path) -> bool:
    return not any(found.problems for found in check_folder(folder))


async def test_a_backup_serves_as_a_data_folder(here: Place, data: Path, tmp_path: Path) -> None:
    done = back_up(data, tmp_path / "far" / "backup")
    assert (done.chats, done.messages, done.files, done.lost) == (2, 6, 1, ())
    assert is_sound(done.folder)
    async with Store(done.folder / "chats.db") as store:
        assert Place(tmp_path, store).export() == here.export()


async def test_a_backup_is_private(data: Path, tmp_path: Path) -> None:
    (data / "keys.json").write_text("secret")
    folder = back_up(data, tmp_path / "backup").folder
    entries = [folder, *folder.rglob("*")]
    assert {entry.name for entry in folder.iterdir()} == {"chats.db", "files"}
    modes = {stat.S_IMODE(entry.stat().st_mode) for entry in entries}
    assert modes == {0o700, 0o600}


async def test_a_backup_while_somebody_writes_is_one_moment(here: Place, data: Path, tmp_path: Path) -> None:
    """Each message says how many there are; a copy of two moments would hold a gap or half a pair."""
    await here.store.apply(ImportChat(chat=build.chat("busy"), rows=(build.user("x" * 2000),) * 3000))
    waits: list[float] = []
    stop = asyncio.Event()

    async def write() -> int:
        loop, count = asyncio.get_running_loop(), 0
        while not stop.is_set():
            began = loop.time()
            for chat_id in ("left", "right"):
                await here.store.apply(ImportChat(chat=build.chat(f"{chat_id}{count}"), rows=()))
            waits.append(loop.time() - began)
            count += 1
        return count

    writer = asyncio.create_task(write())
    copies: list[Path] = []
    for number in range(3):
        done = await asyncio.to_thread(back_up, data, tmp_path / f"backup{number}")
        copies.append(done.folder)
    stop.set()
    assert await writer > 3
    assert max(waits) < 2.0, "the writer waited for the backup"
    for folder in copies:
        with closing(sqlite3.connect(f"file:{folder / 'chats.db'}?immutable=1", uri=True)) as conn:
            left, right = (
                [
                    int(row[0][len(side) :])
                    for row in conn.execute("SELECT id FROM chats WHERE id GLOB ?", (f"{side}*",))
                ]
                for side in ("left", "right")
            )
        assert sorted(left) == list(range(len(left)))
        assert len(left) - len(right) in (0, 1)
        assert is_sound(folder)


async def test_what_is_there_is_not_replaced(here: Place, data: Path, tmp_path: Path) -> None:
    target = tmp_path / "backup"
    back_up(data, target)
    before = (target / "chats.db").read_bytes()
    with pytest.raises(BackupError, match="replace an earlier backup with --force"):
        back_up(data, target)
    assert (target / "chats.db").read_bytes() == before
    assert is_sound(target)
    await here.store.apply(ImportChat(chat=build.chat("new"), rows=()))
    assert back_up(data, target, replaces=True).chats == 3
    assert [name for name in os.listdir(tmp_path) if "backup" in name] == ["backup"]


@pytest.mark.parametrize("name", ["notes.txt", "keys.json"])
async def test_what_is_no_backup_is_never_replaced(data: Path, tmp_path: Path, name: str) -> None:
    target = tmp_path / "home"
    target.mkdir()
    (target / name).write_text("dear")
    with pytest.raises(BackupError, match=f"is not a backup: it holds {name}"):
        back_up(data, target, replaces=True)
    with pytest.raises(BackupError, match="is not a backup"):
        back_up(data, target / name, replaces=True)
    assert (target / name).read_text() == "dear"


async def test_a_failed_backup_leaves_nothing_and_keeps_the_old_one(
    here: Place, data: Path, change: Change, tmp_path: Path
) -> None:
    target = tmp_path / "backup"
    back_up(data, target)
    await here.store.close()
    path = data / "chats.db"
    path.write_bytes(path.read_bytes()[: 40 * 1024])
    with pytest.raises(StoreError):
        back_up(data, target, replaces=True)
    assert is_sound(target)
    assert [name for name in os.listdir(tmp_path) if "backup" in name] == ["backup"]


async def test_a_folder_that_cannot_be_written_is_told(data: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BackupError, match="cannot be written: File exists"):
        back_up(data, tmp_path / "file" / "backup")


async def test_lost_bytes_are_named_and_all_else_is_copied(data: Path, tmp_path: Path) -> None:
    (blob,) = (data / "files").iterdir()
    blob.write_bytes(b"jello")
    done = back_up(data, tmp_path / "backup")
    assert (done.lost, done.files, done.chats) == ((blob.name,), 0, 2)


async def test_there_is_nothing_to_back_up(tmp_path: Path) -> None:
    with pytest.raises(NoDatabaseError):
        back_up(tmp_path, tmp_path / "backup")
    assert os.listdir(tmp_path) == []


async def test_an_older_database_can_be_backed_up(data: Path, change: Change, tmp_path: Path) -> None:
    """Before the upgrade, when it matters most."""
    change("DROP TABLE chat_file_links; DROP TABLE files")
    assert back_up(data, tmp_path / "backup").chats == 2


async def test_messages_said_during_a_backup_are_not_lost(here: Place, data: Path, tmp_path: Path) -> None:
    await here.store.apply(ImportChat(chat=build.chat("talk"), rows=()))
    copying = asyncio.create_task(asyncio.to_thread(back_up, data, tmp_path / "backup"))
    await here.store.apply(SendMessage(chat_id="talk", message=build.user("hello")))
    await copying
    assert await here.texts("talk") == ["hello"]
