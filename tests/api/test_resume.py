"""A client that drops and resumes at random sees exactly what a client that stayed saw."""

from __future__ import annotations

import asyncio
import random

import pytest
from fakes.responder import Conversation
from fakes.steps import Answer, call, say, think

from .client import Api, Follower, Json, text_part
from .conftest import Serve
from .screen import Screen, begins

DROPPERS = 4
PACE = 0.006  # seconds between the vendor's deltas
LATE = 1.5  # seconds without a frame after which nothing more is on its way

WORDS = " ".join(f"word{number}" for number in range(24))
LOUD = "for i in 1 2 3 4 5 6 7 8; do echo line $i; sleep 0.04; done"


def converse(conversation: Conversation) -> Answer:
    """Every turn: reasoning, text and three noisy commands; then a summing up."""
    said = conversation.last_user
    if conversation.steps == 0:
        commands = [LOUD, f"{LOUD}; exit 3", "echo quick"]
        return [
            think(f"About {said}: {WORDS}"),
            say(f"For {said}: {WORDS}"),
            *(call("execute", {"command": command}) for command in commands),
        ]
    return [say(f"{said} is done. {WORDS}")]


async def stay(api: Api, chat_id: str, screen: Screen, over: asyncio.Event) -> None:
    """Follow over one connection until the play is over."""
    async with api.follow(chat_id) as stream:
        await watch(stream, screen, over)


async def watch(stream: Follower, screen: Screen, over: asyncio.Event, frames: int | None = None) -> None:
    """Take that many frames; without a number, all until nothing has come for a while after the play."""
    taken = 0
    while frames is None or taken < frames:
        try:
            screen.take(await stream.more(seconds=LATE))
        except TimeoutError:
            if over.is_set():
                return
        taken += 1


async def drop(api: Api, chat_id: str, screen: Screen, over: asyncio.Event, chance: random.Random) -> int:
    """Follow over many short connections of both kinds; return how many."""
    connections = 0
    while not over.is_set():
        frames = chance.choice([1, 1, 2, 3, 5, 8])
        follow = chance.choice([api.follow, api.follow_events])
        screen.reconnect()
        async with follow(chat_id, **screen.cursor) as stream:
            await watch(stream, screen, over, frames)
        connections += 1
        await asyncio.sleep(chance.choice([0, 0.01, 0.05, 0.2]))
    screen.reconnect()
    async with api.follow(chat_id, **screen.cursor) as stream:
        await watch(stream, screen, over)
    return connections


async def play(api: Api, chat_id: str) -> None:
    """A whole turn; its message edited and run again; an interruption by a message; a queued one."""
    await api.settle(chat_id)
    first = (await api.messages(chat_id))[0]["id"]
    await api.patch(f"/{chat_id}/messages/{first}", {"content": [text_part("the edited one")]})
    await asyncio.sleep(0.4)
    await api.send(chat_id, "the interrupting one", busy_behavior="interrupt")
    await asyncio.sleep(0.3)
    await api.send(chat_id, "the queued one")
    await api.settle(chat_id)


@pytest.mark.parametrize("seed", [20261121])
async def test_dropping_and_resuming_at_random_loses_and_repeats_nothing(
    api: Api, openai: Serve, seed: int
) -> None:
    over = asyncio.Event()
    stayed, dropped = Screen(), [Screen() for _ in range(DROPPERS)]
    async with openai(converse, pace_s=PACE):
        chat_id = await api.create_id("the first one", model="openai:fake-model")
        async with asyncio.TaskGroup() as group:
            group.create_task(stay(api, chat_id, stayed, over))
            droppers = [
                group.create_task(drop(api, chat_id, screen, over, random.Random(seed + number)))
                for number, screen in enumerate(dropped)
            ]
            await play(api, chat_id)
            over.set()
    check_the_play(stayed)
    assert list(stayed.messages.values()) == await api.messages(chat_id)
    for task, screen in zip(droppers, dropped, strict=True):
        assert task.result() > 5
        assert screen.view() == stayed.view()
        check_parts(screen, stayed)


def check_the_play(screen: Screen) -> None:
    """All that was to be seen was there."""
    told = [row["content"][0]["text"] for row in screen.messages.values() if row["role"] == "user"]
    assert told == ["the edited one", "the interrupting one", "the queued one"]
    kinds = {part["type"] for blocks in screen.episodes.values() for part in blocks.values()}
    assert kinds == {"reasoning", "text", "tool-call", "tool-result"}
    assert (screen.status, screen.live, screen.queue) == ("waiting", {}, [])


def check_parts(screen: Screen, stayed: Screen) -> None:
    """What was ever shown of an answer is how that answer began."""
    assert screen.episodes.keys() <= stayed.episodes.keys()
    assert len(screen.episodes) > 3
    for episode, blocks in screen.episodes.items():
        for block, part in blocks.items():
            whole: Json = stayed.episodes[episode][block]
            assert begins(part, whole), f"{episode} {block}: {part} is no beginning of {whole}"
