"""Who takes which chat, and when: batches, several servers on one file, dead ones."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from world import PATIENCE, FunctionTool, World, crash_image, eventually, outline, results, script

from jupyter_chatd.loop.alive import HeldLock, WorkerRow, is_dead, list_workers, upsert_worker
from jupyter_chatd.messages import ChatStatus
from jupyter_chatd.providers.scripted import Answer, ScriptedModel, call, say, wait
from jupyter_chatd.store.calls import UNKNOWN_OUTCOME
from jupyter_chatd.store.work import Acquire
from jupyter_chatd.tools.protocol import ToolContext

from .conftest import Start
from .test_interrupt import NEVER

pytestmark = pytest.mark.anyio

LONG = 10 * PATIENCE  # a tick that never comes


async def owned_by(world: World, chat_id: str, worker_id: str) -> None:
    """Make a chat that the worker of that name drives."""
    store = world.runtime.store
    await store.apply(Acquire(worker_id=worker_id, runner_ids=("runner",), dead_workers=frozenset()))
    assert (await world.chat(chat_id)).worker_id == worker_id


async def test_thirty_chats_run_at_once(start: Start) -> None:
    gate, began = asyncio.Event(), 0

    async def meet(_args: Mapping[str, Any], _context: ToolContext) -> str:
        nonlocal began
        began += 1
        if began == 30:
            gate.set()
        await gate.wait()
        return "met"

    def answer(asked: Any) -> Answer:
        return [say("Done.")] if asked.messages[-1].role == "tool" else [say("I go."), call("meet")]

    world = await start(ScriptedModel(answer), tools=[FunctionTool("meet", meet)], acquire_tick_s=LONG)
    chats = [await world.create(f"Chat {number}.") for number in range(30)]
    for chat_id in chats:
        await world.settled(chat_id)
        assert outline(await world.rows(chat_id))[1:] == [
            "assistant: I go. <meet>",
            "tool: <meet>",
            "assistant: Done.",
        ]
    await eventually(lambda: world.runtime.worker.running == 0)


async def test_a_full_batch_is_followed_by_the_next_at_once(start: Start, tmp_path: Path) -> None:
    """25 chats were waiting when the server started; no tick comes, and none ends before all have begun."""
    world = await start(script())
    await world.runtime.worker.stop()
    chats = [await world.create() for _ in range(25)]
    await world.stop()

    taken, gate = list[int](), asyncio.Event()
    after = World(tmp_path, ScriptedModel(lambda _call: [wait(gate), say("Yes.")]), acquire_tick_s=LONG)
    apply = after.runtime.store.apply

    async def counting(what: Any) -> Any:
        result = await apply(what)
        if isinstance(what, Acquire):
            taken.append(len(result))
        return result

    after.runtime.store.apply = counting  # type: ignore[method-assign]
    async with after:
        await eventually(lambda: after.runtime.worker.running == 25)
        gate.set()
        for chat_id in chats:
            await after.settled(chat_id)
    assert taken == [10, 10, 5]


async def test_a_message_is_taken_up_without_waiting_for_a_tick(start: Start) -> None:
    world = await start(script([say("Yes.")]), acquire_tick_s=LONG)
    await world.settled(await world.create())


async def test_two_servers_share_the_chats_of_one_file(start: Start) -> None:
    model = ScriptedModel(lambda _call: [say("Yes.")])
    one, two = await start(model), await start(model)
    chats = [await (one if number % 2 else two).create() for number in range(10)]
    for chat_id in chats:
        await one.settled(chat_id)
        assert outline(await two.rows(chat_id)) == ["user: Begin.", "assistant: Yes."]
    assert len(model.calls) == 10


async def test_another_server_can_stop_a_turn(start: Start) -> None:
    one = await start(script([wait(NEVER)]))
    chat_id = await one.create()
    await eventually(lambda: one.model.calls)
    two = await start(script())
    await two.interrupt(chat_id)
    await two.settled(chat_id)


async def test_a_living_servers_chats_are_left_alone(start: Start) -> None:
    one = await start(script([wait(NEVER)]))
    chat_id = await one.create()
    await eventually(lambda: one.model.calls)
    await start(script([say("Mine!")]), acquire_tick_s=0.05)
    await asyncio.sleep(0.3)
    assert (await one.chat(chat_id)).worker_id == one.runtime.worker.worker_id


# Dead servers


async def test_a_killed_servers_chats_are_taken_over_at_once(start: Start, tmp_path: Path) -> None:
    unit = Path(__file__).parent.parent
    path = os.pathsep.join([str(unit), str(unit.parent.parent)])
    victim = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "loop.victim", str(tmp_path),
        stdout=asyncio.subprocess.PIPE, env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
    assert victim.stdout is not None
    chat_id = (await victim.stdout.readline()).decode().strip()
    world = await start(script([say("I check.")]), acquire_tick_s=0.5)
    owner = (await world.chat(chat_id)).worker_id
    assert owner not in (None, world.runtime.worker.worker_id)

    victim.kill()
    await victim.wait()
    # At the next look: long before its heartbeat, of a moment ago, is old.
    await world.when(chat_id, lambda change: change.chat.worker_id != owner)
    await world.settled(chat_id)
    rows = await world.rows(chat_id)
    assert [part.result for part in results(rows)] == [{"error": UNKNOWN_OUTCOME}]
    assert (world.work / "log").read_text() == "line\n"
    await eventually(lambda: len(list((tmp_path / "data" / "workers").iterdir())) == 1)


async def test_a_server_that_finds_a_dead_one_at_its_start_takes_over_at_once(
    start: Start, tmp_path: Path
) -> None:
    world = await start(script([wait(NEVER)]))
    chat_id = await world.create()
    await eventually(lambda: world.model.calls)
    copy = crash_image(tmp_path, tmp_path / "crashed")
    after = await start(script([say("Yes.")]), folder=copy, acquire_tick_s=LONG)
    await after.settled(chat_id)
    assert outline(await after.rows(chat_id)) == ["user: Begin.", "assistant: Yes."]


@pytest.mark.parametrize("age_s, is_taken", [(299, False), (301, True)])
async def test_on_another_host_the_heartbeat_decides(start: Start, age_s: float, is_taken: bool) -> None:
    world = await start(script([say("Yes.")]))
    store = world.runtime.store
    await world.runtime.worker.stop()
    chat_id = await world.create()
    now = store.clock()
    await store.write(lambda conn: upsert_worker(conn, "far", host="far-away", now=now - age_s))
    await owned_by(world, chat_id, "far")
    after = await start(script([say("Yes.")]), acquire_tick_s=0.05)
    if is_taken:
        await after.settled(chat_id)
    else:
        await asyncio.sleep(0.2)
        assert (await after.chat(chat_id)).worker_id == "far"


async def test_a_chat_whose_owner_nobody_knows_is_taken(start: Start) -> None:
    """Its worker took leave without being able to give it up."""
    world = await start(script())
    await world.runtime.worker.stop()
    chat_id = await world.create()
    await owned_by(world, chat_id, "gone")
    after = await start(script([say("Yes.")]))
    await after.settled(chat_id)


async def test_a_runner_that_lost_its_chat_stores_nothing(start: Start) -> None:
    """Another server took the chat over, rightly or not: what comes late is refused."""
    gate = asyncio.Event()
    world = await start(script([wait(gate), say("Late.")]))
    chat_id = await world.create()
    await eventually(lambda: world.model.calls)
    store, own = world.runtime.store, world.runtime.worker.worker_id
    await store.write(lambda conn: upsert_worker(conn, "thief", host="far-away", now=store.clock()))
    await store.apply(Acquire(worker_id="thief", runner_ids=("runner",), dead_workers=frozenset([own])))
    gate.set()
    await eventually(lambda: world.runtime.worker.running == 0)
    assert outline(await world.rows(chat_id)) == ["user: Begin."]
    assert (await world.chat(chat_id)).worker_id == "thief"


async def test_the_heartbeat_goes_on(start: Start) -> None:
    world = await start(script(), heartbeat_s=0.05)
    (first,) = await world.runtime.store.read(list_workers)
    later = first
    async with asyncio.timeout(PATIENCE):
        while later.heartbeat_at == first.heartbeat_at:
            await asyncio.sleep(0.02)
            (later,) = await world.runtime.store.read(list_workers)
    assert later.worker_id == world.runtime.worker.worker_id


def test_a_lock_tells_the_living_from_the_dead(tmp_path: Path) -> None:
    row = WorkerRow(worker_id="w", host=socket.gethostname(), pid=1, heartbeat_at=0.0)
    assert is_dead(row, tmp_path, stale_before=1e12)
    lock = HeldLock.take(tmp_path, "w")
    assert not is_dead(row, tmp_path, stale_before=1e12)
    lock.handle.close()
    assert is_dead(row, tmp_path, stale_before=0.0)
    lock.release()
    assert list(tmp_path.iterdir()) == []


async def test_one_bad_look_for_work_does_not_end_the_looking(start: Start) -> None:
    world = await start(script([say("Yes.")]))
    bad = True

    def probe(point: str) -> None:
        if bad and point == "commit":
            raise OSError(5, "Input/output error")

    chat_id = await world.create()
    world.fail_commits(probe)
    await asyncio.sleep(0.3)
    bad = False
    chat = await world.settled(chat_id)
    assert chat.status is ChatStatus.WAITING
