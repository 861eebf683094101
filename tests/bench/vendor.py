"""A fake vendor that streams counted words, as a process of its own.

    python -m tests.bench.vendor anthropic --pace-ms 20

The last user message says how many: `count 5000`. Everything is encoded before the first byte goes out, so
that the vendor takes as little of the machine as it can.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping
from typing import Any

from tests.fakes import program
from tests.fakes.anthropic_server import FakeAnthropic
from tests.fakes.azure_server import FakeAzure
from tests.fakes.bedrock_server import FakeBedrock
from tests.fakes.google_server import FakeGoogle
from tests.fakes.http import Reply, Request
from tests.fakes.openai_server import FakeOpenAI
from tests.fakes.openrouter_server import FakeOpenRouter
from tests.fakes.responder import Conversation
from tests.fakes.steps import Answer, Say, Step, say
from tests.fakes.vendor import FakeVendor, sse

MODELS = {
    "anthropic": "anthropic:claude-sonnet-5",
    "openai": "openai:gpt-4o",
    "responses": "bench:responses",
    "azure": "azure:gpt-5.4",
    "google": "google:gemini-3.8-flash",
    "openrouter": "openrouter:anthropic/claude-sonnet-4.5",
    "bedrock": "bedrock:us.anthropic.claude-sonnet-4-6",
    "converse": "bedrock:us.amazon.nova-pro-v1:0",
}
"""By which model a server calls each kind of vendor."""
LABELS = {
    "anthropic": "Anthropic",
    "openai": "OpenAI chat",
    "responses": "OpenAI responses",
    "azure": "Azure OpenAI",
    "google": "Google",
    "openrouter": "OpenRouter",
    "bedrock": "Bedrock, Claude",
    "converse": "Bedrock, other models",
}
RESPONSES_URL = "BENCH_RESPONSES_URL"
"""Where `extension.py` finds the responses API."""


def counted(count: int) -> str:
    """Return the text of *count* words, each with its number, so that a missing one is found."""
    return " ".join(f"w{number:06d}" for number in range(count))


def count_of(text: str) -> int:
    """Return the number in `count 5000`; one word where there is none."""
    word, _, number = text.strip().rpartition(" ")
    return int(number) if word == "count" else 1


def answer(conversation: Conversation) -> Answer:
    """Stream the words that the last user message asks for."""
    return [say(counted(count_of(conversation.last_user)))]


class Encoded(FakeVendor):
    """Encodes a stream before it begins, and paces it by the clock: a late delta does not delay the next."""

    def __init__(self, _answers: object, **options: Any) -> None:
        super().__init__(answer, **options)

    async def _stream(self, reply: Reply, events: Iterator[bytes | Step]) -> None:
        encoded = [event for event in events if isinstance(event, bytes)]
        loop = asyncio.get_running_loop()
        due = loop.time()
        for event in encoded:
            await reply.send(event)
            if self.pace_s:
                due += self.pace_s
                await asyncio.sleep(due - loop.time())
        await reply.end()


class Anthropic(Encoded, FakeAnthropic):
    """`POST /v1/messages`."""


class OpenAI(Encoded, FakeOpenAI):
    """`POST /v1/chat/completions`."""


class Responses(Encoded):
    """`POST /v1/responses` of OpenAI, as far as a text goes."""

    label = "OpenAI responses"
    generate_paths = ("/v1/responses",)

    @property
    def base_url(self) -> str:
        """What a user would configure."""
        return f"{self.origin}/v1"

    def key_of(self, request: Request) -> str | None:
        return request.headers.get("authorization")

    def check(self, body: dict[str, Any]) -> None:
        """Everything is taken."""

    def conversation(self, body: dict[str, Any]) -> Conversation:
        users = [_text(item["content"]) for item in body["input"] if item.get("role") == "user"]
        return Conversation(model=body["model"], system="", users=users, results=[], steps=0)

    def encode(self, body: dict[str, Any], answer: Answer) -> Iterator[bytes | Step]:
        pieces = [piece for step in answer if isinstance(step, Say) for piece in step.pieces()]
        for number, event in enumerate(_responses_events(body["model"], pieces)):
            yield sse({**event, "sequence_number": number}, event=event["type"])


def _responses_events(model: str, pieces: list[str]) -> Iterator[dict[str, Any]]:
    place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    part = {"type": "output_text", "text": "".join(pieces), "annotations": []}
    item = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [part]}
    response = {
        "id": "resp_1",
        "object": "response",
        "created_at": 1_700_000_000,
        "model": model,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "output": [],
        "status": "in_progress",
    }
    yield {"type": "response.created", "response": response}
    yield {"type": "response.output_item.added", "output_index": 0, "item": {**item, "content": []}}
    yield {"type": "response.content_part.added", **place, "part": {**part, "text": ""}}
    for piece in pieces:
        yield {"type": "response.output_text.delta", **place, "delta": piece, "logprobs": []}
    yield {"type": "response.output_text.done", **place, "text": part["text"], "logprobs": []}
    yield {"type": "response.content_part.done", **place, "part": part}
    yield {"type": "response.output_item.done", "output_index": 0, "item": item}
    usage = {
        "input_tokens": 12,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": len(pieces),
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 12 + len(pieces),
    }
    done = {**response, "status": "completed", "output": [item], "usage": usage}
    yield {"type": "response.completed", "response": done}


def _text(content: Any) -> str:
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


class Azure(Encoded, FakeAzure):
    """`POST /openai/v1/responses`."""


class Google(Encoded, FakeGoogle):
    """`POST /v1beta/models/{model}:streamGenerateContent`."""


class OpenRouter(Encoded, FakeOpenRouter):
    """`POST /api/v1/chat/completions`."""


class Bedrock(Encoded, FakeBedrock):
    """`POST /model/{model}/converse-stream`, and Claude's API."""


KINDS: dict[str, type[Encoded]] = {
    "anthropic": Anthropic,
    "openai": OpenAI,
    "responses": Responses,
    "azure": Azure,
    "google": Google,
    "openrouter": OpenRouter,
    "bedrock": Bedrock,
}


@contextlib.asynccontextmanager
async def running(kinds: Iterable[str], *, pace_ms: float = 0.0) -> AsyncGenerator[dict[str, str], None]:
    """Vendors in processes of their own; gives each one's address, without a path."""
    async with contextlib.AsyncExitStack() as stack:
        yield {kind: await stack.enter_async_context(_running(kind, pace_ms)) for kind in kinds}


@contextlib.asynccontextmanager
async def _running(kind: str, pace_ms: float) -> AsyncGenerator[str, None]:
    command = [sys.executable, "-m", __name__, kind, "--pace-ms", str(pace_ms)]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(await process.stdout.readline())}"
    finally:
        process.terminate()
        await process.wait()


def environment(urls: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that tell a server of these vendors."""
    variables = {
        "anthropic": {"ANTHROPIC_BASE_URL": urls.get("anthropic", ""), "ANTHROPIC_API_KEY": "k"},
        "openai": {"OPENAI_BASE_URL": f"{urls.get('openai')}/v1", "OPENAI_API_KEY": "k"},
        "responses": {RESPONSES_URL: urls.get("responses", "")},
        "azure": {"AZURE_OPENAI_ENDPOINT": f"{urls.get('azure')}/openai/v1", "AZURE_OPENAI_API_KEY": "k"},
        "google": {"GOOGLE_GEMINI_BASE_URL": urls.get("google", ""), "GOOGLE_API_KEY": "k"},
        "openrouter": {"OPENROUTER_BASE_URL": f"{urls.get('openrouter')}/api/v1", "OPENROUTER_API_KEY": "k"},
        "bedrock": {
            "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": urls.get("bedrock", ""),
            "AWS_BEARER_TOKEN_BEDROCK": "k",
        },
    }
    return {name: value for kind in urls for name, value in variables[kind].items()}


if __name__ == "__main__":
    program.main(KINDS[sys.argv.pop(1)])
