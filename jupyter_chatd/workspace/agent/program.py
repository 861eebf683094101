"""The program: one agent on one socket, until it is told to end, or nobody has asked for long."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_unix_socket

from ...short_folder import require_private
from ...wire.values import adapter_of
from .. import procfs
from ..protocol import ProcessSpec, WorkspaceError
from ..server import ServerAgent
from .operations import Lifecycle
from .routes import MAX_BODY, Host, application
from .settings import MARK_VARIABLE, AgentSettings, Listening

CHAT_OF_STARTUP = "startup"
"""Whose process the start-up script is."""
_BACKLOG = 1024  # connections that wait to be taken
_LOOKS = 30.0  # seconds between two looks whether anybody still asks


class Use:
    """When the program was last of use."""

    def __init__(self) -> None:
        self._running = 0
        self._last = time.monotonic()

    def note(self, change: int) -> None:
        """Hear that a request has begun (1) or ended (-1)."""
        self._running += change
        self._last = time.monotonic()

    def idle_s(self) -> float:
        """Return for how many seconds nobody has asked."""
        return 0.0 if self._running else time.monotonic() - self._last


def make_agent(settings: AgentSettings) -> ServerAgent:
    """Return the agent that *settings* describe."""
    return ServerAgent(
        directory=settings.directory,
        home=settings.home,
        state_folder=settings.folder / "processes",
        config_folder=settings.config_folder,
        protected=[*settings.protected, settings.folder],
        extra_env_names=[*settings.extra_env_names, MARK_VARIABLE],
        sandbox=settings.sandbox,
        piped_sandbox=settings.piped_sandbox,
        limits=settings.limits,
    )


async def serve(settings: AgentSettings) -> None:
    """Run the agent to its end.

    Raises:
        OSError: it cannot listen.
    """
    require_private(settings.folder)
    ended, use, agent = asyncio.Event(), Use(), make_agent(settings)
    host = Host(agent, token=settings.token, on_shutdown=ended.set, on_use=use.note)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    server = HTTPServer(application(host), max_buffer_size=MAX_BODY, max_body_size=MAX_BODY)
    server.add_socket(bind_unix_socket(settings.socket_path, mode=0o600, backlog=_BACKLOG))
    if settings.startup_script:
        host.lifecycle = Lifecycle.STARTING
    _say_listening()
    tasks = [asyncio.create_task(_end_when_useless(use, ended, settings))]
    if settings.startup_script:
        tasks.append(asyncio.create_task(_start_up(host, settings.startup_script, settings.startup_limit_s)))
    try:
        await ended.wait()
    finally:
        server.stop()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await agent.aclose()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(settings.socket_path)


def _say_listening() -> None:
    own = procfs.find_stat(os.getpid())
    line = adapter_of(Listening).dump_json(
        Listening(pid=os.getpid(), started_ticks=own.started_ticks if own else 0)
    )
    os.write(sys.stdout.fileno(), line + b"\n")
    # Nobody reads on, and whoever started the program waits for the end of what it writes.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


async def _end_when_useless(use: Use, ended: asyncio.Event, settings: AgentSettings) -> None:
    """End the program when nobody has asked for long, or nobody can any more: its socket was removed."""
    limit_s = settings.idle_limit_s
    while use.idle_s() < limit_s and settings.is_reachable:  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(min(_LOOKS, limit_s / 4))
    ended.set()


async def _start_up(host: Host, script: str, limit_s: float) -> None:
    try:
        spec = ProcessSpec(command=script, chat_id=CHAT_OF_STARTUP, background=True)
        process_id = await host.agent.start_process(spec)
        output = await host.agent.wait_process(CHAT_OF_STARTUP, process_id, timeout_s=limit_s)
    except WorkspaceError as error:
        sys.stderr.write(f"The start-up script did not run: {error}\n")
        host.lifecycle = Lifecycle.START_ERROR
        return
    if output.running:
        host.lifecycle = Lifecycle.START_TIMEOUT
    elif output.exit_code != 0:
        sys.stderr.write(f"The start-up script ended with code {output.exit_code}:\n{output.output}\n")
        host.lifecycle = Lifecycle.START_ERROR
    else:
        host.lifecycle = Lifecycle.READY


def main() -> None:
    """Read the settings from standard input and run."""
    settings = adapter_of(AgentSettings).validate_json(sys.stdin.buffer.read())
    if settings.undumpable:
        from ...undumpable import make_undumpable

        make_undumpable()
    with contextlib.suppress(PermissionError):  # a session leader already, as when it is started by hand
        os.setsid()
    asyncio.run(serve(settings))
