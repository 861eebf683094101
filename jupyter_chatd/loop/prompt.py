"""From stored rows to the prompt of one model call. Pure; nothing here reads or writes.

Sources: the original's prompt building (spec/chatd.md §3.9). Two repairs keep every vendor content: each call
has a result directly after it, and each result has its call before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..messages import (
    CallKey,
    FilePart,
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
from ..store.calls import INTERRUPTED
from .screenshots import MOST, count_screenshots, without_old_screenshots

CACHED_TAIL = 2  # messages at the end that carry a prompt-cache mark

_UNSAFE_ID = re.compile(r"[^A-Za-z0-9_-]")


class PromptBuilder:
    """Builds prompts of a growing history; each row is converted once. Lives as long as its runner's history.

    Everything before the newest assistant row is finished, because results that answer it are in place.
    """

    def __init__(self, rows: Iterable[Message] = ()) -> None:
        self._finished: list[PromptMessage] = []
        self._tail: list[Message] = []
        self._names: dict[str, str] = {}
        """Tool name by call id, for results whose call is missing."""
        self.has_files = False
        """Whether a user sent files: then the prompt has to be filled with them (`attachments.py`)."""
        self._screenshots = 0
        """In the rows; a prompt may have fewer."""
        self.extend(rows)

    def extend(self, rows: Iterable[Message]) -> None:
        """Add the next rows of the history."""
        for row in rows:
            if row.visibility is Visibility.USER or row.deleted:
                continue
            if row.role is Role.ASSISTANT:
                self._finished += self._convert(self._tail)
                self._tail = []
            self._tail.append(row)
            self._screenshots += count_screenshots(row.parts)
            self.has_files |= row.role is Role.USER and any(isinstance(part, FilePart) for part in row.parts)

    def build(self, system: Sequence[str] = ()) -> tuple[PromptMessage, ...]:
        """Return the prompt, with *system* after the stored system rows and before the conversation."""
        messages = self._finished + self._convert(self._tail)
        split = _leading_system(messages)
        messages[split:split] = [_system_message(text) for text in system if text.strip()]
        # Looking for them in a long history takes longer than everything else in a step.
        return mark_cache(without_old_screenshots(messages) if self._screenshots > MOST else messages)

    def _convert(self, rows: Sequence[Message]) -> list[PromptMessage]:
        messages = list(_converted(rows))
        for call in _calls(messages):
            self._names[call.tool_call_id] = call.tool_name
        return repair(messages, self._names)


def prompt_rows(rows: Sequence[Message]) -> list[Message]:
    """Return what the model reads: the system rows, the newest summary, and the rows it does not cover."""
    summary = next((row for row in reversed(rows) if is_summary(row)), None)
    if summary is None:
        return [row for row in rows if not row.compressed]
    covered = summary.covers_until or 0
    system = [row for row in rows if row.role is Role.SYSTEM]
    rest = [row for row in rows if row.id > covered and not row.compressed and row.role is not Role.SYSTEM]
    return [*system, summary, *rest]


def is_summary(row: Message) -> bool:
    """Whether a row stands for the rows that it covers. One without text only forgets them."""
    return row.compressed and row.visibility is Visibility.MODEL


def _system_message(text: str) -> PromptMessage:
    return PromptMessage(role=Role.SYSTEM, parts=(TextPart(text=text),))


def _converted(rows: Iterable[Message]) -> Iterator[PromptMessage]:
    """Convert rows; those of which nothing is left are dropped."""
    ids: dict[CallKey, str] = {}
    for row in rows:
        if row.role is Role.SYSTEM:
            text = next((part.text for part in row.parts if isinstance(part, TextPart)), "")
            if text.strip():
                yield _system_message(text)
            continue
        ids |= _call_ids(row)
        parts = tuple(
            _convert_part(part, ids.get(row.answers or CallKey(message_id=row.id, index=index)))
            for index, part in enumerate(row.parts)
            if not _is_blank(part)
        )
        if parts:
            yield PromptMessage(role=row.role, parts=parts)


def _call_ids(row: Message) -> dict[CallKey, str]:
    """Return the id of each call of a row. No two are the same: vendors give doubles, but refuse them."""
    ids: dict[CallKey, str] = {}
    taken: set[str] = set()
    for index, call in row.tool_calls:
        wanted = safe_id(call.tool_call_id)
        call_id = wanted if wanted and wanted not in taken else f"{wanted or 'call'}_{row.id}_{index}"
        taken.add(call_id)
        ids[CallKey(message_id=row.id, index=index)] = call_id
    return ids


def _is_blank(part: Part) -> bool:
    """Vendors refuse blank text and reasoning, but want signed reasoning without text back."""
    match part:
        case TextPart():
            return not part.text.strip()
        case ReasoningPart():
            return not part.text.strip() and not part.provider_metadata
        case _:
            return False


def _convert_part(part: Part, call_id: str | None) -> Part:
    match part:
        case ToolCallPart():
            args = part.args if isinstance(part.args, Mapping) else dict[str, object]()
            return replace(part, tool_call_id=call_id or safe_id(part.tool_call_id), args=args)
        case ToolResultPart():
            result = dict[str, object]() if part.result in (None, "") else part.result
            return replace(part, tool_call_id=call_id or safe_id(part.tool_call_id), result=result)
        case _:
            return part


def safe_id(call_id: str) -> str:
    """Return a call id that every vendor accepts."""
    return _UNSAFE_ID.sub("_", call_id)


# Repairs


def repair(messages: Sequence[PromptMessage], names: Mapping[str, str]) -> list[PromptMessage]:
    """Give every local call a result directly after it, and every result a call before it.

    Args:
        messages: A prompt, or a piece of one that begins with an assistant message.
        names: Tool name by call id, for results that do not say.
    """
    repaired = _Repaired(names=names)
    for message in messages:
        if message.role is Role.TOOL:
            repaired.add_results(message)
        else:
            repaired.add(message)
    repaired.close()
    return repaired.messages


@dataclass(slots=True, kw_only=True)
class _Repaired:
    """A prompt as far as it is whole."""

    names: Mapping[str, str]
    messages: list[PromptMessage] = field(default_factory=list[PromptMessage])
    waiting: dict[str, ToolCallPart] = field(default_factory=dict[str, ToolCallPart])
    """Calls of the newest assistant message that have no result yet."""

    def add(self, message: PromptMessage) -> None:
        """Add a message that is not a tool's."""
        self.close()
        self.messages.append(message)
        self.waiting = {call.tool_call_id: call for call in _calls([message]) if not call.provider_executed}

    def close(self) -> None:
        """Answer the calls that nothing answers."""
        for call in self.waiting.values():
            self.messages.append(_missing_result(call))
        self.waiting = {}

    def add_results(self, message: PromptMessage) -> None:
        """Add a tool message. Results of no known call get one; the vendor's own are dropped."""
        results = {part.tool_call_id: part for part in message.parts if isinstance(part, ToolResultPart)}
        expected = tuple(result for key, result in results.items() if self.waiting.pop(key, None))
        orphans = tuple(
            result for result in results.values() if result not in expected and not result.provider_executed
        )
        if expected:
            self.messages.append(replace(message, parts=expected))
        if orphans:
            self.add(PromptMessage(role=Role.ASSISTANT, parts=tuple(map(self._call_for, orphans))))
            self.waiting = {}
            self.messages.append(replace(message, parts=orphans))

    def _call_for(self, result: ToolResultPart) -> ToolCallPart:
        name = result.tool_name or self.names.get(result.tool_call_id, "unknown")
        return ToolCallPart(tool_call_id=result.tool_call_id, tool_name=name, args={})


def _calls(messages: Iterable[PromptMessage]) -> Iterator[ToolCallPart]:
    for message in messages:
        if message.role is Role.ASSISTANT:
            yield from (part for part in message.parts if isinstance(part, ToolCallPart))


def _missing_result(call: ToolCallPart) -> PromptMessage:
    result = ToolResultPart(
        tool_call_id=call.tool_call_id,
        tool_name=call.tool_name,
        result={"error": INTERRUPTED},
        is_error=True,
    )
    return PromptMessage(role=Role.TOOL, parts=(result,))


def mark_cache(messages: Sequence[PromptMessage]) -> tuple[PromptMessage, ...]:
    """Mark the last of the leading system messages and the last two messages: what a vendor may keep."""
    marked = list(messages)
    tail = range(max(len(marked) - CACHED_TAIL, 0), len(marked))
    for index in {_leading_system(marked) - 1, *tail} - {-1}:
        marked[index] = replace(marked[index], cache=True)
    return tuple(marked)


def _leading_system(messages: Sequence[PromptMessage]) -> int:
    """Return how many messages at the beginning are the system's."""
    found = (index for index, message in enumerate(messages) if message.role is not Role.SYSTEM)
    return next(found, len(messages))
