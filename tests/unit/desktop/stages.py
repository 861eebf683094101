"""A desktop with something on it that takes text: the fake one, and Xvnc with a terminal."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

import pytest

from jupyter_chatd.desktop.actions import Click
from jupyter_chatd.desktop.defaults import DEFAULT_SIZE
from jupyter_chatd.desktop.desktop import Desktop
from jupyter_chatd.desktop.geometry import Point, Size
from jupyter_chatd.desktop.launchers.fake import FakeLauncher
from jupyter_chatd.desktop.launchers.launcher import Launcher
from jupyter_chatd.desktop.launchers.xvnc import XvncLauncher

MIDDLE = Point(x=640, y=400)
LIMIT = 20.0  # seconds for a program to show itself on a busy machine

needs_xvnc = pytest.mark.skipif(
    not all(map(shutil.which, ("Xvnc", "openbox", "xterm"))),
    reason="needs tigervnc-standalone-server, openbox and xterm",
)
KINDS = ["fake", pytest.param("xvnc", marks=needs_xvnc)]

# Keeps what comes, byte for byte, and says when it begins.
_TAKER = """
import os, sys, tty
tty.setraw(0)
with open(sys.argv[1], "ab", buffering=0) as file:
    while data := os.read(0, 65536):
        file.write(data)
"""


_CONNECT = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"
_CONNECT_X = """
import socket, struct, sys
connection = socket.socket(socket.AF_UNIX)
connection.connect(sys.argv[1].replace("@", "\\0"))
connection.sendall(struct.pack("<BxHHHHxx", 0x6C, 11, 0, 0, 0))
print(connection.recv(1)[0])
"""


class Stage(Protocol):
    """What a test sees."""

    desktop: Desktop

    async def text(self, length: int) -> str:
        """Return what arrived, once it has *length* characters, or too long a time has passed."""
        ...


class FakeStage:
    def __init__(self, desktop: Desktop, launcher: FakeLauncher) -> None:
        self.desktop = desktop
        self._launcher = launcher

    async def text(self, length: int) -> str:
        canvas = self._launcher.launched[-1].server.canvas
        await until(lambda: len(canvas.text) >= length)
        return canvas.text


class TerminalStage:
    def __init__(self, desktop: Desktop, path: Path) -> None:
        self.desktop = desktop
        self._path = path

    async def text(self, length: int) -> str:
        await until(lambda: len(self._text()) >= length)
        return self._text()

    def _text(self) -> str:
        # The Return key writes \r; pasted text may come in brackets.
        text = self._path.read_bytes().decode().replace("\r", "\n")
        return re.sub("\x1b\\[20[01]~", "", text)


async def until(holds: Callable[[], object], limit_s: float = LIMIT) -> bool:
    end = time.monotonic() + limit_s
    while not holds():
        if time.monotonic() > end:
            return False
        await asyncio.sleep(0.02)
    return True


def folders(parent: Path) -> list[Path]:
    """Return what is in a folder."""
    return sorted(parent.iterdir())


def users_of(folder: Path) -> set[int]:
    """Return the processes that were started with the folder's path in their arguments or environment."""
    found: set[int] = set()
    if not Path("/proc").is_dir():
        return found
    for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
        try:
            told = b"".join(Path(f"/proc/{pid}/{name}").read_bytes() for name in ("cmdline", "environ"))
        except OSError:
            continue
        if os.fsencode(folder) in told:
            found.add(pid)
    return found


def check_strangers_are_refused(socket: Path, display: str) -> None:
    """Try the RFB socket and the X display as another account, which only root may."""
    assert "PermissionError" in _as_nobody(_CONNECT, str(socket)).stderr
    for mark in ("", "@"):
        answer = _as_nobody(_CONNECT_X, f"{mark}/tmp/.X11-unix/X{display.removeprefix(':')}")
        assert (answer.stdout, answer.stderr) == ("0\n", "")  # 0: refused, 1: welcome


def _as_nobody(program: str, argument: str) -> subprocess.CompletedProcess[str]:
    command = ["/usr/bin/python3", "-c", program, argument]
    return subprocess.run(command, user="nobody", group="nogroup", capture_output=True, text=True, cwd="/")


def desktop_of(launcher: Launcher, size: Size = DEFAULT_SIZE) -> Desktop:
    return Desktop(launcher, size=size)


@asynccontextmanager
async def stage_of(kind: str, folder: Path) -> AsyncGenerator[Stage]:
    launcher = FakeLauncher(folder) if kind == "fake" else XvncLauncher(folder, opens_application=False)
    desktop = desktop_of(launcher)
    try:
        await desktop.picture()
        if isinstance(launcher, FakeLauncher):
            yield FakeStage(desktop, launcher)
        else:
            async with terminal(desktop, "-e", sys.executable, "-c", _TAKER, str(folder / "typed")):
                await until((folder / "typed").exists)
                await desktop.act([Click(at=MIDDLE)])
                yield TerminalStage(desktop, folder / "typed")
    finally:
        await desktop.close()
        await launcher.close()


@asynccontextmanager
async def terminal(desktop: Desktop, *options: str) -> AsyncGenerator[asyncio.subprocess.Process]:
    """An xterm of 80x24 in the middle of the screen, when it is on it."""
    before = (await desktop.picture()).png
    process = await asyncio.create_subprocess_exec(
        *("xterm", "-fa", "Monospace", "-fs", "11", "-xrm", "xterm*cursorBlink: false", *options),
        env={**os.environ, "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", **desktop.environment},
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        for _ in range(round(LIMIT / 0.05)):
            if (await desktop.picture()).png != before:
                break
            await asyncio.sleep(0.05)
        await desktop.settle()
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
