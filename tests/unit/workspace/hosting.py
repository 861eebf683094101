"""Agents behind HTTP, on real unix sockets: in this process, and in a program of their own."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_unix_socket

from jupyter_chatd.workspace.agent.launch import end_program, start_program
from jupyter_chatd.workspace.agent.remote import RemoteAgent
from jupyter_chatd.workspace.agent.routes import Host, application
from jupyter_chatd.workspace.agent.settings import AgentSettings, Listening
from jupyter_chatd.workspace.environment import scrubbed
from jupyter_chatd.workspace.protocol import WorkspaceAgent

TOKEN = "a-token-of-the-tests"


@asynccontextmanager
async def hosted(agent: WorkspaceAgent, **options: Any) -> AsyncIterator[tuple[RemoteAgent, Host]]:
    """Serve *agent*, and give what asks it, made with *options*."""
    ended = asyncio.Event()
    host = Host(agent, token=TOKEN, on_shutdown=ended.set)
    server = HTTPServer(application(host))
    with tempfile.TemporaryDirectory(prefix="chatd") as folder:
        path = str(Path(folder) / "s")
        server.add_socket(bind_unix_socket(path))
        remote = RemoteAgent("http://agent", token=TOKEN, socket_path=path, **options)
        try:
            yield remote, host
        finally:
            await remote.aclose()
            server.stop()
            await server.close_all_connections()


@asynccontextmanager
async def running(settings: AgentSettings) -> AsyncIterator[tuple[RemoteAgent, Listening]]:
    """Start the program, and give what asks it."""
    listening = await start_program(settings, env=scrubbed(os.environ))
    agent = RemoteAgent("http://agent", token=settings.token, socket_path=settings.socket_path)
    try:
        yield agent, listening
    finally:
        await agent.aclose()
        assert await end(settings, listening)


async def end(settings: AgentSettings, listening: Listening) -> bool:
    return await end_program(
        settings.id,
        settings.folder,
        token=settings.token,
        pid=listening.pid,
        started_ticks=listening.started_ticks,
    )
