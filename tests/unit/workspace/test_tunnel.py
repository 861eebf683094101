"""A socket that leads elsewhere: bytes both ways, and no more of them in between than buffers hold."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from jupyter_chatd.workspace.agent.dial import dial
from jupyter_chatd.workspace.agent.tunnel import PIECE, Tunnel

pytestmark = pytest.mark.anyio

PIECES = 1024
WHOLE = PIECES * PIECE  # 64 MiB
HELD = WHOLE // 2  # bytes: kernels and their sockets keep some megabytes
STILL = 0.5  # seconds


class Far(WebSocketHandler):
    """The other side: sends much when it is told to, and takes nothing while its gate is closed."""

    sent = 0
    taken = 0
    gate: asyncio.Event

    def initialize(self, gate: asyncio.Event) -> None:
        Far.sent = Far.taken = 0
        self.gate = gate

    async def on_message(self, message: str | bytes) -> None:
        if message == b"send":
            self.sending = asyncio.create_task(self.blast())
            return
        await self.gate.wait()
        Far.taken += len(message)

    async def blast(self) -> None:
        try:
            for _ in range(PIECES):
                await self.write_message(b"\0" * PIECE, binary=True)
                Far.sent += PIECE
            self.close()
        except WebSocketClosedError:
            return


@asynccontextmanager
async def tunnel_to(gate: asyncio.Event) -> AsyncIterator[Path]:
    server = HTTPServer(Application([("/far", Far, {"gate": gate})]))
    (listening,) = bind_sockets(0, "127.0.0.1")
    server.add_socket(listening)
    url = f"http://127.0.0.1:{listening.getsockname()[1]}/far"
    with tempfile.TemporaryDirectory(prefix="rfb") as folder:
        tunnel = Tunnel(lambda: dial(url, headers={}, tls=None, explain=lambda _: None), Path(folder))
        yield await tunnel.open()
        await tunnel.close()
        await tunnel.close()
        assert os.listdir(folder) == []
    server.stop()
    await server.close_all_connections()


async def still(count: str) -> int:
    """Wait until a number of the other side grows no more."""
    before = -1
    while (now := getattr(Far, count)) != before:
        before = now
        await asyncio.sleep(STILL)
    return before


async def test_who_does_not_read_is_not_sent_more(anyio_backend: str) -> None:
    async with tunnel_to(asyncio.Event()) as path:
        reader, writer = await asyncio.open_unix_connection(path, limit=PIECE)
        writer.write(b"send")
        assert 0 < await still("sent") < HELD
        came = 0
        while data := await reader.read(PIECE):
            came += len(data)
        assert came == WHOLE
        writer.close()


async def test_a_desktop_that_takes_nothing_is_not_sent_more(anyio_backend: str) -> None:
    gate = asyncio.Event()

    async def write(writer: asyncio.StreamWriter) -> None:
        nonlocal written
        for _ in range(PIECES):
            writer.write(b"\0" * PIECE)
            await writer.drain()
            written += PIECE

    written = 0
    async with tunnel_to(gate) as path:
        _, writer = await asyncio.open_unix_connection(path)
        writing = asyncio.create_task(write(writer))
        before = -1
        while written != before:
            before = written
            await asyncio.sleep(STILL)
        assert 0 < written < HELD
        gate.set()
        await writing
        async with asyncio.timeout(60):
            while Far.taken < WHOLE:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)
        writer.close()


async def test_connections_end_with_the_tunnel(anyio_backend: str) -> None:
    async with tunnel_to(asyncio.Event()) as path:
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b"send")
        assert await reader.readexactly(PIECE)
    with contextlib.suppress(ConnectionError):  # a reset is as good as an end
        while await reader.read(PIECE):
            pass
    writer.close()
