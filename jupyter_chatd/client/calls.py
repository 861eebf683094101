"""The tool calls of a chat, each with what came of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias, cast

from ..messages import CallKey, JsonValue, Part, Role, ToolCallPart, ToolResultPart
from .view import ChatView

ONE_LINE = 100  # characters of JSON that need no line breaks


class CallStatus(StrEnum):
    """How far a call is."""

    CALLING = "calling"
    """The model is still writing its arguments."""
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    """The tool could not do it; a command with an exit code other than 0 is done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """One call."""

    name: str
    args: Any
    """Decoded arguments; while they are being written, their text so far."""
    status: CallStatus
    result: Any = None
    """Decoded; `None` until it is there."""
    live_output: str = ""
    """What a running tool has written so far."""
    id: str = ""
    """The vendor's name for it; not unique."""
    key: CallKey | None = None
    """Names it within the chat, once its message is stored."""

    @property
    def output(self) -> str:
        """What the tool wrote, or its result as text."""
        match self.result:
            case None:
                return self.live_output
            case str():
                return self.result
            case {"output": str(output)} if self.status is not CallStatus.FAILED:
                return output
            case {"error": str(error)}:
                return error
            case _ if self.name == "execute" and "exit_code" in self.result:
                return ""
            case _:
                return _readable(self.result)

    @property
    def exit_code(self) -> int | None:
        """The exit code of a command that has ended."""
        return _number(self.result, "exit_code")

    @property
    def duration_ms(self) -> int | None:
        """How long it took, where the tool says."""
        return _number(self.result, "wall_duration_ms")

    @property
    def summary(self) -> str:
        """One line: `execute: ls -la`."""
        if self.status is CallStatus.CALLING or not self.args:
            return self.name
        return f"{self.name}: {gist(self.args)}"

    @property
    def outcome(self) -> str:
        """How it ended, in short: `exit code 1, 2.5 s`; empty when it is done and that is all."""
        if self.status is not CallStatus.DONE:
            return self.status.value
        return f"exit code {self.exit_code}{_took(self.duration_ms)}" if self.exit_code is not None else ""

    @property
    def is_open(self) -> bool:
        """There is no result yet."""
        return self.status in (CallStatus.CALLING, CallStatus.RUNNING)


class ToolCalls(tuple[ToolCall, ...]):
    """Calls, oldest first. In a notebook it shows itself as a table."""

    __slots__ = ()

    def to_frame(self) -> Any:
        """Return the calls as a pandas DataFrame.

        Raises:
            ImportError: pandas is not installed.
        """
        from .frames import frame

        return frame(_COLUMNS, (_row(call).values() for call in self))

    def __repr__(self) -> str:
        return "\n".join(f"{call.summary}  {call.outcome}".rstrip() for call in self) or "no tool calls"

    def to_html(self) -> str:
        """Return the calls as a table; long cells are cut."""
        from .display import table

        return table(_COLUMNS, [list(_row(call).values()) for call in self])

    _repr_html_ = to_html


_COLUMNS = ("tool", "arguments", "status", "exit code", "ms", "output")
_Pair: TypeAlias = tuple[ToolCallPart, CallKey | None]


def _row(call: ToolCall) -> dict[str, Any]:
    values = (call.name, gist(call.args), call.status.value, call.exit_code, call.duration_ms, call.output)
    return dict(zip(_COLUMNS, values, strict=True))


def tool_calls(view: ChatView, *, after_id: int = 0) -> ToolCalls:
    """Return the calls of a chat after a message, those of the running step included."""
    return ToolCalls(_calls(view, after_id))


def calls_of(view: ChatView, place: int) -> tuple[ToolCall, ...]:
    """Return the calls that the message at *place* makes.

    Their results are in the message itself, where the vendor ran the tool, and in the tool messages behind
    it; of a step that is under way they are live.
    """
    message = view.messages[place]
    results = list(_results(view, place))
    is_newest = place + 1 == len(view.messages)
    live = {block.index: block.part for block in view.live if block.role is Role.TOOL} if is_newest else {}
    return tuple(
        _call(
            part,
            _take(results, part.tool_call_id) or live.get(index),
            CallKey(message_id=message.id, index=index),
        )
        for index, part in enumerate(message.parts)
        if isinstance(part, ToolCallPart)
    )


def _results(view: ChatView, place: int) -> Iterator[ToolResultPart]:
    for at in range(place, len(view.messages)):
        message = view.messages[at]
        if at > place and message.role is not Role.TOOL:
            return
        yield from (part for part in message.parts if isinstance(part, ToolResultPart))


def live_calls(view: ChatView) -> tuple[ToolCall, ...]:
    """Return the calls in the answer that is being made."""
    results = [block.part for block in view.live if isinstance(block.part, ToolResultPart)]
    calls = (block.part for block in view.live if isinstance(block.part, ToolCallPart))
    return tuple(_call(part, _take(results, part.tool_call_id), None) for part in calls)


def _calls(view: ChatView, after_id: int) -> Iterator[ToolCall]:
    for place, message in enumerate(view.messages):
        if message.id > after_id:
            yield from calls_of(view, place)
    yield from live_calls(view)


def _take(results: list[ToolResultPart], tool_call_id: str) -> ToolResultPart | None:
    """Take the first result of a call out of *results*: ids may repeat, and then order tells."""
    for place, part in enumerate(results):
        if part.tool_call_id == tool_call_id:
            return results.pop(place)
    return None


def _call(part: ToolCallPart, found: Part | None, key: CallKey | None) -> ToolCall:
    result = found if isinstance(found, ToolResultPart) else None
    is_finished = result is not None and result.result_delta is None
    return ToolCall(
        name=part.tool_name,
        args=part.args if part.args_delta is None else part.args_delta,
        status=_status(part, result, is_finished=is_finished),
        result=result.result if result is not None and is_finished else None,
        live_output=(result.result_delta or "") if result is not None else "",
        id=part.tool_call_id,
        key=key,
    )


def _status(part: ToolCallPart, result: ToolResultPart | None, *, is_finished: bool) -> CallStatus:
    if result is not None and is_finished:
        return CallStatus.FAILED if result.is_error else CallStatus.DONE
    return CallStatus.RUNNING if part.args_delta is None else CallStatus.CALLING


def _took(milliseconds: int | None) -> str:
    if milliseconds is None:
        return ""
    return f", {milliseconds} ms" if milliseconds < 1000 else f", {milliseconds / 1000:.1f} s"


def _readable(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= ONE_LINE else json.dumps(value, ensure_ascii=False, indent=2)


def _number(result: JsonValue, name: str) -> int | None:
    value = result.get(name) if isinstance(result, dict) else None
    return value if isinstance(value, int) else None


def gist(args: object) -> str:
    """Return the arguments in short: the only one, or what is acted on, else all as JSON."""
    if isinstance(args, Mapping):
        args = cast("Mapping[str, object]", args)
        if paths := _paths(args.get("files")):
            return ", ".join(paths)
        for name in ("command", "path"):
            if isinstance(value := args.get(name), str):
                return value
        if len(args) == 1:
            (value,) = args.values()
            return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return args if isinstance(args, str) else json.dumps(args, ensure_ascii=False)


def _paths(files: object) -> list[str]:
    """Return the paths in a list of files to change, empty when it is none."""
    if not isinstance(files, list):
        return []
    entries = [
        cast("Mapping[str, object]", one) for one in cast("list[object]", files) if isinstance(one, Mapping)
    ]
    return [path for entry in entries if isinstance(path := entry.get("path"), str)]
