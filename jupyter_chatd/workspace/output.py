"""What a process has written: its beginning and its end, in bounded memory, and its live followers."""

from __future__ import annotations

import asyncio
import codecs
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from . import utf8
from .limits import OutputLimits
from .protocol import Truncation

LINE_MARK = b"... [line cut]"
_MARKER_ROOM = 64  # bytes of the tail that the marker below may take
_MARKER = "\n... [{} bytes omitted] ...\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """Output as it is shown."""

    text: str
    truncation: Truncation | None = None
    """`None` when nothing is missing (cut lines say so themselves)."""


class OutputBuffer:
    """Keeps the first and the last bytes of a stream of any length.

    For every stream `retained_bytes + omitted_bytes == original_bytes`, and what is shown is at most head +
    tail bytes before invalid UTF-8 is replaced.
    """

    def __init__(self, limits: OutputLimits) -> None:
        self._limits = limits
        self._head = bytearray()
        self._tail = bytearray()
        self._total = 0

    def append(self, chunk: bytes) -> None:
        """Take the next bytes; costs no more than copying the last `tail_bytes` of them."""
        self._total += len(chunk)
        room = self._limits.head_bytes - len(self._head)
        if room > 0:
            self._head += chunk[:room]
            chunk = chunk[room:]
        if chunk:
            self._append_tail(chunk)

    def _append_tail(self, chunk: bytes) -> None:
        size = self._limits.tail_bytes
        self._tail += chunk[-size:]
        # Trimmed now and then rather than each time: deleting from the front moves everything.
        if len(self._tail) > 2 * size:
            del self._tail[:-size]

    def render(self) -> Rendered:
        """Return what is kept as text, with long lines cut and invalid UTF-8 replaced."""
        head, omitted, tail = self._split()
        if not omitted:
            return Rendered(text=self._show(head + tail))
        text = self._show(head) + _MARKER.format(omitted) + self._show(tail)
        retained = len(head) + len(tail)
        return Rendered(
            text=text,
            truncation=Truncation(original_bytes=self._total, retained_bytes=retained, omitted_bytes=omitted),
        )

    def retained(self) -> bytes:
        """Return what is kept as bytes, with the marker where something is missing."""
        head, omitted, tail = self._split()
        return head + (_MARKER.format(omitted).encode() if omitted else b"") + tail

    def _split(self) -> tuple[bytes, int, bytes]:
        """Return the head, how many bytes are missing after it, and the tail."""
        head, tail = bytes(self._head), bytes(self._tail[-self._limits.tail_bytes :])
        if len(head) + len(tail) == self._total:
            return head, 0, tail
        head = head[: len(head) - utf8.unfinished(head)]
        tail = utf8.suffix(tail, max(self._limits.tail_bytes - _MARKER_ROOM, 0))
        return head, self._total - len(head) - len(tail), tail

    def _show(self, data: bytes) -> str:
        lines = (utf8.cut_line(line, self._limits.line_bytes, LINE_MARK) for line in data.split(b"\n"))
        return b"\n".join(lines).decode("utf-8", "replace")


class Follower:
    """One reader of live output. Lives as long as its reader; `OutputBuffer` keeps what it skips.

    Delivery promise: pieces come in order; what a slow reader leaves waiting beyond *limit_bytes* is skipped,
    and a line says how much.
    """

    def __init__(self, initial: bytes, *, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._waiting = bytearray(initial)
        self._skipped = 0
        self._closed = False
        self._changed = asyncio.Event()
        if initial:
            self._changed.set()

    def push(self, chunk: bytes) -> None:
        """Offer the next bytes; never waits."""
        room = 0 if self._skipped else max(self._limit - len(self._waiting), 0)
        self._waiting += chunk[:room]
        self._skipped += len(chunk[room:])
        self._changed.set()

    def close(self) -> None:
        """Say that nothing more comes. May be called twice."""
        self._closed = True
        self._changed.set()

    async def pieces(self) -> AsyncGenerator[str, None]:
        """Yield text until `close`; a character that is still incomplete waits for its other bytes."""
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        while True:
            await self._changed.wait()
            self._changed.clear()
            closed = self._closed
            text = decoder.decode(self._take(), final=closed)
            if text:
                yield text
            if closed:
                return

    def _take(self) -> bytes:
        data, skipped = bytes(self._waiting), self._skipped
        self._waiting.clear()
        self._skipped = 0
        return data + (f"\n... [{skipped} bytes skipped] ...\n".encode() if skipped else b"")
