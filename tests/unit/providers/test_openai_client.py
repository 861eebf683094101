"""The client that skips the transformation sends what the stock client sends."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from fakes.http import HttpServer, Reply, Request

from jupyter_chatd.messages import FilePart, ReasoningPart, TextPart, ToolCallPart, ToolResultPart
from jupyter_chatd.providers.protocol import PromptMessage, ToolDefinition

from .asking import TOOLS, assistant, system, tool, user

pytestmark = pytest.mark.anyio

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n fake").decode()

REASONING = ReasoningPart(
    text="Hm.",
    provider_metadata={
        "pydantic_ai": {
            "part_kind": "thinking",
            "id": "rs_1",
            "signature": "encrypted",
            "provider_name": "openai",
            "response": {"provider_name": "openai"},
        }
    },
)

CONVERSATION = (
    system("You help – ünïcode 🙂."),
    user("Look:", FilePart(media_type="image/png", data=PNG)),
    assistant(
        REASONING,
        TextPart(text="Let me see."),
        ToolCallPart(
            tool_call_id="c1", tool_name="execute", args={"command": "ls", "n": [1, 2.5, None, True]}
        ),
        ToolCallPart(tool_call_id="c2", tool_name="screenshot", args={}),
    ),
    tool(
        ToolResultPart(tool_call_id="c1", tool_name="execute", result={"error": "no"}, is_error=True),
        ToolResultPart(
            tool_call_id="c2",
            tool_name="screenshot",
            result={"data": PNG, "mime_type": "image/png"},
            is_media=True,
        ),
    ),
    user("And now?"),
)
LONG = (
    *CONVERSATION,
    *(message for n in range(60) for message in (assistant(f"answer {n}"), user(f"question {n}"))),
)
NESTED = ToolDefinition(
    name="nested",
    description="",
    input_schema={
        "type": "object",
        "properties": {
            "when": {"type": "string", "format": "date-time"},
            "files": {"type": "array", "items": {"$ref": "#/$defs/File"}, "default": []},
        },
        "$defs": {"File": {"type": "object", "properties": {"path": {"type": "string"}}}},
    },
)
SETTINGS: dict[str, Any] = {
    "max_tokens": 100,
    "openai_reasoning_effort": "low",
    "openai_prompt_cache_key": "chat-1",
    "parallel_tool_calls": False,
    "extra_body": {"min_p": 0.1, "nested": {"a": [1]}},
    "extra_headers": {"x-extra": "yes"},
}


class Recorder(HttpServer):
    """Refuses everything, and remembers it."""

    async def handle(self, request: Request, reply: Reply) -> None:
        await reply.send_json(400, {"error": {"message": "recorded", "type": "invalid_request_error"}})


@pytest.fixture
async def recorder(anyio_backend: str) -> AsyncIterator[Recorder]:
    async with Recorder() as server:
        yield server


async def send(client: Any, api: str, messages: Sequence[PromptMessage], settings: dict[str, Any]) -> None:
    """Ask through the library with *client*; the recorder refuses."""
    from pydantic_ai import ModelHTTPError
    from pydantic_ai.direct import model_request_stream
    from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
    from pydantic_ai.providers.openai import OpenAIProvider

    from jupyter_chatd.providers.bridge import _parameters
    from jupyter_chatd.providers.prompt import build_prompt
    from jupyter_chatd.providers.protocol import ModelCall

    provider = OpenAIProvider(openai_client=client)
    kind = OpenAIChatModel if api == "chat" else OpenAIResponsesModel
    prompt = build_prompt(messages, system="openai", cache_points=False)
    parameters = _parameters(ModelCall(messages=tuple(messages), tools=(*TOOLS, NESTED)))
    with pytest.raises(ModelHTTPError):
        async with model_request_stream(
            kind("gpt-5", provider=provider),
            prompt.messages,
            model_settings=settings,  # type: ignore[arg-type]
            model_request_parameters=parameters,
        ):
            pass


@pytest.mark.parametrize("api", ["chat", "responses"])
@pytest.mark.parametrize("settings", [{}, SETTINGS], ids=["plain", "settings"])
@pytest.mark.parametrize("messages", [CONVERSATION, LONG], ids=["short", "long"])
async def test_both_clients_send_the_same(
    recorder: Recorder,
    monkeypatch: pytest.MonkeyPatch,
    api: str,
    settings: dict[str, Any],
    messages: Sequence[PromptMessage],
) -> None:
    from openai import AsyncOpenAI

    from jupyter_chatd.providers.openai_client import DirectOpenAI

    monkeypatch.setenv("OPENAI_ADMIN_KEY", "admin")
    for kind in (AsyncOpenAI, DirectOpenAI):
        client = kind(api_key="k", base_url=f"{recorder.origin}/v1", max_retries=0)
        await send(client, api, messages, settings)
        await client.close()

    stock, direct = recorder.requests
    assert direct.json == stock.json
    assert direct.path == stock.path
    assert dict(direct.headers) == dict(stock.headers)
    assert "Authorization: admin" not in str(direct.headers)


async def test_chunks_are_the_same_objects(recorder: Recorder) -> None:
    """The compiled validator and the lenient constructor give equal chunks."""
    from openai.types.chat import ChatCompletionChunk

    from jupyter_chatd.providers.openai_client import _Chunk

    data: dict[str, Any] = {
        "id": "c",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "finish_reason": None,
                "delta": {
                    "content": "x",
                    "reasoning_content": "extra fields stay",
                    "tool_calls": [{"index": 0, "id": "c1", "function": {"name": "f", "arguments": "{}"}}],
                },
            }
        ],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
    }

    fast = _Chunk.build(response=None, data=data)
    slow = ChatCompletionChunk.construct(None, **data)

    assert fast.model_dump() == slow.model_dump()
    assert fast.choices[0].delta.reasoning_content == "extra fields stay"  # type: ignore[attr-defined]
    assert json.loads(json.dumps(fast.model_dump(exclude_unset=True))) == data


async def test_the_library_needs_no_private_name_that_is_gone() -> None:
    """What the vendor modules override must exist, or overriding it does nothing."""
    from anthropic._utils._prepare import serialize_data
    from openai._utils._json import openapi_dumps
    from pydantic_ai.models.anthropic import AnthropicModel
    from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel

    assert asyncio.iscoroutinefunction(OpenAIChatModel._map_messages)
    assert asyncio.iscoroutinefunction(OpenAIResponsesModel._map_messages)
    assert asyncio.iscoroutinefunction(AnthropicModel._map_message)
    assert openapi_dumps({"a": "ü"}) == serialize_data({"a": "ü"}, location="body").encode()
