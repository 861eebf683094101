"""The live parts of one streamed answer, kept so that a late or returning subscriber misses nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from ..events import Episode, LivePart
from ..messages import Part, ReasoningPart, Role, TextPart, ToolCallPart, ToolResultPart


class EpisodeBuffer:
    """Parts of one episode in sequence. Lives from the first part to the commit that supersedes it."""

    def __init__(self, episode: Episode) -> None:
        self.episode = episode
        self._parts: list[LivePart] = []

    def add(self, role: Role, part: Part, *, index: int) -> LivePart:
        """Number a part and keep it."""
        live = LivePart(
            role=role,
            part=part,
            index=index,
            history_version=self.episode.history_version,
            attempt=self.episode.attempt,
            seq=len(self._parts) + 1,
        )
        self._parts.append(live)
        return live

    def since(self, seq: int) -> tuple[LivePart, ...]:
        """Return the parts after *seq*, merged where they are deltas of one block."""
        return tuple(merge(self._parts[seq:]))


def merge(parts: Iterable[LivePart]) -> Iterator[LivePart]:
    """Join adjacent deltas of the same block; the sequence number is that of the last one joined."""
    run: list[LivePart] = []
    for live in parts:
        if run and not _continues(run[-1], live):
            yield _join(run)
            run = []
        run.append(live)
    if run:
        yield _join(run)


def _continues(left: LivePart, right: LivePart) -> bool:
    return (
        left.index == right.index
        and left.attempt == right.attempt
        and left.history_version == right.history_version
        and delta_of(left.part) is not None
        and delta_of(right.part) is not None
        and type(left.part) is type(right.part)
    )


def _join(run: list[LivePart]) -> LivePart:
    if len(run) == 1:
        return run[0]
    text = "".join(delta_of(live.part) or "" for live in run)
    return replace(run[-1], part=_with_delta(run[-1].part, text))


def delta_of(part: Part) -> str | None:
    """Return a delta's text, `None` for a part that is whole. Live text and reasoning are always deltas."""
    match part:
        case TextPart() | ReasoningPart():
            return part.text
        case ToolCallPart():
            return part.args_delta
        case ToolResultPart():
            return part.result_delta
        case _:
            return None


def _with_delta(part: Part, text: str) -> Part:
    match part:
        case TextPart() | ReasoningPart():
            return replace(part, text=text)
        case ToolCallPart():
            return replace(part, args_delta=text)
        case ToolResultPart():
            return replace(part, result_delta=text)
        case _:
            return part
