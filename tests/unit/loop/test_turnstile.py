"""Taking turns on the event loop."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from jupyter_chatd.loop.turnstile import Turnstile

pytestmark = pytest.mark.anyio


async def test_between_any_two_that_go_through_the_loop_does_something_else() -> None:
    turnstile = Turnstile()
    told: list[str] = []

    async def work(name: str) -> None:
        await turnstile.through()
        told.append(name)

    async def others() -> None:
        while len(set(told)) < 4:
            told.append("-")
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as tasks:
        for name in "abc":
            tasks.create_task(work(name))
        tasks.create_task(others())
    assert "".join(dict.fromkeys(told)) == "-abc"
    places = [told.index(name) for name in "abc"]
    assert all("-" in told[first:second] for first, second in pairwise(places))


async def test_who_gives_up_does_not_stop_the_others() -> None:
    turnstile = Turnstile()
    tasks = [asyncio.create_task(turnstile.through()) for _ in range(3)]
    await asyncio.sleep(0)
    tasks[1].cancel()
    await asyncio.gather(tasks[0], tasks[2])
    assert tasks[1].cancelled()
