"""Reads a vendor's stream through the bridge or with the bare SDK, and measures itself.

    python -m tests.bench.deltas_reader bridge anthropic http://127.0.0.1:1234

Every line on stdin is a number of words to ask for; the answer is the CPU seconds that it took.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeAlias

from jupyter_chatd.messages import Role, TextPart
from jupyter_chatd.providers.bridge import BridgeModel
from jupyter_chatd.providers.endpoint import Endpoint, Kind
from jupyter_chatd.providers.protocol import ModelCall, PromptMessage

Stream: TypeAlias = Callable[[str], AsyncIterator[Any]]

MODELS = {"anthropic": "claude-sonnet-5", "openai": "gpt-4o"}
PATHS = {"anthropic": "", "openai": "/v1"}
MAX_TOKENS = 32_000


def bridge(kind: str, url: str) -> Stream:
    """Our model over the vendor's library."""
    protocol = {"anthropic": Kind.ANTHROPIC, "openai": Kind.OPENAI_COMPAT}[kind]
    endpoint = Endpoint(provider="bench", kind=protocol, base_url=url, label="Bench", api_key="k")
    model = BridgeModel(endpoint, MODELS[kind])

    def stream(text: str) -> AsyncIterator[Any]:
        message = PromptMessage(role=Role.USER, parts=(TextPart(text=text),))
        return model.stream(ModelCall(messages=(message,)))

    return stream


def sdk(kind: str, url: str) -> Stream:
    """The vendor's library alone."""
    return _anthropic(url) if kind == "anthropic" else _openai(url)


def _anthropic(url: str) -> Stream:
    from anthropic import AsyncAnthropic

    client = AsyncAnthropic(api_key="k", base_url=url)

    async def stream(text: str) -> AsyncIterator[Any]:
        async for event in await client.messages.create(
            model=MODELS["anthropic"],
            max_tokens=MAX_TOKENS,
            messages=[{"role": "user", "content": text}],
            stream=True,
        ):
            yield event

    return stream


def _openai(url: str) -> Stream:
    from openai import AsyncOpenAI

    client = AsyncOpenAI(api_key="k", base_url=url)

    async def stream(text: str) -> AsyncIterator[Any]:
        async for chunk in await client.chat.completions.create(
            model=MODELS["openai"],
            messages=[{"role": "user", "content": text}],
            stream=True,
            stream_options={"include_usage": True},
        ):
            yield chunk

    return stream


async def serve(stream: Stream) -> None:
    """Answer until the input ends."""
    while line := await asyncio.to_thread(sys.stdin.readline):
        began = time.process_time()
        async for _ in stream(f"count {int(line)}"):
            pass
        print(time.process_time() - began, flush=True)


if __name__ == "__main__":
    _, how, vendor, origin = sys.argv
    make = {"bridge": bridge, "sdk": sdk}[how]
    asyncio.run(serve(make(vendor, origin + PATHS[vendor])))
