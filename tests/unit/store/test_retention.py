"""Chats age: idle ones are archived, archived ones deleted, and only what nobody uses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from jupyter_chatd.messages import CallKey, Chat
from jupyter_chatd.store import Store
from jupyter_chatd.store.conversation import CreateChat, ImportChat, SetArchived
from jupyter_chatd.store.reads import ChatQuery, get_chat, list_chats
from jupyter_chatd.store.retention import DAY, archive_idle, purge_archived
from jupyter_chatd.store.work import Acquire, FinishTurn

from . import build

pytestmark = pytest.mark.anyio


class AgingStore:
    """A store on which days pass."""

    def __init__(self, path: Path) -> None:
        self.day = 10_000.0
        self.store = Store(path, clock=lambda: self.day * DAY)

    async def add(self, chat_id: str) -> None:
        await self.store.apply(ImportChat(chat=build.chat(chat_id), rows=(build.user(f"about {chat_id}"),)))

    async def add_running(self, chat_id: str) -> None:
        await self.store.apply(CreateChat(chat=build.chat(chat_id), rows=(build.user(),)))
        await self.store.apply(Acquire(worker_id="w", runner_ids=(f"runner-{chat_id}",)))

    async def finish(self, chat_id: str) -> None:
        await self.store.apply(FinishTurn(claim=build.claim(await self.chat(chat_id))))

    async def chat(self, chat_id: str) -> Chat:
        return await self.store.read(lambda conn: get_chat(conn, chat_id))

    async def add_family(self) -> None:
        """A root and a child of it, both at rest."""
        await self.add_running("root")
        parent = build.claim(await self.chat("root"))
        child = build.chat("child", parent="root", by=CallKey(message_id=1, index=0))
        await self.store.apply(CreateChat(chat=child, rows=(build.user(),), parent=parent))
        await self.store.apply(Acquire(worker_id="w", runner_ids=("runner-child",)))
        await self.finish("child")
        await self.finish("root")

    async def archive(self, chat_id: str) -> None:
        await self.store.apply(SetArchived(chat_id=chat_id, archived=True))

    async def names(self, *, archived: bool | None) -> list[str]:
        query = ChatQuery(owner_id="ada", archived=archived)
        return sorted(chat.id for chat in await self.store.read(lambda conn: list_chats(conn, query)))


@pytest.fixture
async def aging(path: Path, anyio_backend: str) -> AsyncIterator[AgingStore]:
    made = AgingStore(path)
    async with made.store:
        yield made


async def test_zero_days_is_never(aging: AgingStore) -> None:
    await aging.add("a")
    await aging.add("b")
    await aging.archive("b")
    aging.day += 10_000
    assert await archive_idle(aging.store, older_than_days=0) == 0
    assert await purge_archived(aging.store, older_than_days=0) == 0
    assert await aging.names(archived=None) == ["a", "b"]


async def test_idle_chats_are_archived_but_for_pinned_busy_and_recent_ones(aging: AgingStore) -> None:
    for name in ("old", "pinned", "used"):
        await aging.add(name)
    await aging.add_running("busy")
    await aging.store.write_metadata("pinned", {"pin_order": 1})
    aging.day += 8
    await aging.add("new")
    assert await archive_idle(aging.store, older_than_days=9) == 0
    assert await archive_idle(aging.store, older_than_days=7) == 2
    assert await aging.names(archived=True) == ["old", "used"]
    assert await aging.names(archived=False) == ["busy", "new", "pinned"]


async def test_a_family_is_as_old_as_its_youngest_member(aging: AgingStore) -> None:
    await aging.add_family()
    aging.day += 8
    await aging.store.apply(SetArchived(chat_id="child", archived=True))
    await aging.store.apply(SetArchived(chat_id="child", archived=False))
    assert await archive_idle(aging.store, older_than_days=7) == 0
    aging.day += 8
    assert await archive_idle(aging.store, older_than_days=7) == 1
    assert await aging.names(archived=True) == ["child", "root"]


async def test_archived_chats_are_deleted_days_after_they_were_archived(aging: AgingStore) -> None:
    for name in ("old", "young", "kept"):
        await aging.add(name)
    aging.day += 100
    await aging.archive("old")
    aging.day += 8
    await aging.archive("young")
    assert await purge_archived(aging.store, older_than_days=7) == 1
    assert await aging.names(archived=None) == ["kept", "young"]
    left = await aging.store.read(
        lambda conn: [row["text"] for row in conn.execute("SELECT text FROM message_search ORDER BY rowid")]
    )
    assert left == ["about young", "about kept"]


async def test_a_deleted_root_takes_its_children_along_and_a_child_goes_alone(aging: AgingStore) -> None:
    await aging.add_family()
    await aging.archive("child")
    aging.day += 8
    assert await purge_archived(aging.store, older_than_days=7) == 1
    assert await aging.names(archived=None) == ["root"]
    await aging.archive("root")
    aging.day += 8
    assert await purge_archived(aging.store, older_than_days=7) == 1
    assert await aging.names(archived=None) == []


async def test_a_family_is_counted_once(aging: AgingStore) -> None:
    await aging.add_family()
    await aging.archive("root")
    aging.day += 8
    assert await purge_archived(aging.store, older_than_days=7) == 1
    assert await aging.names(archived=None) == []
