"""What a subscriber holds: its place in the stream, and the frames on their way to it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from ..events import Episode
from .frame import Frame

BACKLOG = 8 * 1024 * 1024  # characters: a subscriber this far behind is closed


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """What a returning subscriber has: the last durable message, and how far into which episode."""

    after_id: int = 0
    episode: Episode | None = None
    seq: int = 0


class Subscription:
    """One subscriber's frames. Iterate it, once; `close` ends the iteration and may be called twice.

    There are many that nothing happens on, so it keeps nothing while it is empty.
    """

    __slots__ = ("_backlog", "_frames", "_on_close", "_waiter", "closed", "overrun")

    def __init__(self, on_close: Callable[[], None]) -> None:
        self._frames: deque[tuple[Frame, int]] | None = None
        """Frames, with what each adds to the backlog; `None` when there are none."""
        self._backlog = 0
        self._waiter: asyncio.Future[None] | None = None
        self._on_close = on_close
        self.closed = False
        self.overrun = False
        """It was closed because it read too slowly; the client should resume by its cursor."""

    def push(self, frame: Frame) -> None:
        """Hand over a frame of what happens now, or close a subscriber that is too far behind."""
        if self.closed:
            return
        size = len(frame.text)
        self._backlog += size
        if self._backlog > BACKLOG and self._frames:
            self.overrun = True
            self.close()
        else:
            self._append(frame, size)

    def push_snapshot(self, frame: Frame) -> None:
        """Hand over what a subscriber begins with, however long: it is encoded only when it is read."""
        if not self.closed:
            self._append(frame, 0)

    def _append(self, frame: Frame, size: int) -> None:
        if self._frames is None:
            self._frames = deque()
        self._frames.append((frame, size))
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def close(self) -> None:
        """Stop delivery; frames handed over before are still iterated unless it was overrun."""
        if self.closed:
            return
        self.closed = True
        if self.overrun:
            self._frames = None
        self._wake()
        self._on_close()

    def __aiter__(self) -> AsyncIterator[Frame]:
        return self

    async def __anext__(self) -> Frame:
        while not self._frames:
            if self.closed:
                raise StopAsyncIteration
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        frame, size = self._frames.popleft()
        self._backlog -= size
        if not self._frames:
            self._frames = None
        return frame
