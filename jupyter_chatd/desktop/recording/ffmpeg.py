"""The program `ffmpeg`: frames in at its standard input, a file out. It ends when its input does."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from ...workspace.warden import Warden
from ..errors import RecordingError
from ..geometry import Size
from ..pixels import Pixels

NAME = "ffmpeg"
END_LIMIT = 15.0  # seconds that it may take to write the end of a video
_THUMBNAIL_WIDTH = 640  # pixels
_NICENESS = 10
"""Who works on the desktop goes first."""
_PIPE = 1024 * 1024  # bytes that fit the pipe, as far as the system allows
_SET_PIPE_SIZE = getattr(fcntl, "F_SETPIPE_SZ", None)  # Linux


def find_ffmpeg(path: str | None = None) -> str | None:
    """Return the program's path, `None` when it is not installed; *path* is where to look, default `PATH`."""
    return shutil.which(NAME, path=path)


def video_options(size: Size, *, frames_per_second: int, most_bytes: int, target: Path) -> list[str]:
    """Return the options that make an MP4 which every browser plays and which begins before it is loaded.

    Frames are *size*; H.264 wants even numbers of pixels, so that an odd row or column gets a neighbour.
    """
    return [
        *_input(size, frames_per_second),
        *("-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2"),
        *("-c:v", "libx264", "-preset", "ultrafast", "-crf", "26", "-pix_fmt", "yuv420p", "-threads", "1"),
        *("-movflags", "+faststart", "-fs", str(most_bytes), str(target)),
    ]


def thumbnail_options(size: Size, *, target: Path) -> list[str]:
    """Return the options that make a small JPEG of one frame of *size*."""
    width = min(size.width, _THUMBNAIL_WIDTH)
    return [*_input(size, 1), *("-vf", f"scale={width}:-1", "-frames:v", "1", str(target))]


def _input(size: Size, frames_per_second: int) -> list[str]:
    return [
        *("-hide_banner", "-loglevel", "error", "-y"),
        *("-f", "rawvideo", "-pixel_format", "bgr0", "-video_size", str(size)),
        *("-framerate", str(frames_per_second), "-i", "pipe:0"),
    ]


class Encoder:
    """One run of it. Lives until `finish` or `abort`."""

    def __init__(self, process: asyncio.subprocess.Process, pipe: int, log: Path, warden: Warden) -> None:
        self._process = process
        self._pipe = pipe
        self._log = log
        self._warden = warden

    @classmethod
    async def start(
        cls, program: str, options: Sequence[str], *, log: Path, env: Mapping[str, str], warden: Warden
    ) -> Self:
        """Start it; what it complains of goes to the file *log*.

        Raises:
            RecordingError: it cannot be started.
        """
        reading, writing = os.pipe()
        try:
            with log.open("wb") as errors:
                process = await asyncio.create_subprocess_exec(
                    program,
                    *options,
                    stdin=reading,
                    stdout=asyncio.subprocess.DEVNULL,
                    stderr=errors.fileno(),
                    env=env,
                    start_new_session=True,
                )
        except OSError as error:
            os.close(writing)
            raise RecordingError(f"Cannot start {program}: {error.strerror}.") from error
        finally:
            os.close(reading)
        warden.add(process.pid)
        with contextlib.suppress(OSError):  # smaller pipes and no niceness only make it slower
            os.setpriority(os.PRIO_PROCESS, process.pid, _NICENESS)
            if _SET_PIPE_SIZE is not None:
                fcntl.fcntl(writing, _SET_PIPE_SIZE, _PIPE)
        return cls(process, writing, log, warden)

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    async def write(self, pixels: Pixels) -> bool:
        """Give it one frame; false when it takes no more, because the file is full or it has ended."""
        try:
            await asyncio.to_thread(_write_all, self._pipe, pixels.data)
        except BrokenPipeError:
            return False
        return True

    async def finish(self) -> None:
        """End its input and wait until the file is whole. No frame may be on its way.

        Raises:
            RecordingError: it failed, or took too long: then it is killed.
        """
        self.close()
        try:
            async with asyncio.timeout(END_LIMIT):
                status = await self._process.wait()
        except TimeoutError:
            await self.abort()
            raise RecordingError(f"{NAME} did not end within {END_LIMIT:g} s and was killed.") from None
        self._warden.drop(self._process.pid)
        if status:
            raise RecordingError(f"{NAME} failed: {self._complaint() or f'status {status}'}")

    async def abort(self) -> None:
        """Kill it; a write that waits for it ends. May be called twice, and after `finish`."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        self._warden.drop(self._process.pid)

    def close(self) -> None:
        """Let go of its input. May be called twice; no frame may be on its way."""
        if self._pipe >= 0:
            os.close(self._pipe)
            self._pipe = -1

    def _complaint(self) -> str:
        with contextlib.suppress(OSError):
            return self._log.read_text("utf-8", "replace").strip()[-1000:]
        return ""


def _write_all(pipe: int, data: bytes | bytearray) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(pipe, view) :]
