"""Starting the program, finding it again, and ending it with all that it ever started."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from ...wire.values import adapter_of
from .. import ledger, procfs
from ..daemons import end_marked
from ..protocol import WorkspaceError
from .remote import RemoteAgent
from .settings import MARK_VARIABLE, PATH_LIMIT, SOCKET, AgentSettings, Listening

LOG_FILE = "log"
"""In the agent's folder: what the program had to complain about."""
LISTEN_LIMIT = 60.0  # seconds from the start until it listens; a loaded machine takes a while to import
END_LIMIT = 10.0  # seconds for the program to end by itself, then as long for what is left
_GRACE = 0.5  # seconds from SIGTERM to SIGKILL
_LOOKS = 0.02  # seconds between two looks whether it has ended
_COMPLAINT = 2000  # bytes of the log in an error
# The shell ends at once, so the program is nobody's child here: a server that ends or is replaced leaves it.
_SCRIPT = 'log=$1; shift; exec 3<&0; "$@" <&3 3<&- 2>>"$log" &'

log = logging.getLogger(__name__)


class LaunchError(Exception):
    """The program could not be started; the text says what it complained about."""


async def start_program(settings: AgentSettings, *, env: Mapping[str, str]) -> Listening:
    """Start the program and return once it listens. Cancelled or failed, nothing of it is left.

    Args:
        env: Its environment, which must hold no secrets: commands get what is allowed of it.

    Raises:
        LaunchError: it does not listen.
    """
    log_file = settings.folder / LOG_FILE
    words = ("-c", _SCRIPT, "sh", str(log_file), sys.executable, "-P", "-m", "jupyter_chatd.workspace.agent")
    try:
        return await _start(settings, words, env)
    except (OSError, TimeoutError, ValidationError) as error:
        await end_remains(settings.id, settings.folder)
        raise LaunchError(f"The workspace's agent did not start. {_complaint(log_file, error)}") from error
    except asyncio.CancelledError:
        await asyncio.shield(end_remains(settings.id, settings.folder))
        raise


async def _start(settings: AgentSettings, words: tuple[str, ...], env: Mapping[str, str]) -> Listening:
    shell = await asyncio.create_subprocess_exec(
        "/bin/sh",
        *words,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd="/",
        env={**_import_path(), **env, MARK_VARIABLE: settings.id},
        start_new_session=True,
    )
    assert shell.stdin is not None
    assert shell.stdout is not None
    async with asyncio.timeout(LISTEN_LIMIT):
        shell.stdin.write(adapter_of(AgentSettings).dump_json(settings))
        shell.stdin.close()
        line = await shell.stdout.read()
        await shell.wait()
    return adapter_of(Listening).validate_json(line)


def _import_path() -> dict[str, str]:
    """The program imports what this one does. Its commands do not get the variable."""
    path = os.environ.get("PYTHONPATH")
    return {"PYTHONPATH": path} if path else {}


def _complaint(log_file: Path, error: Exception) -> str:
    """Return the end of what the program wrote, else the error itself."""
    try:
        said = log_file.read_bytes()[-_COMPLAINT:].decode("utf-8", "replace").strip()
    except OSError:
        said = ""
    return said.splitlines()[-1] if said else f"{type(error).__name__}: {error}"


def lives(pid: int, started_ticks: int) -> bool:
    """Whether that very process runs."""
    stat = procfs.find_stat(pid)
    return stat is not None and stat.is_alive and stat.started_ticks == started_ticks


async def end_program(agent_id: str, folder: Path, *, token: str, pid: int, started_ticks: int) -> bool:
    """End the program and everything that it ever started; true when nothing is left."""
    is_told = await _tell_to_end(RemoteAgent("http://agent", token=token, socket_path=str(folder / SOCKET)))
    if not await _ended(pid, started_ticks, limit_s=END_LIMIT if is_told else 0.0):
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
            await _ended(pid, started_ticks, limit_s=_GRACE)
    return await end_remains(agent_id, folder)


async def _tell_to_end(remote: RemoteAgent) -> bool:
    """Whether it has heard that it shall; whatever answers instead of it has not."""
    try:
        await remote.shutdown()
    except WorkspaceError as error:
        log.info("An agent cannot be told to end, so it is ended: %s", error)
        return False
    finally:
        await remote.aclose()
    return True


async def end_remains(agent_id: str, folder: Path) -> bool:
    """End what an agent that has ended left running, daemons included; true when nothing is left."""
    await asyncio.to_thread(ledger.sweep, folder / "processes")
    return await end_marked(MARK_VARIABLE, agent_id, grace_s=_GRACE, limit_s=END_LIMIT)


async def _ended(pid: int, started_ticks: int, *, limit_s: float) -> bool:
    deadline = time.monotonic() + limit_s
    while lives(pid, started_ticks):
        if time.monotonic() >= deadline:
            return False
        await asyncio.sleep(_LOOKS)
    return True


def fits(folder: Path) -> bool:
    """Whether a socket in *folder* has a path that is short enough."""
    return len(os.fsencode(folder / SOCKET)) <= PATH_LIMIT
