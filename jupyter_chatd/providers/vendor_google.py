"""Google's Gemini API. Needs the extra `google`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import httpx2
from google.genai import types
from pydantic_ai.messages import ModelMessage
from pydantic_ai.models.google import GoogleModel
from pydantic_ai.profiles.google import GoogleModelProfile
from pydantic_ai.providers.google import GoogleProvider

from .. import handshakes
from ..pacing import PacedList
from .computer import GOOGLE_TOOLS, entry_of
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
    http = httpx2.AsyncClient(
        timeout=httpx2.Timeout(SILENCE_TIMEOUT, connect=CONNECT_TIMEOUT),
        event_hooks={"request": [handshakes.watch]},
    )
    options = types.HttpOptions(
        base_url=endpoint.base_url,
        httpx_async_client=http,
        timeout=int(SILENCE_TIMEOUT * 1000),
        retry_options=types.HttpRetryOptions(attempts=1),
    )
    client = DirectGemini(vertexai=False, api_key=endpoint.api_key or NO_KEY, http_options=options)
    return Vendor(
        model=_Model(model, provider=GoogleProvider(client=client), profile=_profile(model)),
        computer_tools={_Model.__name__: GOOGLE_TOOLS},
        settings=_settings,
        close=http.aclose,
        options_keys=OPTIONS_KEYS,
    )


def _profile(model: str) -> GoogleModelProfile | None:
    """What the library does not know of models for computer use: their functions' results hold pictures."""
    if "computer-use" not in model:
        return None
    return GoogleModelProfile(google_supported_mime_types_in_tool_returns=("image/png",))


class _Model(GoogleModel):
    """Maps long prompts in a thread, and tells of Google's own computer tool."""

    async def _map_messages(self, messages: list[ModelMessage], *args: Any, **kwargs: Any) -> Any:
        map_messages: Any = super()._map_messages
        mapping = map_messages(PacedList(messages), *args, **kwargs)
        system, contents = await run_off_loop(mapping, size=len(messages))
        _acknowledge(contents)
        return system, contents

    def _get_tool_config(self, model_request_parameters: Any, model_settings: Any) -> Any:
        entries = [(tool, entry_of(tool)) for tool in model_request_parameters.function_tools]
        functions = [tool for tool, entry in entries if entry is None]
        rest = replace(model_request_parameters, function_tools=functions)
        tools, *others = super()._get_tool_config(rest, model_settings)
        own = [
            {entry["type"]: {name: value for name, value in entry.items() if name != "type"}}
            for _, entry in entries
            if entry is not None
        ]
        return [*(tools or []), *own] or None, *others


def _acknowledge(contents: Sequence[Any]) -> None:
    """Say of actions that were done although they had to be confirmed that somebody did so."""
    asked: set[str] = set()
    for part in (part for content in contents for part in content.get("parts") or ()):
        if (call := part.get("function_call")) and "safety_decision" in (call.get("args") or {}):
            asked.add(call["id"])
            continue
        result = part.get("function_response")
        if result and result.get("id") in asked and "error" not in result["response"]:
            result["response"]["safety_acknowledgement"] = "true"


def _settings(call: ModelCall) -> Mapping[str, Any]:
    settings = common_settings(call.settings) | effort_settings(call.settings)
    return settings | option_settings(options_of(call, OPTIONS_KEYS), OPTIONS)
