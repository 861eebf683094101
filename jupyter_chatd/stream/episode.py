"""The live parts of one streamed answer, kept so that a late or returning subscriber misses nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ..events import Episode, LivePart
from ..messages import Part, ReasoningPart, Role, TextPart, ToolCallPart, ToolResultPart


@dataclass(frozen=True, slots=True)
class _Piece:
    """One part as it was published; its sequence number is its place in the buffer, from 1."""

    role: Role
    part: Part
    index: int


class EpisodeBuffer:
    """Parts of one episode in sequence. Lives from the first part to the commit that supersedes it."""

    def __init__(self, episode: Episode) -> None:
        self.episode = episode
        self._pieces: list[_Piece] = []

    @property
    def seq(self) -> int:
        """The number of the newest part, 0 before the first."""
        return len(self._pieces)

    def add(self, role: Role, part: Part, *, index: int) -> None:
        """Keep the next part."""
        self._pieces.append(_Piece(role, part, index))

    def since(self, seq: int) -> tuple[LivePart, ...]:
        """Return the parts after *seq*, deltas of one block that follow one another joined to one.

        Each has the sequence number of the last part that it covers.
        """
        return tuple(self._joined(seq))

    def _joined(self, seq: int) -> Iterator[LivePart]:
        begin = seq
        while begin < len(self._pieces):
            end = self._end_of_run(begin)
            yield self._live(begin, end)
            begin = end

    def _end_of_run(self, begin: int) -> int:
        end = begin + 1
        while end < len(self._pieces) and _continues(self._pieces[end - 1], self._pieces[end]):
            end += 1
        return end

    def _live(self, begin: int, end: int) -> LivePart:
        last = self._pieces[end - 1]
        return LivePart(
            role=last.role,
            part=_join([piece.part for piece in self._pieces[begin:end]]),
            index=last.index,
            history_version=self.episode.history_version,
            attempt=self.episode.attempt,
            seq=end,
        )


def _continues(left: _Piece, right: _Piece) -> bool:
    return (
        left.index == right.index
        and type(left.part) is type(right.part)
        and delta_of(left.part) is not None
        and delta_of(right.part) is not None
    )


def _join(parts: Sequence[Part]) -> Part:
    if len(parts) == 1:
        return parts[0]
    return _with_delta(parts[-1], "".join(delta_of(part) or "" for part in parts))


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
