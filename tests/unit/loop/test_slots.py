"""Model calls take turns, and no family of chats takes all of them."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from jupyter_chatd.loop.slots import ModelSlots

pytestmark = pytest.mark.anyio


class Calls:
    """Model calls that last until they are told to end."""

    def __init__(self, slots: ModelSlots) -> None:
        self._slots = slots
        self.running: list[str] = []
        self._tasks: list[tuple[str, asyncio.Event, asyncio.Task[None]]] = []

    def begin(self, family_id: str, *, count: int = 1) -> None:
        for _ in range(count):
            over = asyncio.Event()
            self._tasks.append((family_id, over, asyncio.create_task(self._call(family_id, over))))

    async def _call(self, family_id: str, over: asyncio.Event) -> None:
        async with self._slots.take(family_id):
            self.running.append(family_id)
            try:
                await over.wait()
            finally:
                self.running.remove(family_id)

    async def end_one(self, family_id: str) -> None:
        """End the oldest call of a family, and let what follows from it happen."""
        found = next(one for one in self._tasks if one[0] == family_id)
        self._tasks.remove(found)
        found[1].set()
        await found[2]

    async def cancel(self, family_id: str) -> None:
        """Cancel all calls of a family, those that wait included."""
        tasks = [task for owner, _, task in self._tasks if owner == family_id]
        self._tasks = [one for one in self._tasks if one[0] != family_id]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def counted(self) -> dict[str, int]:
        """How many run, by family, once all have had their chance."""
        for _ in range(3):
            await asyncio.sleep(0)
        return dict(Counter(self.running))


async def test_families_that_never_end_leave_room_for_others() -> None:
    calls = Calls(ModelSlots(32))
    calls.begin("a", count=24)
    calls.begin("b", count=24)
    assert sum((await calls.counted()).values()) == 28
    for family in ("c", "d", "e", "f", "g"):
        calls.begin(family)
    running = await calls.counted()
    assert [running.get(family, 0) for family in ("c", "d", "e", "f", "g")] == [1, 1, 1, 1, 0]
    assert sum(running.values()) == 32


async def test_who_has_fewest_comes_first_then_who_came_first() -> None:
    calls = Calls(ModelSlots(3))
    calls.begin("a", count=5)
    calls.begin("b", count=2)
    calls.begin("c")
    assert await calls.counted() == {"a": 3}
    await calls.end_one("a")
    assert await calls.counted() == {"a": 2, "b": 1}
    await calls.end_one("a")
    assert await calls.counted() == {"a": 1, "b": 1, "c": 1}


async def test_one_slot_is_enough() -> None:
    calls = Calls(ModelSlots(1))
    calls.begin("a", count=2)
    assert await calls.counted() == {"a": 1}
    await calls.end_one("a")
    assert await calls.counted() == {"a": 1}


async def test_cancelled_calls_keep_nothing() -> None:
    calls = Calls(ModelSlots(2))
    calls.begin("a", count=4)
    assert await calls.counted() == {"a": 2}
    await calls.cancel("a")
    calls.begin("b", count=3)
    assert await calls.counted() == {"b": 2}


async def test_a_call_that_is_cancelled_as_it_is_let_through_gives_its_slot_back() -> None:
    slots = ModelSlots(1)
    first = slots.take("a")
    await first.__aenter__()
    waiting = asyncio.create_task(slots.take("b").__aenter__())
    await asyncio.sleep(0)
    await first.__aexit__(None, None, None)  # lets `waiting` through, which has not run yet
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    async with asyncio.timeout(60), slots.take("c"):
        pass
