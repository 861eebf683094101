"""What a crash leaves on disk, and what the next server makes of it.

A crash is a copy of the database at that moment: the first world knows nothing of it, the second finds the
locks of the first one free.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from world import FunctionTool, crash_image, eventually, outline, results, script

from jupyter_chatd.errors import ModelError
from jupyter_chatd.loop.decide import Limits
from jupyter_chatd.messages import ChatStatus, ErrorDetail
from jupyter_chatd.providers.scripted import ScriptedModel, call, fail, say, wait
from jupyter_chatd.store.calls import UNKNOWN_OUTCOME
from jupyter_chatd.tools.protocol import ToolContext

from .conftest import Start
from .test_interrupt import NEVER, Gate, speaking, when_journalled

pytestmark = pytest.mark.anyio


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return tmp_path / "crashed"


async def test_before_the_answer_was_stored_the_model_is_asked_again(
    start: Start, tmp_path: Path, copy: Path
) -> None:
    world = await start(script(speaking("Half")))
    chat_id = await world.create()
    await eventually(lambda: world.model.calls)
    crash_image(tmp_path, copy)

    after = await start(script([say("Whole.")]), folder=copy)
    await after.settled(chat_id)
    assert outline(await after.rows(chat_id)) == ["user: Begin.", "assistant: Whole."]


async def test_calls_that_never_started_are_run(start: Start, tmp_path: Path, copy: Path) -> None:
    world = await start(script([call("execute", {"command": "echo line >> log"})], [say("Done.")]))
    images: list[Path] = []
    apply = world.runtime.store.apply

    async def crash_before_start(what: Any) -> Any:
        if what.transition.value == "StartTools" and not images:
            images.append(crash_image(tmp_path, copy))
            await asyncio.sleep(NEVER)
        return await apply(what)

    world.runtime.store.apply = crash_before_start  # type: ignore[method-assign]
    chat_id = await world.create()
    await eventually(lambda: images)

    after = await start(script([say("Done.")]), folder=copy)
    await after.settled(chat_id)
    assert (world.work / "log").read_text() == "line\n"


async def test_a_call_that_had_started_is_not_run_again(start: Start, tmp_path: Path, copy: Path) -> None:
    command = "echo line >> log; sleep 1000"
    world = await start(script([call("execute", {"command": command, "timeout": "1h"})]))
    chat_id = await world.create()
    log = world.work / "log"
    await eventually(lambda: log.exists() and log.read_text())
    crash_image(tmp_path, copy)

    after = await start(script([say("I check.")]), folder=copy)
    await after.settled(chat_id)
    rows = await after.rows(chat_id)
    assert [part.result for part in results(rows)] == [{"error": UNKNOWN_OUTCOME}]
    assert outline(rows)[-1] == "assistant: I check."
    assert log.read_text() == "line\n"


async def test_a_repeatable_call_that_had_started_is_run_again(
    start: Start, tmp_path: Path, copy: Path
) -> None:
    gate = Gate()
    gate.tool.repeatable = True
    world = await start(script([call("gate", {"name": "first"})]), tools=[gate.tool])
    chat_id = await world.create()
    await gate.running.wait()
    crash_image(tmp_path, copy)

    again = Gate()
    again.tool.repeatable = True
    again.open.set()
    after = await start(script([say("Done.")]), folder=copy, tools=[again.tool])
    await after.settled(chat_id)
    assert [part.result for part in results(await after.rows(chat_id))] == [{"passed": "first"}]


async def test_a_journalled_result_is_kept_and_its_call_not_run_again(
    start: Start, tmp_path: Path, copy: Path
) -> None:
    gate = Gate()
    answer = [
        call("execute", {"command": "echo line | tee -a log"}),
        call("gate"),
        call("read_file", {"path": "log"}),
    ]
    world = await start(script(answer), tools=[gate.tool])
    chat_id = await world.create()
    await when_journalled(world, chat_id, 2)
    crash_image(tmp_path, copy)

    after = await start(script([say("Done.")]), folder=copy, tools=[Gate().tool])
    await after.settled(chat_id)
    rows = await after.rows(chat_id)
    one, unknown, _ = results(rows)
    assert isinstance(one.result, Mapping)
    assert one.result["output"] == "line\n"
    assert unknown.result == {"error": UNKNOWN_OUTCOME}
    assert [row.answers.index for row in rows if row.answers] == [0, 1, 2]
    assert (world.work / "log").read_text() == "line\n"


async def test_an_interruption_that_was_not_closed_is_closed(
    start: Start, tmp_path: Path, copy: Path
) -> None:
    gate = Gate()
    gate.dying_s = 0.2
    world = await start(script([call("gate")]), tools=[gate.tool])
    chat_id = await world.create()
    await gate.running.wait()
    await world.interrupt(chat_id)
    crash_image(tmp_path, copy)

    after = await start(script(), folder=copy)
    await after.settled(chat_id)
    assert [part.result for part in results(await after.rows(chat_id))] == [{"error": UNKNOWN_OUTCOME}]


async def test_retries_are_counted_on(start: Start, tmp_path: Path, copy: Path) -> None:
    error = ModelError(ErrorDetail(message="Overloaded.", retryable=True))
    gate = asyncio.Event()
    world = await start(script([fail(error)], [fail(error)], [wait(gate)]), limits=Limits(attempts=4))
    chat_id = await world.create()
    await eventually(lambda: len(world.model.calls) == 3)
    crash_image(tmp_path, copy)

    after = await start(ScriptedModel(lambda _call: [fail(error)]), folder=copy, limits=Limits(attempts=4))
    await after.settled(chat_id, ChatStatus.ERROR)
    assert len(after.model.calls) == 1


async def test_every_moment_of_a_turn_can_be_the_last(start: Start, tmp_path: Path) -> None:
    """Crash before each commit of a turn in turn: every image goes on to the same end, no call runs twice."""
    ran: list[str] = []

    async def work(args: Mapping[str, Any], context: ToolContext) -> str:
        ran.append(f"{context.chat_id} {args['name']}")
        return args["name"]

    def answer(asked: Any) -> list[Any]:
        done = sum(message.role == "tool" for message in asked.messages)
        return [call("work", {"name": "a"}), call("work", {"name": "b"})] if done < 2 else [say("Done.")]

    tool = FunctionTool("work", work)
    world = await start(ScriptedModel(answer), tools=[tool])
    apply, images = world.runtime.store.apply, list[tuple[Path, int]]()

    async def picture(what: Any) -> Any:
        images.append((crash_image(tmp_path, tmp_path / f"crash-{len(images)}"), len(ran)))
        return await apply(what)

    world.runtime.store.apply = picture  # type: ignore[method-assign]
    chat_id = await world.create()
    await world.settled(chat_id)
    assert len(images) > 7

    for folder, ran_before in images[1:]:
        ran[ran_before:] = []
        after = await start(ScriptedModel(answer), folder=folder, tools=[tool])
        await after.settled(chat_id)
        rows = await after.rows(chat_id)
        assert outline(rows)[-1] == "assistant: Done."
        assert len(results(rows)) == 2
        assert len(set(ran)) == len(ran)
        await after.stop()
