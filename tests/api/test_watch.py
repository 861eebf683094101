"""Watching all chats of a user."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tornado.websocket import WebSocketClientConnection

from jupyter_chatd.extension import JupyterChatd
from jupyter_chatd.store import Store

from .client import PATIENCE, Api, Json, eventually
from .description import check_frame


class Watcher:
    """Reads the events of the watch route."""

    def __init__(self, socket: WebSocketClientConnection) -> None:
        self._socket = socket

    async def next(self) -> tuple[str, Json]:
        """What happened to which chat."""
        async with asyncio.timeout(PATIENCE):
            frame = json.loads(await self._socket.read_message() or "null")
        assert frame["type"] == "data"
        check_frame("/watch", frame)
        return frame["data"]["kind"], frame["data"]["chat"]

    async def until(self, kind: str, **fields: object) -> Json:
        """The next chat of which that is told and which has these fields."""
        while True:
            told, chat = await self.next()
            if told == kind and chat.items() >= fields.items():
                return chat


@asynccontextmanager
async def watching(api: Api) -> AsyncIterator[Watcher]:
    async with api.socket("/watch") as socket:
        assert await socket.read_message() == '{"type":"ping"}'
        yield Watcher(socket)


async def test_who_watches_follows_or_asks_is_there_to_act(api: Api, chatd: JupyterChatd) -> None:
    attendance = chatd._running.runtime.attendance
    chat_id = await api.create_id()
    await api.get(f"/{chat_id}")
    assert attendance.is_attended(chat_id, owner_id="local")
    assert not attendance.is_attended("other", owner_id="local")
    async with watching(api):
        assert attendance.is_attended("other", owner_id="local")
    await eventually(lambda: not attendance.is_attended("other", owner_id="local"))


async def test_a_ping_then_the_life_of_each_chat(api: Api) -> None:
    async with watching(api) as watcher:
        made = await api.create()
        kind, chat = await watcher.next()
        assert (kind, chat) == ("created", {**made, "status": "pending"})
        await watcher.until("status_change", status="waiting", id=made["id"])
        await api.patch(f"/{made['id']}", {"title": "new"}, status=204)
        assert (await watcher.until("title_change"))["title"] == "new"
        await api.patch(f"/{made['id']}", {"archived": True}, status=204)
        assert (await watcher.until("deleted"))["archived"] is True
        await api.patch(f"/{made['id']}", {"archived": False}, status=204)
        assert (await watcher.until("created"))["archived"] is False


async def test_steps_inside_a_turn_are_not_told(api: Api) -> None:
    async with watching(api) as watcher:
        chat_id = await api.create_id("run `true` then run `true` then run `true`")
        told = [await watcher.next()]
        while told[-1][1]["status"] != "waiting":
            told.append(await watcher.next())
    assert {chat["id"] for _, chat in told} == {chat_id}
    assert [kind for kind, _ in told].count("created") == 1
    assert len(told) <= 4


async def test_two_watchers_hear_the_same(api: Api) -> None:
    async with watching(api) as one, watching(api) as two:
        await api.finished()
        assert await one.next() == await two.next()


async def test_what_another_process_did_is_told_in_the_same_words(api: Api, jp_data_dir: Path) -> None:
    chat = await api.finished()
    async with watching(api) as watcher, Store(jp_data_dir / "jupyter_chatd" / "chats.db") as other:
        await other.replace_title(chat["id"], "new", old=chat["title"])
        told = await watcher.until("status_change", id=chat["id"])
    assert told["title"] == "new"
