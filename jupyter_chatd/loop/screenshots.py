"""Old pictures of the screen taken out of prompts: they are large, and only the newest says how things are.

In batches, so that most prompts begin as the one before did: what vendors keep of one ends where it changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from ..messages import Part, Role, ToolResultPart
from ..providers.protocol import PromptMessage

KEPT = 5
"""The newest pictures, which always stay."""
BATCH = 10
"""So many leave at a time."""
MOST = KEPT + BATCH - 1
"""Pictures that a prompt can have: of more than 20, Anthropic takes only smaller ones."""
TOOL = "computer"
LEFT_OUT = "[An older picture of the screen was left out.]"


def without_old_screenshots(
    messages: Sequence[PromptMessage], *, kept: int = KEPT, batch: int = BATCH
) -> Sequence[PromptMessage]:
    """Return a prompt whose older results of the `computer` tool say their text only."""
    count = count_screenshots(_results(messages))
    doomed = max(count - kept, 0) // batch * batch
    if not doomed:
        return messages
    numbers = iter(range(count))
    return [_without(message, doomed, numbers) for message in messages]


def count_screenshots(parts: Iterable[Part]) -> int:
    """Return how many of the parts are pictures of the screen."""
    return sum(map(_is_screenshot, parts))


def _without(message: PromptMessage, doomed: int, numbers: Iterator[int]) -> PromptMessage:
    if message.role is not Role.TOOL:
        return message
    parts = tuple(
        _said(part) if _is_screenshot(part) and next(numbers) < doomed else part for part in message.parts
    )
    return message if parts == message.parts else replace(message, parts=parts)


def _said(part: Part) -> Part:
    assert isinstance(part, ToolResultPart)
    said = part.result.get("text") if isinstance(part.result, dict) else None
    return replace(part, result={"output": f"{said or ''} {LEFT_OUT}".strip()}, is_media=False)


def _is_screenshot(part: Part) -> bool:
    return isinstance(part, ToolResultPart) and part.is_media and part.tool_name == TOOL


def _results(messages: Iterable[PromptMessage]) -> Iterator[Part]:
    return (part for message in messages if message.role is Role.TOOL for part in message.parts)
