"""A fake of OpenAI with both its APIs, streamed: responses and chat completions.

As a program: `python -m tests.fakes.responses_server --port 0` prints its port; `--help` tells the rest.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from .openai_server import FakeOpenAI
from .responder import Conversation
from .steps import Answer, Break, Call, Say, Search, Spend, Step, Stop, Think, say, spend_of, stop_of
from .vendor import BadHistoryError, sse

CALLS = ("function_call", "computer_call")
OUTPUTS = ("function_call_output", "computer_call_output")


class FakeResponses(FakeOpenAI):
    """`POST /v1/responses` beside chat completions. See `FakeVendor` for the arguments."""

    generate_paths = ("/v1/responses", "/v1/chat/completions")

    def check(self, body: dict[str, Any]) -> None:
        """Every call has its output, and every output its call."""
        if "messages" in body:
            super().check(body)
            return
        calls = [(i["type"], i["call_id"]) for i in body["input"] if i.get("type") in CALLS]
        outputs = [
            (i["type"].removesuffix("_output"), i["call_id"])
            for i in body["input"]
            if i.get("type") in OUTPUTS
        ]
        if sorted(calls) != sorted(outputs):
            raise BadHistoryError(f"No tool output found for function call {set(calls) ^ set(outputs)}.")
        shown = [item["output"] for item in body["input"] if item.get("type") == "computer_call_output"]
        if not all(one["image_url"].startswith("data:image/png;base64,") for one in shown):
            raise BadHistoryError("computer_call_output: expected a computer_screenshot with an image_url.")

    def conversation(self, body: dict[str, Any]) -> Conversation:
        """Read the input's items."""
        if "messages" in body:
            return super().conversation(body)
        items = body["input"]
        last = max((i for i, item in enumerate(items) if item.get("role") == "user"), default=-1)
        after = items[last + 1 :]
        return Conversation(
            model=body["model"],
            system="\n".join(_text(i["content"]) for i in items if i.get("role") in ("system", "developer")),
            users=[_text(item["content"]) for item in items if item.get("role") == "user"],
            results=[str(item["output"]) for item in after if item.get("type") in OUTPUTS],
            # Calls of one step stand side by side.
            steps=sum(
                item.get("type") in CALLS and (i == 0 or after[i - 1].get("type") not in CALLS)
                for i, item in enumerate(after)
            ),
        )

    def encode(self, body: dict[str, Any], answer: Answer) -> Iterator[bytes | Step]:
        """`response.created`, the output's items, `response.completed`."""
        if "messages" in body:
            yield from super().encode(body, answer)
            return
        stream = _Stream(f"resp_{len(self.requests)}", body["model"])
        yield stream.event("response.created", response=stream.response("in_progress"))
        for step in answer:
            match step:
                case Say() | Think() | Call() | Search():
                    yield from stream.items(step)
                case Break(message=message, code=code):
                    yield stream.event("error", message=message, code=code or "server_error", param=None)
                    yield step
                case Spend() | Stop():
                    pass  # told at the end
                case _:
                    yield step
        cut = stop_of(answer, calls="", end="") == "length"
        status = "incomplete" if cut else "completed"
        yield stream.event(f"response.{status}", response=stream.response(status, _usage(answer)))


Deltas = Sequence[tuple[str, dict[str, Any]]]
"""Events between the announcement of an item and its end: types and fields."""


class _Stream:
    """Numbers the events and keeps the items of one response."""

    def __init__(self, response_id: str, model: str) -> None:
        self._id = response_id
        self._model = model
        self._number = 0
        self._items: list[dict[str, Any]] = []

    def event(self, kind: str, **fields: Any) -> bytes:
        self._number += 1
        return sse({"type": kind, "sequence_number": self._number, **fields}, event=kind)

    def response(self, status: str, usage: dict[str, Any] | None = None) -> dict[str, Any]:
        return {
            "id": self._id,
            "object": "response",
            "created_at": 1_700_000_000,
            "status": status,
            "model": self._model,
            "output": self._items,
            "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None,
            "error": None,
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
            "usage": usage,
        }

    def items(self, step: Say | Think | Call | Search) -> Iterator[bytes]:
        """One item, or for a search two: the call, and the text that cites what was found."""
        if isinstance(step, Search):
            yield from self._item(*_search(step, self._next_id))
            yield from self._item(*_cited(step, self._next_id))
        else:
            number = len(self._items)
            yield from self._item(*_item(step, self._next_id, f"call_{self._id}_{number}"))

    @property
    def _next_id(self) -> str:
        return f"item_{self._id}_{len(self._items)}"

    def _item(self, opened: dict[str, Any], done: dict[str, Any], deltas: Deltas) -> Iterator[bytes]:
        """One item of the output, from its announcement to its end."""
        index = len(self._items)
        at = {"output_index": index, "item_id": opened["id"]}
        yield self.event("response.output_item.added", output_index=index, item=opened)
        for kind, fields in deltas:
            yield self.event(kind, **at, **fields)
        self._items.append(done)
        yield self.event("response.output_item.done", output_index=index, item=done)


def _item(
    step: Say | Think | Call, item_id: str, call_id: str
) -> tuple[dict[str, Any], dict[str, Any], Deltas]:
    """An item as it is announced, as it ends, and the events between."""
    match step:
        case Say():
            return _message(step, item_id)
        case Think():
            return _reasoning(step, item_id)
        case Call(tool_name="computer", args={"actions": _} as args):
            call = {"type": "computer_call", "id": item_id, "call_id": call_id, **args}
            return {**call, "status": "in_progress"}, {**call, "status": "completed"}, []
        case Call(tool_name=name, args=args, tool_call_id=given):
            text = json.dumps(args)
            call = {"type": "function_call", "id": item_id, "call_id": given or call_id, "name": name}
            pieces = [text[start : start + 8] for start in range(0, len(text), 8)]
            deltas = [("response.function_call_arguments.delta", {"delta": piece}) for piece in pieces]
            end = ("response.function_call_arguments.done", {"arguments": text, "name": name})
            opened = {**call, "arguments": "", "status": "in_progress"}
            return opened, {**call, "arguments": text, "status": "completed"}, [*deltas, end]


def _message(step: Say, item_id: str) -> tuple[dict[str, Any], dict[str, Any], Deltas]:
    message = {"type": "message", "id": item_id, "role": "assistant"}
    part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
    text = "".join(step.pieces())
    deltas: list[tuple[str, dict[str, Any]]] = [
        ("response.content_part.added", {"content_index": 0, "part": part}),
        *(
            ("response.output_text.delta", {"content_index": 0, "delta": piece, "logprobs": []})
            for piece in step.pieces()
        ),
        ("response.output_text.done", {"content_index": 0, "text": text, "logprobs": []}),
        ("response.content_part.done", {"content_index": 0, "part": {**part, "text": text}}),
    ]
    opened = {**message, "content": [], "status": "in_progress"}
    return opened, {**message, "content": [{**part, "text": text}], "status": "completed"}, deltas


def _search(step: Search, item_id: str) -> tuple[dict[str, Any], dict[str, Any], Deltas]:
    asked = {"type": "search", "query": step.query, "queries": [step.query]}
    call = {"type": "web_search_call", "id": item_id, "action": asked}
    deltas = [(f"response.web_search_call.{word}", {}) for word in ("in_progress", "searching", "completed")]
    return {**call, "status": "in_progress"}, {**call, "status": "completed"}, deltas


def _cited(step: Search, item_id: str) -> tuple[dict[str, Any], dict[str, Any], Deltas]:
    opened, done, deltas = _message(say(step.text), item_id)
    cited = {"type": "url_citation", "start_index": 0, "end_index": len(step.text)}
    cited |= {"url": step.url, "title": step.title}
    event = {"content_index": 0, "annotation_index": 0, "annotation": cited}
    *before, text_done, part_done = deltas
    done["content"][0]["annotations"] = [cited]
    return opened, done, [*before, ("response.output_text.annotation.added", event), text_done, part_done]


def _reasoning(step: Think, item_id: str) -> tuple[dict[str, Any], dict[str, Any], Deltas]:
    text = "".join(step.pieces())
    part = {"type": "summary_text", "text": ""}
    deltas: list[tuple[str, dict[str, Any]]] = [
        ("response.reasoning_summary_part.added", {"summary_index": 0, "part": part}),
        *(
            ("response.reasoning_summary_text.delta", {"summary_index": 0, "delta": piece})
            for piece in step.pieces()
        ),
        ("response.reasoning_summary_text.done", {"summary_index": 0, "text": text}),
        ("response.reasoning_summary_part.done", {"summary_index": 0, "part": {**part, "text": text}}),
    ]
    opened = {"type": "reasoning", "id": item_id, "summary": []}
    signed = step.signature or "encrypted"
    return opened, {**opened, "summary": [{**part, "text": text}], "encrypted_content": signed}, deltas


def _text(content: Any) -> str:
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def _usage(answer: Answer) -> dict[str, Any]:
    spend = spend_of(answer)
    prompt = spend.input_tokens + spend.cache_read_tokens
    return {
        "input_tokens": prompt,
        "input_tokens_details": {"cached_tokens": spend.cache_read_tokens},
        "output_tokens": spend.output_tokens,
        "output_tokens_details": {"reasoning_tokens": spend.reasoning_tokens},
        "total_tokens": prompt + spend.output_tokens,
    }


if __name__ == "__main__":
    from .program import main

    main(FakeResponses)
