"""A fake of OpenRouter: chat completions whose reasoning comes in signed details.

As a program: `python -m tests.fakes.openrouter_server --port 0` prints its port; `--help` tells the rest.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from .openai_server import FakeOpenAI
from .steps import Answer, Refuse, Step, Think, spend_of


class FakeOpenRouter(FakeOpenAI):
    """`POST /api/v1/chat/completions`. See `FakeVendor` for the arguments."""

    label = "OpenRouter"
    generate_paths = ("/api/v1/chat/completions",)
    models_path = "/api/v1/models"

    @property
    def base_url(self) -> str:
        """What a user would configure."""
        return f"{self.origin}/api/v1"

    def refusal(self, refuse: Refuse) -> dict[str, Any]:
        """`{"error": {message, code}}`, the code being the status."""
        return {"error": {"message": refuse.message, "code": refuse.status}}

    def encode(self, body: dict[str, Any], answer: Answer) -> Iterator[bytes | Step]:
        """OpenAI's chunks, each naming the provider that was chosen."""
        for event in super().encode(body, answer):
            yield _named(event, answer) if isinstance(event, bytes) else event

    def thinking(self, step: Think) -> Iterator[dict[str, Any]]:
        """Text in details of one index, and the signature in the last of them."""
        detail = {"type": "reasoning.text", "format": "anthropic-claude-v1", "index": 0}
        for piece in step.pieces():
            yield {"reasoning": piece, "reasoning_details": [{**detail, "text": piece}]}
        yield {"reasoning_details": [{**detail, "text": "", "signature": step.signature or "sig"}]}


def _named(event: bytes, answer: Answer) -> bytes:
    data = event.removeprefix(b"data: ").strip()
    if data == b"[DONE]":
        return event
    chunk = json.loads(data)
    if chunk.get("usage"):  # tells with whom, even beside the usage
        chunk["choices"] = [
            {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}
        ]
        chunk["usage"]["cost"] = spend_of(answer).cost
    return b"data: " + json.dumps({**chunk, "provider": "Anthropic"}).encode() + b"\n\n"


if __name__ == "__main__":
    from .program import main

    main(FakeOpenRouter)
