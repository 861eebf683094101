"""What may be kept of an answer that was broken off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..messages import Part, ReasoningPart, TextPart, ToolCallPart, ToolResultPart
from ..wire.jsontext import clean_json, load_json


def clean_partial(parts: Sequence[Part]) -> tuple[Part, ...]:
    """Return the parts of a broken-off answer that can be stored and sent again.

    *parts* are the blocks in order: finished ones as their `PartDone` gave them, unfinished ones with what
    had arrived; an unfinished call has the text of its arguments so far in `args_delta`.

    Dropped are blank texts, calls whose arguments are not complete JSON, and calls that the vendor ran
    itself but did not answer (their vendor refuses them). Reasoning stays, for people to read: what was not
    signed in time has no metadata, and `prompt.py` never sends such reasoning to a model.
    """
    answered = {part.tool_call_id for part in parts if isinstance(part, ToolResultPart)}
    kept = (_clean(part, answered) for part in parts)
    return tuple(part for part in kept if part is not None)


def _clean(part: Part, answered: set[str]) -> Part | None:
    match part:
        case TextPart(text=text) | ReasoningPart(text=text):
            return part if text.strip() or part.provider_metadata else None
        case ToolCallPart(provider_executed=True):
            return part if part.tool_call_id in answered else None
        case ToolCallPart(args_delta=str() as text):
            return _complete(part, text)
        case _:
            return part


def _complete(part: ToolCallPart, text: str) -> ToolCallPart | None:
    """The call with its arguments parsed; `None` when their text is not a complete object."""
    args = parse_args(text)
    return replace(part, args=args, args_delta=None) if isinstance(args, Mapping) else None


def parse_args(text: str) -> Any:
    """The value of a call's argument text; `None` when it is empty, broken or no JSON."""
    try:
        return clean_json(load_json(text))
    except ValueError:
        return None
