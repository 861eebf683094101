"""OpenAI, and everything that speaks chat completions.

OpenAI's own address and Azure's are called through the responses API, because their models keep their
reasoning between steps only there. Every other address is called through chat completions, which all of them
have. A model config may choose otherwise (`"api": "chat"`). See DECISIONS.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import httpx2
from openai import AsyncOpenAI, DefaultAsyncHttpxClient
from pydantic_ai.messages import ModelMessage, ThinkingPart
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers import Provider
from pydantic_ai.providers.azure import AzureProvider
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider
from pydantic_ai.tools import ToolDefinition

from .. import handshakes
from ..pacing import PacedList
from .computer import OPENAI_TOOLS, entry_of
from .endpoint import Endpoint, Kind
from .offload import run_off_loop
from .openai_client import DirectOpenAI
from .protocol import ModelCall
from .vendor import CONNECT_TIMEOUT, SILENCE_TIMEOUT, Vendor
from .vendor_settings import Option, common_settings, effort_settings, option_settings, options_of, same

NO_KEY = "no-key"
"""Sent where no key is needed: without one, the client would take whatever is in the environment."""

CHAT_FIELDS = ("reasoning", "reasoning_content")
"""Where servers put reasoning in chat completions; the library remembers the field as the part's id."""

OPTIONS_KEYS = ("openai", "openaicompat", "azure")

OPTIONS: dict[str, Option] = {
    "prompt_cache_key": ("openai_prompt_cache_key", same),
    "user": ("openai_user", same),
    "reasoning_effort": ("openai_reasoning_effort", same),
    "reasoning_summary": ("openai_reasoning_summary", same),
    "max_completion_tokens": ("max_tokens", same),
    "text_verbosity": ("openai_text_verbosity", same),
    "parallel_tool_calls": ("parallel_tool_calls", same),
    "service_tier": ("openai_service_tier", same),
    "store": ("openai_store", same),
    "extra_body": ("extra_body", same),
}


def connect(endpoint: Endpoint, model: str) -> Vendor:
    """A client of *endpoint* and the model on it."""
    client = make_client(endpoint)
    settings = partial(_settings, endpoint)
    provider: Provider[AsyncOpenAI]
    match endpoint.kind:
        case Kind.AZURE:
            provider, usual = _AzureProvider(client), "responses"
        case Kind.OPENAI if endpoint.is_official:
            provider, usual = OpenAIProvider(openai_client=client), "responses"
        case _:
            provider, usual = OpenAICompatibleProvider(_service_name(endpoint), openai_client=client), "chat"
    by_api = {
        "chat": _ChatModel(model, provider=provider),
        "responses": _ResponsesModel(model, provider=provider),
    }
    return Vendor(
        model=by_api[usual],
        by_api=by_api,
        settings=settings,
        close=client.close,
        options_keys=OPTIONS_KEYS,
        takes_reasoning=takes_reasoning,
        computer_tools={_ResponsesModel.__name__: OPENAI_TOOLS},
    )


def takes_reasoning(model: Any, part: ThinkingPart) -> bool:
    """Reasoning of the same API: items of the responses API, or a field of chat completions' messages.

    Only models that the library knows to reason get items back: requests of others do not ask for the
    encrypted content that goes with them.
    """
    is_field = part.id in CHAT_FIELDS
    if isinstance(model, OpenAIResponsesModel):
        return not is_field and model.profile.get("openai_supports_encrypted_reasoning_content", False)
    return is_field


def make_client(endpoint: Endpoint) -> DirectOpenAI:
    """A client of *endpoint*; whoever gets it closes it."""
    client = DirectOpenAI(
        api_key=endpoint.api_key or NO_KEY,
        base_url=endpoint.base_url,
        max_retries=0,
        timeout=httpx2.Timeout(SILENCE_TIMEOUT, connect=CONNECT_TIMEOUT),
        http_client=DefaultAsyncHttpxClient(event_hooks={"request": [handshakes.watch]}),
    )
    if not endpoint.from_environment or endpoint.kind is not Kind.OPENAI:
        _forget_environment(client)
    if endpoint.kind is Kind.AZURE:
        # Azure's documentation has both; resources behind a gateway of the company often know only this one.
        client._custom_headers = {**client._custom_headers, "api-key": endpoint.api_key or NO_KEY}  # pyright: ignore[reportPrivateUsage]
    return client


class _AzureProvider(AzureProvider):
    """The library's knowledge of Azure, with our client: the v1 API is OpenAI's own, not a dated version."""

    def __init__(self, client: DirectOpenAI) -> None:
        self._client = client
        self._base_url = str(client.base_url)


class _ChatModel(OpenAIChatModel):
    """Maps long prompts in a thread."""

    async def _map_messages(self, messages: Sequence[ModelMessage], *args: Any, **kwargs: Any) -> Any:
        mapping = super()._map_messages(PacedList(messages), *args, **kwargs)
        return await run_off_loop(mapping, size=len(messages))


class _ResponsesModel(OpenAIResponsesModel):
    """Maps long prompts in a thread, and tells of OpenAI's own computer tools."""

    def _map_tool_definition(self, f: ToolDefinition, *args: Any, **kwargs: Any) -> Any:
        return entry_of(f) or super()._map_tool_definition(f, *args, **kwargs)

    async def _map_messages(self, messages: list[ModelMessage], *args: Any, **kwargs: Any) -> Any:
        mapping = super()._map_messages(PacedList(messages), *args, **kwargs)
        return await run_off_loop(mapping, size=len(messages))


def _service_name(endpoint: Endpoint) -> str:
    """The name under which this service's reasoning and ids are remembered: not OpenAI's own."""
    return "openai-gateway" if endpoint.provider == "openai" else endpoint.provider


def _forget_environment(client: DirectOpenAI) -> None:
    """Drop what the client picked up from variables that were set for another address."""
    client.organization = None
    client.project = None
    client._custom_headers = {}  # pyright: ignore[reportPrivateUsage]  # no public way: copies read the variables again


def _settings(endpoint: Endpoint, call: ModelCall) -> Mapping[str, Any]:
    settings = common_settings(call.settings)
    if endpoint.kind is Kind.OPENAI and endpoint.is_official:
        settings |= effort_settings(call.settings)
    elif call.settings.reasoning_effort is not None:
        # Nobody knows what the models of a gateway can do: the word goes out as it is.
        settings["openai_reasoning_effort"] = call.settings.reasoning_effort
    if endpoint.is_official and call.chat_id:
        settings["openai_prompt_cache_key"] = call.chat_id
    options = options_of(call, OPTIONS_KEYS)
    if options.get("api") not in (None, "chat", "responses"):
        raise ValueError("Provider option api must be chat or responses.")
    return settings | option_settings(options, OPTIONS, elsewhere=("api",))
