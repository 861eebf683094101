"""What `protocol.Model` promises, asked of the scripted twin and of the bridge over both fake vendors."""

from __future__ import annotations

import asyncio

import pytest
from fakes.steps import call, say, think, wait

from jupyter_chatd.errors import ModelError
from jupyter_chatd.messages import ReasoningPart, StopReason, TextPart, ToolCallPart
from jupyter_chatd.providers.protocol import Finished, PartDone, TextDelta, ToolCallDelta

from .asking import args_of, ask, asking, bare, bare_parts_of, finished, parts_of, streamed
from .conftest import Subject

pytestmark = pytest.mark.anyio

TEXT = "Grüße, 世界 🙂!  Two spaces,\n\na blank line, and a tab\tat the end."


async def test_text_streams_in_pieces_that_join_to_the_finished_part(subject: Subject) -> None:
    events = await ask(await subject.play([[say(TEXT)]]))

    assert [type(event) for event in events[-2:]] == [PartDone, Finished]
    assert sum(isinstance(event, TextDelta) for event in events) > 5
    assert streamed(events, 0) == TEXT
    assert bare_parts_of(events) == [TextPart(text=TEXT)]
    assert finished(events).stop_reason is StopReason.END


async def test_calls_are_announced_streamed_and_parsed(subject: Subject) -> None:
    first, second = {"command": 'echo "ü" && ls'}, {"path": "/tmp/x", "limit": 3}
    events = await ask(
        await subject.play([[say("Both."), call("execute", first), call("read_file", second)]])
    )

    text, one, two = parts_of(events)
    assert bare(text) == TextPart(text="Both.")
    assert isinstance(one, ToolCallPart)
    assert isinstance(two, ToolCallPart)
    assert (one.tool_name, one.args, one.provider_executed) == ("execute", first, False)
    assert (two.tool_name, two.args) == ("read_file", second)
    assert one.tool_call_id != two.tool_call_id
    announced = next(event for event in events if isinstance(event, ToolCallDelta))
    assert (announced.tool_name, announced.tool_call_id, announced.args_delta) == (
        "execute",
        one.tool_call_id,
        "",
    )
    assert args_of(events, 1) == first
    assert args_of(events, 2) == second
    assert finished(events).stop_reason is StopReason.TOOL_CALLS


async def test_reasoning_comes_before_the_text_in_its_own_block(subject: Subject) -> None:
    events = await ask(await subject.play([[think("First this.", signature="s"), say("Then that.")]]))

    reasoning, text = parts_of(events)
    assert isinstance(reasoning, ReasoningPart)
    assert reasoning.text == streamed(events, 0) == "First this."
    assert reasoning.provider_metadata, "a vendor wants its reasoning back as it was"
    assert isinstance(text, TextPart)
    assert text.text == "Then that."


async def test_a_call_without_arguments_has_an_empty_object(subject: Subject) -> None:
    (part,) = parts_of(await ask(await subject.play([[call("process_list")]])))

    assert isinstance(part, ToolCallPart)
    assert part.args == {}


async def test_a_refusal_is_classified_and_the_next_call_works(subject: Subject) -> None:
    model = await subject.play([subject.rate_limit, [say("again")]])

    with pytest.raises(ModelError) as caught:
        await ask(model)

    assert (caught.value.error.kind, caught.value.error.retryable) == ("rate_limit", True)
    assert caught.value.retry_after_s == 7.0
    assert bare_parts_of(await ask(model)) == [TextPart(text="again")]


async def test_closing_a_stream_early_leaves_the_model_usable(subject: Subject) -> None:
    model = await subject.play([[say("one two three"), wait(30)], [say("next")]])
    stream = model.stream(asking())

    assert isinstance(await anext(stream), TextDelta)
    async with asyncio.timeout(15):
        await stream.aclose()  # type: ignore[attr-defined]

    assert bare_parts_of(await ask(model)) == [TextPart(text="next")]


async def test_cancelling_the_reader_is_a_cancellation_and_quick(subject: Subject) -> None:
    model = await subject.play([[say("one two"), wait(30)], [say("next")]])
    got_text = asyncio.Event()

    async def read() -> None:
        async for _ in model.stream(asking()):
            got_text.set()

    task = asyncio.create_task(read())
    await got_text.wait()
    task.cancel()
    async with asyncio.timeout(15):
        with pytest.raises(asyncio.CancelledError):
            await task

    assert bare_parts_of(await ask(model)) == [TextPart(text="next")]


async def test_streams_at_the_same_time_do_not_mix(subject: Subject) -> None:
    model = await subject.play([[say("alpha " * 50)], [say("beta " * 50)]])

    texts = await asyncio.gather(ask(model), ask(model))

    assert sorted(streamed(events, 0) for events in texts) == ["alpha " * 50, "beta " * 50]


async def test_closing_twice_is_fine(subject: Subject) -> None:
    model = await subject.play([[say("x")]])
    await ask(model)

    await model.aclose()
    await model.aclose()
