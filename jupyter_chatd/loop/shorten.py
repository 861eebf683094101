"""Prompts made shorter: so that a history which a model can no longer read can still be summarised."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..messages import (
    FilePart,
    Part,
    ReasoningPart,
    Role,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from ..providers.protocol import PromptMessage
from ..wire import dump_json

FILE_SIZE = 6_000  # characters that count for a file: an image costs a model about as much as that
PART_SHARE = 12  # one part may take at most this part (1/n) of the whole
LEAST_PART = 400  # characters that a part may always have

MEDIA_LEFT_OUT = {"shortened": "an image, left out"}
LEFT_OUT = "[The beginning of the conversation is too long and was left out.]"


def prompt_size(messages: Sequence[PromptMessage]) -> int:
    """Return how long a prompt is, in characters; files count as an estimate."""
    return sum(_size(part) for message in messages for part in message.parts)


def shorten(messages: Sequence[PromptMessage], *, characters: int) -> tuple[PromptMessage, ...]:
    """Return the prompt in at most about *characters*: system messages, the newest ones, the very last.

    Files become notes, long parts are cut in their middle, then the oldest messages are left out; a result is
    never without its call. What is kept always may be longer than asked for.
    """
    limit = max(characters // PART_SHARE, LEAST_PART)
    system = [message for message in messages if message.role is Role.SYSTEM]
    said = [_cut_parts(message, limit) for message in messages if message.role is not Role.SYSTEM]
    kept = _newest(said[:-1], characters - prompt_size(system) - prompt_size(said[-1:]))
    if len(kept) == len(said) - 1:
        return (*system, *said)
    note = PromptMessage(role=Role.USER, parts=(TextPart(text=LEFT_OUT),))
    return (*system, note, *kept, *said[-1:])


def _newest(messages: Sequence[PromptMessage], room: int) -> Sequence[PromptMessage]:
    start = len(messages)
    while start and (room := room - prompt_size(messages[start - 1 : start])) >= 0:
        start -= 1
    while start < len(messages) and messages[start].role is Role.TOOL:
        start += 1
    return messages[start:]


def _size(part: Part) -> int:
    match part:
        case TextPart(text=text) | ReasoningPart(text=text):
            return len(text)
        case ToolCallPart(args=args):
            return len(dump_json(args))
        case ToolResultPart(result=result):
            return len(dump_json(result))
        case FilePart():
            return FILE_SIZE
        case _:
            return 0


def _cut_parts(message: PromptMessage, limit: int) -> PromptMessage:
    return replace(message, parts=tuple(_cut_part(part, limit) for part in message.parts), cache=False)


def _cut_part(part: Part, limit: int) -> Part:
    match part:
        case FilePart(name=name):
            return TextPart(text=f"[file] {name or 'unnamed'}: left out")
        case TextPart(text=text) if len(text) > limit:
            return TextPart(text=_cut(text, limit))
        case ToolCallPart(args=args) if _size(part) > limit:
            return replace(part, args={"shortened": _cut(dump_json(args), limit)})
        case ToolResultPart(is_media=True):
            return replace(part, result=MEDIA_LEFT_OUT, is_media=False)
        case ToolResultPart(result=result) if _size(part) > limit:
            return replace(part, result={"shortened": _cut(dump_json(result), limit)})
        case _:
            return part


def _cut(text: str, limit: int) -> str:
    half = limit // 2
    return f"{text[:half]}\n[… {len(text) - 2 * half} characters left out …]\n{text[-half:]}"
