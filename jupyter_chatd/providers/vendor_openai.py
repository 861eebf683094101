"""OpenAI, and everything that speaks chat completions.

OpenAI's own address is called through the responses API, because its models keep their reasoning between
steps only there. Every other address is called through chat completions, which all of them have. See
DECISIONS.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import httpx2
from pydantic_ai.messages import ModelMessage
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider

from .endpoint import Endpoint, Kind
from .offload import run_off_loop
from .openai_client import DirectOpenAI
from .protocol import ModelCall
from .vendor import CONNECT_TIMEOUT, SILENCE_TIMEOUT, Vendor
from .vendor_settings import Option, common_settings, option_settings, same

NO_KEY = "no-key"
"""Sent where no key is needed: without one, the client would take whatever is in the environment."""

OPTIONS: dict[str, Option] = {
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
    client = DirectOpenAI(
        api_key=endpoint.api_key or NO_KEY,
        base_url=endpoint.base_url,
        max_retries=0,
        timeout=httpx2.Timeout(SILENCE_TIMEOUT, connect=CONNECT_TIMEOUT),
    )
    if not endpoint.from_environment:
        _forget_environment(client)
    if endpoint.kind is Kind.OPENAI and endpoint.is_official:
        library_model = _ResponsesModel(model, provider=OpenAIProvider(openai_client=client))
    else:
        provider = OpenAICompatibleProvider(_service_name(endpoint), openai_client=client)
        library_model = _ChatModel(model, provider=provider)
    return Vendor(model=library_model, settings=partial(_settings, endpoint), close=client.close)


class _ChatModel(OpenAIChatModel):
    """Maps long prompts in a thread."""

    async def _map_messages(self, messages: Sequence[ModelMessage], *args: Any, **kwargs: Any) -> Any:
        return await run_off_loop(super()._map_messages(messages, *args, **kwargs), size=len(messages))


class _ResponsesModel(OpenAIResponsesModel):
    """Maps long prompts in a thread."""

    async def _map_messages(self, messages: list[ModelMessage], *args: Any, **kwargs: Any) -> Any:
        return await run_off_loop(super()._map_messages(messages, *args, **kwargs), size=len(messages))


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
    if call.settings.reasoning_effort is not None:
        settings["openai_reasoning_effort"] = call.settings.reasoning_effort
    if endpoint.is_official and call.chat_id:
        settings["openai_prompt_cache_key"] = call.chat_id
    options = call.settings.provider_options
    return settings | option_settings(options.get("openai") or options.get("openaicompat") or {}, OPTIONS)
