"""Anthropic, and gateways that speak its messages API."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any

import httpx2
from anthropic import AsyncAnthropic, DefaultAsyncHttpxClient, Omit
from anthropic._utils._prepare import serialize_data
from pydantic_ai.messages import ModelMessage, ThinkingPart
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.tools import ToolDefinition

from .. import handshakes
from ..pacing import PacedList
from .computer import ANTHROPIC_TOOLS, TOOLSET, TOOLSET_MEMBERS, entry_of
from .endpoint import Endpoint
from .long_body import encode_apart
from .offload import LONG_PROMPT, body_size, run_off_loop
from .protocol import ModelCall
from .vendor import CONNECT_TIMEOUT, SILENCE_TIMEOUT, Vendor
from .vendor_settings import Option, common_settings, effort_settings, option_settings, options_of, same

NO_KEY = "no-key"


def _thinking(value: Any) -> dict[str, Any]:
    """`{"budget_tokens": n}` as the vendor's own parameter."""
    if not isinstance(value, Mapping):
        raise ValueError(f"Provider option thinking must be an object, but is {type(value).__name__}.")
    return {"type": "enabled", **value}


OPTIONS_KEYS = ("anthropic", "bedrock")

OPTIONS: dict[str, Option] = {
    "thinking": ("anthropic_thinking", _thinking),
    "effort": ("anthropic_effort", same),
    "disable_parallel_tool_use": ("parallel_tool_calls", lambda value: not value),
    "service_tier": ("anthropic_service_tier", same),
    "extra_body": ("extra_body", same),
}


def connect(endpoint: Endpoint, model: str) -> Vendor:
    """A client of *endpoint* and the model on it."""
    key = endpoint.api_key or NO_KEY
    client = _Client(
        api_key=key,
        base_url=endpoint.base_url,
        max_retries=0,
        timeout=httpx2.Timeout(SILENCE_TIMEOUT, connect=CONNECT_TIMEOUT),
        http_client=DefaultAsyncHttpxClient(event_hooks={"request": [handshakes.watch]}),
    )
    if not endpoint.from_environment:
        # Headers of ANTHROPIC_CUSTOM_HEADERS were set for another address; copies of the client would read
        # them again.
        client._custom_headers = {}  # pyright: ignore[reportPrivateUsage]
    client._custom_headers = {**client._custom_headers, **_key_headers(endpoint, key)}  # pyright: ignore[reportPrivateUsage]
    library_model = AnthropicVendorModel(model, provider=AnthropicProvider(anthropic_client=client))
    tools = {AnthropicVendorModel.__name__: ANTHROPIC_TOOLS}
    return Vendor(model=library_model, close=client.close, computer_tools=tools, **TRAITS)


def _key_headers(endpoint: Endpoint, key: str) -> dict[str, Any]:
    """The header of the API's documentation, which the client of today does not send: see DECISIONS.md."""
    headers: dict[str, Any] = {"x-api-key": key}
    if endpoint.is_official:
        headers["Authorization"] = Omit()
    return headers


class _Client(AsyncAnthropic):
    """Makes JSON of long bodies in a thread, with the client's own function."""

    async def post(self, path: str, *, body: Any = None, options: Any = None, **kwargs: Any) -> Any:
        """Send a POST request; see the client."""
        options = dict(options or {})
        if body_size(body) > LONG_PROMPT:
            whole: dict[str, Any] = {**body, **(options.pop("extra_json", None) or {})}
            encode = partial(serialize_data, location="body")
            kwargs["content"], body = await asyncio.to_thread(encode_apart, whole, encode), None
        return await super().post(path, body=body, options=options, **kwargs)


class AnthropicVendorModel(AnthropicModel):
    """Prepares long prompts in a thread, and tells of Anthropic's own computer tools."""

    async def _prepare_messages_create(self, messages: list[ModelMessage], *args: Any, **kwargs: Any) -> Any:
        preparing = super()._prepare_messages_create(PacedList(messages), *args, **kwargs)
        return await run_off_loop(preparing, size=len(messages))

    async def _map_message(
        self, messages: list[ModelMessage], model_request_parameters: Any, model_settings: Any
    ) -> Any:
        system, mapped = await super()._map_message(messages, model_request_parameters, model_settings)
        entries = [entry_of(tool) for tool in model_request_parameters.function_tools]
        if any(entry and entry["type"] == TOOLSET for entry in entries):
            _name_toolset(mapped)
        return system, mapped

    def _map_tool_definition(self, f: ToolDefinition, *args: Any, **kwargs: Any) -> Any:
        return entry_of(f) or super()._map_tool_definition(f, *args, **kwargs)


def _name_toolset(messages: list[Any]) -> None:
    """Say of calls of the toolset's members that they are that: the library forgets it."""
    for message in messages:
        for block in message["content"] if not isinstance(message["content"], str) else ():
            if block["type"] == "tool_use" and block["name"] in TOOLSET_MEMBERS:
                block["toolset_name"] = "computer"


def anthropic_settings(call: ModelCall) -> Mapping[str, Any]:
    """The library's settings for a call of Claude, wherever it runs."""
    settings = common_settings(call.settings) | effort_settings(call.settings)
    return settings | option_settings(options_of(call, OPTIONS_KEYS), OPTIONS)


def takes_reasoning(model: Any, part: ThinkingPart) -> bool:
    """What is signed; gateways to other models may not sign."""
    return bool(part.signature)


TRAITS: Any = {
    "settings": anthropic_settings,
    "takes_reasoning": takes_reasoning,
    "options_keys": OPTIONS_KEYS,
    "cache_points": True,
    "cache_settings": {"anthropic_cache_instructions": True, "anthropic_cache_tool_definitions": True},
}
"""What every way to Claude has in common, as arguments of `Vendor`."""
