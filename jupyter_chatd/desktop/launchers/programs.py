"""The programs of one desktop. Each leads a session of its own; all die with the server, however it dies."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

from ...workspace.daemons import end_daemons
from ...workspace.environment import PROCESS_ID_VARIABLE, scrubbed
from ...workspace.group import ProcessGroup
from ...workspace.warden import Warden

GRACE = 1.5  # seconds between SIGTERM and SIGKILL
STOP_LIMIT = 5.0  # seconds
ORPHAN_LIMIT = (
    20  # seconds that an X server lives without a client, from its start on: a net below the warden
)
_LOG_TAIL = 2000  # bytes


class Programs:
    """Starts and ends them. Lives as long as the desktop."""

    def __init__(self, folder: Path, warden: Warden) -> None:
        self._log_path = folder / "desktop.log"
        self._warden = warden
        self._running: list[asyncio.subprocess.Process] = []
        self._mark = secrets.token_hex(16)
        self.environment = desktop_environment(os.environ) | {PROCESS_ID_VARIABLE: self._mark}
        """What programs get."""

    async def start_server(
        self, command: Sequence[str], *, pass_fds: Sequence[int]
    ) -> asyncio.subprocess.Process:
        """Start the X server; what it writes goes to the log.

        Raises:
            OSError: it could not be started.
        """
        with self._log_path.open("ab") as log_file:
            return await self._start(command, log_file.fileno(), pass_fds=pass_fds)

    async def start(self, command: Sequence[str], directory: Path) -> None:
        """Start a program in a directory. What it writes is lost: browsers write without end.

        Raises:
            OSError: it could not be started.
        """
        await self._start(command, asyncio.subprocess.DEVNULL, directory=directory)

    async def stop(self) -> None:
        """End all of them, and what they started. May be called twice."""
        running, self._running = self._running, []
        if not running:
            return
        # By the mark as well: window managers start programs in sessions of their own.
        daemons = end_daemons(self._mark, grace_s=GRACE, limit_s=STOP_LIMIT)
        await asyncio.gather(*(self._end(process) for process in running), daemons)

    def log_tail(self) -> str:
        """Return the end of what the server wrote."""
        with contextlib.suppress(OSError), self._log_path.open("rb") as log_file:
            log_file.seek(max(log_file.seek(0, os.SEEK_END) - _LOG_TAIL, 0))
            return log_file.read().decode("utf-8", "replace").strip()
        return ""

    async def _start(
        self,
        command: Sequence[str],
        output: int,
        *,
        pass_fds: Sequence[int] = (),
        directory: Path | None = None,
    ) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=self.environment,
            pass_fds=pass_fds,
            cwd=directory,
            start_new_session=True,
        )
        self._running.append(process)
        self._warden.add(process.pid)
        return process

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        group = ProcessGroup(process.pid)
        if process.returncode is not None:
            group.leader_reaped()
        ending = asyncio.create_task(group.end(grace_s=GRACE, limit_s=STOP_LIMIT), name="desktop-stop")
        await process.wait()
        await ending
        self._warden.drop(process.pid)


def desktop_environment(server: Mapping[str, str]) -> dict[str, str]:
    """Return what of the server's environment programs get, always with UTF-8."""
    passed = scrubbed(server)
    language = passed.get("LC_ALL") or passed.get("LC_CTYPE") or passed.get("LANG") or ""
    if "utf" not in language.lower():
        passed = {name: value for name, value in passed.items() if not name.startswith("LC_")}
        passed["LANG"] = "C.UTF-8"
    return passed
