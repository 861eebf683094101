"""The Gemini client that makes JSON by itself sends what the stock client sends."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from typing import Any

import httpx2
import pytest

from jupyter_chatd.messages import FilePart, ReasoningPart, TextPart, ToolCallPart, ToolResultPart
from jupyter_chatd.providers.protocol import ModelCall, PromptMessage

from .asking import TOOLS, assistant, system, tool, user
from .test_openai_client import NESTED, PNG, Recorder

pytestmark = pytest.mark.anyio

SIGNATURE = base64.b64encode(b"\xff\xfe signed").decode()
CALL: dict[str, Any] = {"snake_case": {"inner_name": None}, "list_of": [1, 2.5, True, {"a_b": "c"}]}
SIGNED = {
    "provider_name": "google",
    "provider_details": {"thought_signature": SIGNATURE},
    "response": {"provider_name": "google", "canonical_system": "google"},
}

CONVERSATION = (
    system("You help – ünïcode 🙂."),
    user("Look:", FilePart(media_type="image/png", data=PNG)),
    assistant(
        ReasoningPart(
            text="Hm.",
            provider_metadata={"pydantic_ai": {**SIGNED, "part_kind": "thinking", "signature": SIGNATURE}},
        ),
        TextPart(text="Let me see."),
        ToolCallPart(
            tool_call_id="c1",
            tool_name="execute",
            args=CALL,
            provider_metadata={"pydantic_ai": {**SIGNED, "part_kind": "tool-call"}},
        ),
        ToolCallPart(tool_call_id="c2", tool_name="screenshot", args={}),
    ),
    tool(
        ToolResultPart(tool_call_id="c1", tool_name="execute", result={"exit_code": 1}, is_error=True),
        ToolResultPart(
            tool_call_id="c2",
            tool_name="screenshot",
            result={"data": PNG, "mime_type": "image/png", "text": "a picture"},
            is_media=True,
        ),
    ),
    user("And now?"),
)
LONG = (
    *CONVERSATION,
    *(message for n in range(60) for message in (assistant(f"answer {n}"), user(f"question {n}"))),
)
SETTINGS: dict[str, Any] = {
    "max_tokens": 100,
    "top_k": 3,
    "thinking": "low",
    "google_safety_settings": [
        {"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_ONLY_HIGH"},
    ],
}


async def send(client: Any, messages: Sequence[PromptMessage], settings: dict[str, Any]) -> None:
    """Ask through the library with *client*; the recorder refuses."""
    from pydantic_ai import ModelHTTPError
    from pydantic_ai.direct import model_request_stream
    from pydantic_ai.models.google import GoogleModel
    from pydantic_ai.providers.google import GoogleProvider

    from jupyter_chatd.providers.bridge import _parameters
    from jupyter_chatd.providers.prompt import build_prompt

    prompt = build_prompt(messages, system="google", cache_points=False)
    request = model_request_stream(
        GoogleModel("gemini-3.8-flash", provider=GoogleProvider(client=client)),
        prompt.messages,
        model_settings=settings,  # type: ignore[arg-type]
        model_request_parameters=_parameters(ModelCall(messages=(), tools=(*TOOLS, NESTED))),
    )
    with pytest.raises(ModelHTTPError):
        await request.__aenter__()


def spelled(fields: dict[str, Any]) -> dict[str, Any]:
    """The API takes `inlineData` and `inline_data` alike, and the stock client mixes them."""
    return {re.sub(r"_([a-z])", lambda match: match[1].upper(), name): v for name, v in fields.items()}


@pytest.mark.parametrize("settings", [{}, SETTINGS], ids=["plain", "settings"])
@pytest.mark.parametrize("messages", [CONVERSATION, LONG], ids=["short", "long"])
async def test_both_clients_send_the_same(
    settings: dict[str, Any], messages: Sequence[PromptMessage]
) -> None:
    from google.genai.client import Client
    from google.genai.types import HttpOptions

    from jupyter_chatd.providers.google_client import DirectGemini

    async with Recorder() as recorder:
        for kind in (Client, DirectGemini):
            async with httpx2.AsyncClient() as http:
                options = HttpOptions(base_url=recorder.origin, httpx_async_client=http)
                client = kind(vertexai=False, api_key="k", http_options=options)
                await send(client, messages, settings)
                await client.aio.aclose()

    stock, direct = recorder.requests
    assert json.loads(direct.raw, object_hook=spelled) == json.loads(stock.raw, object_hook=spelled)
    assert f'"args": {json.dumps(CALL)}' in direct.raw.decode(), (
        "the names of a tool's arguments stay as they are"
    )
    assert direct.path == stock.path
    assert {**direct.headers, "content-length": ""} == {**stock.headers, "content-length": ""}


def test_the_client_needs_no_private_name_that_is_gone() -> None:
    from google.genai._api_client import BaseApiClient
    from google.genai.models import AsyncModels

    for name in ("_build_request", "_async_request", "async_request_streamed"):
        assert callable(getattr(BaseApiClient, name))
    assert callable(AsyncModels._generate_content_stream)
