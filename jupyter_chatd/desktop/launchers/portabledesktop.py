"""The `portabledesktop` binary: Xvnc and openbox in one file. Its server also listens on a loopback port.

Contract and traps: DECISIONS.md, "portabledesktop and its port".
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from ...workspace import procfs
from ...workspace.group import ProcessGroup
from ...workspace.warden import Warden
from ..errors import DesktopStartError, LauncherMissingError
from ..geometry import Size
from .accounts import other_people
from .folder import Folder
from .launcher import Launched, Launcher
from .programs import GRACE, ORPHAN_LIMIT, STOP_LIMIT, desktop_environment

log = logging.getLogger(__name__)

NAME = "portabledesktop"
COMMAND_LIMIT = 25.0  # seconds: it waits 15 itself; the first start unpacks 100 MB


class PortabledesktopLauncher:
    """Launches `portabledesktop up`, which exits at once and leaves its server behind."""

    name = NAME

    def __init__(self, parent: Path, *, path: str | None = None, allow_shared_host: bool = False) -> None:
        """Look for nothing yet.

        Args:
            parent: Below it each desktop gets a private folder.
            path: Where to look for the binary, default `PATH`.
            allow_shared_host: Launch also where other people have accounts: they can reach the desktop.
        """
        self._parent = parent
        self._path = path
        self._allow_shared_host = allow_shared_host
        self._environment = desktop_environment(os.environ)
        self._warden = Warden(self._environment)

    def missing(self) -> str | None:
        if shutil.which(NAME, path=self._path) is None:
            return "the program portabledesktop, from github.com/coder/portabledesktop"
        if not self._allow_shared_host and (people := other_people()):
            return (
                f"permission: {', '.join(people[:3])} could reach a desktop of portabledesktop, which has a "
                "port without a password. Install TigerVNC instead, or allow shared hosts"
            )
        return None

    async def launch(self, size: Size) -> Launched:
        program, missing = shutil.which(NAME, path=self._path), self.missing()
        if program is None or missing:
            raise LauncherMissingError(f"The desktop needs {missing}.")
        folder = await asyncio.to_thread(Folder, self._parent)
        command = Command(program, folder.path, self._environment)
        try:
            session = read_session(await command.run("up", *_up_options(folder, size)))
            desktop = PortableDesktop(folder, command, session, self._warden)
        except BaseException:
            await command.try_down()
            await asyncio.to_thread(folder.remove)
            raise
        return desktop

    async def close(self) -> None:
        await asyncio.to_thread(self._warden.close)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """What `up` says of the desktop that it started."""

    display: str
    server_pid: int
    manager_pid: int | None


class Command:
    """Runs the binary about one desktop."""

    def __init__(self, program: str, folder: Path, environment: Mapping[str, str]) -> None:
        self._program = program
        self._folder = folder
        self._state = folder / "state.json"
        self._environment = environment

    async def run(self, verb: str, *options: str) -> bytes:
        """Run a sub-command and return what it wrote.

        Raises:
            DesktopStartError: it failed, or took too long.
        """
        output, errors = self._folder / "output", self._folder / "errors"
        status = await self._wait_for(verb, options, output, errors)
        if status:
            reason = errors.read_text("utf-8", "replace").strip() or f"status {status}"
            raise DesktopStartError(f"portabledesktop {verb} failed: {reason[-2000:]}")
        return output.read_bytes()

    async def try_down(self) -> None:
        """Have it end what it started; when that does not work, it is logged."""
        if not self._state.exists():
            return
        try:
            await self.run("down")
        except DesktopStartError as error:
            log.warning("A desktop was not taken down: %s", error)

    async def _wait_for(self, verb: str, options: Sequence[str], output: Path, errors: Path) -> int:
        """Return the exit status. Output goes to files: what `up` leaves behind may hold its pipes open."""
        with output.open("wb") as output_file, errors.open("wb") as errors_file:
            try:
                process = await asyncio.create_subprocess_exec(
                    self._program,
                    *(verb, "--state-file", str(self._state), *options),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=output_file,
                    stderr=errors_file,
                    env=self._environment,
                    start_new_session=True,
                )
            except OSError as error:
                raise DesktopStartError(f"Cannot start {self._program}: {error.strerror}.") from error
        try:
            async with asyncio.timeout(COMMAND_LIMIT):
                return await process.wait()
        except TimeoutError:
            raise DesktopStartError(f"portabledesktop {verb} took over {COMMAND_LIMIT:g} s.") from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


class PortableDesktop:
    """What `up` left behind."""

    is_elsewhere = False

    def __init__(self, folder: Folder, command: Command, session: Session, warden: Warden) -> None:
        """Watch the desktop.

        Raises:
            DesktopStartError: its server is not alive: `up` says it started even when the display was taken.
        """
        self._folder = folder
        self._command = command
        self._session = session
        self._warden = warden
        self._server = procfs.find_stat(session.server_pid)
        if not self.is_alive:
            raise DesktopStartError("portabledesktop says that its server runs, but it does not. Try again.")
        self._groups = _groups_of(session)
        for group in self._groups:
            warden.add(group)

    @property
    def socket(self) -> Path:
        return self._folder.socket

    @property
    def environment(self) -> Mapping[str, str]:
        return {"DISPLAY": self._session.display}

    @property
    def is_alive(self) -> bool:
        if not procfs.PROC.is_dir():
            return True  # unknown: the connection will tell
        stat = procfs.find_stat(self._session.server_pid)
        same = (
            stat is not None and self._server is not None and stat.started_ticks == self._server.started_ticks
        )
        return same and stat is not None and stat.is_alive

    async def stop(self) -> None:
        groups, self._groups = self._groups, ()
        if not groups:
            return
        await self._command.try_down()
        for group in groups:
            await ProcessGroup(group).end(grace_s=GRACE, limit_s=STOP_LIMIT)
            self._warden.drop(group)
        await asyncio.to_thread(self._folder.remove)


def read_session(output: bytes) -> Session:
    """Return what the first line of `up --json` says.

    Raises:
        DesktopStartError: it is not as the contract says.
    """
    try:
        said: object = json.loads(output.splitlines()[0])
        state = cast("dict[str, object]", said)
        display, server, manager = state["display"], state["xvncPid"], state.get("openboxPid")
    except (ValueError, LookupError, TypeError, AttributeError):
        raise DesktopStartError(
            f"Expected JSON with display and xvncPid of portabledesktop, came {output[:200]!r}."
        ) from None
    if not isinstance(server, int) or server <= 1 or not (manager is None or isinstance(manager, int)):
        raise DesktopStartError(f"Expected process ids of portabledesktop, came {server!r} and {manager!r}.")
    return Session(display=f":{str(display).removeprefix(':')}", server_pid=server, manager_pid=manager)


def _up_options(folder: Folder, size: Size) -> Sequence[str]:
    server_options = (
        "-localhost=1",
        f"-rfbunixpath={folder.socket}",
        "-rfbunixmode=0600",
        "-AlwaysShared=1",
        f"-MaxDisconnectionTime={ORPHAN_LIMIT}",
    )
    return (
        "--json",
        *("--session-dir", str(folder.path / "session")),
        *("--geometry", str(size)),
        *(f"--xvnc-arg={option}" for option in server_options),
    )


def _groups_of(session: Session) -> tuple[int, ...]:
    """Return the groups of its processes, ours left out."""
    pids = (session.server_pid, *((session.manager_pid,) if session.manager_pid else ()))
    groups = {stat.group for pid in pids if (stat := procfs.find_stat(pid))}
    return tuple(groups - {os.getpgrp()})


if TYPE_CHECKING:
    _launcher: type[Launcher] = PortabledesktopLauncher
    _launched: type[Launched] = PortableDesktop
