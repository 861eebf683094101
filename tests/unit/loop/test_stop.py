"""Stopping a server gracefully in the middle of things, and starting it again."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping

import pytest
from world import PATIENCE, World, eventually, outline, results, script

from jupyter_chatd.errors import ModelError
from jupyter_chatd.events import MessagePartEvent, PreviewResetEvent
from jupyter_chatd.loop.alive import list_workers
from jupyter_chatd.loop.toolphase import NOT_RUN_STOPPED, STOPPED
from jupyter_chatd.messages import ChatStatus, ErrorDetail, ToolResultPart
from jupyter_chatd.providers.protocol import TextDelta
from jupyter_chatd.providers.scripted import ScriptedModel, call, fail, say, wait
from jupyter_chatd.store import Store, reads
from jupyter_chatd.tools.protocol import ToolOutput

from .conftest import Start
from .test_interrupt import NEVER, Gate, speaking, until_told, when_journalled

pytestmark = pytest.mark.anyio


async def test_in_the_middle_of_an_answer_the_call_is_made_again(start: Start) -> None:
    world = await start(script(speaking("Half an ")))
    chat_id = await world.create()
    await eventually(lambda: world.model.calls)
    await world.stop()

    world = await start(script([say("A whole answer.")]))
    await world.settled(chat_id)
    assert outline(await world.rows(chat_id)) == ["user: Begin.", "assistant: A whole answer."]


async def test_a_stopped_chat_belongs_to_nobody(start: Start) -> None:
    world = await start(script([wait(NEVER)]))
    chat_id = await world.create()
    await eventually(lambda: world.model.calls)
    await world.stop()
    assert list((world.folder / "data" / "workers").iterdir()) == []

    async with Store(world.runtime.store.path) as store:
        chat = await store.read(lambda conn: reads.get_chat(conn, chat_id))
        workers = await store.read(list_workers)
    assert (chat.status, chat.worker_id, chat.runner_id) == (ChatStatus.RUNNING, None, None)
    assert workers == ()


async def test_in_the_middle_of_tools_the_model_reads_that_the_server_stopped(start: Start) -> None:
    gate = Gate()
    gate.tool.serial_key = lambda args, context: "gate"
    world = await start(
        script([call("execute", {"command": "echo one"}), call("gate"), call("gate")]), tools=[gate.tool]
    )
    chat_id = await world.create()
    await when_journalled(world, chat_id, 1)
    await world.stop()
    assert gate.ends == ["cancelled"]

    world = await start(script([say("I see.")]), tools=[gate.tool])
    await world.settled(chat_id)
    rows = await world.rows(chat_id)
    one, cut, unborn = results(rows)
    assert isinstance(one.result, Mapping)
    assert one.result["output"] == "one\n"
    assert cut.result == {"error": STOPPED}
    assert unborn.result == {"error": NOT_RUN_STOPPED}
    assert gate.ends == ["cancelled"]
    sent = [part for message in world.model.calls[0].messages for part in message.parts]
    assert [part.result for part in sent if isinstance(part, ToolResultPart)] == [
        one.result,
        cut.result,
        unborn.result,
    ]


async def test_what_cut_tools_return_is_kept(start: Start) -> None:
    gate = Gate()
    gate.dying_s = 0.1
    gate.last_words = ToolOutput(result={"so far": 1}, is_error=True)
    world = await start(script([call("gate")]), tools=[gate.tool])
    chat_id = await world.create()
    await gate.running.wait()
    await world.stop()

    world = await start(script([say("I see.")]), tools=[gate.tool])
    await world.settled(chat_id)
    assert [part.result for part in results(await world.rows(chat_id))] == [{"so far": 1}]


async def test_a_command_is_dead_when_the_server_has_stopped(start: Start) -> None:
    world = await start(script([call("execute", {"command": "echo $$ > pid; sleep 1000", "timeout": "1h"})]))
    await world.create()
    pid_file = world.work / "pid"
    await eventually(lambda: pid_file.exists() and pid_file.read_text().strip())
    await world.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)


async def test_an_interruption_that_is_under_way_is_still_closed(start: Start) -> None:
    """The user pressed stop, then the server stops: what was said is not lost."""
    gate = Gate()
    gate.dying_s = 0.2
    gate.last_words = ToolOutput(result={"so far": 1}, is_error=True)
    world = await start(script([say("I look."), call("gate")]), tools=[gate.tool])
    chat_id = await world.create()
    await gate.running.wait()
    await world.interrupt(chat_id)
    await world.stop()

    world = await start(script())
    chat = await world.chat(chat_id)
    assert chat.status is ChatStatus.WAITING
    assert [part.result for part in results(await world.rows(chat_id))] == [{"so far": 1}]


async def test_a_streamed_answer_of_an_interruption_is_kept_too(start: Start) -> None:
    world = await start(script(speaking("Half")))
    chat_id = await world.create()
    await until_told(world, chat_id, "Half")
    await world.interrupt(chat_id)
    await world.stop()
    assert outline(await world.rows_of_stopped(chat_id)) == ["user: Begin.", "assistant: Half"]


async def test_stopping_does_not_wait_for_pauses(start: Start) -> None:
    error = ModelError(ErrorDetail(message="Overloaded.", retryable=True), retry_after_s=1000)
    world = await start(script([fail(error)]))
    chat_id = await world.create()
    await world.when(chat_id, lambda change: change.retry_set)
    async with asyncio.timeout(PATIENCE):
        await world.stop()


@pytest.mark.parametrize("delay_s", [0.0, 0.002, 0.004, 0.008, 0.016, 0.032])
async def test_a_stop_at_any_moment_of_the_start_loses_nothing(start: Start, delay_s: float) -> None:
    world = await start(ScriptedModel(lambda _call: [say("Yes.")]))
    chats = [await world.create() for _ in range(3)]
    await asyncio.sleep(delay_s)
    await world.stop()

    world = await start(ScriptedModel(lambda _call: [say("Yes.")]))
    for chat_id in chats:
        await world.settled(chat_id)
        assert outline(await world.rows(chat_id)) == ["user: Begin.", "assistant: Yes."]


async def test_subscribers_forget_the_broken_off_answer(start: Start) -> None:
    world = await start(script([TextDelta(block=0, text="Half"), wait(NEVER)]))
    chat_id = await world.create()
    events = await world.listen_in(chat_id)
    await eventually(lambda: any(isinstance(event, MessagePartEvent) for event in events))
    await world.stop()
    live = [event for event in events if isinstance(event, MessagePartEvent | PreviewResetEvent)]
    assert isinstance(live[-1], PreviewResetEvent)


async def test_stopping_twice_is_fine(start: Start) -> None:
    world: World = await start(script())
    await world.stop()
    await world.stop()
