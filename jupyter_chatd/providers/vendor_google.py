"""Google's Gemini API. Needs the extra `google`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx2
from google.genai import types
from pydantic_ai.messages import ModelMessage
from pydantic_ai.models.google import GoogleModel
from pydantic_ai.providers.google import GoogleProvider

from .endpoint import Endpoint
from .google_client import DirectGemini
from .offload import run_off_loop
from .protocol import ModelCall
from .vendor import CONNECT_TIMEOUT, SILENCE_TIMEOUT, Vendor
from .vendor_settings import Option, common_settings, effort_settings, option_settings, options_of, same

NO_KEY = "no-key"

OPTIONS_KEYS = ("google",)

OPTIONS: dict[str, Option] = {
    "thinking_config": ("google_thinking_config", same),
    "safety_settings": ("google_safety_settings", same),
}


def connect(endpoint: Endpoint, model: str) -> Vendor:
    """A client of *endpoint* and the model on it."""
    http = httpx2.AsyncClient(timeout=httpx2.Timeout(SILENCE_TIMEOUT, connect=CONNECT_TIMEOUT))
    options = types.HttpOptions(
        base_url=endpoint.base_url,
        httpx_async_client=http,
        timeout=int(SILENCE_TIMEOUT * 1000),
        retry_options=types.HttpRetryOptions(attempts=1),
    )
    client = DirectGemini(vertexai=False, api_key=endpoint.api_key or NO_KEY, http_options=options)
    return Vendor(
        model=_Model(model, provider=GoogleProvider(client=client)),
        settings=_settings,
        close=http.aclose,
        options_keys=OPTIONS_KEYS,
    )


class _Model(GoogleModel):
    """Maps long prompts in a thread."""

    async def _map_messages(self, messages: list[ModelMessage], *args: Any, **kwargs: Any) -> Any:
        map_messages: Any = super()._map_messages  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        return await run_off_loop(map_messages(messages, *args, **kwargs), size=len(messages))


def _settings(call: ModelCall) -> Mapping[str, Any]:
    settings = common_settings(call.settings) | effort_settings(call.settings)
    return settings | option_settings(options_of(call, OPTIONS_KEYS), OPTIONS)
