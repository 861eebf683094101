"""The work of each day, on a real store."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest

from jupyter_chatd.files import FileLibrary
from jupyter_chatd.housekeeping import Housekeeper
from jupyter_chatd.messages import Chat, ChatStatus
from jupyter_chatd.store import Store
from jupyter_chatd.store.conversation import ImportChat, SetArchived
from jupyter_chatd.store.reads import ChatQuery, list_chats
from jupyter_chatd.store.retention import DAY

pytestmark = pytest.mark.anyio


class Days:
    """UTC seconds, by the day."""

    def __init__(self) -> None:
        self.day = 10_000.0

    def __call__(self) -> float:
        return self.day * DAY


async def add_chat(store: Store, chat_id: str, *, archived: bool = False) -> None:
    chat = Chat(
        id=chat_id,
        owner_id="ada",
        title="A chat",
        status=ChatStatus.WAITING,
        archived=False,
        model="demo:demo",
        created_at=0.0,
        updated_at=0.0,
    )
    await store.apply(ImportChat(chat=chat, rows=()))
    if archived:
        await store.apply(SetArchived(chat_id=chat_id, archived=True))


async def archive_of(store: Store) -> dict[str, bool]:
    """Whether each chat is archived."""
    chats = await store.read(lambda conn: list_chats(conn, ChatQuery(owner_id="ada", archived=None)))
    return {chat.id: chat.archived for chat in chats}


async def test_a_day_archives_then_deletes_then_collects(tmp_path: Path) -> None:
    days = Days()
    async with Store(tmp_path / "chats.db", clock=days) as store:
        files = FileLibrary(store, tmp_path / "files")
        await add_chat(store, "idle")
        await add_chat(store, "forgotten", archived=True)
        await files.upload(owner_id="ada", name="", declared="text/plain", data=b"never sent")
        keeper = Housekeeper(store, files, auto_archive_days=5, retention_days=10)
        days.day += 11
        await keeper.run_once()
        assert await archive_of(store) == {"idle": True}
        assert await store.read(lambda conn: conn.execute("SELECT COUNT(*) FROM files").fetchone()[0]) == 0


async def test_by_itself_it_deletes_nothing(tmp_path: Path) -> None:
    days = Days()
    async with Store(tmp_path / "chats.db", clock=days) as store:
        await add_chat(store, "idle")
        await add_chat(store, "archived", archived=True)
        days.day += 10_000
        await Housekeeper(store, FileLibrary(store, tmp_path / "files")).run_once()
        assert await archive_of(store) == {"idle": False, "archived": True}


async def test_it_works_each_day_even_after_a_failure_and_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with Store(tmp_path / "chats.db") as store:
        keeper = Housekeeper(store, FileLibrary(store, tmp_path / "files"), first_after_s=0, period_s=0.01)
        ran = asyncio.Event()
        times: list[int] = []
        run_once = keeper.run_once

        async def fail_once(*_args: Any) -> None:
            times.append(1)
            if len(times) == 1:
                raise OSError(5, "Input/output error")
            await run_once()
            ran.set()

        monkeypatch.setattr(keeper, "run_once", fail_once)
        with caplog.at_level(logging.ERROR):
            keeper.start()
            async with asyncio.timeout(30):
                await ran.wait()
        await keeper.stop()
        await keeper.stop()
        assert "Housekeeping failed; it is tried again" in caplog.text
        assert "chatd-housekeeping" not in {task.get_name() for task in asyncio.all_tasks()}


async def test_it_can_be_stopped_before_it_began(tmp_path: Path) -> None:
    store = Store(tmp_path / "chats.db")
    await Housekeeper(store, FileLibrary(store, tmp_path / "files")).stop()
    await store.close()
