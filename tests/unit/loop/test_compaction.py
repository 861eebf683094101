"""Long histories become summaries: when, what is asked, what is stored, and what happens when it fails."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from world import World, crash_image, eventually, outline, script

from jupyter_chatd.errors import ConflictError, ModelError
from jupyter_chatd.events import MessageEvent, MessagePartEvent
from jupyter_chatd.loop.compaction import (
    SUMMARY_PREFIX,
    TOOL_NAME,
    Fullness,
    context_tokens,
    find_fullness,
    is_over_threshold,
)
from jupyter_chatd.loop.decide import Limits
from jupyter_chatd.loop.history import History
from jupyter_chatd.messages import (
    ChatStatus,
    ErrorDetail,
    Role,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    Usage,
    Visibility,
)
from jupyter_chatd.providers.protocol import ModelCall
from jupyter_chatd.providers.scripted import Answer, ScriptedModel, call, fail, say, wait
from jupyter_chatd.store.conversation import RequestCompaction

from .conftest import Start
from .rows import Rows, text
from .test_interrupt import NEVER

pytestmark = pytest.mark.anyio

OVERLOADED = ModelError(ErrorDetail(message="Overloaded.", kind="overloaded", retryable=True))
REFUSED = ModelError(ErrorDetail(message="The key is wrong.", kind="auth"))


# How full the context is


@pytest.mark.parametrize(
    "usage, tokens",
    [
        (Usage(), 0),
        (Usage(input_tokens=5, output_tokens=100), 5),
        (Usage(input_tokens=5, cache_read_tokens=20, cache_creation_tokens=300, total_tokens=9), 325),
        (Usage(total_tokens=9), 9),
    ],
)
def test_the_prompt_counts_cached_or_not(usage: Usage, tokens: int) -> None:
    assert context_tokens(usage) == tokens


@pytest.mark.parametrize(
    "tokens, limit, threshold, over",
    [
        (69, 100, 70, False),
        (70, 100, 70, True),
        (200, 100, 70, True),
        (100, 100, 100, False),
        (1, 100, 0, True),
        (0, 100, 0, False),
        (70, None, 70, False),
    ],
)
def test_the_threshold(tokens: int, limit: int | None, threshold: int, over: bool) -> None:
    rows = Rows()
    rows.user()
    rows.assistant(text("So."), usage=Usage(input_tokens=tokens or None, context_limit=limit))
    assert is_over_threshold(History(rows), threshold_percent=threshold) is over


def test_what_was_summarised_no_longer_counts() -> None:
    rows = Rows()
    rows.user()
    rows.assistant(text("So."), usage=Usage(input_tokens=90, context_limit=100))
    assert find_fullness(History(rows)) == Fullness(tokens=90, limit=100)
    rows.summary("Before.", covers_until=2)
    assert find_fullness(History(rows)) is None


# On request


async def request(world: World, chat_id: str) -> None:
    await world.runtime.store.apply(RequestCompaction(chat_id=chat_id))


async def talked(start: Start, *answers: Answer, **options: Any) -> tuple[World, str]:
    """A chat with one turn, in a world whose model then gives these answers."""
    world = await start(
        script([call("execute", {"command": "echo hi"})], [say("Hello.")], *answers), **options
    )
    chat_id = await world.create("Remember 42.")
    await world.settled(chat_id)
    return world, chat_id


async def test_the_model_summarises_what_it_has_read(start: Start) -> None:
    world, chat_id = await talked(start, [say("They said hello and 42.")], [say("42.")])
    before = await world.rows(chat_id)
    await request(world, chat_id)
    chat = await world.when(chat_id, lambda change: change.chat.history_version > before[-1].revision)
    await world.settled(chat_id)
    assert chat.compaction_requested_at is None

    asked: ModelCall = world.model.calls[2]
    assert [tool.name for tool in asked.tools] == [tool.name for tool in world.model.calls[0].tools]
    assert (world.model.calls[0].may_call_tools, asked.may_call_tools) == (True, False)
    assert [message.role for message in asked.messages[-5:]] == [
        "user",
        "assistant",
        "tool",
        "assistant",
        "user",
    ]
    assert "Summarise" in text_of(asked)

    summary, shown, result = (await world.rows(chat_id))[-3:]
    assert (summary.role, summary.visibility, summary.covers_until) == (
        Role.USER,
        Visibility.MODEL,
        before[-1].id,
    )
    assert summary.text == SUMMARY_PREFIX + "They said hello and 42."
    assert (shown.role, shown.visibility, shown.model) == (Role.ASSISTANT, Visibility.USER, "scripted:model")
    assert (result.role, result.visibility) == (Role.TOOL, Visibility.BOTH)
    assert all(row.compressed for row in (summary, shown, result))
    (made,), (outcome,) = shown.parts, result.parts
    assert isinstance(made, ToolCallPart)
    assert isinstance(outcome, ToolResultPart)
    assert made.tool_call_id == outcome.tool_call_id
    assert made.tool_call_id.startswith(f"{TOOL_NAME}_")
    assert made.args == {"source": "manual", "threshold_percent": 70}
    assert outcome.result == {
        "summary": "They said hello and 42.",
        "source": "manual",
        "threshold_percent": 70,
    }

    await world.send(chat_id, "What number?")
    await world.settled(chat_id)
    prompt = [message.parts for message in world.model.calls[3].messages if message.role is not Role.SYSTEM]
    assert prompt == [(TextPart(text=summary.text),), (TextPart(text="What number?"),)]


def text_of(asked: ModelCall) -> str:
    """The last message."""
    part = asked.messages[-1].parts[0]
    assert isinstance(part, TextPart)
    return part.text


async def test_people_see_that_it_happened_but_not_the_models_copy(start: Start) -> None:
    gate = asyncio.Event()
    world, chat_id = await talked(start, [wait(gate), say("They said hello.")])
    events = await world.listen_in(chat_id)
    await request(world, chat_id)
    await eventually(lambda: any(isinstance(event, MessagePartEvent) for event in events))
    gate.set()
    await world.settled(chat_id)
    await world.stop()
    live = [event.message_part.part for event in events if isinstance(event, MessagePartEvent)]
    told = [event.message for event in events if isinstance(event, MessageEvent)][-2:]
    assert [row.role for row in told] == [Role.ASSISTANT, Role.TOOL]
    assert live == [*told[0].parts]


async def test_a_second_summary_builds_on_the_first(start: Start) -> None:
    world, chat_id = await talked(start, [say("First.")], [say("More.")], [say("Second.")])
    await request(world, chat_id)
    await world.settled(chat_id)
    await world.send(chat_id, "And?")
    await world.settled(chat_id)
    await request(world, chat_id)
    await world.settled(chat_id)
    parts = [message.parts for message in world.model.calls[4].messages if message.role is not Role.SYSTEM][
        :-1
    ]
    assert [part.text for (part,) in parts if isinstance(part, TextPart)] == [
        SUMMARY_PREFIX + "First.",
        "And?",
        "More.",
    ]
    with pytest.raises(ConflictError):
        await request(world, chat_id)


async def test_the_model_is_not_called_for_nothing_when_a_crash_came_after_the_summary(
    start: Start, tmp_path: Path
) -> None:
    """What is left to do is to end the turn, whose answer is covered."""
    world, chat_id = await talked(start, [say("They said hello.")])
    apply, images = world.runtime.store.apply, list[Path]()

    async def picture(what: Any) -> Any:
        if what.transition.value == "FinishTurn" and not images:
            images.append(crash_image(tmp_path, tmp_path / "crashed"))
        return await apply(what)

    world.runtime.store.apply = picture  # type: ignore[method-assign]
    await request(world, chat_id)
    await world.settled(chat_id)
    after = await start(script(), folder=images[0])
    chat = await after.settled(chat_id)
    assert chat.last_error is None
    assert after.model.calls == []


async def test_after_a_failed_turn_it_runs_again(start: Start) -> None:
    world = await start(
        script([say("Hello.")], [fail(REFUSED)], [say("They said hello.")], [say("Now it works.")])
    )
    chat_id = await world.create("Hi.")
    await world.settled(chat_id)
    await world.send(chat_id, "And?")
    await world.settled(chat_id, ChatStatus.ERROR)
    await request(world, chat_id)
    await world.settled(chat_id)
    rows = await world.rows(chat_id)
    assert rows[-1].text == "Now it works."
    assert "And?" not in str(world.model.calls[2].messages)
    prompt = [message.parts for message in world.model.calls[3].messages if message.role is not Role.SYSTEM]
    assert prompt[-1] == (TextPart(text="And?"),)


async def test_it_can_be_stopped(start: Start) -> None:
    world, chat_id = await talked(start, [wait(NEVER)], [say("Yes.")])
    await request(world, chat_id)
    await eventually(lambda: len(world.model.calls) == 3)
    await world.interrupt(chat_id)
    chat = await world.settled(chat_id)
    assert chat.compaction_requested_at is None
    await world.send(chat_id, "Still there?")
    await world.settled(chat_id)
    assert outline(await world.rows(chat_id))[-1] == "assistant: Yes."


@pytest.mark.parametrize("answer", [[fail(REFUSED)], [say(" ")], [call("execute", {"command": "ls"})]])
async def test_when_the_user_asked_for_it_a_failure_is_told(start: Start, answer: Answer) -> None:
    world, chat_id = await talked(start, answer, [say("Yes.")])
    before = await world.rows(chat_id)
    await request(world, chat_id)
    chat = await world.settled(chat_id, ChatStatus.ERROR)
    assert chat.last_error is not None
    assert chat.last_error.message.startswith("The chat could not be compacted. The ")
    assert (chat.compaction_requested_at, await world.rows(chat_id)) == (None, before)
    await world.send(chat_id, "Go on.")
    await world.settled(chat_id)


async def test_what_passes_is_tried_again(start: Start) -> None:
    world, chat_id = await talked(start, [fail(OVERLOADED)], [fail(OVERLOADED)], [say("They said hello.")])
    await request(world, chat_id)
    await world.settled(chat_id)
    assert (await world.rows(chat_id))[-1].compressed


async def test_it_is_not_tried_for_ever(start: Start) -> None:
    world, chat_id = await talked(start, *[[fail(OVERLOADED)]] * 3, limits=Limits(attempts=3))
    await request(world, chat_id)
    chat = await world.settled(chat_id, ChatStatus.ERROR)
    assert chat.last_error is not None
    assert "could not be compacted" in chat.last_error.message
    assert len(world.model.calls) == 5


async def test_a_summary_that_takes_too_long_is_given_up(start: Start) -> None:
    world, chat_id = await talked(start, [wait(NEVER)], compaction_timeout_s=0.05)
    await request(world, chat_id)
    chat = await world.settled(chat_id, ChatStatus.ERROR)
    assert chat.last_error is not None
    assert "within 0.05" in chat.last_error.message


# By itself


class Filling(ScriptedModel):
    """A model whose context is as full as the test says."""

    def __init__(self, *answers: Answer, tokens: list[int]) -> None:
        super().__init__(answers, context_limit=1000)
        self._tokens = tokens

    def _finished(self, answer: Answer) -> Any:
        self._usage = Usage(input_tokens=self._tokens[len(self.calls) - 1])
        return super()._finished(answer)


async def test_between_two_steps_when_the_context_gets_full(start: Start) -> None:
    step = [call("execute", {"command": "echo hi"})]
    model = Filling(step, [say("They said hello.")], [say("Done.")], tokens=[700, 700, 10])
    world = await start(model)
    chat_id = await world.create()
    await world.settled(chat_id)
    rows = await world.rows(chat_id)
    assert outline(rows) == [
        "user: Begin.",
        "assistant: <execute>",
        "tool: <execute>",
        f"user: {SUMMARY_PREFIX}They said hello.",
        f"assistant: <{TOOL_NAME}>",
        f"tool: <{TOOL_NAME}>",
        "assistant: Done.",
    ]
    assert rows[3].covers_until == rows[2].id
    (outcome,) = rows[5].parts
    assert isinstance(outcome, ToolResultPart)
    assert outcome.result == {
        "summary": "They said hello.",
        "source": "automatic",
        "threshold_percent": 70,
        "usage_percent": 70.0,
        "context_tokens": 700,
        "context_limit_tokens": 1000,
    }
    prompt = [message.parts for message in model.calls[2].messages if message.role is not Role.SYSTEM]
    assert prompt == [rows[3].parts]


async def test_steps_that_were_summarised_still_count(start: Start) -> None:
    step = [call("execute", {"command": "echo hi"})]
    answers = [step, step, [say("Two steps.")], step, [say("Never.")]]
    world = await start(Filling(*answers, tokens=[10, 700, 700, 10]), limits=Limits(steps=3))
    chat_id = await world.create()
    await world.settled(chat_id)
    rows = await world.rows(chat_id)
    assert "3 steps" in rows[-1].text
    assert len(world.model.calls) == 4


async def test_before_the_next_turn_and_never_the_message_that_waits(start: Start) -> None:
    model = Filling([say("Long.")], [say("It was long.")], [say("Short.")], tokens=[900, 900, 20])
    world = await start(model)
    chat_id = await world.create()
    await world.settled(chat_id)
    assert len(model.calls) == 1
    await world.send(chat_id, "And?")
    await world.settled(chat_id)
    prompt = [message.parts for message in model.calls[2].messages if message.role is not Role.SYSTEM]
    assert prompt == [(TextPart(text=f"{SUMMARY_PREFIX}It was long."),), (TextPart(text="And?"),)]


async def test_at_100_percent_it_is_off(start: Start) -> None:
    model = Filling([say("Long.")], [say("Longer.")], tokens=[1000, 1000])
    world = await start(model, compaction_threshold=100)
    chat_id = await world.create()
    await world.settled(chat_id)
    await world.send(chat_id, "And?")
    await world.settled(chat_id)
    assert outline(await world.rows(chat_id))[-1] == "assistant: Longer."


async def test_when_it_fails_the_turn_goes_on_without(start: Start) -> None:
    step = [call("execute", {"command": "echo hi"})]
    model = Filling(step, [fail(REFUSED)], step, [say(" ")], [say("Done.")], tokens=[700, 0, 700, 700, 700])
    world = await start(model)
    chat_id = await world.create()
    await world.settled(chat_id)
    rows = await world.rows(chat_id)
    assert not any(row.compressed for row in rows)
    assert outline(rows)[-1] == "assistant: Done."
    assert len(model.calls) == 5
