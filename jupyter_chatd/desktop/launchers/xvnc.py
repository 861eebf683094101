"""TigerVNC's Xvnc: an X server that speaks RFB on a unix socket and listens on no port.

Arguments and traps: DECISIONS.md, "Xvnc without a port".
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ...workspace.warden import Warden
from ..errors import DesktopStartError, LauncherMissingError
from ..geometry import Size
from .applications import find_applications
from .cookie import Cookie
from .folder import Folder
from .launcher import Launched, Launcher
from .programs import ORPHAN_LIMIT, Programs, desktop_environment
from .window_manager import desktop_commands, find_background

log = logging.getLogger(__name__)

NAMES = ("Xtigervnc", "Xvnc")
START_LIMIT = 10.0  # seconds; 0.7 with nothing in the page cache


class XvncLauncher:
    """Launches Xvnc, a window manager, and a browser or else a terminal; the latter where they are there."""

    name = "xvnc"

    def __init__(
        self,
        parent: Path,
        *,
        directory: Path | None = None,
        path: str | None = None,
        opens_application: bool = True,
    ) -> None:
        """Look for nothing yet.

        Args:
            parent: Below it each desktop gets a private folder.
            directory: Where programs begin, default home.
            path: Where to look for programs, default `PATH`.
            opens_application: Whether a desktop begins with a window.
        """
        self._parent = parent
        self._directory = directory or Path.home()
        self._path = path
        self._opens_application = opens_application
        self._warden = Warden(desktop_environment(os.environ))

    def missing(self) -> str | None:
        if self._find_server() is None:
            return (
                "Xvnc of TigerVNC: on Debian and Ubuntu `apt-get install tigervnc-standalone-server openbox`"
            )
        return None

    async def launch(self, size: Size) -> Launched:
        server, missing = self._find_server(), self.missing()
        if server is None or missing:
            raise LauncherMissingError(f"The desktop needs {missing}.")
        folder = await asyncio.to_thread(Folder, self._parent)
        desktop = XvncDesktop(folder, Programs(folder.path, self._warden))
        try:
            await desktop.start(server, size)
            await self._furnish(desktop, folder.path)
        except BaseException:
            await desktop.stop()
            raise
        return desktop

    async def close(self) -> None:
        await asyncio.to_thread(self._warden.close)

    def _find_server(self) -> str | None:
        return next(filter(None, (shutil.which(name, path=self._path) for name in NAMES)), None)

    async def _furnish(self, desktop: XvncDesktop, folder: Path) -> None:
        applications = find_applications(folder, path=self._path)
        first = applications[0] if self._opens_application and applications else None
        commands = desktop_commands(folder, applications, first=first, path=self._path)
        if background := find_background(path=self._path):
            commands.append(background)
        for command in commands:
            await desktop.open(command, self._directory)


class XvncDesktop:
    """The programs of one desktop."""

    is_elsewhere = False

    def __init__(self, folder: Folder, programs: Programs) -> None:
        self._folder = folder
        self._programs = programs
        self._server: asyncio.subprocess.Process | None = None

    @property
    def socket(self) -> Path:
        return self._folder.socket

    @property
    def environment(self) -> Mapping[str, str]:
        return {name: self._programs.environment[name] for name in ("DISPLAY", "XAUTHORITY")}

    @property
    def is_alive(self) -> bool:
        return self._server is not None and self._server.returncode is None

    async def start(self, program: str, size: Size) -> None:
        """Start the X server, and wait until it is ready.

        Raises:
            DesktopStartError: it did not start.
        """
        cookie, authority = Cookie(), self._folder.path / "Xauthority"
        cookie.write(authority)
        reader, writer = os.pipe()
        try:
            command = server_command(program, size, folder=self._folder, display_fd=writer)
            self._server = await self._programs.start_server(command, pass_fds=[writer])
        except OSError as error:
            os.close(reader)
            raise DesktopStartError(f"Cannot start {program}: {error.strerror}.") from error
        finally:
            os.close(writer)
        display = await self._read_display(reader)
        cookie.write(authority, display)
        self._programs.environment |= {"DISPLAY": f":{display}", "XAUTHORITY": str(authority)}

    async def open(self, command: Sequence[str], directory: Path) -> None:
        """Start a program on the desktop; one that does not start is logged and left out."""
        try:
            await self._programs.start(command, directory)
        except OSError as error:
            log.warning("Cannot start %s on the desktop: %s", command[0], error)

    async def stop(self) -> None:
        await self._programs.stop()
        await asyncio.to_thread(self._folder.remove)

    async def _read_display(self, reader: int) -> int:
        """Return the number of the display, which the server writes when it is ready."""
        stream = asyncio.StreamReader()
        with os.fdopen(reader, "rb") as pipe:
            transport, _ = await asyncio.get_running_loop().connect_read_pipe(
                lambda: asyncio.StreamReaderProtocol(stream), pipe
            )
            try:
                async with asyncio.timeout(START_LIMIT):
                    line = await stream.readline()
            except TimeoutError:
                line = b""
            finally:
                transport.close()
        if not line.strip().isdigit():
            raise DesktopStartError(f"Xvnc did not start. It wrote: {self._programs.log_tail() or 'nothing'}")
        return int(line)


def server_command(program: str, size: Size, *, folder: Folder, display_fd: int) -> list[str]:
    """Return the command that starts an X server of *size*."""
    return [
        program,
        *("-displayfd", str(display_fd)),
        *("-rfbport", "-1", "-nolisten", "tcp"),
        *("-rfbunixpath", str(folder.socket), "-rfbunixmode", "0600", "-SecurityTypes", "None"),
        *("-auth", str(folder.path / "Xauthority")),
        *("-geometry", str(size), "-depth", "24", "-dpi", "96", "-desktop", "jupyter_chatd"),
        *("-AlwaysShared", "-AcceptSetDesktopSize=0", "-MaxDisconnectionTime", str(ORPHAN_LIMIT)),
    ]


if TYPE_CHECKING:
    _launcher: type[Launcher] = XvncLauncher
    _launched: type[Launched] = XvncDesktop
