"""From stored rows to the prompt of one model call. Pure; nothing here reads or writes.

Sources: the original's prompt building (spec/chatd.md §3.9). Two repairs keep every vendor content: each call has a
result directly after it, and each result has its call before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from ..messages import (
    Message,
    Part,
    ReasoningPart,
    Role,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    Visibility,
)
from ..providers.protocol import PromptMessage

NO_RESULT = "This call was interrupted before it produced a result."
CACHED_TAIL = 2  # messages at the end that carry a prompt-cache mark

_UNSAFE_ID = re.compile(r"[^A-Za-z0-9_-]")


class PromptBuilder:
    """Builds prompts of a growing history; each row is converted once. Lives as long as its runner's history.

    Everything before the newest assistant row is finished, because results that answer it are in place.
    """

    def __init__(self) -> None:
        self._finished: list[PromptMessage] = []
        self._tail: list[Message] = []
        self._covers_until = 0
        self._names: dict[str, str] = {}
        """Tool name by call id, for results whose call is missing."""

    def extend(self, rows: Iterable[Message]) -> None:
        """Add the next rows of the history."""
        for row in rows:
            if row.visibility is Visibility.USER or row.deleted:
                continue
            if row.role is Role.ASSISTANT:
                self._finish_tail()
            self._tail.append(row)

    def build(self, system: Sequence[str] = ()) -> tuple[PromptMessage, ...]:
        """Return the prompt, with *system* after the stored system rows and before the conversation."""
        stored, conversation = self._split(self._finished + self._convert(self._tail))
        extra = [PromptMessage(role=Role.SYSTEM, parts=(TextPart(text=text),)) for text in system if text.strip()]
        return mark_cache([*stored, *extra], conversation)

    def _finish_tail(self) -> None:
        self._finished += self._convert(self._tail)
        self._tail = []

    def _convert(self, rows: Sequence[Message]) -> list[PromptMessage]:
        messages = [message for row in rows if (message := convert_row(row)) is not None]
        for message in messages:
            self._names |= {part.tool_call_id: part.tool_name for part in message.parts if isinstance(part, ToolCallPart)}
        return repair(messages, self._names)

    @staticmethod
    def _split(messages: list[PromptMessage]) -> tuple[list[PromptMessage], list[PromptMessage]]:
        split = next((i for i, message in enumerate(messages) if message.role is not Role.SYSTEM), len(messages))
        return messages[:split], messages[split:]


def prompt_rows(rows: Sequence[Message]) -> list[Message]:
    """Return the rows that the model reads: plain system rows, the newest summary, and what it does not cover."""
    summary = next((row for row in reversed(rows) if row.compressed and row.visibility is Visibility.MODEL), None)
    if summary is None:
        return [row for row in rows if not row.compressed]
    covered = summary.covers_until or 0
    system = [row for row in rows if row.role is Role.SYSTEM and not row.compressed]
    rest = [row for row in rows if row.id > covered and not row.compressed and row.role is not Role.SYSTEM]
    return [*system, summary, *rest]


def convert_row(row: Message) -> PromptMessage | None:
    """Return one row as the model reads it; `None` when nothing of it is left."""
    if row.role is Role.SYSTEM:
        text = next((part.text for part in row.parts if isinstance(part, TextPart)), "")
        return PromptMessage(role=Role.SYSTEM, parts=(TextPart(text=text),)) if text.strip() else None
    parts = tuple(_convert_part(part) for part in row.parts if not _is_blank(part))
    return PromptMessage(role=row.role, parts=parts) if parts else None


def _is_blank(part: Part) -> bool:
    """Blank text and reasoning are stored but refused by vendors; signed reasoning without text must go back."""
    match part:
        case TextPart():
            return not part.text.strip()
        case ReasoningPart():
            return not part.text.strip() and not part.provider_metadata
        case _:
            return False


def _convert_part(part: Part) -> Part:
    match part:
        case ToolCallPart():
            args: Any = part.args if isinstance(part.args, Mapping) else {}
            return replace(part, tool_call_id=safe_id(part.tool_call_id), args=args)
        case ToolResultPart():
            result = {} if part.result is None or part.result == "" else part.result
            return replace(part, tool_call_id=safe_id(part.tool_call_id), result=result)
        case _:
            return part


def safe_id(call_id: str) -> str:
    """Return a call id that every vendor accepts."""
    return _UNSAFE_ID.sub("_", call_id)


def repair(messages: Sequence[PromptMessage], names: Mapping[str, str]) -> list[PromptMessage]:
    """Give every local call a result directly after it, and every result a call before it."""
    repaired: list[PromptMessage] = []
    waiting: dict[str, ToolCallPart] = {}
    for message in messages:
        if message.role is Role.TOOL:
            message, waiting = _match_results(message, waiting, names, repaired)
            if message is None:
                continue
        else:
            repaired += _missing_results(waiting)
            waiting = _local_calls(message)
        repaired.append(message)
    repaired += _missing_results(waiting)
    return repaired


def _local_calls(message: PromptMessage) -> dict[str, ToolCallPart]:
    if message.role is not Role.ASSISTANT:
        return {}
    calls = (part for part in message.parts if isinstance(part, ToolCallPart) and not part.provider_executed)
    return {call.tool_call_id: call for call in calls}


def _missing_results(waiting: Mapping[str, ToolCallPart]) -> list[PromptMessage]:
    return [
        PromptMessage(
            role=Role.TOOL,
            parts=(
                ToolResultPart(
                    tool_call_id=call.tool_call_id,
                    tool_name=call.tool_name,
                    result={"error": NO_RESULT},
                    is_error=True,
                ),
            ),
        )
        for call in waiting.values()
    ]


def _match_results(
    message: PromptMessage,
    waiting: dict[str, ToolCallPart],
    names: Mapping[str, str],
    repaired: list[PromptMessage],
) -> tuple[PromptMessage | None, dict[str, ToolCallPart]]:
    """Tick off the calls that a tool message answers; insert a call for a result that has none."""
    results = [part for part in message.parts if isinstance(part, ToolResultPart)]
    orphans = [result for result in results if result.tool_call_id not in waiting]
    kept = [result for result in results if result.tool_call_id in waiting or not result.provider_executed]
    adopted = [orphan for orphan in orphans if not orphan.provider_executed]
    left = {key: call for key, call in waiting.items() if key not in {result.tool_call_id for result in kept}}
    if adopted:
        repaired += _missing_results(left)
        left = {}
        calls = tuple(
            ToolCallPart(
                tool_call_id=orphan.tool_call_id,
                tool_name=orphan.tool_name or names.get(orphan.tool_call_id, "unknown"),
                args={},
            )
            for orphan in adopted
        )
        answered = tuple(result for result in kept if result not in adopted)
        if answered:
            repaired.append(replace(message, parts=answered))
        repaired.append(PromptMessage(role=Role.ASSISTANT, parts=calls))
        return replace(message, parts=tuple(adopted)), left
    return (replace(message, parts=tuple(kept)) if kept else None), left


def mark_cache(system: Sequence[PromptMessage], conversation: Sequence[PromptMessage]) -> tuple[PromptMessage, ...]:
    """Mark the last system message and the last two messages: what a vendor may keep for the next call."""
    messages = [*system, *conversation]
    marked = {len(system) - 1} if system else set[int]()
    marked |= set(range(max(len(messages) - CACHED_TAIL, 0), len(messages)))
    for index in marked:
        messages[index] = replace(messages[index], cache=True)
    return tuple(cast("list[PromptMessage]", messages))
