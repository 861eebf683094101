"""A fake of Anthropic's messages API, streamed.

As a program: `python -m tests.fakes.anthropic_server --port 0` prints its port; `--help` tells the rest.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from .http import Request
from .responder import Conversation
from .steps import Answer, Break, Call, Refuse, Say, Search, Spend, Step, Stop, Think, spend_of, stop_of
from .vendor import BadHistoryError, FakeVendor, sse

TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
    500: "api_error",
    529: "overloaded_error",
}
MAX_CACHE_MARKS = 4
TOOLSET_MEMBERS = ("screenshot", "left_click", "type", "key", "zoom")
"""Those that tests call."""

BlockParts = tuple[dict[str, Any], list[dict[str, Any]]]
"""How a block opens, and its deltas."""


class FakeAnthropic(FakeVendor):
    """`POST /v1/messages` and `GET /v1/models`. See `FakeVendor` for the arguments."""

    label = "Anthropic"
    generate_paths = ("/v1/messages",)

    @property
    def base_url(self) -> str:
        """What a user would configure."""
        return self.origin

    def key_of(self, request: Request) -> str | None:
        """`x-api-key`, or the bearer token that newer clients send."""
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        return request.headers.get("x-api-key") or bearer or None

    def refusal(self, refuse: Refuse) -> dict[str, Any]:
        """`{"type": "error", "error": {type, message}}`."""
        kind = refuse.kind or TYPES.get(refuse.status, "api_error")
        return {"type": "error", "error": {"type": kind, "message": refuse.message}}

    def models_body(self, models: Sequence[str]) -> dict[str, Any]:
        """One page of models."""
        data = [{"type": "model", "id": name, "display_name": name.title()} for name in models]
        return {"data": data, "has_more": False, "first_id": models[0], "last_id": models[-1]}

    def check(self, body: dict[str, Any]) -> None:
        """Calls are answered in the next message; texts are not blank; not too many cache marks."""
        blocks = [(m["role"], _blocks(m["content"])) for m in body["messages"]]
        if not blocks or blocks[0][0] != "user":
            raise BadHistoryError("messages: first message must use the user role")
        asked: list[str] = []
        for _, content in [*blocks, ("user", [])]:
            answered = [block["tool_use_id"] for block in content if block["type"] == "tool_result"]
            if sorted(asked) != sorted(answered):
                raise BadHistoryError(f"`tool_use` ids {asked} are answered by `tool_result` ids {answered}")
            asked = [block["id"] for block in content if block["type"] == "tool_use"]
        everything = [block for _, content in blocks for block in content]
        if not body.get("tools") and any(
            block["type"] in ("tool_use", "tool_result") for block in everything
        ):
            raise BadHistoryError(
                "Requests which include `tool_use` or `tool_result` blocks must define tools"
            )
        if any(
            block["type"] == "tool_use" and block["name"] in TOOLSET_MEMBERS and "toolset_name" not in block
            for block in everything
        ):
            raise BadHistoryError("tool_use: calls of the toolset's members must name their toolset_name")
        if any(block["type"] == "text" and not block["text"].strip() for block in everything):
            raise BadHistoryError("messages: text content blocks must contain non-whitespace text")
        system = [block for block in _blocks(body.get("system", [])) if block["text"]]
        marked = [*body.get("tools", []), *system, *everything]
        if sum("cache_control" in block for block in marked) > MAX_CACHE_MARKS:
            raise BadHistoryError(
                f"A maximum of {MAX_CACHE_MARKS} blocks with cache_control may be provided."
            )

    def conversation(self, body: dict[str, Any]) -> Conversation:
        """Read the messages; tool results are user messages here, texts beside them are the user's."""
        turns = [(m["role"], _blocks(m["content"])) for m in body["messages"]]
        spoken = [i for i, (role, content) in enumerate(turns) if role == "user" and _texts(content)]
        last = spoken[-1] if spoken else -1
        return Conversation(
            model=body["model"],
            system=_texts(_blocks(body.get("system", []))),
            users=[_texts(turns[i][1]) for i in spoken],
            results=[
                _texts(_blocks(block.get("content", "")))
                for _, content in turns[last + 1 :]
                for block in content
                if block["type"] == "tool_result"
            ],
            steps=sum(role == "assistant" for role, _ in turns[last + 1 :]),
        )

    def encode(self, body: dict[str, Any], answer: Answer) -> Iterator[bytes | Step]:
        """`message_start`, the content blocks, `message_delta`, `message_stop`."""
        yield _event("message_start", message=self._opening(body, answer))
        yield _event("ping")
        index = 0
        for step in answer:
            match step:
                case Say() | Think() | Call():
                    yield from _block(index, *self._block_parts(step, index))
                    index += 1
                case Search():
                    for parts in _search_parts(step, f"srvtoolu_{len(self.requests)}_{index}"):
                        yield from _block(index, *parts)
                        index += 1
                case Break(message=message, kind=kind):
                    yield sse({"type": "error", "error": {"type": kind, "message": message}}, event="error")
                    yield step
                case Spend() | Stop():
                    pass  # told at the end
                case _:
                    yield step
        stop = stop_of(answer, calls="tool_use", end="end_turn")
        usage = {"output_tokens": spend_of(answer).output_tokens}
        yield _event("message_delta", delta={"stop_reason": stop, "stop_sequence": None}, usage=usage)
        yield _event("message_stop")

    def _opening(self, body: dict[str, Any], answer: Answer) -> dict[str, Any]:
        spend = spend_of(answer)
        usage = {
            "input_tokens": spend.input_tokens,
            "cache_read_input_tokens": spend.cache_read_tokens,
            "cache_creation_input_tokens": spend.cache_write_tokens,
            "output_tokens": 1,
        }
        return {
            "id": f"msg_{len(self.requests)}",
            "type": "message",
            "role": "assistant",
            "model": body["model"],
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": usage,
        }

    def _block_parts(self, step: Say | Think | Call, index: int) -> BlockParts:
        match step:
            case Say():
                return {"type": "text", "text": ""}, [
                    {"type": "text_delta", "text": piece} for piece in step.pieces()
                ]
            case Think(signature=signature):
                thoughts = [{"type": "thinking_delta", "thinking": piece} for piece in step.pieces()]
                signed = [{"type": "signature_delta", "signature": signature or "sig"}]
                return {"type": "thinking", "thinking": "", "signature": ""}, thoughts + signed
            case Call(tool_name=name, args=args, tool_call_id=given):
                call_id = given or f"toolu_{len(self.requests)}_{index}"
                text = json.dumps(args)
                pieces = [text[start : start + 8] for start in range(0, len(text), 8)]
                deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
                family = {"toolset_name": "computer"} if name in TOOLSET_MEMBERS else {}
                return {"type": "tool_use", "id": call_id, "name": name, "input": {}, **family}, deltas


def _block(index: int, opening: dict[str, Any], deltas: list[dict[str, Any]]) -> Iterator[bytes]:
    yield _event("content_block_start", index=index, content_block=opening)
    for delta in deltas:
        yield _event("content_block_delta", index=index, delta=delta)
    yield _event("content_block_stop", index=index)


def _search_parts(step: Search, call_id: str) -> list[BlockParts]:
    """The call, its result, and a text that cites it."""
    page = {"url": step.url, "title": step.title}
    found = {"type": "web_search_result", **page, "encrypted_content": "sealed-page", "page_age": None}
    cited = {"type": "web_search_result_location", **page, "encrypted_index": "i", "cited_text": step.text}
    asked = {"type": "server_tool_use", "id": call_id, "name": "web_search", "input": {}}
    return [
        (asked, [{"type": "input_json_delta", "partial_json": json.dumps({"query": step.query})}]),
        ({"type": "web_search_tool_result", "tool_use_id": call_id, "content": [found]}, []),
        (
            {"type": "text", "text": "", "citations": []},
            [{"type": "citations_delta", "citation": cited}, {"type": "text_delta", "text": step.text}],
        ),
    ]


def _event(kind: str, **fields: Any) -> bytes:
    return sse({"type": kind, **fields}, event=kind)


def _blocks(content: Any) -> list[dict[str, Any]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _texts(blocks: Sequence[dict[str, Any]]) -> str:
    return "\n".join(block["text"] for block in blocks if block["type"] == "text")


if __name__ == "__main__":
    from .program import main

    main(FakeAnthropic)
