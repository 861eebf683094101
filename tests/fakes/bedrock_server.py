"""Fakes of AWS Bedrock, streamed: Claude's messages, and the Converse API of every other model.

As a program: `python -m tests.fakes.bedrock_server --port 0` prints its port; `--help` tells the rest.
"""

from __future__ import annotations

import base64
import json
import re
import struct
import urllib.parse
import zlib
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from .anthropic_server import FakeAnthropic
from .http import Request
from .responder import Conversation
from .steps import Answer, Break, Call, Refuse, Say, Spend, Step, Stop, Think, spend_of, stop_of
from .vendor import BadHistoryError, FakeVendor

EXCEPTIONS = {
    400: "ValidationException",
    401: "UnrecognizedClientException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    429: "ThrottlingException",
    500: "InternalServerException",
    503: "ServiceUnavailableException",
}


class _Bedrock(FakeVendor):
    """Paths, keys and errors of Bedrock."""

    stream_type = "application/vnd.amazon.eventstream"
    action: str

    @property
    def base_url(self) -> str:
        """What a user would configure."""
        return self.origin

    def _match(self, request: Request) -> re.Match[str] | None:
        return re.fullmatch(rf"/model/(?P<model>[^/]+)/{self.action}", request.path)

    def is_generation(self, request: Request) -> bool:
        """Whether *request* asks for an answer."""
        return self._match(request) is not None

    def body_of(self, request: Request) -> dict[str, Any]:
        """The body, with the model that is in the path here."""
        match = self._match(request)
        assert match is not None
        return {"model": urllib.parse.unquote(match["model"]), **request.json}

    def key_of(self, request: Request) -> str | None:
        """The bearer token."""
        return request.headers.get("authorization", "").removeprefix("Bearer ") or None

    def refusal(self, refuse: Refuse) -> dict[str, Any]:
        """`{"message": …, "__type": …}`."""
        return {"message": refuse.message, "__type": refuse.kind or EXCEPTIONS.get(refuse.status, "Error")}


class FakeBedrockClaude(_Bedrock, FakeAnthropic):
    """`POST /model/{model}/invoke-with-response-stream`: Anthropic's events in Amazon's frames."""

    label = "Bedrock (Claude)"
    action = "invoke-with-response-stream"
    generate_paths = ()

    def encode(self, body: dict[str, Any], answer: Answer) -> Iterator[bytes | Step]:
        """Each of Anthropic's events in a frame of its own."""
        for event in super().encode(body, answer):
            if isinstance(event, bytes):
                data = event.split(b"data: ", 1)[1].strip()
                yield frame("chunk", {"bytes": base64.b64encode(data).decode()})
            else:
                yield event


class FakeConverse(_Bedrock):
    """`POST /model/{model}/converse-stream`."""

    label = "Bedrock"
    action = "converse-stream"

    def check(self, body: dict[str, Any]) -> None:
        """Roles alternate, and calls are answered in the next message."""
        roles = [message["role"] for message in body["messages"]]
        if roles[:1] != ["user"] or any(a == b for a, b in pairwise(roles)):
            raise BadHistoryError("A conversation must alternate between user and assistant roles.")
        asked: list[str] = []
        for message in [*body["messages"], {"content": []}]:
            results = [b["toolResult"]["toolUseId"] for b in message["content"] if "toolResult" in b]
            if sorted(asked) != sorted(results):
                raise BadHistoryError(f"Expected toolResult blocks for {asked}, but found {results}.")
            asked = [b["toolUse"]["toolUseId"] for b in message["content"] if "toolUse" in b]

    def conversation(self, body: dict[str, Any]) -> Conversation:
        """Read the messages; tool results are user messages here."""
        turns = body["messages"]
        spoken = [i for i, turn in enumerate(turns) if turn["role"] == "user" and _text(turn["content"])]
        last = spoken[-1] if spoken else -1
        return Conversation(
            model=body["model"],
            system=_text(body.get("system", [])),
            users=[_text(turns[i]["content"]) for i in spoken],
            results=[
                _text(block["toolResult"]["content"])
                for turn in turns[last + 1 :]
                for block in turn["content"]
                if "toolResult" in block
            ],
            steps=sum(turn["role"] == "assistant" for turn in turns[last + 1 :]),
        )

    def encode(self, body: dict[str, Any], answer: Answer) -> Iterator[bytes | Step]:
        """`messageStart`, the content blocks, `messageStop`, `metadata`."""
        yield frame("messageStart", {"role": "assistant"})
        index = 0
        for step in answer:
            match step:
                case Say() | Think() | Call():
                    yield from self._content_block(step, index)
                    index += 1
                case Break(message=message):
                    yield frame("modelStreamErrorException", {"message": message}, kind="exception")
                    yield step
                case Spend() | Stop():
                    pass  # told at the end
                case _:
                    yield step
        yield frame("messageStop", {"stopReason": stop_of(answer, calls="tool_use", end="end_turn")})
        yield frame("metadata", {"usage": _usage(answer), "metrics": {"latencyMs": 1}})

    def _content_block(self, step: Say | Think | Call, index: int) -> Iterator[bytes]:
        for delta in self._deltas(step, index):
            event = "contentBlockStart" if "start" in delta else "contentBlockDelta"
            yield frame(event, {"contentBlockIndex": index, **delta})
        yield frame("contentBlockStop", {"contentBlockIndex": index})

    def _deltas(self, step: Say | Think | Call, index: int) -> Iterator[dict[str, Any]]:
        match step:
            case Say():
                yield from ({"delta": {"text": piece}} for piece in step.pieces())
            case Think(signature=signature):
                for piece in step.pieces():
                    yield {"delta": {"reasoningContent": {"text": piece}}}
                yield {"delta": {"reasoningContent": {"signature": signature or "sig"}}}
            case Call(tool_name=name, args=args, tool_call_id=given):
                call_id = given or f"tooluse_{len(self.requests)}_{index}"
                yield {"start": {"toolUse": {"toolUseId": call_id, "name": name}}}
                text = json.dumps(args)
                for piece in (text[start : start + 8] for start in range(0, len(text), 8)):
                    yield {"delta": {"toolUse": {"input": piece}}}


class FakeBedrock(FakeConverse, FakeBedrockClaude):
    """Both, as at Amazon's address: Claude by its own messages, every other model by the Converse API."""

    label = "Bedrock"
    action = "(?:converse-stream|invoke-with-response-stream)"

    def check(self, body: dict[str, Any]) -> None:
        """As the model's API."""
        self._kind(body).check(self, body)

    def conversation(self, body: dict[str, Any]) -> Conversation:
        """As the model's API."""
        return self._kind(body).conversation(self, body)

    def encode(self, body: dict[str, Any], answer: Answer) -> Iterator[bytes | Step]:
        """As the model's API."""
        return self._kind(body).encode(self, body, answer)

    @staticmethod
    def _kind(body: dict[str, Any]) -> type[FakeConverse | FakeBedrockClaude]:
        return FakeBedrockClaude if "anthropic.claude" in body["model"] else FakeConverse


def frame(event: str, payload: dict[str, Any], *, kind: str = "event") -> bytes:
    """One message of Amazon's binary event stream: lengths, headers, JSON, and two checksums."""
    fields = {":message-type": kind, f":{kind}-type": event, ":content-type": "application/json"}
    headers = b"".join(_header(name, value) for name, value in fields.items())
    body = json.dumps(payload).encode()
    prelude = struct.pack(">II", len(headers) + len(body) + 16, len(headers))
    message = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + body
    return message + struct.pack(">I", zlib.crc32(message))


def _header(name: str, value: str) -> bytes:
    return struct.pack(">B", len(name)) + name.encode() + struct.pack(">BH", 7, len(value)) + value.encode()


def _text(blocks: list[dict[str, Any]]) -> str:
    return "\n".join(block["text"] for block in blocks if block.get("text"))


def _usage(answer: Answer) -> dict[str, int]:
    spend = spend_of(answer)
    total = spend.input_tokens + spend.cache_read_tokens + spend.cache_write_tokens + spend.output_tokens
    return {
        "inputTokens": spend.input_tokens,
        "outputTokens": spend.output_tokens,
        "totalTokens": total,
        "cacheReadInputTokens": spend.cache_read_tokens,
        "cacheWriteInputTokens": spend.cache_write_tokens,
    }


if __name__ == "__main__":
    from .program import main

    main(FakeBedrock)
