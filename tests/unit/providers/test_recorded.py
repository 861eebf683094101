"""Recorded streams of real vendors: read by the bridge, stored, and given back to the library unchanged."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest

from jupyter_chatd import wire
from jupyter_chatd.errors import ModelError
from jupyter_chatd.messages import (
    CONTENT_VERSION,
    Part,
    ReasoningPart,
    Role,
    SourcePart,
    StopReason,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    Usage,
)
from jupyter_chatd.providers.bridge import BridgeModel
from jupyter_chatd.providers.endpoint import Endpoint, Kind
from jupyter_chatd.providers.protocol import Finished, ModelEvent

from .asking import ask, collect, endpoint, finished, parts_of, streamed
from .recorded import (
    CHAT,
    COMPACTION,
    RATE_LIMITS,
    REDACTED,
    STREAMS,
    THINKING,
    WEB_SEARCH,
    Interaction,
    Replay,
    call_of,
    endpoint_of,
    load,
    retired_models,
)

pytestmark = [pytest.mark.anyio, retired_models]


@dataclass(frozen=True)
class Reading:
    """One stream as our bridge and as the library with its stock client read it."""

    events: list[ModelEvent]
    parts: list[Part]
    end: Finished
    stock: Any
    """The library's `ModelResponse`."""


_read: dict[tuple[str, int], Reading] = {}
"""Each stream is read once; the tests look at different sides of it."""


@pytest.fixture
async def reading(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Reading:
    name, number = request.param
    if (name, number) not in _read:
        _read[name, number] = await _read_both_ways(load(name)[number], monkeypatch)
    return _read[name, number]


async def _read_both_ways(recorded: Interaction, monkeypatch: pytest.MonkeyPatch) -> Reading:
    async with Replay(recorded) as server:
        at = endpoint_of(recorded, server.origin, monkeypatch)
        model = BridgeModel(at, recorded.model)
        events = await collect(model.stream(call_of(recorded)))
        await model.aclose()
        return Reading(
            events, parts_of(events), finished(events), await _read_with_stock_client(at, recorded)
        )


async def _read_with_stock_client(at: Endpoint, recorded: Interaction) -> Any:
    from pydantic_ai.direct import model_request_stream
    from pydantic_ai.messages import ModelRequest
    from pydantic_ai.models import ModelRequestParameters
    from pydantic_ai.native_tools import WebSearchTool

    model = _stock_model(at, recorded.model)
    prompt = [ModelRequest.user_text_prompt("x")]
    offered = ModelRequestParameters(native_tools=[WebSearchTool()] if recorded.searches else [])
    async with model, model_request_stream(model, prompt, model_request_parameters=offered) as stream:
        async for _ in stream:
            pass
        return stream.get()


def _stock_model(at: Endpoint, name: str) -> Any:
    from pydantic_ai.models.anthropic import AnthropicModel
    from pydantic_ai.models.google import GoogleModel
    from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
    from pydantic_ai.providers.anthropic import AnthropicProvider
    from pydantic_ai.providers.google import GoogleProvider
    from pydantic_ai.providers.openai import OpenAIProvider
    from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider

    match at.kind:
        case Kind.ANTHROPIC:
            return AnthropicModel(name, provider=AnthropicProvider(base_url=at.base_url, api_key="k"))
        case Kind.GOOGLE:
            return GoogleModel(name, provider=GoogleProvider(base_url=at.base_url, api_key="k"))
        case Kind.OPENAI:
            return OpenAIResponsesModel(name, provider=OpenAIProvider(base_url=at.base_url, api_key="k"))
        case _:
            provider = OpenAICompatibleProvider("openai-compat", base_url=at.base_url, api_key="k")
            return OpenAIChatModel(name, provider=provider)


every_stream = pytest.mark.parametrize(
    "reading", STREAMS, indirect=True, ids=[f"{name.partition('--')[2]}-{number}" for name, number in STREAMS]
)


def vendor_part(part: Part) -> Any:
    """The library's part, without when it was made and how its arguments were spelled."""
    from jupyter_chatd.providers.vendor_parts import to_library

    assert isinstance(part, TextPart | ReasoningPart | ToolCallPart | ToolResultPart)
    return _comparable(to_library(part))


def _comparable(part: Any) -> Any:
    from jupyter_chatd.providers.vendor_parts import ADAPTER

    dumped = ADAPTER.dump_python(part, mode="json")
    dumped.pop("timestamp", None)
    if str(dumped.get("tool_call_id")).startswith("pyd_ai_"):
        dumped["tool_call_id"] = "made up: the vendor has none"
    if "args" in dumped:
        dumped["args"] = part.args_as_dict()
    return dumped


@every_stream
async def test_the_library_gets_back_what_it_read(reading: Reading) -> None:
    ours = [part for part in reading.parts if not isinstance(part, SourcePart)]

    assert [vendor_part(part) for part in ours] == [_comparable(part) for part in reading.stock.parts]


@every_stream
async def test_storing_the_parts_changes_nothing(reading: Reading) -> None:
    from jupyter_chatd.providers.vendor_parts import Origin, to_library, to_ours

    stored = wire.dump_parts(reading.parts)
    loaded = wire.load_parts(stored, version=CONTENT_VERSION, role=Role.ASSISTANT)
    assert list(loaded) == reading.parts

    origin = Origin.of(reading.stock)
    for part in loaded:
        if not isinstance(part, SourcePart):
            again = to_ours(to_library(part), origin)  # type: ignore[arg-type]
            assert again == _without_times(part)


def _without_times(part: Part) -> Part:
    if isinstance(part, ReasoningPart):
        return replace(part, created_at=None, completed_at=None)
    return replace(part, created_at=None) if isinstance(part, ToolCallPart) else part


@every_stream
async def test_deltas_join_to_the_parts(reading: Reading) -> None:
    for block, part in enumerate(reading.parts):
        is_whole = isinstance(part, ReasoningPart) and "compaction" in str(part.provider_metadata)
        if isinstance(part, TextPart | ReasoningPart) and not is_whole:
            assert streamed(reading.events, block) == part.text


@every_stream
async def test_the_end_is_told_as_the_library_tells_it(reading: Reading) -> None:
    usage, stock = reading.end.usage, reading.stock.usage
    assert usage is not None
    cached = stock.cache_read_tokens + stock.cache_write_tokens
    assert usage.input_tokens == ((stock.input_tokens - cached) or None)
    assert usage.output_tokens == stock.output_tokens
    assert usage.total_tokens == stock.input_tokens + stock.output_tokens
    assert reading.end.response_id == reading.stock.provider_response_id


# What single recordings are for.

only = pytest.mark.parametrize


@only("reading", [(THINKING, 0)], indirect=True)
async def test_thinking_is_signed(reading: Reading) -> None:
    reasoning, text = reading.parts
    assert isinstance(reasoning, ReasoningPart)
    assert reasoning.text.startswith("This is a straightforward question")
    metadata: Any = reasoning.provider_metadata
    assert len(metadata["pydantic_ai"]["signature"]) > 100
    assert reasoning.created_at is not None
    assert reasoning.completed_at is not None
    assert reasoning.created_at <= reasoning.completed_at
    assert text.type == "text"


@only("reading", [(REDACTED, 0)], indirect=True)
async def test_redacted_thinking_is_kept_without_text(reading: Reading) -> None:
    reasoning = reading.parts[0]
    assert isinstance(reasoning, ReasoningPart)
    assert reasoning.text == ""
    metadata: Any = reasoning.provider_metadata
    assert metadata["pydantic_ai"]["id"] == "redacted_thinking"


@only("reading", [(WEB_SEARCH, 0)], indirect=True)
async def test_what_the_vendor_ran_is_marked_and_its_pause_is_told(reading: Reading) -> None:
    calls = [part for part in reading.parts if isinstance(part, ToolCallPart)]
    results = [part for part in reading.parts if isinstance(part, ToolResultPart)]

    assert len(calls) == 11
    assert all(call.provider_executed and call.args for call in calls)
    assert [result.tool_call_id for result in results] == [call.tool_call_id for call in calls[:10]]
    assert all(result.provider_executed and result.tool_name == "web_search" for result in results)
    assert reading.end.stop_reason is StopReason.PAUSED


@only("reading", [(WEB_SEARCH, 1)], indirect=True)
async def test_cited_pages_are_sources(reading: Reading) -> None:
    sources = [part for part in reading.parts if isinstance(part, SourcePart)]

    assert sources
    assert len({source.url for source in sources}) == len(sources)
    assert all(source.url.startswith("https://") and source.title for source in sources)
    assert reading.parts[-len(sources) :] == sources


@only("reading", [(COMPACTION, 0)], indirect=True)
async def test_cached_tokens_are_apart(reading: Reading) -> None:
    usage = reading.end.usage
    assert isinstance(usage, Usage)
    assert usage.cache_creation_tokens or usage.cache_read_tokens
    assert usage.context_limit == 1_000_000


@only("reading", [(CHAT, 0)], indirect=True)
async def test_parallel_calls_of_chat_completions(reading: Reading) -> None:
    calls = [part for part in reading.parts if isinstance(part, ToolCallPart)]

    assert len(calls) == 2
    assert len({call.tool_call_id for call in calls}) == 2
    assert reading.end.stop_reason is StopReason.TOOL_CALLS


async def test_a_rate_limit_passed_on_by_a_gateway() -> None:
    recorded = load(RATE_LIMITS)[0]
    async with Replay(recorded) as server:
        model = BridgeModel(endpoint(Kind.OPENAI_COMPAT, f"{server.origin}/v1", label="OpenRouter"), "m")
        with pytest.raises(ModelError) as caught:
            await ask(model)
        await model.aclose()

    detail = caught.value.error
    assert (detail.kind, detail.retryable, detail.status_code) == ("rate_limit", True, 429)
    assert detail.message.startswith("OpenRouter at 127.0.0.1")
