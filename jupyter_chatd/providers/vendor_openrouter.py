"""OpenRouter: chat completions with reasoning that is signed by whoever made it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic_ai.messages import ModelMessage
from pydantic_ai.models.openrouter import OpenRouterModel
from pydantic_ai.providers.openrouter import OpenRouterProvider

from ..pacing import PacedList
from .endpoint import Endpoint
from .offload import run_off_loop
from .protocol import ModelCall
from .vendor import Vendor
from .vendor_openai import make_client
from .vendor_settings import Option, common_settings, effort_settings, option_settings, options_of, same

OPTIONS_KEYS = ("openrouter",)

OPTIONS: dict[str, Option] = {
    "reasoning": ("openrouter_reasoning", same),
    "provider": ("openrouter_provider", same),
    "models": ("openrouter_models", same),
    "parallel_tool_calls": ("parallel_tool_calls", same),
    "user": ("openai_user", same),
    "extra_body": ("extra_body", same),
}

CACHE = {
    "openrouter_cache_instructions": True,
    "openrouter_cache_tool_definitions": True,
    "openrouter_cache_messages": True,
}
"""Points of our own are possible in user messages only; the last of these settings marks tool results too."""


def connect(endpoint: Endpoint, model: str) -> Vendor:
    """A client of *endpoint* and the model on it."""
    client = make_client(endpoint)
    return Vendor(
        model=_Model(model, provider=OpenRouterProvider(openai_client=client)),
        settings=_settings,
        close=client.close,
        options_keys=OPTIONS_KEYS,
        cache_settings=CACHE,
    )


class _Model(OpenRouterModel):
    """Maps long prompts in a thread."""

    async def _map_messages(self, messages: Sequence[ModelMessage], *args: Any, **kwargs: Any) -> Any:
        mapping = super()._map_messages(PacedList(messages), *args, **kwargs)
        return await run_off_loop(mapping, size=len(messages))


def _settings(call: ModelCall) -> Mapping[str, Any]:
    settings = common_settings(call.settings) | effort_settings(call.settings)
    # Tells what it charged, which includes what no list of prices knows.
    settings["openrouter_usage"] = {"include": True}
    return settings | option_settings(options_of(call, OPTIONS_KEYS), OPTIONS)
