"""Recordings: what is in them, when they end, and what is left of them."""

from __future__ import annotations

import asyncio
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from jupyter_chatd.desktop.actions import Click
from jupyter_chatd.desktop.desktop import Desktop
from jupyter_chatd.desktop.errors import RecordingError
from jupyter_chatd.desktop.geometry import Point, Size
from jupyter_chatd.desktop.launchers.fake import FakeLauncher
from jupyter_chatd.desktop.launchers.xvnc import XvncLauncher
from jupyter_chatd.desktop.recording.recorder import Limits
from jupyter_chatd.desktop.recording.recordings import Recorded, Recordings

from .stages import desktop_of, folders, needs_xvnc, terminal, until, users_of

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg"),
]

ODD = Size(width=65, height=47)
PAPER, SPOT = (0x2E, 0x34, 0x40), (0xBF, 0x61, 0x6A)
LATER = 60.0  # seconds for a busy machine
# Stands for a Jupyter server that is killed while it records.
_SERVER = """
import asyncio, sys
from pathlib import Path
from jupyter_chatd.desktop.desktop import Desktop
from jupyter_chatd.desktop.geometry import Size
from jupyter_chatd.desktop.launchers.fake import FakeLauncher
from jupyter_chatd.desktop.recording.recordings import Recordings

async def main():
    folder = Path(sys.argv[1])
    desktop = Desktop(FakeLauncher(folder), size=Size(width=64, height=48))
    await Recordings(folder).start("one", desktop)
    sys.stdout.write("ready\\n")
    sys.stdout.flush()
    await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest.fixture
async def launcher(short: Path, anyio_backend: str) -> AsyncIterator[FakeLauncher]:
    launcher = FakeLauncher(short)
    yield launcher
    await launcher.close()


@pytest.fixture
async def desktop(launcher: FakeLauncher) -> AsyncIterator[Desktop]:
    desktop = desktop_of(launcher, ODD)
    yield desktop
    await desktop.close()


@pytest.fixture
async def recordings(short: Path, anyio_backend: str) -> AsyncIterator[Recordings]:
    recordings = Recordings(short, most=2)
    yield recordings
    await recordings.close()
    assert not [path for path in folders(short) if path.is_dir() and list(path.glob("*.mp4"))]


async def recorded(recordings: Recordings, name: str = "one") -> Recorded:
    found = await recordings.finish(name)
    assert found is not None
    return found


async def frames_of(data: bytes, size: Size) -> list[bytes]:
    """The frames of a video or a picture, as red, green and blue of each pixel."""
    decoder = await asyncio.create_subprocess_exec(
        *("ffmpeg", "-loglevel", "error", "-i", "pipe:0", "-f", "rawvideo", "-pix_fmt", "rgb24", "pipe:1"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    raw, _ = await asyncio.wait_for(decoder.communicate(data), LATER)
    length = size.area * 3
    assert raw
    assert len(raw) % length == 0
    return [raw[start : start + length] for start in range(0, len(raw), length)]


def pixel(frame: bytes, size: Size, at: Point) -> tuple[int, ...]:
    start = (at.y * size.width + at.x) * 3
    return tuple(frame[start : start + 3])


def is_like(found: tuple[int, ...], expected: tuple[int, ...]) -> bool:
    return all(abs(one - other) < 24 for one, other in zip(found, expected, strict=True))


async def test_it_shows_what_happened(recordings: Recordings, desktop: Desktop) -> None:
    place, even = Point(x=24, y=24), Size(width=66, height=48)
    await recordings.start("one", desktop)
    await desktop.act([Click(at=Point(x=21, y=21))])  # leaves a spot of 6 pixels around
    found = await recorded(recordings)
    frames = await frames_of(found.video, even)
    assert found.seconds == pytest.approx(len(frames) / 10)
    assert is_like(pixel(frames[0], even, place), PAPER)
    assert is_like(pixel(frames[-1], even, place), SPOT)
    assert found.thumbnail is not None
    (small,) = await frames_of(found.thumbnail, ODD)
    assert is_like(pixel(small, ODD, place), SPOT)


async def test_a_browser_may_begin_to_play_it_before_all_of_it_has_come(
    recordings: Recordings, desktop: Desktop
) -> None:
    await recordings.start("one", desktop)
    video = (await recorded(recordings)).video
    assert video[4:8] == b"ftyp"
    assert 0 < video.index(b"moov") < video.index(b"mdat")


async def test_still_times_are_shortened(recordings: Recordings, desktop: Desktop) -> None:
    began = time.monotonic()
    await recordings.start("one", desktop)
    await asyncio.sleep(3)
    kept = await recorded(recordings)
    assert kept.seconds < (time.monotonic() - began) / 2


async def test_started_twice_it_is_one(recordings: Recordings, desktop: Desktop) -> None:
    await recordings.start("one", desktop)
    await recordings.start("one", desktop)
    await recorded(recordings)
    assert await recordings.finish("one") is None


async def test_the_desktop_starts_for_it(
    recordings: Recordings, desktop: Desktop, launcher: FakeLauncher
) -> None:
    await recordings.start("one", desktop)
    assert len(launcher.launched) == 1


async def test_no_more_than_the_limit(recordings: Recordings, desktop: Desktop) -> None:
    await recordings.start("one", desktop)
    await recordings.start("two", desktop)
    with pytest.raises(RecordingError, match="at most 2 recordings at a time"):
        await recordings.start("three", desktop)
    await recordings.discard("one")
    await recordings.start("three", desktop)


async def test_it_is_kept_when_its_desktop_ends(recordings: Recordings, desktop: Desktop) -> None:
    await recordings.start("one", desktop)
    await desktop.close()
    assert await until(lambda: not recordings.is_running("one"), LATER)
    assert await frames_of((await recorded(recordings)).video, Size(width=66, height=48))


async def test_one_that_has_ended_is_replaced(
    recordings: Recordings, desktop: Desktop, launcher: FakeLauncher
) -> None:
    await recordings.start("one", desktop)
    await desktop.close()
    await until(lambda: not recordings.is_running("one"), LATER)
    other = desktop_of(launcher, ODD)
    await recordings.start("one", other)
    assert recordings.is_running("one")
    await recorded(recordings)
    await other.close()


@pytest.mark.parametrize(
    "limits", [Limits(longest_s=0.3), Limits(unused_s=0.0), Limits(most_bytes=1000)], ids=str
)
async def test_a_limit_ends_it(short: Path, desktop: Desktop, limits: Limits) -> None:
    recordings = Recordings(short, limits=limits)
    await recordings.start("one", desktop)
    for number in range(200):  # what is still is soon written
        if not recordings.is_running("one"):
            break
        await desktop.act([Click(at=Point(x=number % 40, y=number % 40))])
        await asyncio.sleep(0.05)
    assert await until(lambda: not recordings.is_running("one"), LATER)
    assert (await recorded(recordings)).video
    await recordings.close()


async def test_what_is_dropped_leaves_nothing(short: Path, desktop: Desktop) -> None:
    recordings = Recordings(short)
    await recordings.start("one", desktop)
    assert users_of(short)
    await recordings.discard("one")
    assert await recordings.finish("one") is None
    await recordings.start("two", desktop)
    await recordings.close()
    await recordings.close()
    await desktop.close()
    assert not users_of(short)
    assert not folders(short)


async def test_ffmpeg_has_to_be_installed(short: Path, tmp_path: Path, desktop: Desktop) -> None:
    recordings = Recordings(short, path=str(tmp_path))
    assert "apt-get install ffmpeg" in (recordings.missing() or "")
    with pytest.raises(RecordingError, match="needs ffmpeg"):
        await recordings.start("one", desktop)
    await recordings.close()


async def test_an_encoder_that_fails_is_told(short: Path, tmp_path: Path, desktop: Desktop) -> None:
    broken = tmp_path / "ffmpeg"
    broken.write_text("#!/bin/sh\necho no such codec >&2\nexit 3\n")
    broken.chmod(0o755)
    recordings = Recordings(short, path=str(tmp_path))
    await recordings.start("one", desktop)
    with pytest.raises(RecordingError, match="ffmpeg failed: no such codec"):
        await recordings.finish("one")
    await recordings.close()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_ffmpeg_dies_with_the_server(short: Path, number: signal.Signals) -> None:
    server = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _SERVER, str(short)), stdout=asyncio.subprocess.PIPE
    )
    assert server.stdout is not None
    assert await asyncio.wait_for(server.stdout.readline(), LATER) == b"ready\n"
    assert len(users_of(short)) == 2
    server.send_signal(number)
    await server.wait()
    assert await until(lambda: not users_of(short), 10)


@needs_xvnc
async def test_a_real_desktop(short: Path, recordings: Recordings) -> None:
    launcher = XvncLauncher(short, opens_application=False)
    desktop = desktop_of(launcher)
    await recordings.start("one", desktop)
    async with terminal(desktop):
        await desktop.settle()
        found = await recorded(recordings)
    frames = await frames_of(found.video, Size(width=1280, height=800))
    assert frames[0] != frames[-1]
    await desktop.close()
    await launcher.close()
