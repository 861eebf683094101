"""Which models there are, and the one that a name means."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from fakes.anthropic_server import FakeAnthropic
from fakes.http import HttpServer, Reply, Request
from fakes.openai_server import FakeOpenAI
from fakes.steps import say, wait
from servers import NO_OLLAMA
from world import eventually

from jupyter_chatd.errors import ModelError
from jupyter_chatd.messages import ErrorDetail, TextPart
from jupyter_chatd.model_settings import CompactionChoice, ModelConfig, ProviderConfig, StoredModels
from jupyter_chatd.providers.catalog import ListedProvider, ModelCatalog
from jupyter_chatd.providers.credentials import Credentials
from jupyter_chatd.providers.protocol import CallSettings, Finished

from .asking import ask, asking, collect, parts_of

pytestmark = pytest.mark.anyio

OPENAI = {"OPENAI_API_KEY": "sk-env"}
ANTHROPIC = {"ANTHROPIC_API_KEY": "sk-ant"}
NOBODY = "http://127.0.0.1:9/v1"


@dataclass
class World:
    """A catalog and everything that it looks at."""

    folder: Path
    stored: StoredModels = field(default_factory=StoredModels)
    made: list[ModelCatalog] = field(default_factory=list[ModelCatalog])

    @property
    def credentials(self) -> Credentials:
        return Credentials(self.folder / "keys.json")

    def catalog(self, environ: dict[str, str] | None = None, **fields: Any) -> ModelCatalog:
        async def stored() -> StoredModels:
            return self.stored

        surroundings = {"OLLAMA_HOST": NO_OLLAMA, **(environ or {})}
        made = ModelCatalog(environ=surroundings, stored=stored, credentials=self.credentials, **fields)
        self.made.append(made)
        return made


@pytest.fixture
async def world(tmp_path: Path, anyio_backend: str) -> AsyncIterator[World]:
    made = World(tmp_path)
    yield made
    for catalog in made.made:
        await catalog.aclose()


def config(**fields: Any) -> ModelConfig:
    return ModelConfig(**{"id": "m1", "provider": "openai", "model": "gpt-x", **fields})


def provider(name: str, **fields: Any) -> ProviderConfig:
    return ProviderConfig(**{"id": f"p-{name}", "provider": name, **fields})


async def refused(awaitable: Any) -> ErrorDetail:
    with pytest.raises(ModelError) as caught:
        await awaitable
    return caught.value.error


# Names.


@pytest.mark.parametrize(
    "name,ref",
    [
        ("openai:gpt-x", "openai:gpt-x"),
        (" anthropic:claude-y ", "anthropic:claude-y"),
        ("gpt-x", "openai:gpt-x"),
        ("chatgpt-9", "openai:chatgpt-9"),
        ("claude-y", "anthropic:claude-y"),
        ("demo", "demo:demo"),
        ("demo:demo", "demo:demo"),
        ("llama3:8b", "ollama:llama3:8b"),
        ("ollama:llama3:8b", "ollama:llama3:8b"),
        ("named", "vllm:named"),
    ],
)
async def test_names_of_models(world: World, name: str, ref: str) -> None:
    world.stored = StoredModels(
        providers=(provider("vllm"),), models=(config(provider="vllm", model="named"),)
    )
    catalog = world.catalog(providers=[{"provider": "ollama", "base_url": NOBODY, "models": ["llama3:8b"]}])

    assert await catalog.canonical_ref(name) == ref


@pytest.mark.parametrize("name", ["", "nonsense", "nobody:gpt-x", "openai:", ":x"])
async def test_unknown_names_are_refused_with_the_providers(world: World, name: str) -> None:
    detail = await refused(world.catalog().canonical_ref(name))

    assert detail.kind == "config"
    assert "anthropic, openai, google" in detail.message


# The default.


async def test_with_nothing_configured_there_is_the_demo_model(world: World) -> None:
    assert await world.catalog().default_ref() == "demo:demo"


async def test_a_key_in_the_environment_chooses_the_vendors_usual_model(world: World) -> None:
    assert await world.catalog(OPENAI).default_ref() == "openai:gpt-6.1-terra"
    assert await world.catalog(ANTHROPIC).default_ref() == "anthropic:claude-sonnet-5-5"
    assert await world.catalog({**OPENAI, **ANTHROPIC}).default_ref() == "anthropic:claude-sonnet-5-5"


async def test_a_default_model_config_goes_before_the_environment(world: World) -> None:
    world.stored = StoredModels(models=(config(), config(id="m2", model="gpt-z", is_default=True)))
    catalog = world.catalog(ANTHROPIC)

    assert await catalog.default_ref() == "openai:gpt-z"
    assert await catalog.default_config_id() == "m2"


@pytest.mark.parametrize("off", ["config", "provider"])
async def test_a_default_that_is_switched_off_is_none(world: World, off: str) -> None:
    world.stored = StoredModels(
        providers=(provider("openai", enabled=off != "provider"),),
        models=(config(is_default=True, enabled=off != "config"),),
    )

    assert await world.catalog(ANTHROPIC).default_ref() == "anthropic:claude-sonnet-5-5"


async def test_the_trait_goes_before_everything(world: World) -> None:
    world.stored = StoredModels(models=(config(is_default=True),))
    catalog = world.catalog(OPENAI, default_model="claude-y")

    assert await catalog.default_ref() == "anthropic:claude-y"
    assert await catalog.default_config_id() is None


async def test_an_endpoint_of_the_environment_is_asked_once_for_its_models(world: World) -> None:
    models = ["nomic-embed-text", "qwen3-coder", "llama"]
    async with FakeOpenAI([], models=models, api_key="x") as vendor:
        catalog = world.catalog({"OPENAI_API_KEY": "x", "OPENAI_BASE_URL": vendor.base_url})

        assert await catalog.default_ref() == "openai:qwen3-coder"
        assert await catalog.default_ref() == "openai:qwen3-coder"

        assert [request.path for request in vendor.requests] == ["/v1/models"]


async def test_an_endpoint_that_does_not_answer_keeps_its_usual_model(world: World) -> None:
    """So that the chat can say what is wrong, instead of a demo answering in its place."""
    catalog = world.catalog({"OPENAI_API_KEY": "x", "OPENAI_BASE_URL": NOBODY})

    assert await catalog.default_ref() == "openai:gpt-6.1-terra"


async def test_a_configured_provider_is_found_without_environment(world: World) -> None:
    catalog = world.catalog(providers=[{"provider": "vllm", "base_url": NOBODY, "models": ["mine", "other"]}])

    assert await catalog.default_ref() == "vllm:mine"


# Calling.


async def test_a_model_of_the_environment_is_called(world: World) -> None:
    async with FakeOpenAI([[say("hi")]], api_key="x") as vendor:
        catalog = world.catalog({"OPENAI_API_KEY": "x", "OPENAI_BASE_URL": vendor.base_url})
        model = await catalog.resolve("openai:gpt-x")

        assert parts_of(await ask(model)) == [TextPart(text="hi")]
        assert model.ref == "openai:gpt-x"
        assert vendor.generations[0].json["model"] == "gpt-x"


async def test_an_anthropic_compatible_address_is_called(world: World) -> None:
    async with FakeAnthropic([[say("hi")]], api_key="sk-1") as vendor:
        world.stored = StoredModels(providers=(provider("anthropic", base_url=vendor.base_url),))
        world.credentials.set("anthropic", "sk-1", base_url=vendor.base_url)

        model = await world.catalog().resolve("claude-y")

        assert parts_of(await ask(model)) == [TextPart(text="hi")]


async def test_a_model_config_gives_its_settings(world: World) -> None:
    async with FakeOpenAI([[say("a")], [say("b")]]) as vendor:
        options = {"max_output_tokens": 5, "provider_options": {"openai": {"parallel_tool_calls": False}}}
        made = config(provider="vllm", options=options, context_limit=1234)
        world.stored = StoredModels(providers=(provider("vllm", base_url=vendor.base_url),), models=(made,))
        catalog = world.catalog()

        by_id = await catalog.resolve("whatever", "m1")
        by_name = await catalog.resolve("vllm:gpt-x")
        for model in (by_id, by_name):
            await collect(model.stream(asking(settings=CallSettings(max_output_tokens=99))))

        assert (by_id.ref, by_id.context_limit) == ("vllm:gpt-x", 1234)
        for request in vendor.generations:
            assert request.json["max_completion_tokens"] == 5
            assert request.json["parallel_tool_calls"] is False


async def test_what_an_endpoint_lists_of_a_model_limits_it(world: World) -> None:
    """VLLM says `max_model_len`; the library cannot know what somebody's own server was started with."""
    async with FakeOpenAI([[say("a")], [say("b")]], models=["m"], listed={"max_model_len": 8192}) as vendor:
        world.stored = StoredModels(providers=(provider("vllm", base_url=vendor.base_url),))
        catalog = world.catalog()
        model = await catalog.resolve("vllm:m")
        await eventually(lambda: model.context_limit)

        finished = (await ask(model))[-1]
        again = await catalog.resolve("vllm:m")

    assert isinstance(finished, Finished)
    assert finished.usage is not None
    assert finished.usage.context_limit == again.context_limit == 8192
    assert [request.path for request in vendor.requests].count("/v1/models") == 1, "for all turns"


async def test_a_config_knows_the_limit_better(world: World) -> None:
    async with FakeOpenAI([], models=["m"], listed={"max_model_len": 8192}) as vendor:
        made = config(provider="vllm", model="m", context_limit=1234)
        world.stored = StoredModels(providers=(provider("vllm", base_url=vendor.base_url),), models=(made,))
        catalog = world.catalog()
        model = await catalog.resolve("vllm:m")
        await catalog.listing()

        assert model.context_limit == 1234


async def test_a_config_that_is_gone_leaves_the_name(world: World) -> None:
    world.stored = StoredModels(models=(config(enabled=False, model="gpt-off"),))

    assert (await world.catalog(OPENAI).resolve("openai:gpt-y", "deleted")).ref == "openai:gpt-y"
    assert (await world.catalog(OPENAI).resolve("openai:gpt-y", "m1")).ref == "openai:gpt-y"


async def test_bad_options_are_told_when_the_model_is_used(world: World) -> None:
    world.stored = StoredModels(models=(config(options={"temperature": "warm"}),))

    detail = await refused(world.catalog(OPENAI).resolve("openai:gpt-x"))

    assert (detail.kind, "temperature must be" in detail.message) == ("config", True)


async def test_a_missing_key_is_told_and_the_next_message_works(world: World) -> None:
    catalog = world.catalog()
    detail = await refused(catalog.resolve("gpt-x"))
    assert (detail.kind, "OPENAI_API_KEY" in detail.message) == ("auth", True)

    world.credentials.set("openai", "sk-1", base_url=None)

    assert (await catalog.resolve("gpt-x")).ref == "openai:gpt-x"


async def test_calls_share_a_connection_until_the_endpoint_changes(world: World) -> None:
    world.credentials.set("openai", "sk-1", base_url=None)
    catalog = world.catalog()
    first = await catalog.resolve("gpt-x")
    assert await catalog.resolve("gpt-x") is first
    assert await catalog.resolve("gpt-y") is not first

    world.credentials.set("openai", "sk-2", base_url=None)

    assert await catalog.resolve("gpt-x") is not first


async def test_a_changed_endpoint_lets_running_answers_end(world: World) -> None:
    go_on = asyncio.Event()
    async with FakeOpenAI([[say("one "), wait(go_on), say("two")]]) as vendor:
        world.stored = StoredModels(providers=(provider("vllm", base_url=vendor.base_url),))
        catalog = world.catalog()
        stream = (await catalog.resolve("vllm:m")).stream(asking())
        first = await anext(stream)

        world.stored = StoredModels(providers=(provider("vllm", base_url=NOBODY),))
        await catalog.resolve("vllm:m")
        go_on.set()

        (part,) = parts_of([first, *await collect(stream)])
        assert part == TextPart(text="one two")


async def test_the_demo_model_is_always_there(world: World) -> None:
    model = await world.catalog().resolve("demo:demo")

    assert "demo model" in str(parts_of(await ask(model, "hello")))


# Listing.


def by_name(listing: tuple[ListedProvider, ...]) -> dict[str, ListedProvider]:
    return {listed.provider: listed for listed in listing}


async def test_the_listing_with_nothing_configured(world: World) -> None:
    listing = by_name(await world.catalog().listing())

    assert {name: listed.unavailable_reason for name, listed in listing.items()} == {
        **dict.fromkeys(["anthropic", "openai", "google", "openrouter"], "missing_api_key"),
        **dict.fromkeys(["azure", "bedrock", "vllm", "litellm"], "misconfigured"),
        "ollama": "not_running",
        "demo": None,
    }
    assert [name for name, listed in listing.items() if listed.available] == ["demo"]
    assert listing["google"].unavailable_detail == (
        "There is no API key for Google. Set one: GOOGLE_API_KEY in the server's environment, "
        "or the provider settings."
    )
    assert listing["ollama"].unavailable_detail == "Ollama at 127.0.0.1:9 does not answer. Start it."
    assert listing["demo"].models[0].id == "demo:demo"


async def test_the_listing_tells_what_can_be_chosen(world: World) -> None:
    async with FakeOpenAI([], models=["found"]) as vendor:
        world.stored = StoredModels(
            providers=(
                provider("anthropic", enabled=False),
                provider("lost"),
                provider("vllm", base_url=vendor.base_url, display_name="vLLM"),
            ),
            models=(config(display_name="Mine"), config(id="m2", enabled=False, model="off")),
        )
        listing = by_name(await world.catalog({**OPENAI, **ANTHROPIC}).listing())

    assert listing["anthropic"].unavailable_reason == "disabled"
    assert listing["lost"].unavailable_reason == "misconfigured"
    openai = listing["openai"]
    assert (openai.available, openai.has_api_key) == (True, True)
    assert [(model.id, model.ref, model.display_name) for model in openai.models] == [
        ("m1", "openai:gpt-x", "Mine")
    ]
    assert [(model.id, model.display_name) for model in listing["vllm"].models] == [("vllm:found", "found")]
    assert listing["vllm"].display_name == "vLLM"


async def test_keys_are_in_no_repr(world: World) -> None:
    catalog = world.catalog(
        {"OPENAI_API_KEY": "sk-secret"}, providers=[{"provider": "x", "api_key": "sk-secret"}]
    )
    await catalog.resolve("gpt-x")

    assert await catalog.has_api_key("openai")
    assert not await catalog.has_api_key("anthropic")
    world.stored = StoredModels(providers=(provider("openai", enabled=False),))
    assert await catalog.has_api_key("openai")
    assert "sk-secret" not in repr(vars(catalog))
    assert "sk-secret" not in repr(await catalog.listing())


async def test_a_malformed_trait_stops_the_start(world: World) -> None:
    with pytest.raises(ValueError, match="needs a provider"):
        world.catalog(providers=[{}])


# A server of this machine's own.


async def test_a_local_ollama_is_found_listed_and_called(world: World) -> None:
    async with FakeOpenAI([[say("hi")]], models=["qwen3:8b", "nomic-embed-text"]) as vendor:
        catalog = world.catalog({"OLLAMA_HOST": vendor.origin.removeprefix("http://")})

        ollama = by_name(await catalog.listing())["ollama"]
        assert (ollama.available, ollama.has_api_key) == (True, False)
        assert [model.ref for model in ollama.models] == ["ollama:qwen3:8b"]
        assert await catalog.default_ref() == "ollama:qwen3:8b"
        assert parts_of(await ask(await catalog.resolve("ollama:qwen3:8b"))) == [TextPart(text="hi")]

    headers = vendor.generations[0].headers
    assert headers["authorization"] == "Bearer no-key"


async def test_a_key_goes_before_a_local_ollama(world: World) -> None:
    async with FakeOpenAI([], models=["qwen3:8b"]) as vendor:
        catalog = world.catalog({**ANTHROPIC, "OLLAMA_HOST": vendor.origin})

        assert (await catalog.default_ref()).startswith("anthropic:")


async def test_an_ollama_that_is_started_later_is_found_after_a_while(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with FakeOpenAI([], models=["first"]) as vendor:
        port = vendor.port
    catalog = world.catalog({"OLLAMA_HOST": f"127.0.0.1:{port}"})
    assert by_name(await catalog.listing())["ollama"].unavailable_reason == "not_running"

    async with FakeOpenAI([], models=["later"], port=port) as vendor:
        assert not by_name(await catalog.listing())["ollama"].available
        assert vendor.requests == [], "it is not asked at every listing"
        monkeypatch.setattr("jupyter_chatd.providers.catalog.ABSENCE_LIFETIME", 0.0)
        assert by_name(await catalog.listing())["ollama"].available


class Silent(HttpServer):
    """Takes requests and never answers."""

    async def handle(self, request: Request, reply: Reply) -> None:
        await reply.pause(None)


async def test_a_server_that_is_silent_about_its_models_holds_up_no_turn(world: World) -> None:
    async with Silent() as server, asyncio.timeout(60):
        catalog = world.catalog({"OPENAI_API_KEY": "x", "OPENAI_BASE_URL": f"{server.origin}/v1"})
        model = await catalog.resolve("openai:gpt-x")
        await eventually(lambda: server.requests)

        assert model.context_limit is None
        await catalog.aclose()


async def test_a_server_that_accepts_and_is_silent_does_not_hold_up_the_listing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jupyter_chatd.providers.discovery.TIMEOUT", 0.2)
    async with Silent() as server, asyncio.timeout(30):
        listing = by_name(await world.catalog({"OLLAMA_HOST": server.origin}).listing())

    assert listing["ollama"].unavailable_reason == "not_running"


# Models for other work than answers


async def test_titles_are_written_by_a_small_model_of_the_same_vendor(world: World) -> None:
    catalog = world.catalog({**OPENAI, **ANTHROPIC})
    assert await catalog.title_models("openai:gpt-6.1-sol") == (
        ("openai:gpt-6-luna", None),
        ("openai:gpt-6.1-sol", None),
    )
    assert await catalog.title_models("openai:gpt-6-luna") == (("openai:gpt-6-luna", None),)


async def test_elsewhere_they_are_written_by_the_chats_own_model(world: World) -> None:
    """A gateway may not have the vendor's small model, and what is local stays local."""
    catalog = world.catalog({**OPENAI, "OPENAI_BASE_URL": NOBODY, **ANTHROPIC})
    assert await catalog.title_models("openai:mine") == (("openai:mine", None),)
    assert await catalog.title_models("demo:demo") == ()


async def test_a_model_config_says_how_it_is_compacted(world: World) -> None:
    options = {"compaction_model": "openai:small"}
    config = ModelConfig(
        id="c", provider="openai", model="large", compression_threshold=40, context_limit=9, options=options
    )
    world.stored = StoredModels(models=(config,))
    catalog = world.catalog(OPENAI)
    chosen = CompactionChoice(threshold_percent=40, model="openai:small")
    assert await catalog.compaction("openai:other", "c") == chosen
    assert await catalog.compaction("openai:large") == chosen
    assert await catalog.compaction("openai:other") == CompactionChoice()
    assert await catalog.compaction("nothing") == CompactionChoice()
    assert await catalog.title_models("x", "c") == (("openai:gpt-6-luna", None), ("openai:large", "c"))
