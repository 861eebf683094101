"""What an import does with ids, files and what is there already."""

from __future__ import annotations

import sqlite3

import pytest
from store import build

from jupyter_chatd.errors import StoreError
from jupyter_chatd.maintenance.check import check_folder
from jupyter_chatd.messages import ChatStatus, Role
from jupyter_chatd.store import reads
from jupyter_chatd.store.conversation import EditMessage, PurgeChat, SendMessage, SetArchived
from jupyter_chatd.store.files import chat_files
from jupyter_chatd.transfer import Imported, Outcome

from .place import ME, Place, lines_of, text_of
from .samples import CHILD, FILE, HELLO, ROOT, call, chat, file, header, message, result, text

pytestmark = pytest.mark.anyio

ATTACHED = {**result(), "result": {"file_id": FILE}}
FAMILY = text_of(
    [
        header(),
        chat(labels={"team": "data"}),
        file(),
        message(1, "system", text("be kind"), visibility="model"),
        message(2, "user", text("hi"), {"type": "file", "media_type": "text/plain", "file_id": FILE}),
        message(3, "assistant", call()),
        message(4, "tool", ATTACHED, answers={"message": 3, "index": 0}),
        message(5, "user", text("so far"), compressed=True, covers_until=2, visibility="model"),
        message(6, "assistant", text("done")),
        chat(CHILD, parent_chat_id=ROOT, spawned_by={"message": 3, "index": 0}, mode="explore"),
        message(1, "user", text("task")),
    ]
)


def told(done: list[Imported]) -> list[tuple[str, str]]:
    return [(one.outcome.value, one.id) for one in done]


def problems(place: Place) -> list[str]:
    return [problem for found in check_folder(place.store.path.parent) for problem in found.problems]


async def test_a_family_comes_with_all_that_belongs_to_it(here: Place) -> None:
    assert told(await here.take(FAMILY)) == [("imported", ROOT), ("imported", CHILD)]
    chats = await here.chats()
    root, child = chats[ROOT], chats[CHILD]
    rows = await here.store.read(lambda conn: tuple(reads.history(conn, ROOT)))
    assert (root.owner_id, root.status, root.labels) == (ME, ChatStatus.WAITING, {"team": "data"})
    assert (child.parent_chat_id, child.root_chat_id, child.mode) == (ROOT, ROOT, "explore")
    assert child.spawned_by is not None
    assert child.spawned_by == rows[3].answers
    assert child.spawned_by.message_id == rows[2].id
    assert rows[4].covers_until == rows[1].id
    assert not root.has_unread
    (held,) = await here.store.read(lambda conn: chat_files(conn, ROOT))
    assert (held.id, held.owner_id, here.blobs.read(held.sha256, size=5)) == (FILE, ME, HELLO)
    assert await here.texts(ROOT) == ["hi", "", "", "done"]


async def test_the_same_import_again_changes_nothing(here: Place) -> None:
    await here.take(FAMILY)
    before = here.export()
    assert told(await here.take(FAMILY)) == [("present", ROOT), ("present", CHILD)]
    assert here.export() == before


async def test_a_chat_that_went_on_is_there_already(here: Place) -> None:
    await here.take(FAMILY)
    await here.store.apply(SendMessage(chat_id=ROOT, message=build.user("more")))
    assert told(await here.take(FAMILY)) == [("present", ROOT), ("present", CHILD)]


async def test_a_taken_id_makes_a_copy_that_is_found_again(here: Place) -> None:
    await here.take(FAMILY)
    rows = await here.store.read(lambda conn: tuple(reads.history(conn, ROOT)))
    first = next(row for row in rows if row.role is Role.USER)
    await here.store.apply(EditMessage(chat_id=ROOT, message_id=first.id, message=build.user("changed")))
    copies = await here.take(FAMILY)
    assert [one.outcome for one in copies] == [Outcome.COPIED] * 2
    assert not {one.id for one in copies} & {ROOT, CHILD}
    assert [one.source_id for one in copies] == [ROOT, CHILD]
    assert (await here.chats())[copies[1].id].parent_chat_id == copies[0].id
    assert told(await here.take(FAMILY)) == [("present", one.id) for one in copies]
    assert await here.texts(copies[0].id) == ["hi", "", "", "done"]


async def test_somebody_elses_chat_is_never_taken_for_mine(here: Place) -> None:
    await here.take(FAMILY)
    await here.store.write(lambda conn: conn.execute("UPDATE chats SET owner_id = 'bob'"))
    assert [one.outcome for one in await here.take(FAMILY)] == [Outcome.COPIED] * 2
    assert {one.owner_id for one in (await here.chats()).values()} == {"ada", "bob"}


async def test_another_file_with_the_same_id_keeps_its_bytes(here: Place) -> None:
    await here.take(text_of([header(), chat(CHILD), file(b"other"), message(1, "user", text(FILE))]))
    (_, child) = await here.take(FAMILY.replace(CHILD, CHILD.replace("7a", "7b")))
    assert child.outcome is Outcome.IMPORTED
    (held,) = await here.store.read(lambda conn: chat_files(conn, ROOT))
    assert held.id != FILE
    assert here.blobs.read(held.sha256, size=5) == HELLO
    rows = await here.store.read(lambda conn: tuple(reads.history(conn, ROOT)))
    assert [getattr(part, "file_id", None) for part in rows[1].parts] == [None, held.id]
    assert getattr(rows[3].parts[0], "result", None) == {"file_id": held.id}
    assert [one.outcome for one in await here.take(FAMILY.replace(CHILD, CHILD.replace("7a", "7b")))] == [
        Outcome.PRESENT
    ] * 2


async def test_files_that_did_not_come_are_told(here: Place, there: Place) -> None:
    await there.take(FAMILY)
    assert [one.lost_files for one in await here.take(there.export(files=False))] == [1, 0]
    assert await here.store.read(lambda conn: chat_files(conn, ROOT)) == ()
    assert [one.lost_files for one in await there.take(there.export(files=False))] == [0, 0]


async def test_bytes_that_are_gone_are_counted(there: Place) -> None:
    await there.take(FAMILY)
    for blob in there.blobs.folder.iterdir():
        blob.unlink()
    assert "aGVsbG8=" not in there.export()
    assert there.exported.missing == 1


async def test_what_was_archived_is_archived_anew(here: Place, there: Place) -> None:
    """With its old date retention would delete it at once."""
    await there.take(FAMILY)
    await there.store.apply(SetArchived(chat_id=ROOT, archived=True))
    before = here.store.clock()
    await here.take(there.export())
    chats = (await here.chats()).values()
    assert all(one.archived and one.updated_at >= before for one in chats)
    assert here.export() == there.export()


async def test_a_dry_run_tells_the_same_and_stores_nothing(here: Place) -> None:
    dry = await here.take(FAMILY, dry_run=True)
    assert await here.chats() == {}
    assert not here.blobs.folder.exists()
    assert await here.take(FAMILY) == dry


async def test_what_was_deleted_can_come_back(here: Place) -> None:
    await here.take(FAMILY)
    before = here.export()
    await here.store.apply(SetArchived(chat_id=ROOT, archived=True))
    await here.store.apply(PurgeChat(chat_id=ROOT))
    assert told(await here.take(before)) == [("imported", ROOT), ("imported", CHILD)]
    assert here.export() == before


async def test_an_import_leaves_everything_as_it_should_be(here: Place) -> None:
    await here.take(FAMILY)
    await here.take(text_of([header(), chat(), message(1), message(2, "assistant", call(), call("c2"))]))
    assert problems(here) == []


async def test_a_full_disk_leaves_whole_families(here: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """And says that the same import goes on from there."""
    two = text_of([*lines_of(FAMILY), chat("00000000-0000-4000-8000-000000000001"), message(1)])
    apply, done = here.store.apply, 0

    async def full(transition: object) -> object:
        nonlocal done
        done += 1
        if done == 2:
            raise sqlite3.OperationalError("database or disk is full")
        return await apply(transition)  # type: ignore[arg-type]

    monkeypatch.setattr(here.store, "apply", full)
    with pytest.raises(StoreError, match="0001 was not imported: database or disk is full"):
        await here.take(two)
    assert set(await here.chats()) == {ROOT, CHILD}
    assert [one.outcome.value for one in await here.take(two)] == ["present", "present", "imported"]


async def test_rows_are_not_announced(here: Place) -> None:
    """There may be very many, and nobody can follow the chat yet."""
    heard: list[int] = []
    here.store.listen(lambda change: heard.append(len(change.inserted)))
    await here.take(FAMILY)
    assert heard == [0, 0]
