"""Turns that nobody disturbs: answers, tools, and what ends a turn."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from world import PATIENCE, FunctionTool, World, eventually, outline, results, script

from jupyter_chatd.events import MessageEvent, MessagePartEvent, StreamEvent
from jupyter_chatd.loop.decide import Limits
from jupyter_chatd.messages import ChatStatus, Role, StopReason, TextPart, ToolCallPart, ToolResultPart, Usage
from jupyter_chatd.providers.protocol import Finished, ModelCall, PartDone
from jupyter_chatd.providers.scripted import ScriptedModel, call, say, think, wait
from jupyter_chatd.tools.protocol import ToolContext

from .conftest import Start

pytestmark = pytest.mark.anyio


def paused(text: str) -> list[Any]:
    """An answer that the vendor wants to be continued."""
    return [PartDone(block=0, part=TextPart(text=text)), Finished(stop_reason=StopReason.PAUSED)]


async def test_an_answer_is_stored_with_what_the_model_said_about_it(start: Start) -> None:
    usage = Usage(input_tokens=10, output_tokens=2)
    world = await start(ScriptedModel([[think("Hm."), say("Hello.")]], context_limit=1000, usage=usage))
    chat_id = await world.create("Hi.")
    chat = await world.settled(chat_id)
    user, answer = await world.rows(chat_id)
    assert (user.text, answer.text) == ("Hi.", "Hello.")
    assert (answer.model, answer.provider_response_id) == ("scripted:model", "scripted-1")
    assert answer.usage == Usage(input_tokens=10, output_tokens=2, context_limit=1000)
    assert answer.stop_reason is StopReason.END
    assert answer.runtime_ms is not None
    assert (chat.worker_id, chat.runner_id, chat.generation_attempt) == (None, None, 0)


async def test_the_model_reads_the_system_rows_the_workspace_and_the_instructions(start: Start) -> None:
    world = await start(script([say("Yes.")]))
    (world.work / "AGENTS.md").write_text("Speak French.")
    chat_id = await world.create("Hi.")
    await world.settled(chat_id)
    asked: ModelCall = world.model.calls[0]
    texts = [part.text for message in asked.messages for part in message.parts if isinstance(part, TextPart)]
    assert [message.role for message in asked.messages] == [Role.SYSTEM] * 3 + [Role.USER]
    assert texts[0] == "Be helpful."
    assert str(world.work) in texts[1]
    assert "Speak French." in texts[2]
    assert texts[3] == "Hi."
    assert asked.chat_id == chat_id
    assert {"execute", "read_file"} <= {tool.name for tool in asked.tools}


async def test_a_turn_goes_on_until_the_model_stops_calling_tools(start: Start) -> None:
    world = await start(
        script(
            [say("I look."), call("execute", {"command": "echo one > f"})],
            [call("read_file", {"path": "f"}), call("execute", {"command": "cat f"})],
            [say("Done.")],
        )
    )
    chat_id = await world.create()
    await world.settled(chat_id)
    rows = await world.rows(chat_id)
    assert outline(rows) == [
        "user: Begin.",
        "assistant: I look. <execute>",
        "tool: <execute>",
        "assistant: <read_file> <execute>",
        "tool: <read_file>",
        "tool: <execute>",
        "assistant: Done.",
    ]
    last = results(rows)[-1].result
    assert isinstance(last, Mapping)
    assert last["output"] == "one\n"


async def test_the_finish_reason_does_not_decide_whether_the_turn_goes_on(start: Start) -> None:
    """Some vendors say `stop` although they call tools."""
    asked = ToolCallPart(tool_call_id="x", tool_name="process_list", args={})
    world = await start(
        script([PartDone(block=0, part=asked), Finished(stop_reason=StopReason.END)], [say("Done.")])
    )
    chat_id = await world.create()
    await world.settled(chat_id)
    assert outline(await world.rows(chat_id))[-2:] == ["tool: <process_list>", "assistant: Done."]


async def test_an_answer_without_content_is_stored_and_ends_the_turn(start: Start) -> None:
    world = await start(script([]))
    chat_id = await world.create()
    await world.settled(chat_id)
    assert [(row.role, row.parts) for row in (await world.rows(chat_id))[1:]] == [(Role.ASSISTANT, ())]


async def test_a_paused_answer_is_continued(start: Start) -> None:
    world = await start(script(paused("One."), paused("Two."), [say("Three.")]))
    chat_id = await world.create()
    await world.settled(chat_id)
    assert [row.text for row in await world.rows(chat_id)][1:] == ["One.", "Two.", "Three."]


async def test_the_step_limit_ends_the_turn_with_a_note_that_people_see(start: Start) -> None:
    world = await start(ScriptedModel(lambda _call: [call("process_list")]), limits=Limits(steps=3))
    chat_id = await world.create()
    await world.settled(chat_id)
    rows = await world.rows(chat_id)
    assert len(world.model.calls) == 3
    assert "3 steps" in rows[-1].text
    assert rows[-1].role is Role.ASSISTANT

    await world.send(chat_id, "Go on.")
    await world.settled(chat_id)
    assert len(world.model.calls) == 6


async def test_queued_messages_become_turns_one_by_one(start: Start) -> None:
    gate = asyncio.Event()
    world = await start(script([wait(gate), say("One.")], [say("Two.")], [say("Three.")]))
    chat_id = await world.create("First.")
    await world.settled(chat_id, ChatStatus.RUNNING)
    await world.send(chat_id, "Second.")
    await world.send(chat_id, "Third.")
    gate.set()
    await world.settled(chat_id)
    rows = await world.rows(chat_id)
    assert [row.text for row in rows] == ["First.", "One.", "Second.", "Two.", "Third.", "Three."]
    assert [row.created_by for row in rows if row.role is Role.USER] == ["local"] * 3


async def test_a_message_right_after_the_turn_finds_a_worker(start: Start) -> None:
    """However close it comes to the end of the runner before."""
    world = await start(ScriptedModel(lambda _call: [say("Yes.")]), acquire_tick_s=10 * PATIENCE)
    chat_id = await world.create()
    for _ in range(30):
        await world.settled(chat_id)
        await world.send(chat_id, "Again.")
        await world.when(chat_id, lambda change: change.chat.status is ChatStatus.RUNNING)
    await world.settled(chat_id)
    assert len(world.model.calls) == 31


# Tools


async def test_ten_calls_run_at_once_and_each_is_told_when_it_is_done(start: Start) -> None:
    """The short one first, the rows in call order; acceptance 5.

    That none waits for another is told by the others: they end when the test has heard of the short one.
    """
    until_go = {"command": "echo >> begun; until [ -e go ]; do sleep 0.05; done", "timeout": "1m"}
    short = {"command": "until [ $(cat begun 2>&1 | wc -l) = 9 ]; do sleep 0.05; done", "timeout": "1m"}
    calls = [call("execute", short if number == 3 else until_go) for number in range(10)]
    world = await start(script(calls, [say("Done.")]))
    chat_id = await world.create()
    events = await world.listen_in(chat_id)
    await eventually(lambda: wholes_of(events))
    (world.work / "go").touch()
    await world.settled(chat_id)
    await world.stop()

    rows = await world.rows_of_stopped(chat_id)
    assert [row.answers.index for row in rows if row.answers] == list(range(10))
    whole = wholes_of(events)
    assert whole[0] == 3
    assert sorted(whole) == list(range(10))
    tool_rows = [
        event.message
        for event in events
        if isinstance(event, MessageEvent) and event.message.role is Role.TOOL
    ]
    assert [row.answers.index for row in tool_rows if row.answers] == list(range(10))


def wholes_of(events: Sequence[StreamEvent]) -> list[int]:
    """Which calls subscribers were told whole results of, in this order."""
    told_parts = [event.message_part for event in events if isinstance(event, MessagePartEvent)]
    return [live.index for live in told_parts if isinstance(live.part, ToolResultPart) and live.part.result]


async def test_calls_with_one_serial_key_run_in_call_order_beside_all_others(start: Start) -> None:
    log: list[str] = []

    async def work(args: Mapping[str, Any], _context: ToolContext) -> str:
        log.append(f"+{args['name']}")
        await eventually(lambda: args["until"] in log)
        log.append(f"-{args['name']}")
        return args["name"]

    serial, free = FunctionTool("serial", work, key="desktop:1"), FunctionTool("free", work)
    world = await start(
        script(
            [
                call("serial", {"name": "a", "until": "+x"}),
                call("free", {"name": "x", "until": "+b"}),
                call("serial", {"name": "b", "until": "-x"}),
            ],
            [say("Done.")],
        ),
        tools=[serial, free],
    )
    chat_id = await world.create()
    await world.settled(chat_id)
    assert log == ["+a", "+x", "-a", "+b", "-x", "-b"]
    assert [part.result for part in results(await world.rows(chat_id))] == ["a", "x", "b"]


async def fail(_args: Mapping[str, Any], _context: ToolContext) -> str:
    raise RuntimeError("the tool is broken")


async def give_up(_args: Mapping[str, Any], _context: ToolContext) -> str:
    raise asyncio.CancelledError


@pytest.mark.parametrize(
    "name, args, words",
    [
        ("nothing", {}, "There is no tool named 'nothing'"),
        ("execute", {"command": 3}, "Wrong arguments for execute"),
        ("execute", {"command": "ls", "colour": "red"}, "colour"),
        ("read_file", {"path": "missing.txt"}, "missing.txt"),
        ("fail", {}, "RuntimeError: the tool is broken"),
        ("give_up", {}, "gave up without a result"),
    ],
)
async def test_a_failing_call_is_an_error_that_the_model_reads(
    start: Start, name: str, args: dict[str, Any], words: str
) -> None:
    world = await start(
        script([call(name, args), call("process_list")], [say("I see.")]),
        tools=[FunctionTool("fail", fail), FunctionTool("give_up", give_up)],
    )
    chat_id = await world.create()
    await world.settled(chat_id)
    failed, other = results(await world.rows(chat_id))
    assert failed.is_error
    assert isinstance(failed.result, Mapping)
    assert words in failed.result["error"]
    assert not other.is_error
    assert results_sent(world) == [failed.tool_call_id, other.tool_call_id]


def results_sent(world: World) -> list[str]:
    """The ids of the results that the model was sent last."""
    parts = [part for message in world.model.calls[-1].messages for part in message.parts]
    return [part.tool_call_id for part in parts if isinstance(part, ToolResultPart)]


async def test_a_serial_key_that_cannot_be_told_stops_nothing(start: Start) -> None:
    async def work(_args: Mapping[str, Any], _context: ToolContext) -> str:
        return "done"

    class Broken(FunctionTool):
        def serial_key(self, args: Mapping[str, Any], context: ToolContext) -> str | None:
            raise RuntimeError("no key")

    world = await start(
        script([call("broken"), call("broken")], [say("Done.")]), tools=[Broken("broken", work)]
    )
    chat_id = await world.create()
    await world.settled(chat_id)
    assert [part.result for part in results(await world.rows(chat_id))] == ["done", "done"]


async def test_live_output_reaches_subscribers_before_the_result(start: Start) -> None:
    world = await start(
        script([call("execute", {"command": "echo one; sleep 0.1; echo two"})], [say("Done.")])
    )
    chat_id = await world.create()
    events = await world.listen_in(chat_id)
    await world.settled(chat_id)
    await world.stop()
    parts = [event.message_part.part for event in events if isinstance(event, MessagePartEvent)]
    outputs = [part for part in parts if isinstance(part, ToolResultPart)]
    assert "".join(part.result_delta or "" for part in outputs) == "one\ntwo\n"
    assert outputs[0].result_delta == "one\n"
    assert outputs[-1].result is not None


# Capacity


async def test_no_more_model_calls_at_once_than_there_is_capacity_for(start: Start) -> None:
    gates = [asyncio.Event() for _ in range(5)]
    model = ScriptedModel(lambda _call: [wait(gates[len(model.calls) - 1]), say("Yes.")])
    world = await start(model, max_model_calls=2)
    chats = [await world.create() for _ in gates]
    await eventually(lambda: world.runtime.worker.running == len(gates))
    for number, gate in enumerate(gates):
        allowed = min(number + 2, 5)
        await eventually(lambda: len(model.calls) >= allowed)  # noqa: B023 - called at once
        await asyncio.sleep(0.02)
        assert len(model.calls) == allowed
        gate.set()
    for chat_id in chats:
        await world.settled(chat_id)


async def test_running_tools_take_no_capacity(start: Start) -> None:
    gate = asyncio.Event()

    async def hold(_args: Mapping[str, Any], _context: ToolContext) -> str:
        await gate.wait()
        return "held"

    def answer(asked: ModelCall) -> list[Any]:
        text = asked.messages[-1].parts[0]
        return [call("hold")] if isinstance(text, TextPart) and text.text == "Hold." else [say("Yes.")]

    world = await start(ScriptedModel(answer), tools=[FunctionTool("hold", hold)], max_model_calls=1)
    holding = await world.create("Hold.")
    await world.when(holding, lambda change: change.chat.history_version > 1)
    other = await world.create("Go.")
    await world.settled(other)
    gate.set()
    await world.settled(holding)


async def test_results_that_come_last_are_stored_with_the_rows_in_one_commit(start: Start) -> None:
    world = await start(script([call("execute", {"command": "true"})], [say("Done.")]))
    apply, seen = world.runtime.store.apply, list[str]()

    async def noting(what: Any) -> Any:
        seen.append(what.transition.value)
        return await apply(what)

    world.runtime.store.apply = noting  # type: ignore[method-assign]
    chat_id = await world.create()
    await world.settled(chat_id)
    answered = seen.index("StartTools")
    assert seen[answered : answered + 2] == ["StartTools", "CommitStep"]
    assert "FinishTool" not in seen
    assert len(results(await world.rows(chat_id))) == 1
