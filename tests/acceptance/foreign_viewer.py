"""A VNC client that is not ours, vncdotool, at a desktop's route."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Mapping
from pathlib import Path

from tornado.httpclient import HTTPRequest
from tornado.websocket import WebSocketClientConnection, WebSocketClosedError, websocket_connect

PATIENCE = 60.0  # seconds


async def use(url: str, headers: Mapping[str, str], *actions: str, picture: Path) -> None:
    """Do something at the desktop with that address (`http…/desktop`), and keep a picture of it."""
    request = HTTPRequest(
        f"ws{url.removeprefix('http')}",
        headers=dict(headers),
        connect_timeout=PATIENCE,
        request_timeout=PATIENCE,
    )
    viewer = await websocket_connect(request)
    ended = asyncio.Event()

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass the bytes on, as programs want them that speak no WebSocket."""
        sending = asyncio.create_task(_send(reader, viewer))
        try:
            while isinstance(message := await viewer.read_message(), bytes):
                writer.write(message)
                await writer.drain()
        finally:
            sending.cancel()
            writer.close()
            ended.set()

    async with await asyncio.start_server(meet, "127.0.0.1", 0) as served:
        port = served.sockets[0].getsockname()[1]
        words = ("-s", f"127.0.0.1::{port}", *actions, "capture", str(picture))
        client = await asyncio.create_subprocess_exec(sys.executable, "-m", "vncdotool.command", *words)
        assert await asyncio.wait_for(client.wait(), PATIENCE) == 0
        async with asyncio.timeout(PATIENCE):
            await ended.wait()


async def _send(reader: asyncio.StreamReader, viewer: WebSocketClientConnection) -> None:
    with contextlib.suppress(WebSocketClosedError):
        while data := await reader.read(65536):
            await viewer.write_message(data, binary=True)
    viewer.close()
