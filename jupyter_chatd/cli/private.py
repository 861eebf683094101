"""A Jupyter server of a command's own: on a Unix socket in a private folder, and gone when the command ends.

It uses the user's data folder, so that its chats are seen everywhere afterwards, and the environment of the
command, so that keys and addresses set there count. It opens no port, and no other program finds its record.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from ..client.client import AsyncClient
from ..client.errors import ClientError, RefusedError, UnreachableError
from ..client.records import find_record
from ..client.server import Server

START_TIMEOUT = 60.0  # seconds
STOP_TIMEOUT = 15.0  # seconds; the agent gets five to end a tool's processes
POLL = 0.05  # seconds between looks whether it is ready
SHOWN_LINES = 15  # of the log, when it does not start

LONGEST_SOCKET = 90  # characters; a socket's path may have 107, and Jupyter adds none


@asynccontextmanager
async def private_server(root: Path) -> AsyncGenerator[Server, None]:
    """Run a server whose commands start in *root*, for as long as the context lasts.

    Raises:
        ClientError: it does not start; the end of its log is in the text.
    """
    folder = _make_folder()
    process = None
    try:
        process = await _launch(folder, root)
        yield await _wait_until_ready(process, folder)
    finally:
        if process is not None:
            await _stop(process)
        shutil.rmtree(folder, ignore_errors=True)


def _make_folder() -> Path:
    """Return a new folder that only the user may enter, with a path short enough for a socket."""
    base = tempfile.gettempdir()
    return Path(tempfile.mkdtemp(prefix="chatd-", dir=base if len(base) < LONGEST_SOCKET - 20 else "/tmp"))


async def _launch(folder: Path, root: Path) -> asyncio.subprocess.Process:
    environ = {
        **os.environ,
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "JUPYTER_TOKEN": secrets.token_hex(24),
    }
    with (folder / "log").open("wb") as log:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "jupyter_chatd.cli.launcher", str(folder / "socket"), str(root)),
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C is for the command, which then stops the agent first
        )


async def _wait_until_ready(process: asyncio.subprocess.Process, folder: Path) -> Server:
    problem: ClientError | None = None
    try:
        async with asyncio.timeout(START_TIMEOUT):
            while process.returncode is None:
                record = find_record(process.pid, folder / "runtime")
                problem = await _problem(record.server) if record else None
                if record and problem is None:
                    return record.server
                if isinstance(problem, RefusedError) and problem.status != 503:
                    raise problem
                await asyncio.sleep(POLL)
    except TimeoutError:
        pass
    log = (folder / "log").read_text(errors="replace").splitlines()[-SHOWN_LINES:]
    reason = f"\n{problem}" if problem else ""
    raise ClientError(
        "\n".join([f"The server of this command did not start.{reason} The end of its log:", *log])
    )


async def _problem(server: Server) -> ClientError | None:
    """Return why the agent does not answer, `None` when it does."""
    async with AsyncClient(server) as client:
        try:
            await client.list(limit=1)
        except (RefusedError, UnreachableError) as error:
            return error
    return None


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
    try:
        async with asyncio.timeout(STOP_TIMEOUT):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
