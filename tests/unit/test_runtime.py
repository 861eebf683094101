"""The parts of an agent together: they begin together, end together, and leave nothing behind."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from pathlib import Path

import pytest
from world import World, crash_image, eventually, outline, script

from jupyter_chatd.errors import StoreError
from jupyter_chatd.loop.alive import HeldLock
from jupyter_chatd.messages import ChatStatus
from jupyter_chatd.providers.scripted import say, wait
from jupyter_chatd.runtime import DATABASE

pytestmark = pytest.mark.anyio


def running() -> set[str]:
    """The names of the tasks of the agent."""
    return {name for task in asyncio.all_tasks() if (name := task.get_name()).startswith("chatd")}


async def test_a_stop_leaves_nothing_running(tmp_path: Path) -> None:
    async with World(tmp_path, script([say("Yes.")], [wait(1000)])) as world:
        chat_id = await world.create()
        await world.settled(chat_id)
        busy = await world.create()
        await eventually(lambda: len(world.model.calls) == 2)
        assert {"chatd-acquire", "chatd-heartbeat", f"chatd-runner-{busy}", f"chatd-work-{busy}"} <= running()
    assert running() == set()
    assert list((tmp_path / "data" / "workers").iterdir()) == []


async def test_what_was_said_is_there_after_a_restart(tmp_path: Path) -> None:
    async with World(tmp_path, script([say("Yes.")])) as world:
        chat_id = await world.create()
        await world.settled(chat_id)
    async with World(tmp_path, script()) as world:
        assert outline(await world.rows(chat_id)) == ["user: Begin.", "assistant: Yes."]


async def test_stopping_what_never_started_is_fine(tmp_path: Path) -> None:
    world = World(tmp_path, script())
    await world.stop()
    await world.stop()


async def test_a_file_that_is_no_database_starts_nothing(tmp_path: Path) -> None:
    world = World(tmp_path, script())
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / DATABASE).write_text("This is a letter, not a database. " * 100)
    with pytest.raises(StoreError):
        await world.runtime.start()
    assert running() == set()
    assert not (tmp_path / "data" / "workers").exists()
    await world.stop()


async def test_a_start_that_fails_half_way_ends_what_it_began(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(folder: Path, worker_id: str) -> HeldLock:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(HeldLock, "take", broken)
    world = World(tmp_path, script())
    with pytest.raises(OSError, match="Read-only"):
        await world.runtime.start()
    assert running() == set()
    with pytest.raises(RuntimeError):
        await world.create()
    await world.stop()


async def test_after_a_crash_the_file_is_checked_beside_the_work(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with World(tmp_path, script([wait(1000)])) as world:
        await world.create()
        copy = crash_image(tmp_path, tmp_path / "crashed")
    async with World(copy, script([wait(1000)])):
        await eventually(lambda: "it is sound" in caplog.text)


async def test_a_damaged_file_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with World(tmp_path, script([say("Yes.")])) as world:
        await world.settled(await world.create())
        copy = crash_image(tmp_path, tmp_path / "crashed")
    damage(copy / "data" / DATABASE)
    async with World(copy, script()):
        await eventually(lambda: "The database is damaged" in caplog.text)


def damage(path: Path) -> None:
    """Overwrite a part of an index."""
    conn = sqlite3.connect(path)
    page = conn.execute("SELECT rootpage FROM sqlite_master WHERE name = 'chats_owner'").fetchone()[0]
    size = conn.execute("PRAGMA page_size").fetchone()[0]
    conn.close()
    with path.open("r+b") as file:
        file.seek((page - 1) * size + 8)
        file.write(b"\xff" * 64)


async def test_a_second_server_is_no_sign_of_a_crash(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with World(tmp_path, script()), World(tmp_path, script()):
        await asyncio.sleep(0.1)
    assert "uncleanly" not in caplog.text


async def test_locks_of_another_database_are_removed(tmp_path: Path) -> None:
    HeldLock.take(tmp_path / "data" / "workers", "forgotten").handle.close()
    async with World(tmp_path, script()) as world:
        left = [lock.stem for lock in (tmp_path / "data" / "workers").iterdir()]
        assert left == [world.runtime.worker.worker_id]


async def test_a_chat_in_an_impossible_state_is_stopped_with_an_explanation(tmp_path: Path) -> None:
    """Nothing of ours leads there: somebody wrote to the file by hand."""
    async with World(tmp_path, script([say("Yes.")], [say("Again.")])) as world:
        chat_id = await world.create()
        await world.settled(chat_id)
    with sqlite3.connect(tmp_path / "data" / DATABASE) as conn:
        conn.execute(
            "INSERT INTO queued_messages (chat_id, position, created_at, content, content_version)"
            ' VALUES (?, 1, 0, \'[{"type":"text","text":"lost"}]\', 1)',
            (chat_id,),
        )
    conn.close()
    async with World(tmp_path, script([say("Again.")])) as world:
        chat = await world.runtime.service.get(chat_id, owner_id="local")
        assert chat.status is ChatStatus.ERROR
        assert chat.last_error is not None
        assert "impossible state" in chat.last_error.message
