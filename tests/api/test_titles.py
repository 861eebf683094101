"""Titles that a model writes, through the routes and on the wire."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from fakes.responder import Conversation
from fakes.steps import Answer, Refuse, say

from jupyter_chatd.client import Chat

from .client import BASE, Api
from .conftest import Serve
from .test_watch import watching

MODEL = "openai:fake-model"
TITLES = {"generate_titles": True}


def answer(conversation: Conversation) -> Answer:
    if "Write a title" in conversation.system:
        return [say("Greeting friends" if "bye" not in conversation.last_user else "Hellos and goodbyes")]
    return [say("hello")]


@pytest.mark.parametrize("settings", [TITLES])
async def test_watchers_hear_of_the_title(api: Api, openai: Serve) -> None:
    async with openai(answer), watching(api) as watcher:
        chat = await api.create("say hello to my friends and their cats", model=MODEL)
        assert chat["title"] == "say hello to my friends and…"
        assert (await watcher.until("title_change", id=chat["id"]))["title"] == "Greeting friends"
        await api.settle(chat["id"])


@pytest.mark.parametrize("settings", [TITLES])
async def test_a_chat_that_was_given_a_title_keeps_it(api: Api, openai: Serve) -> None:
    async with openai(answer) as vendor:
        chat = await api.finished("say hello", model=MODEL, title="Mine")
        assert (chat["title"], len(vendor.generations)) == ("Mine", 1)


async def test_another_title_on_request(api: Api, openai: Serve) -> None:
    async with openai(answer):
        chat = await api.finished("say hello", model=MODEL)
        await api.send(chat["id"], "say bye")
        await api.settle(chat["id"])
        named = await api.post(f"/{chat['id']}/title/regenerate")
        assert named["title"] == (await api.get(f"/{chat['id']}"))["title"] == "Hellos and goodbyes"


async def test_another_title_from_python(api: Api, openai: Serve) -> None:
    def renamed(chat_id: str) -> str:
        url, token = api.url.removesuffix(BASE), api.headers["Authorization"].removeprefix("token ")
        return Chat.open(chat_id, url=url, token=token).regenerate_title().title

    async with openai(answer):
        chat = await api.finished("say hello", model=MODEL)
        assert await asyncio.to_thread(renamed, chat["id"]) == "Greeting friends"
    assert (await api.get(f"/{chat['id']}"))["title"] == "Greeting friends"


async def test_what_hinders_it_is_told(api: Api, openai: Serve) -> None:
    demo = await api.finished()
    refusal = await api.post(f"/{demo['id']}/title/regenerate", status=400)
    assert "writes no titles" in refusal["message"]
    async with openai([[say("hello")], [Refuse(status=401)]]):
        chat = await api.finished("say hello", model=MODEL)
        refusal = await api.post(f"/{chat['id']}/title/regenerate", status=400)
        assert "API key" in refusal["message"]
    assert (await api.get(f"/{chat['id']}"))["title"] == "say hello"


async def test_one_at_a_time(api: Api, openai: Serve) -> None:
    async with openai(answer) as vendor:
        chat = await api.finished("say hello", model=MODEL)
        vendor.pace_s = 1.0
        path = f"/{chat['id']}/title/regenerate"
        first: asyncio.Task[Any] = asyncio.create_task(api.post(path))
        while len(vendor.generations) < 2:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.01)
        assert (await api.post(path, status=409))["transition"] == "RegenerateTitle"
        assert (await first)["title"] == "Greeting friends"
