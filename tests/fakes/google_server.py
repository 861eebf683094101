"""A fake of Google's Gemini API, streamed.

As a program: `python -m tests.fakes.google_server --port 0` prints its port; `--help` tells the rest.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from typing import Any

from .http import Request
from .responder import Conversation
from .steps import Answer, Break, Call, Refuse, Say, Search, Spend, Step, Stop, Think, spend_of, stop_of
from .vendor import BadHistoryError, FakeVendor, sse

STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}
GENERATE = re.compile(r"/v1beta/models/(?P<model>[^/:]+):streamGenerateContent")


class FakeGoogle(FakeVendor):
    """`POST /v1beta/models/{model}:streamGenerateContent`. See `FakeVendor` for the arguments."""

    label = "Google"

    @property
    def base_url(self) -> str:
        """What a user would configure."""
        return self.origin

    def is_generation(self, request: Request) -> bool:
        """Whether *request* asks for an answer."""
        return GENERATE.fullmatch(request.path) is not None

    def body_of(self, request: Request) -> dict[str, Any]:
        """The body, with the model that is in the path here."""
        match = GENERATE.fullmatch(request.path)
        assert match is not None
        return {"model": match["model"], **request.json}

    def key_of(self, request: Request) -> str | None:
        """`x-goog-api-key`."""
        return request.headers.get("x-goog-api-key")

    def refusal(self, refuse: Refuse) -> dict[str, Any]:
        """`{"error": {code, message, status}}`."""
        status = refuse.kind or STATUSES.get(refuse.status, "UNKNOWN")
        return {"error": {"code": refuse.status, "message": refuse.message, "status": status}}

    def check(self, body: dict[str, Any]) -> None:
        """A turn begins with the user; calls are answered in the next content; the first call is signed."""
        contents = body["contents"]
        if not contents or contents[0]["role"] != "user":
            raise BadHistoryError("Please ensure that the conversation begins with a user turn.")
        asked: list[str] = []
        for content in [*contents, {"role": "user", "parts": []}]:
            answered = [p["functionResponse"]["name"] for p in content["parts"] if "functionResponse" in p]
            if sorted(asked) != sorted(answered):
                raise BadHistoryError(
                    "Please ensure that the number of function response parts is equal to the number of "
                    f"function call parts: {asked}, {answered}"
                )
            calls = [part for part in content["parts"] if "functionCall" in part]
            if calls and "thoughtSignature" not in calls[0]:
                raise BadHistoryError("Function call is missing a thought_signature in functionCall parts.")
            asked = [part["functionCall"]["name"] for part in calls]

    def conversation(self, body: dict[str, Any]) -> Conversation:
        """Read the contents; tool results are user contents here."""
        turns = body["contents"]
        spoken = [i for i, turn in enumerate(turns) if turn["role"] == "user" and _text(turn["parts"])]
        last = spoken[-1] if spoken else -1
        results = [
            part["functionResponse"]["response"]
            for turn in turns[last + 1 :]
            for part in turn["parts"]
            if "functionResponse" in part
        ]
        return Conversation(
            model=body["model"],
            system=_text(body.get("systemInstruction", {}).get("parts", [])),
            users=[_text(turns[i]["parts"]) for i in spoken],
            results=[str(next(iter(result.values()), "")) for result in results],
            steps=sum(turn["role"] == "model" for turn in turns[last + 1 :]),
        )

    def encode(self, body: dict[str, Any], answer: Answer) -> Iterator[bytes | Step]:
        """Chunks with parts, then one with the reason and the usage."""
        for step in answer:
            match step:
                case Say():
                    yield from (self._chunk(body, {"text": piece}) for piece in step.pieces())
                case Search(text=text):
                    yield self._chunk(body, {"text": text})
                case Think(signature=signature):
                    for piece in step.pieces():
                        yield self._chunk(body, {"text": piece, "thought": True})
                    yield self._chunk(body, {"text": "", "thoughtSignature": _signature(signature)})
                case Call(tool_name=name, args=args):
                    call: dict[str, Any] = {"name": name, "args": args}
                    yield self._chunk(body, {"functionCall": call, "thoughtSignature": _signature(None)})
                case Break(message=message):
                    yield sse({"error": {"code": 503, "message": message, "status": "UNAVAILABLE"}})
                    yield step
                case Spend() | Stop():
                    pass  # told at the end
                case _:
                    yield step
        reason = stop_of(answer, calls="STOP", end="STOP")
        yield self._chunk(body, {"text": ""}, finishReason=reason, usage=_usage(answer), **_grounding(answer))

    def _chunk(
        self,
        body: dict[str, Any],
        part: dict[str, Any],
        *,
        usage: dict[str, Any] | None = None,
        **fields: Any,
    ) -> bytes:
        candidate = {"content": {"role": "model", "parts": [part]}, "index": 0, **fields}
        chunk: dict[str, Any] = {"candidates": [candidate], "modelVersion": body["model"]}
        if usage:
            chunk["usageMetadata"] = usage
        return sse({**chunk, "responseId": f"response-{len(self.requests)}"})


def _signature(given: str | None) -> str:
    return base64.b64encode((given or "signed").encode()).decode()


def _grounding(answer: Answer) -> dict[str, Any]:
    """What was searched and found, told once at the end."""
    for step in answer:
        if isinstance(step, Search):
            segment = {"startIndex": 0, "endIndex": len(step.text.encode()), "text": step.text}
            found: dict[str, Any] = {
                "webSearchQueries": [step.query],
                "groundingChunks": [{"web": {"uri": step.url, "title": step.title}}],
                "groundingSupports": [{"segment": segment, "groundingChunkIndices": [0]}],
            }
            return {"groundingMetadata": found}
    return {}


def _text(parts: list[dict[str, Any]]) -> str:
    return "\n".join(part["text"] for part in parts if part.get("text"))


def _usage(answer: Answer) -> dict[str, Any]:
    """Here what is cached counts as prompt, and reasoning does not count as output."""
    spend = spend_of(answer)
    prompt = spend.input_tokens + spend.cache_read_tokens
    return {
        "promptTokenCount": prompt,
        "candidatesTokenCount": spend.output_tokens - spend.reasoning_tokens,
        "thoughtsTokenCount": spend.reasoning_tokens,
        "cachedContentTokenCount": spend.cache_read_tokens,
        "totalTokenCount": prompt + spend.output_tokens,
    }


if __name__ == "__main__":
    from .program import main

    main(FakeGoogle)
