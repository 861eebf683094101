"""A socket that leads elsewhere: bytes both ways, and no more of them in between than buffers hold."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from jupyter_chatd.desktop.launchers.folder import Folder
from jupyter_chatd.workspace.agent import tunnel as tunnel_module
from jupyter_chatd.workspace.agent.dial import dial
from jupyter_chatd.workspace.agent.tunnel import PIECE, Dial, Tunnel

pytestmark = pytest.mark.anyio

PIECES = 1024
WHOLE = PIECES * PIECE  # 64 MiB
HELD = WHOLE // 2  # bytes: kernels and their sockets keep some megabytes
STILL = 0.5  # seconds
PATIENCE = 60.0  # seconds


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


class Door(WebSocketHandler):
    """The other side as somebody sees it who is let in only after a while."""

    def initialize(self, gate: asyncio.Event, asked: asyncio.Event, left: asyncio.Event) -> None:
        self.gate, self.asked, self.left = gate, asked, left

    async def prepare(self) -> None:
        self.asked.set()
        await self.gate.wait()

    def on_close(self) -> None:
        self.left.set()


@asynccontextmanager
async def serving(handler: type[WebSocketHandler], **arguments: asyncio.Event) -> AsyncIterator[Dial]:
    server = HTTPServer(Application([("/far", handler, arguments)]))
    (listening,) = bind_sockets(0, "127.0.0.1")
    server.add_socket(listening)
    url = f"http://127.0.0.1:{listening.getsockname()[1]}/far"
    yield lambda: dial(url, headers={}, tls=None, explain=lambda _: None)
    server.stop()
    await server.close_all_connections()


@asynccontextmanager
async def tunnel_to(gate: asyncio.Event) -> AsyncIterator[Path]:
    with tempfile.TemporaryDirectory(prefix="rfb") as folder:
        async with serving(Far, gate=gate) as dial_far:
            tunnel = Tunnel(dial_far, Path(folder))
            yield await tunnel.open()
            await tunnel.close()
            await tunnel.close()
            assert os.listdir(folder) == []


async def still(count: str) -> int:
    """Wait until a number of the other side grows no more."""
    before = 0
    async with asyncio.timeout(PATIENCE):
        while (now := getattr(Far, count)) == 0 or now != before:
            before = now
            await asyncio.sleep(STILL)
    return before


async def test_who_does_not_read_is_not_sent_more(anyio_backend: str) -> None:
    async with tunnel_to(asyncio.Event()) as path:
        reader, writer = await asyncio.open_unix_connection(path, limit=PIECE)
        writer.write(b"send")
        assert await still("sent") < HELD
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
        before = 0
        async with asyncio.timeout(PATIENCE):
            while written == 0 or written != before:
                before = written
                await asyncio.sleep(STILL)
        assert written < HELD
        gate.set()
        await writing
        async with asyncio.timeout(PATIENCE):
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


@pytest.fixture
def short() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="rfb") as folder:
        yield Path(folder)


async def cancel(task: asyncio.Task[Path]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_who_goes_away_while_dialling_leaves_no_connection(anyio_backend: str, short: Path) -> None:
    gate, asked, left = asyncio.Event(), asyncio.Event(), asyncio.Event()
    async with serving(Door, gate=gate, asked=asked, left=left) as dial_far, asyncio.timeout(60):
        opening = asyncio.create_task(Tunnel(dial_far, short).open())
        await asked.wait()
        await cancel(opening)
        gate.set()
        await left.wait()
    assert os.listdir(short) == []


async def test_who_goes_away_while_the_folder_is_made_leaves_none(
    anyio_backend: str, short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, goes_on = threading.Event(), threading.Event()

    class Slow(Folder):
        def __init__(self, parent: Path) -> None:
            begun.set()
            goes_on.wait()
            super().__init__(parent)

    monkeypatch.setattr(tunnel_module, "Folder", Slow)
    gate, left = asyncio.Event(), asyncio.Event()
    gate.set()
    async with serving(Door, gate=gate, asked=asyncio.Event(), left=left) as dial_far, asyncio.timeout(60):
        opening = asyncio.create_task(Tunnel(dial_far, short).open())
        await asyncio.to_thread(begun.wait)
        asyncio.get_running_loop().call_later(STILL, goes_on.set)
        await cancel(opening)
        await left.wait()
    assert os.listdir(short) == []
