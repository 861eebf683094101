"""What only the scripted twin does; the rest is in the contract."""

from __future__ import annotations

import asyncio

import pytest

from jupyter_chatd.errors import ModelError
from jupyter_chatd.messages import ErrorDetail, StopReason, TextPart, Usage
from jupyter_chatd.providers.protocol import Finished, ModelCall, TextDelta
from jupyter_chatd.providers.scripted import Answer, ScriptedModel, call, fail, say, wait, words

from .asking import ask, finished, parts_of

pytestmark = pytest.mark.anyio


async def test_calls_are_recorded() -> None:
    model = ScriptedModel([[say("a")], [say("b")]])
    await ask(model, "first")
    await ask(model, "second")

    assert [call.messages[0].parts for call in model.calls] == [
        (TextPart(text="first"),),
        (TextPart(text="second"),),
    ]


async def test_answers_can_follow_from_the_call() -> None:
    def answer(asked: ModelCall) -> Answer:
        return [say(f"{len(asked.messages)} messages")]

    assert parts_of(await ask(ScriptedModel(answer), "x", "y")) == [TextPart(text="2 messages")]


async def test_a_script_that_has_ended_says_so() -> None:
    with pytest.raises(LookupError, match="holds 0 answers; the model was called 1 times"):
        await ask(ScriptedModel([]))


async def test_events_of_the_protocol_pass_as_they_are() -> None:
    events = [TextDelta(block=0, text="x"), Finished(stop_reason=StopReason.LENGTH)]

    assert await ask(ScriptedModel([events])) == events


async def test_it_waits_fails_and_counts_as_told() -> None:
    go = asyncio.Event()
    error = ModelError(ErrorDetail(message="No."))
    model = ScriptedModel([[wait(go), say("x")], [say("y"), fail(error)]], usage=Usage(output_tokens=3))
    task = asyncio.create_task(ask(model))
    await asyncio.sleep(0.01)
    assert not task.done()
    go.set()
    assert finished(await task).usage == Usage(output_tokens=3)
    with pytest.raises(ModelError) as caught:
        await ask(model)
    assert caught.value is error


async def test_ids_differ_from_call_to_call() -> None:
    model = ScriptedModel([[call("a"), call("b")], [call("a")]])
    ids = [part.tool_call_id for _ in range(2) for part in parts_of(await ask(model))]  # type: ignore[union-attr]

    assert len(set(ids)) == 3


async def test_closing_is_remembered() -> None:
    model = ScriptedModel([])
    await model.aclose()
    assert model.closed


@pytest.mark.parametrize("text", ["", " ", "one", "one two\n", "\n\n a  b", "x" * 1000])
def test_words_join_to_the_text(text: str) -> None:
    assert "".join(words(text)) == text
