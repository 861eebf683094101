"""A fake of OpenAI's chat completions, streamed, as any OpenAI-compatible endpoint speaks it.

As a program: `python -m tests.fakes.openai_server --port 0` prints its port; `--help` tells the rest.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from .http import Request
from .responder import Conversation
from .steps import Answer, Break, Call, Refuse, Say, Search, Spend, Step, Stop, Think, spend_of, stop_of
from .vendor import BadHistoryError, FakeVendor, sse

TYPES = {401: "invalid_request_error", 404: "invalid_request_error", 429: "requests", 500: "server_error"}


class FakeOpenAI(FakeVendor):
    """`POST /v1/chat/completions` and `GET /v1/models`. See `FakeVendor` for the arguments."""

    label = "OpenAI"
    generate_paths = ("/v1/chat/completions",)

    @property
    def base_url(self) -> str:
        """What a user would configure."""
        return f"{self.origin}/v1"

    def key_of(self, request: Request) -> str | None:
        """The bearer token."""
        return request.headers.get("authorization", "").removeprefix("Bearer ") or None

    def refusal(self, refuse: Refuse) -> dict[str, Any]:
        """`{"error": {message, type, param, code}}`."""
        kind = refuse.kind or TYPES.get(
            refuse.status, "server_error" if refuse.status > 499 else "invalid_request_error"
        )
        return {"error": {"message": refuse.message, "type": kind, "param": None, "code": refuse.code}}

    def check(self, body: dict[str, Any]) -> None:
        """Every call is answered directly after the message that made it, and nothing else is."""
        open_ids: list[str] = []
        for message in body["messages"]:
            if message["role"] == "tool":
                if message["tool_call_id"] not in open_ids:
                    raise BadHistoryError(
                        "messages with role 'tool' must be a response to a message with 'tool_calls'"
                    )
                open_ids.remove(message["tool_call_id"])
                continue
            if open_ids:
                raise BadHistoryError(
                    f"these tool_call_ids did not have response messages: {', '.join(open_ids)}"
                )
            open_ids = [call["id"] for call in message.get("tool_calls") or []]
        if open_ids:
            raise BadHistoryError(
                f"these tool_call_ids did not have response messages: {', '.join(open_ids)}"
            )

    def conversation(self, body: dict[str, Any]) -> Conversation:
        """Read the chat messages."""
        messages = body["messages"]
        last = max((i for i, message in enumerate(messages) if message["role"] == "user"), default=-1)
        return Conversation(
            model=body["model"],
            system="\n".join(_text(m["content"]) for m in messages if m["role"] in ("system", "developer")),
            users=[_text(m["content"]) for m in messages if m["role"] == "user"],
            results=[_text(m["content"]) for m in messages[last + 1 :] if m["role"] == "tool"],
            steps=sum(m["role"] == "assistant" for m in messages[last + 1 :]),
        )

    def encode(self, body: dict[str, Any], answer: Answer) -> Iterator[bytes | Step]:
        """Chunks of `chat.completion.chunk`, then usage, then `[DONE]`."""
        chunk = {
            "id": f"chatcmpl-{len(self.requests)}",
            "object": "chat.completion.chunk",
            "created": 1_700_000_000,
        }
        chunk["model"] = body["model"]

        def event(delta: dict[str, Any], finish: str | None = None) -> bytes:
            return sse({**chunk, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})

        yield event({"role": "assistant", "content": ""})
        calls = 0
        for step in answer:
            match step:
                case Say():
                    yield from (event({"content": piece}) for piece in step.pieces())
                case Think():
                    yield from (event(delta) for delta in self.thinking(step))
                case Search():
                    yield from (event(delta) for delta in _search_deltas(step))
                case Call():
                    yield from (event({"tool_calls": [delta]}) for delta in self._call_deltas(step, calls))
                    calls += 1
                case Break(message=message, kind=kind, code=code):
                    yield sse({"error": {"message": message, "type": kind, "code": code}})
                    yield step
                case Spend() | Stop():
                    pass  # told at the end
                case _:
                    yield step
        yield event({}, stop_of(answer, calls="tool_calls", end="stop"))
        if (body.get("stream_options") or {}).get("include_usage"):
            yield sse({**chunk, "choices": [], "usage": _usage(answer)})
        yield b"data: [DONE]\n\n"

    def thinking(self, step: Think) -> Iterator[dict[str, Any]]:
        """The deltas of reasoning."""
        return ({"reasoning_content": piece} for piece in step.pieces())

    def _call_deltas(self, step: Call, index: int) -> Iterator[dict[str, Any]]:
        call_id = step.tool_call_id or f"call_{len(self.requests)}_{index}"
        head = {"index": index, "id": call_id, "type": "function"}
        yield {**head, "function": {"name": step.tool_name, "arguments": ""}}
        args = json.dumps(step.args)
        for piece in (args[start : start + 8] for start in range(0, len(args), 8)):
            yield {"index": index, "function": {"arguments": piece}}


def _search_deltas(step: Search) -> Iterator[dict[str, Any]]:
    cited = {"start_index": 0, "end_index": len(step.text), "url": step.url, "title": step.title}
    yield {"content": step.text}
    yield {"annotations": [{"type": "url_citation", "url_citation": {**cited, "content": step.text}}]}


def _text(content: Any) -> str:
    """The text of a message's content: a string, or a list of parts, or nothing."""
    if isinstance(content, list):
        return "".join(part.get("text", "") for part in content)
    return content or ""


def _usage(answer: Answer) -> dict[str, Any]:
    spend = spend_of(answer)
    prompt = spend.input_tokens + spend.cache_read_tokens + spend.cache_write_tokens
    return {
        "prompt_tokens": prompt,
        "completion_tokens": spend.output_tokens,
        "total_tokens": prompt + spend.output_tokens,
        "prompt_tokens_details": {"cached_tokens": spend.cache_read_tokens},
        "completion_tokens_details": {"reasoning_tokens": spend.reasoning_tokens},
    }


if __name__ == "__main__":
    from .program import main

    main(FakeOpenAI)
