"""Stopping, interrupting with a message, promoting and editing while a turn runs."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from world import PATIENCE, FunctionTool, World, eventually, outline, results, script

from jupyter_chatd.errors import ModelError
from jupyter_chatd.events import HistoryResetEvent, MessageEvent, MessagePartEvent, PreviewResetEvent
from jupyter_chatd.messages import ChatStatus, ErrorDetail, Role, StopReason, TextPart, ToolCallPart
from jupyter_chatd.providers.protocol import TextDelta, ToolCallDelta
from jupyter_chatd.providers.scripted import Answer, ScriptedModel, call, fail, say, think, wait
from jupyter_chatd.store import reads
from jupyter_chatd.store.calls import INTERRUPTED, NOT_RUN
from jupyter_chatd.store.conversation import BusyBehavior
from jupyter_chatd.tools.protocol import ToolContext, ToolOutput

from .conftest import Start

pytestmark = pytest.mark.anyio

NEVER = 1000.0  # seconds


class Gate:
    """A tool that waits, and remembers what became of its calls."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.running = asyncio.Event()
        self.ends: list[str] = []
        self.tool = FunctionTool("gate", self._run)
        self.last_words: ToolOutput | None = None
        """What a cancelled call still returns."""
        self.dying_s = 0.0
        """How long a cancelled call needs to end."""

    async def _run(self, args: Mapping[str, Any], _context: ToolContext) -> Any:
        self.running.set()
        try:
            await self.open.wait()
        except asyncio.CancelledError:
            await asyncio.sleep(self.dying_s)
            self.ends.append("cancelled")
            if self.last_words is None:
                raise
            return self.last_words
        self.ends.append("done")
        return {"passed": args.get("name")}


def speaking(*pieces: str, then: Answer = ()) -> Answer:
    """An answer that says these pieces at once and never ends."""
    return [*(TextDelta(block=0, text=piece) for piece in pieces), *then, wait(NEVER)]


async def until_told(world: World, chat_id: str, words: str) -> list[Any]:
    """Wait until subscribers have been told this text."""
    events = await world.listen_in(chat_id)

    def said() -> str:
        parts = [event.message_part.part for event in events if isinstance(event, MessagePartEvent)]
        return "".join(part.text for part in parts if isinstance(part, TextPart))

    await eventually(lambda: words in said())
    return events


# In the middle of an answer


async def test_what_was_said_is_kept(start: Start) -> None:
    world = await start(script(speaking("Half ", "an ", "answer")))
    chat_id = await world.create()
    await until_told(world, chat_id, "Half an answer")
    await world.interrupt(chat_id)
    chat = await world.settled(chat_id)
    answer = (await world.rows(chat_id))[-1]
    assert (answer.role, answer.text) == (Role.ASSISTANT, "Half an answer")
    assert (answer.stop_reason, answer.usage) == (StopReason.INTERRUPTED, None)
    assert chat.last_error is None


async def test_what_cannot_be_kept_is_left_out(start: Start) -> None:
    """Unfinished arguments, blank text; a finished call is kept and answered."""
    answer = [
        think("Hm."),
        call("execute", {"command": "touch ran"}),
        TextDelta(block=2, text=" "),
        ToolCallDelta(block=3, tool_call_id="x", tool_name="execute", args_delta='{"command": "to'),
        TextDelta(block=4, text="Now"),
        wait(NEVER),
    ]
    world = await start(script(answer))
    chat_id = await world.create()
    await until_told(world, chat_id, "Now")
    await world.interrupt(chat_id)
    await world.settled(chat_id)
    rows = await world.rows(chat_id)
    assert [type(part).__name__ for part in rows[1].parts] == ["ReasoningPart", "ToolCallPart", "TextPart"]
    assert [part.result for part in results(rows)] == [{"error": NOT_RUN}]
    assert not (world.work / "ran").exists()


async def test_before_anything_was_said_nothing_is_kept(start: Start) -> None:
    world = await start(script([wait(NEVER)]))
    chat_id = await world.create()
    await eventually(lambda: world.model.calls)
    events = await world.listen_in(chat_id)
    await world.interrupt(chat_id)
    await world.settled(chat_id)
    assert outline(await world.rows(chat_id)) == ["user: Begin."]
    await eventually(lambda: isinstance(events[-1], PreviewResetEvent))


async def test_a_complete_answer_that_was_not_committed_in_time_is_kept(start: Start) -> None:
    """The interruption commits first, while the answer is on its way to the writer."""
    world = await start(script([say("All of it.")]))
    chat_id = await world.create()
    await interrupt_at(world, chat_id, "CommitStep")
    await world.settled(chat_id)
    assert outline(await world.rows(chat_id)) == ["user: Begin.", "assistant: All of it."]


async def interrupt_at(world: World, chat_id: str, transition: str) -> None:
    """Let an interruption be committed right before the runner's next transition of that name."""
    store = world.runtime.store
    apply, done = store.apply, asyncio.Event()

    async def interrupting(what: Any) -> Any:
        if what.transition.value == transition and not done.is_set():
            done.set()
            await world.interrupt(chat_id)
        return await apply(what)

    store.apply = interrupting  # type: ignore[method-assign]
    await done.wait()


@pytest.mark.parametrize("when", ["Acquire", "BeginAttempt", "CommitStep", "FinishTurn"])
async def test_at_any_commit_of_a_turn_it_stops(start: Start, when: str) -> None:
    world = await start(ScriptedModel(lambda _call: [say("Yes.")]))
    chat_id = await world.create()
    await interrupt_at(world, chat_id, when)
    await world.settled(chat_id)
    await world.send(chat_id, "Again.")
    await world.settled(chat_id)
    rows = await world.rows(chat_id)
    assert [row.text for row in rows][-2:] == ["Again.", "Yes."]


async def interrupt_during(world: World, chat_id: str, transition: str) -> None:
    """Let an interruption be committed right after that transition, before the runner knows of either."""
    apply, done = world.runtime.store.apply, asyncio.Event()

    async def interrupted(what: Any) -> Any:
        result = await apply(what)
        if what.transition.value == transition and not done.is_set():
            done.set()
            await world.interrupt(chat_id)
        return result

    world.runtime.store.apply = interrupted  # type: ignore[method-assign]
    await done.wait()


@pytest.mark.parametrize("when", ["BeginAttempt", "CommitStep", "RecordRetry", "StartTools", "FinishTool"])
async def test_what_comes_during_a_commit_is_not_overheard(start: Start, when: str) -> None:
    """Else the chat would go on for as long as the model, the pause or the tools take."""
    gate = Gate()
    retry = ModelError(ErrorDetail(message="Overloaded.", retryable=True), retry_after_s=NEVER)
    answers: dict[str, Answer] = {
        "BeginAttempt": [wait(NEVER)],
        "RecordRetry": [fail(retry)],
        "FinishTool": [call("process_list"), call("gate")],
    }
    world = await start(
        script(answers.get(when, [call("gate")]), [wait(NEVER)]), tools=[gate.tool], acquire_tick_s=NEVER
    )
    chat_id = await world.create()
    await interrupt_during(world, chat_id, when)
    await world.settled(chat_id)
    assert gate.ends == (["cancelled"] if when == "FinishTool" else [])
    assert len(world.model.calls) == (0 if when == "BeginAttempt" else 1)


async def test_what_comes_while_the_chat_is_read_is_not_overheard(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = await start(script([wait(NEVER)]), acquire_tick_s=NEVER)
    store, runner_view, seen = world.runtime.store, reads.runner_view, list[str]()

    def noted(conn: Any, chat_id: str) -> reads.RunnerView:
        view = runner_view(conn, chat_id)
        seen.append(chat_id)
        return view

    read = store.read

    async def interrupted(run: Any) -> Any:
        result = await read(run)
        if len(seen) == 1:
            seen.append("interrupted")
            await world.interrupt(seen[0])
        return result

    monkeypatch.setattr(reads, "runner_view", noted)
    store.read = interrupted
    chat_id = await world.create()
    await eventually(lambda: "interrupted" in seen)
    await world.settled(chat_id)
    assert world.model.calls == []


# In the middle of tools


async def test_finished_results_are_kept_and_the_others_are_errors(start: Start) -> None:
    gate = Gate()
    world = await start(
        script(
            [call("execute", {"command": "echo one"}), call("gate"), call("execute", {"command": "echo two"})]
        ),
        tools=[gate.tool],
    )
    chat_id = await world.create()
    await when_journalled(world, chat_id, 2)
    await world.interrupt(chat_id)
    await world.settled(chat_id)
    rows = await world.rows(chat_id)
    assert [row.answers.index for row in rows if row.answers] == [0, 1, 2]
    one, cut, two = results(rows)
    assert not one.is_error
    assert not two.is_error
    assert (cut.is_error, cut.result) == (True, {"error": INTERRUPTED})
    assert gate.ends == ["cancelled"]


async def when_journalled(world: World, chat_id: str, count: int) -> None:
    """Wait until that many results of the running step are durable."""
    finished = 0
    async with asyncio.timeout(PATIENCE):
        while finished < count:
            await asyncio.sleep(0.01)
            finished = sum(run.result is not None for run in (await world.journal(chat_id)).values())


async def test_what_a_cut_command_had_written_is_kept_and_its_processes_are_dead(start: Start) -> None:
    command = "echo $$ > pid; echo partly; sleep 1000 & sleep 1000; echo never"
    world = await start(script([call("execute", {"command": command, "timeout": "1h"})]))
    chat_id = await world.create()
    pid_file = world.work / "pid"
    await eventually(lambda: pid_file.exists() and pid_file.read_text().strip())
    await world.interrupt(chat_id)
    await world.settled(chat_id)
    (cut,) = results(await world.rows(chat_id))
    assert isinstance(cut.result, Mapping)
    assert cut.result["output"] == "partly\n"
    assert "interrupted" in cut.result["error"]
    assert alive_in_group(int(pid_file.read_text())) == []


def alive_in_group(pid: int) -> list[str]:
    """The processes of that group, the dead ones that nobody has waited for left out."""
    from pathlib import Path

    found: list[str] = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _parent, group = stat.read_text().rpartition(")")[2].split()[:3]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(group) == pid and state not in "ZX":
            found.append(stat.parent.name)
    return found


async def test_calls_that_wait_for_their_turn_are_not_run(start: Start) -> None:
    gate = Gate()
    gate.tool.serial_key = lambda args, context: "one at a time"
    world = await start(script([call("gate"), call("gate")]), tools=[gate.tool])
    chat_id = await world.create()
    await gate.running.wait()
    await world.interrupt(chat_id)
    await world.settled(chat_id)
    assert [part.result for part in results(await world.rows(chat_id))] == [
        {"error": INTERRUPTED},
        {"error": NOT_RUN},
    ]
    assert gate.ends == ["cancelled"]


@pytest.mark.parametrize("when", ["StartTools", "FinishTool", "CommitStep"])
async def test_at_any_commit_of_a_tool_phase_results_are_kept(start: Start, when: str) -> None:
    """A result that has come counts, also when the journal no longer takes it."""
    ran: list[str] = []

    async def work(_args: Mapping[str, Any], _context: ToolContext) -> str:
        ran.append("once")
        return "done"

    # The results that come last are not journalled, so that another call must still run.
    calls = [call("work"), call("gate")] if when == "FinishTool" else [call("work")]
    world = await start(
        ScriptedModel(lambda asked: [say("Yes.")] if len(world.model.calls) != 1 else calls),
        tools=[FunctionTool("work", work), Gate().tool],
    )
    chat_id = await world.create()
    await world.when(chat_id, lambda change: change.chat.worker_id is not None)
    if when == "CommitStep":  # the second one: the first is the answer's
        await interrupt_at_second(world, chat_id, when)
    else:
        await interrupt_at(world, chat_id, when)
    await world.settled(chat_id)
    kept, *_ = results(await world.rows(chat_id))
    assert kept.result == ({"error": NOT_RUN} if when == "StartTools" else "done")
    assert ran == ([] if when == "StartTools" else ["once"])


async def interrupt_at_second(world: World, chat_id: str, transition: str) -> None:
    apply, seen, done = world.runtime.store.apply, 0, asyncio.Event()

    async def interrupting(what: Any) -> Any:
        nonlocal seen
        seen += what.transition.value == transition
        if seen == 2 and not done.is_set():
            done.set()
            await world.interrupt(chat_id)
        return await apply(what)

    world.runtime.store.apply = interrupting  # type: ignore[method-assign]
    await done.wait()


async def test_changes_while_tools_are_dying_do_not_cut_that_off(start: Start) -> None:
    """The chat changes again and again before a cancelled tool has ended; its last words are still kept."""
    gate = Gate()
    gate.dying_s = 0.3
    gate.last_words = ToolOutput(result={"so far": 1}, is_error=True)
    world = await start(script([call("gate")], [say("Two.")], [say("Three.")]), tools=[gate.tool])
    chat_id = await world.create()
    await gate.running.wait()
    await world.interrupt(chat_id)
    await world.send(chat_id, "Second.")
    await world.send(chat_id, "Third.", busy=BusyBehavior.INTERRUPT)
    assert gate.ends == []
    await world.settled(chat_id)
    rows = await world.rows(chat_id)
    assert gate.ends == ["cancelled"]
    assert [part.result for part in results(rows)] == [{"so far": 1}]
    assert outline(rows)[2:] == [
        "tool: <gate>",
        "user: Second.",
        "assistant: Two.",
        "user: Third.",
        "assistant: Three.",
    ]


# With a message


async def test_an_interrupting_message_comes_after_the_partial_answer(start: Start) -> None:
    world = await start(script(speaking("One"), [say("Two.")]))
    chat_id = await world.create("First.")
    await until_told(world, chat_id, "One")
    sent = await world.send(chat_id, "Second.", busy=BusyBehavior.INTERRUPT)
    await world.settled(chat_id)
    rows = await world.rows(chat_id)
    assert sent.queued
    assert outline(rows) == ["user: First.", "assistant: One", "user: Second.", "assistant: Two."]
    assert [row.id for row in rows] == sorted(row.id for row in rows)


async def test_a_queued_message_leaves_the_answer_alone(start: Start) -> None:
    gate = asyncio.Event()
    world = await start(script([wait(gate), say("One.")], [say("Two.")]))
    chat_id = await world.create("First.")
    await eventually(lambda: world.model.calls)
    await world.send(chat_id, "Second.")
    gate.set()
    await world.settled(chat_id)
    assert outline(await world.rows(chat_id))[1:3] == ["assistant: One.", "user: Second."]


async def test_promoting_interrupts_and_goes_first(start: Start) -> None:
    world = await start(script(speaking("One"), [say("Three.")], [say("Two.")]))
    chat_id = await world.create("First.")
    await until_told(world, chat_id, "One")
    await world.send(chat_id, "Second.")
    third = (await world.send(chat_id, "Third.")).queued_message
    assert third is not None
    await world.runtime.service.promote_queued(chat_id, third.id)
    await world.settled(chat_id)
    assert [row.text for row in await world.rows(chat_id)] == [
        "First.",
        "One",
        "Third.",
        "Three.",
        "Second.",
        "Two.",
    ]


async def test_stopping_with_a_queue_keeps_or_drops_it(start: Start) -> None:
    world = await start(script(speaking("One"), speaking("Two"), [say("Never.")]))
    chat_id = await world.create("First.")
    await until_told(world, chat_id, "One")
    await world.send(chat_id, "Second.")
    await world.interrupt(chat_id)
    await until_told(world, chat_id, "Two")
    await world.send(chat_id, "Third.")
    stopped = await world.interrupt(chat_id, drop=True)
    await world.settled(chat_id)
    assert [queued.parts for queued in stopped.dropped] == [(TextPart(text="Third."),)]
    assert [row.text for row in await world.rows(chat_id)] == ["First.", "One", "Second.", "Two"]


async def test_stopping_an_idle_chat_changes_nothing(start: Start) -> None:
    world = await start(script([say("One.")]))
    chat_id = await world.create()
    before = await world.settled(chat_id)
    await world.interrupt(chat_id)
    assert await world.chat(chat_id) == before


# Editing


async def test_editing_while_an_answer_is_made_keeps_nothing_of_it(start: Start) -> None:
    world = await start(script(speaking("Old"), [say("New.")]))
    chat_id = await world.create("First.")
    events = await until_told(world, chat_id, "Old")
    first = (await world.rows(chat_id))[0]
    edited = await world.edit(chat_id, first.id, "Better.")
    await world.settled(chat_id)
    rows = await world.rows(chat_id)
    assert outline(rows) == ["user: Better.", "assistant: New."]
    assert rows[0] == edited.message
    assert edited.message.id > first.id
    assert [part.text for part in world.model.calls[-1].messages[-1].parts] == ["Better."]

    await world.stop()
    since = [type(event) for event in events].index(HistoryResetEvent)
    told = [event.message.text for event in events[since:] if isinstance(event, MessageEvent)]
    assert told == ["Better.", "New."]


async def test_editing_while_tools_run_waits_for_their_end(start: Start) -> None:
    """Nothing of the old work is stored, and the new one begins only after it."""
    gate = Gate()
    gate.dying_s = 0.2
    gate.last_words = ToolOutput(result="late")
    ends_at_call: list[int] = []

    def answer(_call: Any) -> Answer:
        ends_at_call.append(len(gate.ends))
        return [call("gate")] if len(ends_at_call) == 1 else [say("New.")]

    world = await start(ScriptedModel(answer), tools=[gate.tool])
    chat_id = await world.create("First.")
    await gate.running.wait()
    first = (await world.rows(chat_id))[0]
    await world.edit(chat_id, first.id, "Better.")
    await world.settled(chat_id)
    assert ends_at_call == [0, 1]
    assert outline(await world.rows(chat_id)) == ["user: Better.", "assistant: New."]


async def test_an_edit_right_after_an_interruption_forgets_the_partial_answer(start: Start) -> None:
    gate = Gate()
    gate.dying_s = 0.2
    world = await start(script([call("gate")], [say("New.")]), tools=[gate.tool])
    chat_id = await world.create("First.")
    await gate.running.wait()
    first = (await world.rows(chat_id))[0]
    await world.interrupt(chat_id)
    await world.edit(chat_id, first.id, "Better.")
    chat = await world.settled(chat_id)
    assert chat.status is ChatStatus.WAITING
    assert outline(await world.rows(chat_id)) == ["user: Better.", "assistant: New."]


async def test_what_an_edit_removed_is_not_kept_by_a_later_interruption(start: Start) -> None:
    """The later one comes in a pause between attempts, when there is nothing new to keep."""
    gate = Gate()
    gate.dying_s = 0.1
    overloaded = ModelError(ErrorDetail(message="Overloaded.", retryable=True), retry_after_s=NEVER)
    world = await start(script([call("gate")], [fail(overloaded)]), tools=[gate.tool])
    chat_id = await world.create("First.")
    await gate.running.wait()
    first = (await world.rows(chat_id))[0]
    await world.interrupt(chat_id)
    await world.edit(chat_id, first.id, "Better.")
    await world.when(chat_id, lambda change: change.retry_set)
    await world.interrupt(chat_id)
    await world.settled(chat_id)
    assert outline(await world.rows(chat_id)) == ["user: Better."]


async def test_calls_of_a_kept_answer_have_results_in_the_next_prompt(start: Start) -> None:
    gate = Gate()
    world = await start(script([call("gate", tool_call_id="g")], [say("I see.")]), tools=[gate.tool])
    chat_id = await world.create()
    await gate.running.wait()
    await world.interrupt(chat_id)
    await world.settled(chat_id)
    await world.send(chat_id, "Why?")
    await world.settled(chat_id)
    asked, answer, _ = world.model.calls[-1].messages[-3:]
    assert isinstance(asked.parts[0], ToolCallPart)
    assert answer.parts[0].tool_call_id == "g"
