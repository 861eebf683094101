"""OpenAI's computer tool on the wire: items of its own, where the model library knows only functions.

Between us and the library a `computer_call` is a function call of the tool, whose arguments are the actions
and the safety checks. Nothing is remembered between requests: what goes out is told by its shape.
"""

from __future__ import annotations

import base64
import json
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from .computer import OPENAI_TOOLS, PREVIEW

NAME = "computer"
_TYPES = frozenset(tool.type for tool in OPENAI_TOOLS)
_ITEM_EVENTS = ("response.output_item.added", "response.output_item.done")


def is_told(body: Mapping[str, Any]) -> bool:
    """Whether a request tells of the computer tool."""
    return _type_of(body) is not None


def to_wire(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a request with calls of the tool, and their results, as the vendor's own items."""
    is_preview = _type_of(body) == PREVIEW
    calls: dict[str, Mapping[str, Any]] = {}
    items: list[Any] = []
    for item in body["input"]:
        if (args := _actions_of(item)) is not None:
            calls[item["call_id"]] = args
            items.append(_call(item, args, is_preview=is_preview))
        elif item.get("type") == "function_call_output" and item["call_id"] in calls:
            items += _output(item, calls[item["call_id"]], is_preview=is_preview)
        else:
            items.append(item)
    return {**body, "input": _words_last(items)}


def from_wire(data: str) -> str:
    """Return an event of a stream with calls of the tool as function calls."""
    if '"computer_call"' not in data:
        return data
    event = json.loads(data)
    if event.get("type") not in _ITEM_EVENTS or event["item"].get("type") != "computer_call":
        return data
    item = event["item"]
    is_done = event["type"] == _ITEM_EVENTS[1]
    actions = item.get("actions") or ([item["action"]] if item.get("action") else [])
    args = {"actions": actions, "pending_safety_checks": item.get("pending_safety_checks") or []}
    call = {
        "type": "function_call",
        "id": item["id"],
        "call_id": item["call_id"],
        "name": NAME,
        "arguments": json.dumps(args) if is_done else "",
        "status": item.get("status"),
    }
    return json.dumps({**event, "item": call})


def _type_of(body: Mapping[str, Any]) -> str | None:
    tools: Sequence[Mapping[str, Any]] = body.get("tools") or ()
    return next((tool["type"] for tool in tools if tool["type"] in _TYPES), None)


def _actions_of(item: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The arguments of a function call that is one of the tool's; `None` of all other items."""
    if item.get("type") != "function_call" or item["name"] != NAME:
        return None
    args: Any = json.loads(item["arguments"])
    return cast("Mapping[str, Any]", args) if isinstance(args.get("actions"), list) else None


def _call(item: Mapping[str, Any], args: Mapping[str, Any], *, is_preview: bool) -> dict[str, Any]:
    actions = args["actions"]
    asked = {"action": actions[0]} if is_preview and actions else {"actions": actions}
    call = {"type": "computer_call", "call_id": item["call_id"], "status": "completed", **asked}
    call["pending_safety_checks"] = args.get("pending_safety_checks") or []
    return {**call, "id": item["id"]} if item.get("id") else call


def _output(
    item: Mapping[str, Any], args: Mapping[str, Any], *, is_preview: bool
) -> Iterator[dict[str, Any]]:
    """The result: always a picture, as the vendor takes nothing else; what was said follows as a message.

    A call that was answered with a picture was done, so its safety checks were allowed by somebody.
    """
    url, words = _content(item["output"])
    screenshot = {"type": "computer_screenshot", "image_url": url or _NOTHING}
    if not is_preview:
        screenshot["detail"] = "original"  # points are pixels of what the model sees: nothing may shrink it
    answer = {"type": "computer_call_output", "call_id": item["call_id"], "output": screenshot}
    if url and args.get("pending_safety_checks"):
        answer["acknowledged_safety_checks"] = args["pending_safety_checks"]
    yield answer
    if words and not url:
        text = f"The computer tool answered: {words}"
        yield {"role": "developer", "content": [{"type": "input_text", "text": text}]}


def _content(output: str | Sequence[Mapping[str, Any]]) -> tuple[str | None, str]:
    """The address of the picture and the text of a function's output."""
    if isinstance(output, str):
        return None, output
    urls = (part["image_url"] for part in output if part.get("type") == "input_image")
    return next(urls, None), " ".join(part["text"] for part in output if part.get("text"))


def _words_last(items: Sequence[Any]) -> list[Any]:
    """Put what was said about results after the last result of its step."""
    ordered: list[Any] = []
    held: list[Any] = []
    for item in items:
        if item.get("role") == "developer" and ordered and _is_output(ordered[-1]):
            held.append(item)
        elif _is_output(item):
            ordered.append(item)
        else:
            ordered += [*held, item]
            held = []
    return [*ordered, *held]


def _is_output(item: Mapping[str, Any]) -> bool:
    return str(item.get("type")).endswith("call_output")


def _empty_picture() -> str:
    """The address of a picture of one pixel, for results without one."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checked = kind + data
        return struct.pack(">I", len(data)) + checked + struct.pack(">I", zlib.crc32(checked))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0\0"))
    return "data:image/png;base64," + base64.b64encode(png + chunk(b"IEND", b"")).decode()


_NOTHING = _empty_picture()
