"""One recording of one desktop: what its screen shows, as frames of a video."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ..desktop import Desktop
from ..errors import DesktopLostError
from ..geometry import Size
from ..pixels import Pixels
from ..rfb import Connection
from .ffmpeg import Encoder

FRAMES_PER_SECOND = 10
STILL_FRAMES = 8
"""Frames without a change after which a still time is shortened."""
SPEEDUP = 20
"""How much faster the rest of a still time goes by."""
STOP_LIMIT = 30.0  # seconds, most of them for the end of the file
_PACE = 1 / FRAMES_PER_SECOND  # seconds

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """When a recording ends by itself; what it has by then is kept."""

    unused_s: float = 10 * 60.0
    """Seconds for which nobody used the desktop."""
    longest_s: float = 60 * 60.0
    """Seconds of video."""
    most_bytes: int = 100 * 1024 * 1024


class Recorder:
    """Films until `stop`, a limit, or the end of the desktop. Lives as long as its connection and encoder."""

    def __init__(self, desktop: Desktop, connection: Connection, encoder: Encoder, first: Pixels) -> None:
        """Take what `start` made.

        Args:
            first: The screen as it is now: the size of all frames.
        """
        self._desktop = desktop
        self._connection = connection
        self._encoder = encoder
        self._last = first
        self._frames = 0
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def is_running(self) -> bool:
        """False once it has ended."""
        return self._task is not None and not self._task.done()

    @property
    def seconds(self) -> float:
        """How long the video is."""
        return self._frames / FRAMES_PER_SECOND

    @property
    def last(self) -> Pixels:
        """The newest frame."""
        return self._last

    @property
    def pid(self) -> int:
        """The encoder's process."""
        return self._encoder.pid

    def start(self, limits: Limits) -> None:
        """Begin to film."""
        self._task = asyncio.create_task(self._run(limits), name="desktop-recording")

    async def stop(self) -> None:
        """End it and wait until its file is whole. May be called twice.

        Raises:
            RecordingError: the file is of no use.
        """
        assert self._task is not None
        self._stopping.set()
        await asyncio.wait([self._task], timeout=STOP_LIMIT)
        await self._encoder.abort()  # without effect on one that has ended
        await self._task

    async def abort(self) -> None:
        """End it at once; its file is of no use.

        Raises:
            RecordingError: always, unless it had ended before.
        """
        assert self._task is not None
        self._stopping.set()
        await self._encoder.abort()
        await self._task

    async def _run(self, limits: Limits) -> None:
        try:
            await self._film(limits)
        except DesktopLostError as error:
            log.info("A recording ends with its desktop: %s", error)
        finally:
            await self._connection.close()
            await self._encoder.finish()

    async def _film(self, limits: Limits) -> None:
        still, is_last, loop = 0, False, asyncio.get_running_loop()
        due = loop.time() + _PACE
        while await self._encoder.write(self._last):
            self._frames += 1
            if is_last or self._is_over(limits):
                return
            await self._wait(still, due)
            due = loop.time() + _PACE
            is_last = self._stopping.is_set()
            pixels = await self._connection.grab()
            if pixels.size != self._last.size:
                log.info("A recording ends, as the screen became %s", pixels.size)
                return
            still = still + 1 if pixels.data == self._last.data else 0
            self._last = pixels

    async def _wait(self, still: int, due: float) -> None:
        """Wait for the next frame: until it is due, or for longer when nothing has changed for a while."""
        if still < STILL_FRAMES:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(due):
                    await self._stopping.wait()
            return
        before = self._connection.received
        for _ in range(SPEEDUP):
            if self._stopping.is_set() or await self._connection.changed(_PACE, since=before):
                return

    def _is_over(self, limits: Limits) -> bool:
        if self.seconds < limits.longest_s and self._desktop.unused_s < limits.unused_s:
            return False
        log.info("A recording ends at a limit, with %g s of video", self.seconds)
        return True


async def open_recorder(desktop: Desktop, encode: Callable[[Size], Awaitable[Encoder]]) -> Recorder:
    """Return a recorder of *desktop*, which starts when it does not run.

    Args:
        encode: Starts an encoder for frames of a size.

    Raises:
        DesktopError: the desktop or the encoder did not start.
    """
    connection = await Connection.open(await desktop.socket())
    try:
        first = await connection.grab()
        return Recorder(desktop, connection, await encode(first.size), first)
    except BaseException:
        await connection.close()
        raise
