"""Files on a real store: whose they are, which bytes they share, and when they go."""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jupyter_chatd.errors import FileTooLargeError, InvalidInputError, NotFoundError, StoreError
from jupyter_chatd.files import FileLibrary
from jupyter_chatd.files.blobs import digest_of
from jupyter_chatd.files.library import ATTEMPTS, FRESH_S, UNSENT_S
from jupyter_chatd.messages import FilePart
from jupyter_chatd.store import Store
from jupyter_chatd.store.conversation import PurgeChat, SetArchived
from jupyter_chatd.store.files import MAX_CHAT_FILES, StoredFile, chat_files, link_files

from . import samples
from .conftest import Clock, MakeChat

pytestmark = pytest.mark.anyio


async def upload(library: FileLibrary, data: bytes = samples.PNG, *, owner_id: str = "ada") -> StoredFile:
    return await library.upload(owner_id=owner_id, name="a.png", declared="image/png", data=data)


def age(folder: Path, seconds: float = FRESH_S + 10) -> None:
    """Let everything that is kept be older."""
    for path in folder.iterdir():
        os.utime(path, (time.time() - seconds, time.time() - seconds))


def kept(folder: Path) -> list[str]:
    """The bytes in the folder, by digest."""
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def put(folder: Path, *contents: bytes) -> None:
    """Put bytes into the folder for which there is no file."""
    folder.mkdir(parents=True)
    for data in contents:
        (folder / digest_of(data)).write_bytes(data)


async def held(store: Store, chat_id: str = "c") -> list[str]:
    return [file.id for file in await store.read(lambda conn: chat_files(conn, chat_id))]


async def test_an_upload_can_be_read_by_its_owner(library: FileLibrary, clock: Clock) -> None:
    file = await library.upload(owner_id="ada", name="../größe.png", declared="image/jpeg", data=samples.PNG)
    assert file == StoredFile(
        id=file.id,
        owner_id="ada",
        name="größe.png",
        media_type="image/png",
        size_bytes=len(samples.PNG),
        sha256=digest_of(samples.PNG),
        created_at=clock.now,
    )
    assert await library.get(file.id, owner_id="ada") == file
    assert await library.read(file) == samples.PNG


async def test_another_users_file_is_as_if_it_were_not_there(library: FileLibrary) -> None:
    file = await upload(library)
    with pytest.raises(NotFoundError, match="was not found"):
        await library.get(file.id, owner_id="bob")
    assert await library.find_parts([file.id], owner_id="bob") == {}
    assert await library.contents([file.id], owner_id="bob") == {}


async def test_the_same_bytes_are_kept_once_and_are_still_two_files(
    library: FileLibrary, folder: Path
) -> None:
    mine, theirs = await upload(library), await upload(library, owner_id="bob")
    assert mine.id != theirs.id
    assert kept(folder) == [mine.sha256]
    assert await library.read(theirs) == samples.PNG


async def test_what_is_too_large_or_lies_leaves_nothing(library: FileLibrary, folder: Path) -> None:
    with pytest.raises(FileTooLargeError, match="at most 1000 bytes, came 1001 bytes"):
        await upload(library, b"x" * 1001)
    with pytest.raises(InvalidInputError):
        await upload(library, samples.HTML)
    assert kept(folder) == []


async def test_a_message_holds_the_type_and_name_of_a_file(library: FileLibrary) -> None:
    file = await upload(library)
    parts = await library.find_parts([file.id, "no such file"], owner_id="ada")
    assert parts == {file.id: FilePart(media_type="image/png", file_id=file.id, name="a.png")}


async def test_contents_come_in_one_batch_without_what_is_gone(
    library: FileLibrary, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    there, gone = await upload(library), await upload(library, samples.PNG + b"2")
    (folder / gone.sha256).unlink()
    with caplog.at_level(logging.WARNING):
        contents = await library.contents([there.id, gone.id, "never was"], owner_id="ada")
    assert contents == {there.id: samples.PNG}
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    with pytest.raises(NotFoundError, match="gone from the server's disk"):
        await library.read(gone)


async def test_a_full_disk_is_told_and_leaves_no_row(
    library: FileLibrary, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="could not be stored: No space left on device"):
        await upload(library)
    monkeypatch.undo()
    assert await store.read(lambda conn: conn.execute("SELECT COUNT(*) FROM files").fetchone()[0]) == 0


# Attachments


async def test_an_attachment_belongs_to_the_chats_owner_and_is_held(
    library: FileLibrary, store: Store, make_chat: MakeChat
) -> None:
    await make_chat("c", owner_id="bob")
    file = await library.attach("c", name="/work/table.csv", data=samples.CSV)
    assert (file.owner_id, file.name, file.media_type) == ("bob", "table.csv", "text/csv")
    assert await held(store) == [file.id]


async def test_attaching_the_same_again_changes_nothing(
    library: FileLibrary, store: Store, make_chat: MakeChat
) -> None:
    await make_chat()
    first = await library.attach("c", name="a.csv", data=samples.CSV)
    assert await library.attach("c", name="a.csv", data=samples.CSV) == first
    renamed = await library.attach("c", name="b.csv", data=samples.CSV)
    assert sorted(await held(store)) == sorted([first.id, renamed.id])


async def test_a_full_chat_takes_no_attachment(
    library: FileLibrary, store: Store, make_chat: MakeChat
) -> None:
    await make_chat()
    files = [await upload(library) for _ in range(MAX_CHAT_FILES)]
    await store.write(lambda conn: link_files(conn, "c", [file.id for file in files]))
    with pytest.raises(InvalidInputError, match="This one has 100, and 1 more came"):
        await library.attach("c", name="a.csv", data=samples.CSV)
    assert len(await held(store)) == MAX_CHAT_FILES
    assert await store.read(lambda conn: conn.execute("SELECT COUNT(*) FROM files").fetchone()[0]) == 100


# Links


async def test_links_are_made_all_or_none_and_doubles_do_not_count(
    library: FileLibrary, store: Store, make_chat: MakeChat
) -> None:
    await make_chat()
    ids = [(await upload(library)).id for _ in range(4)]

    def link(*wanted: str) -> Callable[[sqlite3.Connection], None]:
        return lambda conn: link_files(conn, "c", wanted, limit=3)

    await store.write(link(*ids[:2]))
    with pytest.raises(InvalidInputError, match=r"at most 3 files\. This one has 2, and 2 more came"):
        await store.write(link(*ids[1:]))
    assert sorted(await held(store)) == sorted(ids[:2])
    await store.write(link(*ids[:3]))
    await store.write(link(*ids[:3]))
    assert sorted(await held(store)) == sorted(ids[:3])


async def test_a_chat_holds_files_of_its_owner_only(
    library: FileLibrary, store: Store, make_chat: MakeChat
) -> None:
    await make_chat()
    mine, theirs = await upload(library), await upload(library, owner_id="bob")
    await store.write(lambda conn: link_files(conn, "c", [mine.id, theirs.id, "never was"]))
    assert await held(store) == [mine.id]


# Letting go


async def test_an_upload_that_is_never_sent_goes_after_a_week(
    library: FileLibrary, folder: Path, clock: Clock
) -> None:
    file = await upload(library)
    age(folder)
    clock.now += UNSENT_S - 1
    await library.collect()
    assert await library.read(file) == samples.PNG
    clock.now += 2
    await library.collect()
    assert kept(folder) == []
    with pytest.raises(NotFoundError):
        await library.get(file.id, owner_id="ada")


async def test_bytes_stay_while_any_file_has_them_and_go_with_the_last_chat(
    library: FileLibrary, store: Store, folder: Path, clock: Clock, make_chat: MakeChat
) -> None:
    for chat_id in ("c", "d"):
        await make_chat(chat_id)
        await library.attach(chat_id, name="a.csv", data=samples.CSV)
    age(folder)
    clock.now += UNSENT_S + 1
    for chat_id, left in (("c", 1), ("d", 0)):
        await library.collect()
        assert len(kept(folder)) == 1
        await store.apply(SetArchived(chat_id=chat_id, archived=True))
        await store.apply(PurgeChat(chat_id=chat_id))
        await library.collect()
        assert len(kept(folder)) == left


async def test_bytes_without_a_file_stay_while_they_are_fresh(library: FileLibrary, folder: Path) -> None:
    """Another process may be about to insert their row."""
    put(folder, b"x")
    await library.collect()
    assert len(kept(folder)) == 1
    age(folder)
    await library.collect()
    assert kept(folder) == []


async def test_many_bytes_go_in_several_transactions(library: FileLibrary, folder: Path) -> None:
    put(folder, *(str(number).encode() for number in range(250)))
    file = await upload(library)
    age(folder)
    await library.collect()
    assert kept(folder) == [file.sha256]


async def test_bytes_that_are_collected_at_the_same_moment_are_written_again(
    library: FileLibrary, store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the bytes and the row of an upload another process collects; the upload wins."""
    removed: list[str] = []
    write = store.write

    async def collect_then_write(run: Callable[[sqlite3.Connection], Any]) -> Any:
        if len(removed) < ATTEMPTS - 1:
            (folder / digest_of(samples.PNG)).unlink()
            removed.append("again")
        return await write(run)

    monkeypatch.setattr(store, "write", collect_then_write)
    file = await upload(library)
    assert removed
    assert await library.read(file) == samples.PNG


async def test_uploading_and_collecting_at_once_loses_nothing(
    library: FileLibrary, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jupyter_chatd.files.library.FRESH_S", -10.0)
    monkeypatch.setattr("jupyter_chatd.files.library.ATTEMPTS", 100)
    files: list[StoredFile] = []

    async def keep_uploading() -> None:
        for number in range(30):
            files.append(await upload(library, samples.PNG + bytes([number])))

    uploading = asyncio.create_task(keep_uploading())
    while not uploading.done():
        await library.collect()
    await uploading
    assert [await library.read(file) for file in files] == [samples.PNG + bytes([n]) for n in range(30)]
