"""Pinned chats are numbered 1, 2, 3, … without gaps."""

from __future__ import annotations

import pytest

from jupyter_chatd.store import Store
from jupyter_chatd.store.conversation import ImportChat
from jupyter_chatd.store.reads import ChatQuery, list_chats

from . import build

pytestmark = pytest.mark.anyio


@pytest.fixture
async def chats(store: Store) -> Store:
    """Four chats of ada, and one of bob that is pinned."""
    for chat_id in "abcd":
        await store.apply(ImportChat(chat=build.chat(chat_id), rows=()))
    await store.apply(ImportChat(chat=build.chat("bobs", owner_id="bob"), rows=()))
    await store.write_metadata("bobs", {"pin_order": 1})
    return store


async def pin(store: Store, chat_id: str, place: int) -> str:
    """Pin a chat and return ada's pinned chats in order."""
    changed = await store.write_metadata(chat_id, {"pin_order": place})
    query = ChatQuery(owner_id="ada", pinned=True)
    pinned = {chat.pin_order: chat.id for chat in await store.read(lambda conn: list_chats(conn, query))}
    assert sorted(pinned) == list(range(1, len(pinned) + 1))
    assert pinned.get(changed.chat.pin_order, chat_id) == chat_id
    return "".join(pinned[place] for place in sorted(pinned))


async def test_a_pin_makes_room_and_an_unpin_closes_up(chats: Store) -> None:
    assert [
        await pin(chats, "a", 1),
        await pin(chats, "b", 1),
        await pin(chats, "c", 2),
        await pin(chats, "d", 99),
        await pin(chats, "b", 3),
        await pin(chats, "d", 1),
        await pin(chats, "d", 1),
        await pin(chats, "c", 0),
        await pin(chats, "c", 0),
    ] == ["a", "ba", "bca", "bcad", "cabd", "dcab", "dcab", "dab", "dab"]


async def test_the_pins_of_others_and_the_order_of_the_list_do_not_move(chats: Store) -> None:
    before = await chats.read(lambda conn: list_chats(conn, ChatQuery(owner_id="ada")))
    await pin(chats, "a", 1)
    after = await chats.read(lambda conn: list_chats(conn, ChatQuery(owner_id="ada")))
    assert [chat.id for chat in after] == [chat.id for chat in before]
    (theirs,) = await chats.read(lambda conn: list_chats(conn, ChatQuery(owner_id="bob", pinned=True)))
    assert theirs.pin_order == 1


async def test_the_list_can_leave_pinned_chats_out(chats: Store) -> None:
    await pin(chats, "a", 1)
    others = await chats.read(lambda conn: list_chats(conn, ChatQuery(owner_id="ada", pinned=False)))
    assert sorted(chat.id for chat in others) == ["b", "c", "d"]
