"""Searching the web as the vendor's own tool: offered, read, and told to the vendor again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
from fakes.steps import Search, call, say
from fakes.vendor import FakeVendor

from jupyter_chatd.messages import Part, SourcePart, StopReason, TextPart, ToolCallPart, ToolResultPart
from jupyter_chatd.providers.configured import ConfiguredModel
from jupyter_chatd.providers.endpoint import Kind
from jupyter_chatd.providers.protocol import CallSettings, Model

from .asking import MODEL, ask, asking, assistant, collect, finished, parts_of, tool
from .conftest import CLAUDE_ON_BEDROCK, OTHER_ON_BEDROCK, SUBJECTS, Call
from .vendors import ask_with, called, refusal

pytestmark = pytest.mark.anyio

SEARCHES: dict[str, tuple[str, dict[str, Any]]] = {
    "anthropic": ("anthropic", {"web_search": True, "allowed_domains": ["example.org"]}),
    "azure": ("openai", {"web_search_enabled": True, "search_context_size": "low"}),
    "openrouter": ("openrouter", {"web_search": True}),
}


@pytest.mark.parametrize("name", list(SEARCHES))
async def test_the_vendors_own_web_search_is_offered_when_asked_for(connect: Call, name: str) -> None:
    key, options = SEARCHES[name]
    at = await called(connect, name, [say("a")], [say("b")])

    with_search = await ask_with(at, {key: options})
    without = await ask_with(at, {key: {**options, "web_search": False, "web_search_enabled": False}})

    (search,) = [entry for entry in with_search["tools"] if "web_search" in entry.get("type", "")]
    assert len(with_search["tools"]) == 2, "beside our own tool"
    assert len(without["tools"]) == 1
    expected = {"anthropic": "example.org", "azure": "low", "openrouter": "medium"}[name]
    assert expected in str(search)


DOMAINS = [
    ("anthropic", "anthropic", "allowed_domains"),
    ("anthropic", "anthropic", "blocked_domains"),
    ("azure", "openai", "allowed_domains"),
    ("azure", "openai", "blocked_domains"),
    ("openrouter", "openrouter", "allowed_domains"),
    ("openrouter", "openrouter", "blocked_domains"),
]


@pytest.mark.parametrize(("name", "key", "option"), DOMAINS)
async def test_domains_limit_the_search(connect: Call, name: str, key: str, option: str) -> None:
    at = await called(connect, name, [say("a")])

    body = await ask_with(at, {key: {"web_search": True, option: ["a.org", "b.org"]}})

    (search,) = [entry for entry in body["tools"] if "web_search" in entry.get("type", "")]
    assert str(["a.org", "b.org"]) in str(search)


async def test_a_turn_that_may_not_search_has_no_search(connect: Call) -> None:
    at = await called(connect, "anthropic", [say("a")])
    settings = CallSettings(provider_options={"anthropic": {"web_search": True}})

    await collect(at.model.stream(replace(asking("hello", settings=settings), may_search=False)))

    assert "web_search" not in str(at.body["tools"])


async def test_google_searches_beside_our_tools(connect: Call) -> None:
    at = await connect(Kind.GOOGLE, [say("a")], model="gemini-3.8-flash")

    body = await ask_with(at, {"google": {"web_search": True}})

    assert any("googleSearch" in entry for entry in body["tools"])


NO_SEARCH = {
    "bedrock-claude": ("anthropic", CLAUDE_ON_BEDROCK),
    "bedrock-other": ("bedrock", OTHER_ON_BEDROCK),
    "openai-compat": ("openaicompat", MODEL),
}


@pytest.mark.parametrize("name", list(NO_SEARCH))
async def test_a_search_that_the_vendor_does_not_have_is_told(connect: Call, name: str) -> None:
    key, model = NO_SEARCH[name]
    at = await called(connect, name)

    assert f"no web search for {model}" in await refusal(at, {key: {"web_search": True}})
    assert at.vendor.requests == []


async def test_a_search_without_its_limits_is_not_made(connect: Call) -> None:
    at = await called(connect, "google")

    assert "allowed_domains" in await refusal(
        at, {"google": {"web_search": True, "allowed_domains": ["a.org"]}}
    )
    assert at.vendor.requests == []


# What was found.

PAGE = "https://example.org/weather"
FOUND = Search(query="weather in Paris", url=PAGE, title="Weather", text="It rains in Paris.")
TELLS = ("anthropic", "azure", "google")
"""Vendors that tell of the search itself, beside what it led to."""
WANTS_BACK = {"anthropic": "sealed-page", "azure": "web_search_call"}
"""Those that want it back: a word of it."""


@dataclass
class Searched:
    """A model that may search, and has."""

    model: Model
    vendor: FakeVendor
    parts: Sequence[Part]


async def searched(connect: Call, name: str, *more: Any) -> Searched:
    kind, model = (Kind.AZURE, "gpt-5.4") if name == "azure" else SUBJECTS[name]
    at = await connect(kind, [say("Look: "), FOUND, *more], [say("ok")], model=model)
    key, options = SEARCHES.get(name, (name, {"web_search": True}))
    settings = CallSettings(provider_options={key: options})
    may_search = ConfiguredModel(at.model, settings=settings, context_limit=None)
    return Searched(may_search, at.vendor, parts_of(await ask(may_search)))


@pytest.mark.parametrize("name", [*SEARCHES, "google"])
async def test_what_was_found_becomes_text_and_sources(connect: Call, name: str) -> None:
    parts = (await searched(connect, name)).parts

    texts = "".join(part.text for part in parts if isinstance(part, TextPart))
    (source,) = [part for part in parts if isinstance(part, SourcePart)]
    assert FOUND.text in texts
    assert (source.url, source.title) == (PAGE, "Weather")
    calls = [part for part in parts if isinstance(part, ToolCallPart)]
    assert [part.provider_executed for part in calls] == [True] * (name in TELLS)


@pytest.mark.parametrize("name", [*SEARCHES, "google"])
async def test_a_search_goes_back_to_its_vendor(connect: Call, name: str) -> None:
    at = await searched(connect, name)

    await ask(at.model, "hello", assistant(*at.parts), "and now?")

    sent = at.vendor.generations[-1].raw.decode()
    assert FOUND.text in sent
    assert WANTS_BACK.get(name, FOUND.text) in sent


@pytest.mark.parametrize("name", [*SEARCHES, "google"])
async def test_a_search_beside_a_call_of_ours(connect: Call, name: str) -> None:
    """The turn goes on for our call, and not for the vendor's own."""
    at = await searched(connect, name, call("execute", {"command": "ls"}))
    (ours,) = [part for part in at.parts if isinstance(part, ToolCallPart) and not part.provider_executed]
    result = ToolResultPart(tool_call_id=ours.tool_call_id, tool_name="execute", result={"output": "a"})

    events = await ask(at.model, "hello", assistant(*at.parts), tool(result))

    assert finished(events).stop_reason is StopReason.END


@pytest.mark.parametrize("name", list(SEARCHES))
async def test_an_answer_that_only_searched_is_over(connect: Call, name: str) -> None:
    at = await called(connect, name, [FOUND])

    assert finished(await ask(at.model)).stop_reason is StopReason.END
