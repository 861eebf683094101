"""Fetching what is new, in short and very long chats."""

from __future__ import annotations

import statistics
import time
from collections.abc import Awaitable, Callable, Sequence

from jupyter_chatd.loop.prompt_settings import PromptSettings
from jupyter_chatd.loop.service import ChatService
from jupyter_chatd.store import Store
from jupyter_chatd.stream import Cursor, Feeds

from . import engine
from .harness import Bench, Case, Measured, Plan, Samples, at_most, interleave
from .machine import scratch

SHORT, LONG = 100, 100_000  # messages in the chat
NEW = 20  # messages after the cursor
FETCHES = 50  # of which each value is the median


def case(name: str, fetch: Callable[[], Awaitable[object]]) -> Case:
    """Fetch some times."""

    async def run() -> dict[str, float]:
        return {name: statistics.median([await _seconds(fetch) for _ in range(FETCHES)]) * 1000}

    return run


async def _seconds(fetch: Callable[[], Awaitable[object]]) -> float:
    began = time.perf_counter()
    await fetch()
    return time.perf_counter() - began


async def cases_of(store: Store, feeds: Feeds, messages: int) -> list[Case]:
    """The two ways to get what is new in a chat of that many messages: to poll, and to resume its stream."""
    chat_id = await engine.import_chat(store, messages=messages)
    service = ChatService(store, prompts=PromptSettings(store, include_default=False))
    newest, _ = await service.messages(chat_id, before_id=None, after_id=None, limit=NEW + 1)
    cursor = newest[-1].id

    async def poll() -> None:
        page, _ = await service.messages(chat_id, before_id=None, after_id=cursor, limit=NEW)
        assert len(page) == NEW

    async def resume() -> None:
        subscription = await feeds.subscribe(chat_id, Cursor(after_id=cursor))
        subscription.close()
        assert [event async for frame in subscription for event in frame.events]

    async def open_chat() -> None:
        await service.messages(chat_id, before_id=None, after_id=None, limit=NEW)

    return [
        case(f"poll {messages}", poll),
        case(f"resume {messages}", resume),
        case(f"newest {messages}", open_chat),
    ]


async def measure(plan: Plan) -> Sequence[Measured]:
    long = plan.size(LONG, 1000)
    with scratch() as folder:
        async with Store(folder / "chats.db") as store:
            feeds = Feeds(store)
            cases = [case for messages in (SHORT, long) for case in await cases_of(store, feeds, messages)]
            samples = await interleave(cases, plan)
            await feeds.close()
    return [
        *_lines(samples, "poll", f"poll, {NEW} messages after a cursor", long),
        *_lines(samples, "resume", f"resume the stream, {NEW} messages after a cursor", long),
        *_lines(samples, "newest", f"the newest {NEW} messages", long),
    ]


def _lines(samples: Samples, name: str, what: str, long: int) -> list[Measured]:
    return [
        Measured(
            what=f"{what}: at {long:,} messages over at {SHORT}",
            values=samples.ratios(f"{name} {long}", f"{name} {SHORT}"),
            goal=at_most(1.5),
        ),
        Measured(what=f"{what}: at {long:,} messages", values=samples[f"{name} {long}"], unit="ms"),
    ]


BENCH = Bench(
    title="Fetch after a cursor, at 100 and at 100,000 messages in the chat",
    method=f"""
        Two chats in one file on the disk, which hold {SHORT} and {LONG:,} messages; {NEW} messages
        are newer than the cursor. Each value is the median of {FETCHES} fetches through the service
        (what polling does) or the feed (what a stream that comes back does), parsed into values.
    """,
    run=measure,
)
