"""Finding one's way: the search, read marks, pins."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from .client import AT_REST, PATIENCE, Api, Json
from .users import USER_HEADER, HeaderUsers


async def test_the_search_tells_where_the_words_are(api: Api) -> None:
    chat = await api.finished("say strawberries are red", title="fruit")
    user, answer = await api.messages(chat["id"])
    hits = await api.get("/search", q="STRAWBERRIES red", limit=5)
    assert {hit["message_id"] for hit in hits} == {user["id"], answer["id"]}
    (hit,) = (hit for hit in hits if hit["role"] == "user")
    assert hit == {
        "chat_id": chat["id"],
        "chat_title": "fruit",
        "archived": False,
        "message_id": user["id"],
        "role": "user",
        "created_at": user["created_at"],
        "snippet": [
            {"text": "say ", "match": False},
            {"text": "strawberries", "match": True},
            {"text": " are ", "match": False},
            {"text": "red", "match": True},
        ],
    }


async def test_the_search_leaves_the_archive_out_unless_asked(api: Api) -> None:
    chat_id = (await api.finished("say strawberries"))["id"]
    await api.patch(f"/{chat_id}", {"archived": True}, status=204)
    assert await api.get("/search", q="strawberries") == []
    for word in ("true", "all"):
        assert {hit["archived"] for hit in await api.get("/search", q="strawberries", archived=word)} == {
            True
        }


async def test_a_search_for_nothing_says_what_was_expected(api: Api) -> None:
    for query, told in (
        ({}, "q: expected the words to look for"),
        ({"q": " \0"}, "q: expected the words to look for"),
        ({"q": "a", "limit": "101"}, "limit: expected a whole number from 1 to 100"),
        ({"q": "a", "archived": "perhaps"}, "archived: expected true, false or all"),
    ):
        reply = await api.call("GET", "/search", params=list(query.items()))
        assert (query, reply.status) == (query, 400)
        assert told in reply.json["detail"]
    for odd in ('"', "a OR", "NEAR("):
        assert await api.get("/search", q=odd) == []


@pytest.mark.parametrize("server_settings", [{"identity_provider_class": HeaderUsers}])
async def test_nobody_finds_what_another_said(api: Api) -> None:
    ada, bob = api.with_headers(**{USER_HEADER: "ada"}), api.with_headers(**{USER_HEADER: "bob"})
    await ada.finished("say strawberries")
    assert await bob.get("/search", q="strawberries", archived="all") == []
    assert len(await ada.get("/search", q="strawberries")) == 2


# Read marks


async def at_rest(api: Api, chat_id: str) -> Json:
    """Wait for the end of a turn without looking into the chat."""
    async with asyncio.timeout(PATIENCE):
        while (chat := await api.get(f"/{chat_id}"))["status"] not in AT_REST:  # noqa: ASYNC110 - as below
            await asyncio.sleep(0.01)
    return chat


async def when_read(api: Api, chat_id: str) -> None:
    async with asyncio.timeout(PATIENCE):
        while (await api.get(f"/{chat_id}"))["has_unread"]:  # noqa: ASYNC110 - nobody announces it
            await asyncio.sleep(0.01)


@pytest.fixture(params=["follow", "follow_events"])
def follow(request: pytest.FixtureRequest, api: Api) -> Any:
    """Opens a stream, over either transport."""
    return getattr(api, request.param)


async def test_opening_a_chat_marks_it_read(api: Api, follow: Any) -> None:
    chat_id = await api.create_id()
    chat = await at_rest(api, chat_id)
    assert chat["has_unread"]
    async with follow(chat_id) as stream:
        await stream.status("waiting")
        await when_read(api, chat_id)
    after = await api.get(f"/{chat_id}")
    assert after == {**chat, "has_unread": False}


async def test_what_comes_while_a_chat_is_open_is_read_when_it_is_closed(api: Api, follow: Any) -> None:
    chat_id = await api.create_id()
    async with follow(chat_id) as stream:
        await stream.message("assistant")
        await stream.status("waiting")
        assert (await api.get(f"/{chat_id}"))["has_unread"]
    await when_read(api, chat_id)
    await api.send(chat_id, "say more")
    assert (await at_rest(api, chat_id))["has_unread"]


async def test_reading_a_page_of_messages_marks_nothing(api: Api) -> None:
    chat_id = await api.create_id()
    await at_rest(api, chat_id)
    await api.messages(chat_id)
    assert (await api.get(f"/{chat_id}"))["has_unread"]


# Pins


async def test_pins_keep_an_order_without_gaps(api: Api) -> None:
    one, two, three = [(await api.finished(f"say {n}", title=n))["id"] for n in ("one", "two", "three")]
    for chat_id, place in ((one, 1), (two, 1), (three, 9), (one, 0)):
        await api.patch(f"/{chat_id}", {"pin_order": place}, status=204)
    pins = {chat["title"]: chat["pin_order"] for chat in await api.get()}
    assert pins == {"one": 0, "two": 1, "three": 2}
    assert [chat["title"] for chat in await api.get("", pinned="true")] == ["three", "two"]
    assert [chat["title"] for chat in await api.get("", pinned="false")] == ["one"]
    assert (await api.call("GET", params=[("pinned", "x")])).status == 400


async def test_an_archived_chat_cannot_be_pinned(api: Api) -> None:
    chat_id = (await api.finished())["id"]
    problem = await api.patch(f"/{chat_id}", {"archived": True, "pin_order": 1}, status=400)
    assert problem["message"] == "An archived chat cannot be pinned. Unarchive it first."
    assert not (await api.get(f"/{chat_id}"))["archived"]
    await api.patch(f"/{chat_id}", {"archived": True}, status=204)
    await api.patch(f"/{chat_id}", {"pin_order": 1}, status=400)
    await api.patch(f"/{chat_id}", {"archived": False, "pin_order": 1}, status=204)
    assert (await api.get(f"/{chat_id}"))["pin_order"] == 1
