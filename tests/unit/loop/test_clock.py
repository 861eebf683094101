"""A wall clock that jumps: what is old, what is due and who is alive must not depend on it.

That a pause before a retry does not get longer: `test_errors.py`.
"""

from __future__ import annotations

import asyncio
import time

import pytest
from world import PATIENCE, World, eventually, outline, script

from jupyter_chatd.providers.scripted import say, wait

from .conftest import Start
from .test_interrupt import NEVER

pytestmark = pytest.mark.anyio

LONG = 10 * PATIENCE  # a tick that never comes
JUMPS = pytest.mark.parametrize("jump_s", [-86_400.0, 86_400.0])


def set_clock(world: World, jump_s: float) -> None:
    world.runtime.store.clock = lambda: time.time() + jump_s


@JUMPS
async def test_a_living_servers_chats_are_left_alone(start: Start, jump_s: float) -> None:
    one = await start(script([wait(NEVER)]))
    chat_id = await one.create()
    await eventually(lambda: one.model.calls)
    two = await start(script([say("Mine!")]), acquire_tick_s=0.05, heartbeat_s=LONG)
    set_clock(two, jump_s)
    await asyncio.sleep(0.3)
    assert (await one.chat(chat_id)).worker_id == one.runtime.worker.worker_id


@JUMPS
async def test_a_chat_that_was_given_up_is_taken(start: Start, jump_s: float) -> None:
    """A third server keeps the second one from taking everything at once."""
    leaving = await start(script([wait(NEVER)]))
    staying = await start(script([say("Yes.")]), acquire_tick_s=0.05)
    await start(script(), acquire_tick_s=LONG)
    chat_id = await leaving.create()
    await eventually(lambda: leaving.model.calls)
    set_clock(staying, jump_s)
    await leaving.stop()
    await staying.settled(chat_id)
    assert outline(await staying.rows(chat_id)) == ["user: Begin.", "assistant: Yes."]


@JUMPS
async def test_a_history_keeps_its_order(start: Start, jump_s: float) -> None:
    world = await start(script([say("One.")], [say("Two.")]))
    chat_id = await world.create()
    await world.settled(chat_id)
    set_clock(world, jump_s)
    await world.send(chat_id, "Again.")
    await world.settled(chat_id)
    rows = await world.rows(chat_id)
    assert outline(rows) == ["user: Begin.", "assistant: One.", "user: Again.", "assistant: Two."]
    assert [row.id for row in rows] == sorted(row.id for row in rows)


@JUMPS
async def test_a_running_turn_goes_on(start: Start, jump_s: float) -> None:
    gate = asyncio.Event()
    world = await start(script([wait(gate), say("Yes.")]), heartbeat_s=0.05, acquire_tick_s=0.05)
    chat_id = await world.create()
    await eventually(lambda: world.model.calls)
    set_clock(world, jump_s)
    await asyncio.sleep(0.3)
    gate.set()
    await world.settled(chat_id)
    assert len(world.model.calls) == 1
