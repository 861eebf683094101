"""Model calls that fail: tried again, given up, and what a person reads."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from world import eventually, outline, script

from jupyter_chatd.errors import ModelError
from jupyter_chatd.events import ErrorEvent, MessagePartEvent, PreviewResetEvent, RetryEvent
from jupyter_chatd.loop.answer import Answer, Patience, read_answer
from jupyter_chatd.loop.decide import Limits
from jupyter_chatd.loop.retry import RetryPolicy
from jupyter_chatd.messages import ChatStatus, ErrorDetail, TextPart
from jupyter_chatd.providers.protocol import Finished, ModelCall, ModelEvent, PartDone, TextDelta
from jupyter_chatd.providers.scripted import ScriptedModel, fail, say, wait

from .conftest import Start

pytestmark = pytest.mark.anyio

OVERLOADED = ErrorDetail(
    message="Anthropic is overloaded.",
    kind="overloaded",
    provider="anthropic",
    retryable=True,
    status_code=529,
)
NO_KEY = ErrorDetail(
    message="There is no key for OpenAI. Set OPENAI_API_KEY.", kind="auth", provider="openai"
)


def overloaded(retry_after_s: float | None = None) -> ModelError:
    return ModelError(OVERLOADED, retry_after_s=retry_after_s)


# When to try again


@pytest.mark.parametrize(
    "attempt, delay_s", [(1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (25, 60), (10_000, 60)]
)
def test_the_pause_doubles_up_to_a_minute(attempt: int, delay_s: float) -> None:
    retry = RetryPolicy().after(overloaded(), attempt=attempt, now=100.0)
    assert (retry.attempt, retry.delay_ms, retry.retrying_at) == (attempt, delay_s * 1000, 100.0 + delay_s)
    assert (retry.error, retry.kind, retry.provider, retry.status_code) == (
        "Anthropic is overloaded.",
        "overloaded",
        "anthropic",
        529,
    )


@given(st.integers(1, 30), st.none() | st.floats(0, 1000))
def test_the_vendor_can_make_the_pause_longer_but_not_shorter(attempt: int, asked_s: float | None) -> None:
    plain = RetryPolicy().after(overloaded(), attempt=attempt, now=0.0)
    asked = RetryPolicy().after(overloaded(asked_s), attempt=attempt, now=0.0)
    assert asked.retrying_at == max(plain.retrying_at, asked_s or 0.0)


async def test_a_failed_call_is_tried_again_and_nothing_of_it_is_kept(start: Start) -> None:
    world = await start(script([say("Half an"), fail(overloaded())], [fail(overloaded())], [say("Answer.")]))
    chat_id = await world.create()
    events = await world.listen_in(chat_id)
    chat = await world.settled(chat_id)
    await world.stop()
    assert outline(await world.rows_of_stopped(chat_id)) == ["user: Begin.", "assistant: Answer."]
    assert (chat.retry_state, chat.generation_attempt) == (None, 0)

    retries = [event.retry for event in events if isinstance(event, RetryEvent)]
    assert [retry.attempt for retry in retries] == [1, 2]
    assert retries[0].error == "Anthropic is overloaded."
    attempts = [event.attempt for event in events if isinstance(event, PreviewResetEvent)]
    assert sorted(set(attempts)) == [1, 2, 3]
    retried = next(index for index, event in enumerate(events) if isinstance(event, RetryEvent))
    shown = [event for event in events[:retried] if isinstance(event, MessagePartEvent | PreviewResetEvent)]
    assert isinstance(shown[-1], PreviewResetEvent)


async def test_the_vendor_is_not_asked_again_before_it_wants(start: Start) -> None:
    at: list[float] = []

    def answer(_call: ModelCall) -> list[object]:
        at.append(time.monotonic())
        return [fail(overloaded(retry_after_s=0.4))] if len(at) == 1 else [say("Answer.")]

    world = await start(ScriptedModel(answer))  # type: ignore[arg-type]
    chat_id = await world.create()
    chat = await world.when(chat_id, lambda change: change.retry_set)
    assert chat.retry_state is not None
    assert chat.retry_state.delay_ms == 400
    await world.settled(chat_id)
    assert at[1] - at[0] >= 0.4


async def test_a_pause_can_be_interrupted(start: Start) -> None:
    world = await start(script([fail(overloaded(retry_after_s=1000))], [say("Answer.")]))
    chat_id = await world.create()
    await world.when(chat_id, lambda change: change.retry_set)
    await world.interrupt(chat_id)
    chat = await world.settled(chat_id)
    assert chat.retry_state is None
    await world.send(chat_id, "Again.")
    await world.settled(chat_id)
    assert outline(await world.rows(chat_id))[-1] == "assistant: Answer."


async def test_a_clock_that_was_set_back_does_not_make_the_pause_longer(start: Start) -> None:
    world = await start(script([fail(overloaded(retry_after_s=0.1))], [say("Answer.")]))
    chat_id = await world.create()
    await world.when(chat_id, lambda change: change.chat.generation_attempt == 1)
    await world.when(chat_id, lambda change: change.retry_set)
    world.runtime.store.clock = lambda: 0.0
    await world.settled(chat_id)


async def test_after_the_last_attempt_the_chat_fails_and_the_next_message_works(start: Start) -> None:
    answers = [[fail(overloaded())]] * 5 + [[say("Answer.")]]
    world = await start(script(*answers), limits=Limits(attempts=5))
    chat_id = await world.create()
    chat = await world.settled(chat_id, ChatStatus.ERROR)
    assert len(world.model.calls) == 5
    assert chat.last_error is not None
    assert chat.last_error.kind == "overloaded"
    assert "5 attempts" in chat.last_error.message
    assert "Anthropic is overloaded." in chat.last_error.message
    assert (chat.worker_id, chat.retry_state) == (None, None)

    await world.send(chat_id, "Again.")
    chat = await world.settled(chat_id)
    assert chat.last_error is None
    assert outline(await world.rows(chat_id))[-2:] == ["user: Again.", "assistant: Answer."]


def test_the_limit_is_25_attempts() -> None:
    assert Limits().attempts == 25


# What is not tried again


async def test_an_error_that_stays_is_told_at_once_and_can_be_fixed(start: Start) -> None:
    world = await start(script([say("Half"), fail(ModelError(NO_KEY))], [say("Answer.")]))
    chat_id = await world.create()
    events = await world.listen_in(chat_id)
    chat = await world.settled(chat_id, ChatStatus.ERROR)
    assert chat.last_error == NO_KEY
    assert outline(await world.rows(chat_id)) == ["user: Begin."]
    await world.send(chat_id, "Now it is set.")
    await world.settled(chat_id)
    assert outline(await world.rows(chat_id))[-1] == "assistant: Answer."
    await world.stop()
    assert [event.error for event in events if isinstance(event, ErrorEvent)] == [NO_KEY]


async def test_a_model_that_cannot_be_had_is_told(start: Start) -> None:
    world = await start(script([say("Answer.")]))
    world.models.error = ModelError(ErrorDetail(message="There is no model x:y.", kind="config"))
    chat_id = await world.create()
    chat = await world.settled(chat_id, ChatStatus.ERROR)
    assert chat.last_error is not None
    assert chat.last_error.message == "There is no model x:y."
    world.models.error = None
    await world.send(chat_id, "Again.")
    await world.settled(chat_id)


async def test_a_model_that_cannot_be_had_for_now_does_not_go_on_for_ever(start: Start) -> None:
    world = await start(script(), limits=Limits(attempts=3))
    world.models.error = overloaded()
    chat_id = await world.create()
    await world.settled(chat_id, ChatStatus.ERROR)
    assert len(world.models.asked) == 3


async def test_a_queue_waits_until_the_user_has_seen_the_error(start: Start) -> None:
    gate = asyncio.Event()
    world = await start(script([wait(gate), fail(ModelError(NO_KEY))], [say("Two.")], [say("Three.")]))
    chat_id = await world.create("First.")
    await world.when(chat_id, lambda change: change.chat.generation_attempt == 1)
    await world.send(chat_id, "Second.")
    gate.set()
    await world.settled(chat_id, ChatStatus.ERROR)
    assert outline(await world.rows(chat_id)) == ["user: First."]
    await world.send(chat_id, "Third.")
    await world.settled(chat_id)
    assert [row.text for row in await world.rows(chat_id)] == [
        "First.",
        "Second.",
        "Two.",
        "Third.",
        "Three.",
    ]


async def test_a_bug_ends_in_a_sentence(start: Start) -> None:
    class Broken(ScriptedModel):
        async def stream(self, call: ModelCall) -> AsyncIterator[ModelEvent]:
            yield TextDelta(block=0, text="Half")
            raise RuntimeError("the provider is broken")

    world = await start(Broken([]))
    chat_id = await world.create()
    chat = await world.settled(chat_id, ChatStatus.ERROR)
    assert chat.last_error is not None
    assert chat.last_error.message.startswith("Processing failed unexpectedly: RuntimeError: the provider")
    assert outline(await world.rows(chat_id)) == ["user: Begin."]
    world.models.model = script([say("Answer.")])
    await world.send(chat_id, "Again.")
    await world.settled(chat_id)


async def test_when_not_even_the_error_can_be_written_it_is_tried_again(start: Start) -> None:
    """A full disk: subscribers hear of it, the chat is not stuck, and no model is called meanwhile."""
    gate = asyncio.Event()
    world = await start(script([wait(gate), say("Lost.")], [say("Answer.")]))
    disk_is_full = False

    def probe(point: str) -> None:
        if disk_is_full and point == "commit":
            raise OSError(28, "No space left on device")

    world.fail_commits(probe)
    chat_id = await world.create()
    events = await world.listen_in(chat_id)
    await eventually(lambda: world.model.calls)
    disk_is_full = True
    gate.set()
    await eventually(lambda: sum(isinstance(event, ErrorEvent) for event in events) == 3)
    assert len(world.model.calls) == 1
    disk_is_full = False
    await world.settled(chat_id)
    assert outline(await world.rows(chat_id))[-1] == "assistant: Answer."


# A silent vendor


async def collected(answers: list[object], patience: Patience) -> Answer:
    answer = Answer(lambda _role, _part, _index: None)
    await read_answer(ScriptedModel([answers]), ModelCall(messages=()), answer, patience)  # type: ignore[list-item]
    return answer


def delta(text: str) -> TextDelta:
    return TextDelta(block=0, text=text)


@pytest.mark.parametrize(
    "answers, patience, kind",
    [
        ([wait(5)], Patience(first_part_s=0.05, silence_s=5), "startup_timeout"),
        ([delta("a"), wait(5)], Patience(first_part_s=5, silence_s=0.05), "timeout"),
    ],
)
async def test_a_silent_vendor_is_given_up(answers: list[object], patience: Patience, kind: str) -> None:
    with pytest.raises(ModelError) as raised:
        await collected(answers, patience)
    assert (raised.value.error.kind, raised.value.error.retryable) == (kind, True)
    assert "0.05 seconds" in raised.value.error.message


async def test_a_slow_vendor_is_not_silent() -> None:
    slow = [step for _ in range(8) for step in (wait(0.05), delta("a"))]
    done = PartDone(block=0, part=TextPart(text="a" * 8))
    answer = await collected([*slow, done], Patience(first_part_s=0.2, silence_s=0.2))
    assert answer.row(script(), model_config_id=None).parts == (TextPart(text="a" * 8),)


async def test_an_answer_that_just_stops_is_tried_again() -> None:
    class Short(ScriptedModel):
        async def stream(self, call: ModelCall) -> AsyncIterator[ModelEvent]:
            yield delta("a")

    answer = Answer(lambda _role, _part, _index: None)
    with pytest.raises(ModelError, match="broke off") as raised:
        await read_answer(Short([]), ModelCall(messages=()), answer, Patience())
    assert raised.value.error.retryable


async def test_the_stream_is_closed_however_it_ends() -> None:
    """Its connection is let go before the call counts as over."""
    closed: list[str] = []

    class Watched(ScriptedModel):
        async def stream(self, call: ModelCall) -> AsyncIterator[ModelEvent]:
            try:
                async for event in super().stream(call):
                    yield event
            finally:
                closed.append("closed")

    told = asyncio.Event()
    answer = Answer(lambda _role, _part, _index: told.set())
    reading = asyncio.create_task(
        read_answer(Watched([[delta("a"), wait(60)]]), ModelCall(messages=()), answer, Patience())
    )
    await told.wait()
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    assert closed == ["closed"]
    partial = answer.partial_row(model="m", model_config_id=None)
    assert partial is not None
    assert partial.parts == (TextPart(text="a"),)
    assert Finished not in map(type, partial.parts)
