"""The bridge at the wire: what is sent, what is understood, and what becomes of connections."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from fakes.steps import Break, Drop, Raw, Refuse, Spend, Step, Stop, call, say, think, wait

from jupyter_chatd.errors import ModelError
from jupyter_chatd.messages import (
    ErrorDetail,
    ReasoningPart,
    SourcePart,
    StopReason,
    TextPart,
    ToolCallPart,
    Usage,
)
from jupyter_chatd.providers.bridge import MAX_BUSY, BridgeModel
from jupyter_chatd.providers.endpoint import Kind
from jupyter_chatd.providers.protocol import CallSettings, TextDelta

from .asking import API_KEY, ask, asking, collect, endpoint, finished, parts_of, streamed
from .conftest import FAKES, Call

pytestmark = pytest.mark.anyio

BOTH = [Kind.OPENAI_COMPAT, Kind.ANTHROPIC]
both_kinds = pytest.mark.parametrize("kind", BOTH)


async def failing(model: BridgeModel) -> ErrorDetail:
    with pytest.raises(ModelError) as caught:
        await ask(model)
    return caught.value.error


def sse(*events: dict[str, Any], done: bool = True) -> Raw:
    """A hand-written stream of chat completions."""
    lines = [f"data: {json.dumps(event)}\n\n" for event in events]
    return Raw(body="".join([*lines, "data: [DONE]\n\n" if done else ""]).encode())


def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {
        "id": "c",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [choice],
        **more,
    }


# What is sent.


async def test_the_request_of_chat_completions(connect: Call) -> None:
    called = await connect(Kind.OPENAI_COMPAT, [say("hi")])
    settings = CallSettings(max_output_tokens=100, temperature=0.5, top_p=0.9, reasoning_effort="low")

    await collect(called.model.stream(asking("hello", settings=settings)))

    body = called.body
    (tool,) = body.pop("tools")
    assert tool["function"]["name"] == "execute"
    assert tool["function"]["parameters"]["required"] == ["command"]
    assert body == {
        "model": "some-model",
        "messages": [{"role": "user", "content": "hello"}],
        "max_completion_tokens": 100,
        "temperature": 0.5,
        "top_p": 0.9,
        "reasoning_effort": "low",
        "tool_choice": "auto",
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    assert called.vendor.requests[-1].headers["authorization"] == f"Bearer {API_KEY}"


async def test_the_request_of_anthropic(connect: Call) -> None:
    called = await connect(Kind.ANTHROPIC, [say("hi")], model="claude-sonnet-5")
    settings = CallSettings(max_output_tokens=100, reasoning_effort="low")

    await collect(called.model.stream(asking("hello", settings=settings)))

    body = called.body
    assert (body["max_tokens"], body["thinking"], body["stream"]) == (100, {"type": "adaptive"}, True)
    assert body["output_config"] == {"effort": "low"}
    assert body["messages"] == [{"role": "user", "content": [{"type": "text", "text": "hello"}]}]
    headers = called.vendor.requests[-1].headers
    assert (headers["x-api-key"], headers["authorization"]) == (API_KEY, f"Bearer {API_KEY}")


@both_kinds
async def test_what_the_environment_holds_for_another_address_is_not_sent(
    connect: Call, kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("API_KEY", "ADMIN_KEY", "ORG_ID", "PROJECT_ID", "AUTH_TOKEN", "BASE_URL"):
        monkeypatch.setenv(f"OPENAI_{name}", "http://leak")
        monkeypatch.setenv(f"ANTHROPIC_{name}", "http://leak")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "x-secret: http://leak")
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", "x-secret: http://leak")
    called = await connect(kind, [say("hi")], [say("hi")])
    keyless = BridgeModel(endpoint(kind, called.vendor.base_url, api_key=None), "m")

    await ask(called.model)
    await ask(keyless)
    await keyless.aclose()

    assert len(called.vendor.requests) == 2
    assert not any("leak" in str(request.headers) for request in called.vendor.requests)


@both_kinds
async def test_a_failed_call_is_made_once(connect: Call, kind: Kind) -> None:
    called = await connect(kind, [Refuse(status=529)], [say("second")])

    assert (await failing(called.model)).kind == "overloaded"
    assert len(called.vendor.requests) == 1


async def test_provider_options_reach_the_vendor(connect: Call) -> None:
    called = await connect(Kind.OPENAI_COMPAT, [say("hi")])
    options = {"openai": {"parallel_tool_calls": False, "extra_body": {"min_p": 0.1}, "store": None}}

    await collect(called.model.stream(asking(settings=CallSettings(provider_options=options))))

    assert (called.body["parallel_tool_calls"], called.body["min_p"]) == (False, 0.1)
    assert "store" not in called.body


async def test_an_unknown_provider_option_is_refused_with_those_that_exist(connect: Call) -> None:
    called = await connect(Kind.ANTHROPIC)
    settings = CallSettings(provider_options={"anthropic": {"efort": "low"}})

    with pytest.raises(ModelError) as caught:
        await collect(called.model.stream(asking(settings=settings)))

    assert caught.value.error.kind == "config"
    assert "efort" in caught.value.error.message
    assert "effort" in caught.value.error.message
    assert called.vendor.requests == []


# What is understood.


@pytest.mark.parametrize(
    "kind,word,reason",
    [
        (Kind.OPENAI_COMPAT, "length", StopReason.LENGTH),
        (Kind.OPENAI_COMPAT, "content_filter", StopReason.CONTENT_FILTER),
        (Kind.ANTHROPIC, "max_tokens", StopReason.LENGTH),
        (Kind.ANTHROPIC, "refusal", StopReason.CONTENT_FILTER),
        (Kind.ANTHROPIC, "pause_turn", StopReason.PAUSED),
    ],
)
async def test_stop_reasons(connect: Call, kind: Kind, word: str, reason: StopReason) -> None:
    called = await connect(kind, [say("x"), Stop(word)])

    assert finished(await ask(called.model)).stop_reason is reason


@pytest.mark.parametrize("kind,word", [(Kind.OPENAI_COMPAT, "stop"), (Kind.ANTHROPIC, "end_turn")])
async def test_an_answer_with_calls_goes_on_whatever_the_vendor_says(
    connect: Call, kind: Kind, word: str
) -> None:
    called = await connect(kind, [call("execute", {"command": "ls"}), Stop(word)])

    assert finished(await ask(called.model)).stop_reason is StopReason.TOOL_CALLS


async def test_usage_of_anthropic_excludes_what_was_cached(connect: Call) -> None:
    spend = Spend(input_tokens=10, output_tokens=4, cache_read_tokens=300, cache_write_tokens=20)
    called = await connect(Kind.ANTHROPIC, [say("x"), spend], model="claude-sonnet-5")

    assert finished(await ask(called.model)).usage == Usage(
        input_tokens=10,
        output_tokens=4,
        total_tokens=334,
        cache_read_tokens=300,
        cache_creation_tokens=20,
        context_limit=1_000_000,
    )


async def test_usage_of_chat_completions_excludes_what_was_cached(connect: Call) -> None:
    spend = Spend(input_tokens=10, output_tokens=4, cache_read_tokens=300, reasoning_tokens=3)
    called = await connect(Kind.OPENAI_COMPAT, [say("x"), spend])

    assert finished(await ask(called.model)).usage == Usage(
        input_tokens=10, output_tokens=4, total_tokens=314, reasoning_tokens=3, cache_read_tokens=300
    )


async def test_a_vendor_that_reports_no_usage_leaves_it_unknown(connect: Call) -> None:
    called = await connect(Kind.OPENAI_COMPAT, [sse(chunk({"content": "hi"}), chunk({}, "stop"))])

    assert finished(await ask(called.model)).usage is None


async def test_arguments_that_are_no_json_are_absent(connect: Call) -> None:
    function = {"name": "execute", "arguments": '{"command": '}
    broken = {"tool_calls": [{"index": 0, "id": "c1", "type": "function", "function": function}]}
    called = await connect(Kind.OPENAI_COMPAT, [sse(chunk(broken), chunk({}, "tool_calls"))])

    (part,) = parts_of(await ask(called.model))

    assert isinstance(part, ToolCallPart)
    assert (part.tool_call_id, part.args) == ("c1", None)


async def test_arguments_of_parallel_calls_may_arrive_mixed(connect: Call) -> None:
    def piece(index: int, arguments: str, name: str | None = None) -> dict[str, Any]:
        head = {"id": f"c{index}", "type": "function"} if name else {}
        function = {"arguments": arguments, **({"name": name} if name else {})}
        return chunk({"tool_calls": [{"index": index, **head, "function": function}]})

    mixed = [piece(0, '{"a"', "one"), piece(1, '{"b"', "two"), piece(0, ": 1}"), piece(1, ": 2}")]
    called = await connect(Kind.OPENAI_COMPAT, [sse(*mixed, chunk({}, "tool_calls"))])

    events = await ask(called.model)

    calls = [part for part in parts_of(events) if isinstance(part, ToolCallPart)]
    assert [(part.tool_name, part.args) for part in calls] == [("one", {"a": 1}), ("two", {"b": 2})]


async def test_citations_that_come_after_the_text_are_added_to_it(connect: Call) -> None:
    page = {"url": "https://example.org/a", "title": "A", "start_index": 0, "end_index": 5}
    cited = chunk({"annotations": [{"type": "url_citation", "url_citation": page}]})
    called = await connect(Kind.OPENAI_COMPAT, [sse(chunk({"content": "Hello."}), cited, chunk({}, "stop"))])

    events = await ask(called.model)

    text, source = parts_of(events)
    assert isinstance(text, TextPart)
    assert text.provider_metadata, "what the vendor said about the citation"
    assert source == SourcePart(source_id="source-1", url="https://example.org/a", title="A")


async def test_chunks_that_deviate_from_the_specification_are_read(connect: Call) -> None:
    loose = [
        {"id": "c", "choices": [{"delta": {"content": "lo"}}]},
        {"choices": [{"index": 0, "delta": {"content": "ose", "role": "robot"}, "finish_reason": "because"}]},
        {"choices": None},
    ]
    called = await connect(Kind.OPENAI_COMPAT, [sse(*loose, done=False)])

    events = await ask(called.model)

    assert parts_of(events) == [TextPart(text="loose")]
    assert finished(events).stop_reason is StopReason.END


async def test_halves_of_characters_are_joined_or_replaced(connect: Call) -> None:
    halves = [chunk({"content": "a\ud83d"}), chunk({"content": "\ude42b\ud800"}), chunk({}, "stop")]
    called = await connect(Kind.OPENAI_COMPAT, [sse(*halves)])

    events = await ask(called.model)

    assert parts_of(events) == [TextPart(text="a🙂b\ufffd")]
    streamed(events, 0).encode()


# What goes wrong.


@both_kinds
@pytest.mark.parametrize("step,kind_of_error", [(Break(), "overloaded"), (Drop(), "timeout")])
async def test_an_answer_that_breaks_off_is_an_error_to_retry(
    connect: Call, kind: Kind, step: Step, kind_of_error: str
) -> None:
    called = await connect(kind, [say("half an ans"), step])
    stream = called.model.stream(asking())
    assert isinstance(await anext(stream), TextDelta)

    with pytest.raises(ModelError) as caught:
        await collect(stream)

    assert (caught.value.error.kind, caught.value.error.retryable) == (kind_of_error, True)


async def test_a_stream_that_just_ends_is_no_answer(connect: Call) -> None:
    start = {
        "type": "message_start",
        "message": {"id": "m", "type": "message", "role": "assistant", "content": []},
    }
    start["message"] |= {"model": "m", "usage": {"input_tokens": 1, "output_tokens": 1}}
    body = f"event: message_start\ndata: {json.dumps(start)}\n\n".encode()
    called = await connect(Kind.ANTHROPIC, [Raw(body=body)])

    detail = await failing(called.model)

    assert (detail.kind, detail.retryable) == ("timeout", True)


@both_kinds
async def test_an_event_that_is_not_json_is_the_vendors_error(
    connect: Call, kind: Kind, caplog: pytest.LogCaptureFixture
) -> None:
    """A model does answer there, so that it is worth another try."""
    events = [
        event for event in FAKES[kind]([]).encode({"model": "m"}, [say("Half.")]) if isinstance(event, bytes)
    ]
    body = b"".join([*events[:3], b'event: content_block_delta\ndata: {"type": "no\n\n', *events[3:]])
    called = await connect(kind, [Raw(body=body)])

    detail = await failing(called.model)

    assert (detail.kind, detail.retryable) == ("generic", True)
    assert not caplog.records


@both_kinds
async def test_a_web_page_is_no_answer(connect: Call, kind: Kind) -> None:
    page = Raw(body=b"<html><title>Welcome</title></html>", content_type="text/html")
    called = await connect(kind, [page])

    detail = await failing(called.model)

    assert (detail.kind, detail.retryable) == ("config", False)
    assert called.vendor.base_url in detail.message


@both_kinds
async def test_an_address_where_nothing_answers_is_named(kind: Kind) -> None:
    model = BridgeModel(endpoint(kind, "http://127.0.0.1:9/v1", label="My server"), "m")

    detail = await failing(model)
    await model.aclose()

    assert detail.message == (
        "My server at 127.0.0.1:9 could not be reached. "
        "Start the server there, or correct the base URL http://127.0.0.1:9/v1."
    )
    assert (detail.kind, detail.retryable, detail.provider) == ("config", False, kind.value)


@both_kinds
async def test_an_unknown_model_is_named(connect: Call, kind: Kind) -> None:
    called = await connect(kind, models=["known"])

    detail = await failing(called.model)

    assert "does not know the model some-model" in detail.message
    assert (detail.kind, detail.retryable, detail.status_code) == ("config", False, 404)


@both_kinds
async def test_a_wrong_key_is_told_without_the_key(
    connect: Call, kind: Kind, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "jupyter_chatd")
    called = await connect(kind, [Refuse(status=401, message=f"Incorrect API key provided: {API_KEY}.")])

    with pytest.raises(ModelError) as caught:
        await ask(called.model)

    error = caught.value
    assert "did not accept the API key" in error.error.message
    assert "the provider settings" in error.error.message
    everything = [repr(error.error), str(error), repr(called.model), caplog.text, repr(error.__cause__)]
    assert not any(API_KEY in text for text in everything)


async def test_what_nobody_foresaw_is_logged_without_the_key(
    connect: Call, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    called = await connect(Kind.OPENAI_COMPAT, [say("x")], [say("y")])
    await ask(called.model)

    def explode(*_: object) -> None:
        raise RuntimeError(f"a bug that quotes {API_KEY}")

    monkeypatch.setattr("jupyter_chatd.providers.answer.AnswerReader.read", explode)
    detail = await failing(called.model)

    assert (detail.kind, detail.retryable) == ("generic", False)
    assert "a bug that quotes [key removed]" in str(detail.detail)
    assert "in explode" in caplog.text, "the log has the traceback"
    assert API_KEY not in caplog.text


@both_kinds
async def test_an_answer_that_comes_all_at_once_leaves_the_loop_to_others(connect: Call, kind: Kind) -> None:
    pieces = FAKES[kind]([]).encode({"model": "m"}, [say("word " * 5000)])
    body = b"".join(piece for piece in pieces if isinstance(piece, bytes))
    called = await connect(kind, [say("warm")], [Raw(body=body, piece_bytes=len(body))])
    await ask(called.model)

    turns, elapsed = await turns_of_others(called.model)

    assert turns > elapsed / (8 * MAX_BUSY), "a busy machine may take half of the turns"


async def test_events_that_need_no_waiting_leave_the_loop_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library happens to wait at each delta; the promise is ours."""

    async def busy(*_: object) -> AsyncIterator[TextDelta]:
        for number in range(200):
            end = time.thread_time() + 0.0005
            while time.thread_time() < end:
                pass
            yield TextDelta(block=0, text=str(number))

    monkeypatch.setattr(BridgeModel, "_stream", busy)
    turns, elapsed = await turns_of_others(
        BridgeModel(endpoint(Kind.OPENAI_COMPAT, "http://127.0.0.1:9"), "m")
    )

    assert turns > elapsed / (8 * MAX_BUSY), "a busy machine may take half of the turns"


async def turns_of_others(model: BridgeModel) -> tuple[int, float]:
    """How often another task runs during an answer after its first event, and its seconds of CPU."""
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    stream = model.stream(asking())
    await anext(stream)
    others = asyncio.create_task(count())
    await asyncio.sleep(0)
    began, before = time.thread_time(), turns
    async for _ in stream:
        pass
    elapsed = time.thread_time() - began
    others.cancel()
    return turns - before, elapsed


# What becomes of connections.


@both_kinds
@pytest.mark.parametrize("stop", ["cancel", "close"])
async def test_a_stopped_stream_closes_its_connection(connect: Call, kind: Kind, stop: str) -> None:
    called = await connect(kind, [say("one two"), wait(30)])
    stream = called.model.stream(asking())
    await anext(stream)
    if stop == "close":
        await stream.aclose()
    else:
        task = asyncio.ensure_future(anext(stream))
        while not task.done():
            task.cancel()
            await asyncio.sleep(0)

    (request,) = called.vendor.generations
    async with asyncio.timeout(15):
        await request.done.wait()
    assert request.aborted


@both_kinds
async def test_a_closed_model_lets_running_streams_end(connect: Call, kind: Kind) -> None:
    go_on = asyncio.Event()
    called = await connect(kind, [say("one "), wait(go_on), say("two")])
    stream = called.model.stream(asking())
    first = await anext(stream)

    await called.model.aclose()
    go_on.set()
    events = [first, *await collect(stream)]

    texts = [part.text for part in parts_of(events) if isinstance(part, TextPart)]
    assert "".join(texts) == "one two"


@both_kinds
async def test_the_connection_is_used_again(connect: Call, kind: Kind) -> None:
    called = await connect(kind, [say("a")], [say("b")])
    connections = _count_connections(called.vendor)

    await ask(called.model)
    await ask(called.model)

    assert connections() == 1


def _count_connections(vendor: Any) -> Callable[[], int]:
    tasks = vendor._connections
    return lambda: len(tasks)


async def test_nothing_of_a_vendor_is_imported_before_the_first_call() -> None:
    code = (
        "import sys\n"
        "from jupyter_chatd.providers.catalog import ModelCatalog\n"
        "heavy = {'pydantic_ai', 'openai', 'anthropic', 'httpx', 'httpx2'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code)

    assert await process.wait() == 0


async def test_reasoning_of_chat_completions_is_read(connect: Call) -> None:
    called = await connect(Kind.OPENAI_COMPAT, [think("hm"), say("so")])

    reasoning, _ = parts_of(await ask(called.model))

    assert isinstance(reasoning, ReasoningPart)
    assert reasoning.provider_metadata == {
        "pydantic_ai": {
            "part_kind": "thinking",
            "id": "reasoning_content",
            "provider_name": "openai-compat",
            "response": {
                "provider_name": "openai-compat",
                "provider_url": f"{called.vendor.base_url}/",
                "model_name": "some-model",
            },
        }
    }
