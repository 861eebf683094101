"""Anthropic, and gateways that speak its messages API."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx2
from anthropic import AsyncAnthropic
from anthropic._utils._prepare import serialize_data
from pydantic_ai.messages import ModelMessage
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.providers.anthropic import AnthropicProvider

from .endpoint import Endpoint
from .offload import LONG_PROMPT, body_size, run_off_loop
from .protocol import ModelCall
from .vendor import CONNECT_TIMEOUT, SILENCE_TIMEOUT, Vendor
from .vendor_settings import Option, common_settings, option_settings, same

NO_KEY = "no-key"

EFFORTS: dict[str, str | bool] = {"none": False}
"""Words for reasoning effort that the library spells differently."""


def _thinking(value: Mapping[str, Any]) -> dict[str, Any]:
    """`{"budget_tokens": n}` as the vendor's own parameter."""
    return {"type": "enabled", **value}


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
    )
    if not endpoint.from_environment:
        # Headers of ANTHROPIC_CUSTOM_HEADERS were set for another address; copies of the client would read
        # them again.
        client._custom_headers = {}  # pyright: ignore[reportPrivateUsage]
    if not endpoint.is_official:
        # The client sends the key as a bearer token only; gateways know the header of the API's
        # documentation.
        client._custom_headers = {**client._custom_headers, "x-api-key": key}  # pyright: ignore[reportPrivateUsage]
    library_model = _Model(model, provider=AnthropicProvider(anthropic_client=client))
    return Vendor(model=library_model, settings=_settings, close=client.close, cache_points=True)


class _Client(AsyncAnthropic):
    """Makes JSON of long bodies in a thread, with the client's own function."""

    async def post(self, path: str, *, body: Any = None, options: Any = None, **kwargs: Any) -> Any:
        """Send a POST request; see the client."""
        options = dict(options or {})
        if body_size(body) > LONG_PROMPT:
            whole: dict[str, Any] = {**body, **(options.pop("extra_json", None) or {})}
            text = await asyncio.to_thread(serialize_data, whole, location="body")
            kwargs["content"], body = text.encode(), None
        return await super().post(path, body=body, options=options, **kwargs)


class _Model(AnthropicModel):
    """Maps long prompts in a thread."""

    async def _map_message(self, messages: list[ModelMessage], *args: Any, **kwargs: Any) -> Any:
        return await run_off_loop(super()._map_message(messages, *args, **kwargs), size=len(messages))


def _settings(call: ModelCall) -> Mapping[str, Any]:
    settings = common_settings(call.settings)
    effort = call.settings.reasoning_effort
    if effort is not None:
        settings["thinking"] = EFFORTS.get(effort, effort)
    return settings | option_settings(call.settings.provider_options.get("anthropic") or {}, OPTIONS)
