"""A VNC client that is not ours, vncdotool, at a desktop's route."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path

from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect

PATIENCE = 60.0  # seconds


async def use(url: str, headers: Mapping[str, str], *actions: str, picture: Path) -> None:
    """Do something at the desktop with that address (`http…/desktop`), and keep a picture of it."""
    async with await _bridge(url, headers) as served:
        port = served.sockets[0].getsockname()[1]
        words = ("-s", f"127.0.0.1::{port}", *actions, "capture", str(picture))
        client = await asyncio.create_subprocess_exec(sys.executable, "-m", "vncdotool.command", *words)
        assert await asyncio.wait_for(client.wait(), PATIENCE) == 0


async def _bridge(url: str, headers: Mapping[str, str]) -> asyncio.Server:
    """Serve the desktop on a loopback port, as programs want it that speak no WebSocket."""
    request = HTTPRequest(f"ws{url.removeprefix('http')}", headers=dict(headers))

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        viewer = await websocket_connect(request)

        async def up() -> None:
            while data := await reader.read(65536):
                await viewer.write_message(data, binary=True)
            viewer.close()

        sending = asyncio.create_task(up())
        while isinstance(message := await viewer.read_message(), bytes):
            writer.write(message)
            await writer.drain()
        sending.cancel()
        writer.close()

    return await asyncio.start_server(meet, "127.0.0.1", 0)
