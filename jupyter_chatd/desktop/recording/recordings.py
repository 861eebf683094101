"""All recordings of a server, by the id that whoever wanted one gave it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from dataclasses import dataclass
from pathlib import Path

from ...workspace.warden import Warden
from ..desktop import Desktop
from ..errors import RecordingError, RecordingLimitError
from ..geometry import Size
from ..launchers.folder import Folder
from ..launchers.programs import desktop_environment
from ..pixels import Pixels
from .ffmpeg import Encoder, find_ffmpeg, thumbnail_options, video_options
from .recorder import FRAMES_PER_SECOND, Limits, Recorder, open_recorder

MOST_RECORDINGS = 5
"""As many run at the same time."""
KEPT_S = 3600.0
"""Seconds after which one that has ended, and that nobody asks for, is removed."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A recording that has ended."""

    video: bytes
    """MP4."""
    seconds: float
    """How long it is: less than it took, as still times are shortened."""
    thumbnail: bytes | None
    """JPEG of the last frame; `None` when that could not be made."""


class Recordings:
    """Starts and ends them. Lives as long as the server; `close` drops what nobody asked for."""

    def __init__(
        self,
        parent: Path,
        *,
        path: str | None = None,
        limits: Limits | None = None,
        most: int = MOST_RECORDINGS,
    ) -> None:
        """Look for nothing yet.

        Args:
            parent: Below it, a private folder holds what is recorded.
            path: Where to look for ffmpeg, default `PATH`.
            limits: When each ends by itself.
            most: How many may run at the same time.
        """
        self._parent = parent
        self._path = path
        self._limits = limits or Limits()
        self._most = most
        self._environment = desktop_environment(os.environ)
        self._warden = Warden(self._environment)
        self._folder: Folder | None = None
        self._kept: dict[str, _Recording] = {}
        self._turn = asyncio.Lock()
        self._count = 0

    def missing(self) -> str | None:
        """Return what has to be installed before anything can be recorded, `None` when it can."""
        return None if find_ffmpeg(self._path) else "ffmpeg: on Debian and Ubuntu `apt-get install ffmpeg`"

    def is_running(self, recording_id: str) -> bool:
        """Whether it is filmed right now."""
        recording = self._kept.get(recording_id)
        return recording is not None and recording.recorder.is_running

    async def start(self, recording_id: str, desktop: Desktop) -> None:
        """Begin to film *desktop*, which starts when it does not run. Nothing happens to one that is filmed.

        One that has ended and that nobody asked for is replaced.

        Raises:
            RecordingLimitError: as many run as may.
            RecordingError: ffmpeg is missing, or did not start.
            DesktopError: the desktop did not start.
        """
        async with self._turn:
            if self.is_running(recording_id):
                return
            self._check_limit()
            await self._discard(recording_id)
            await self._sweep()
            self._kept[recording_id] = await self._start(desktop)

    async def finish(self, recording_id: str) -> Recorded | None:
        """End a recording and return it; `None` when there is none. It is gone from here then.

        Raises:
            RecordingError: it is of no use.
        """
        async with self._turn:
            recording = self._kept.pop(recording_id, None)
        if recording is None:
            return None
        try:
            await recording.recorder.stop()
            return await self._recorded(recording)
        except OSError as error:
            raise RecordingError(f"The recording cannot be read: {error.strerror}.") from error
        finally:
            await asyncio.to_thread(recording.remove)

    async def discard(self, recording_id: str) -> None:
        """End a recording, if there is one, and remove it."""
        async with self._turn:
            await self._discard(recording_id)

    async def close(self) -> None:
        """Drop all of them. May be called twice."""
        async with self._turn:
            await asyncio.gather(*map(self._discard, tuple(self._kept)))
            if self._folder is not None:
                await asyncio.to_thread(self._folder.remove)
                self._folder = None
            await asyncio.to_thread(self._warden.close)

    def _check_limit(self) -> None:
        if sum(one.recorder.is_running for one in self._kept.values()) >= self._most:
            raise RecordingLimitError(self._most)

    async def _start(self, desktop: Desktop) -> _Recording:
        program = find_ffmpeg(self._path)
        if program is None:
            raise RecordingError(f"A recording needs {self.missing()}.")
        if self._folder is None:
            self._folder = await asyncio.to_thread(Folder, self._parent)
        self._count += 1
        video = self._folder.path / f"{self._count}.mp4"

        async def encode(size: Size) -> Encoder:
            options = video_options(
                size,
                frames_per_second=FRAMES_PER_SECOND,
                most_bytes=self._limits.most_bytes,
                target=video,
            )
            return await self._encode(program, options, video.with_suffix(".log"))

        recorder = await open_recorder(desktop, encode)
        recorder.start(self._limits)
        return _Recording(recorder=recorder, program=program, video=video, started_at=time.monotonic())

    async def _encode(self, program: str, options: list[str], errors: Path) -> Encoder:
        return await Encoder.start(program, options, log=errors, env=self._environment, warden=self._warden)

    async def _recorded(self, recording: _Recording) -> Recorded:
        return Recorded(
            video=await asyncio.to_thread(recording.video.read_bytes),
            seconds=recording.recorder.seconds,
            thumbnail=await self._thumbnail(recording),
        )

    async def _thumbnail(self, recording: _Recording) -> bytes | None:
        """Return the last frame as a small JPEG; when that does not work, it is logged."""
        pixels, target = recording.recorder.last, recording.video.with_suffix(".jpg")
        options = thumbnail_options(pixels.size, target=target)
        try:
            encoder = await self._encode(recording.program, options, recording.video.with_suffix(".log"))
            await _encode_one(encoder, pixels)
            return await asyncio.to_thread(target.read_bytes)
        except (RecordingError, OSError) as error:
            log.warning("A recording has no thumbnail: %s", error)
            return None

    async def _discard(self, recording_id: str) -> None:
        recording = self._kept.pop(recording_id, None)
        if recording is None:
            return
        with contextlib.suppress(RecordingError):  # what was killed on purpose is of no use
            await recording.recorder.abort()
        await asyncio.to_thread(recording.remove)

    async def _sweep(self) -> None:
        """Remove what has ended long ago, and what nobody asked for since."""
        before = time.monotonic() - KEPT_S
        for recording_id, one in tuple(self._kept.items()):
            if not one.recorder.is_running and one.started_at < before:
                await self._discard(recording_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Recording:
    recorder: Recorder
    program: str
    video: Path
    started_at: float
    """Seconds of the monotonic clock."""

    def remove(self) -> None:
        """Remove its files."""
        for suffix in (".mp4", ".jpg", ".log"):
            self.video.with_suffix(suffix).unlink(missing_ok=True)


async def _encode_one(encoder: Encoder, pixels: Pixels) -> None:
    try:
        await encoder.write(pixels)
        await encoder.finish()
    finally:
        encoder.close()
