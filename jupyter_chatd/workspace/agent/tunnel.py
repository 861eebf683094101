"""A unix socket of this machine that leads to a desktop elsewhere: a WebSocket for each connection to it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

from tornado.websocket import WebSocketClosedError

from ...desktop.launchers.folder import Folder
from ..protocol import WorkspaceError

if TYPE_CHECKING:
    from tornado.websocket import WebSocketClientConnection

PIECE = 64 * 1024  # bytes that are read at once, and kept for a desktop that takes no more

HANG_UP_LIMIT = 6.0  # seconds; tornado waits 5 for the other side

Dial = Callable[[], Awaitable["WebSocketClientConnection"]]

log = logging.getLogger(__name__)


class Tunnel:
    """Lives until `close`. Neither end is read while the other takes nothing, so little is kept in between.

    Args:
        dial: Opens another WebSocket to the desktop; raises `WorkspaceError`.
        parent: Below it, a private folder holds the socket.
    """

    def __init__(self, dial: Dial, parent: Path) -> None:
        self._dial = dial
        self._parent = parent
        self._ready: WebSocketClientConnection | None = None
        self._folder: Folder | None = None
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()

    async def open(self) -> Path:
        """Begin to listen and return the socket. One WebSocket is opened at once, to see that it can be.

        Raises:
            WorkspaceError: it cannot.
            DesktopStartError: there can be no socket here.
        """
        self._ready = await self._dial()
        try:
            folder = await self._make_folder()
            self._server = await asyncio.start_unix_server(self._serve, folder.socket, limit=PIECE)
        except BaseException:
            await self.close()
            raise
        return folder.socket

    async def close(self) -> None:
        """Hang up. May be called twice."""
        if self._server is not None:
            self._server.close()
        for task in tuple(self._serving):
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        if self._ready is not None:
            self._ready.close()
            self._ready = None
        if self._folder is not None:
            await asyncio.to_thread(self._folder.remove)

    async def _make_folder(self) -> Folder:
        """Make it, and know of it even when the caller goes away meanwhile, for `close`."""
        making = asyncio.create_task(asyncio.to_thread(Folder, self._parent))
        try:
            self._folder = folder = await asyncio.shield(making)
        except asyncio.CancelledError:
            await asyncio.wait([making])
            if making.exception() is None:
                self._folder = making.result()
            raise
        return folder

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        try:
            await _join(reader, writer, await self._take())
        except WorkspaceError as error:
            log.info("A desktop elsewhere cannot be reached: %s", error)
        except asyncio.CancelledError:
            return  # by `close`; asyncio of Python 3.11 would log it as an error
        finally:
            writer.transport.abort()

    async def _take(self) -> WebSocketClientConnection:
        ready, self._ready = self._ready, None
        return ready or await self._dial()


async def _join(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, far: WebSocketClientConnection
) -> None:
    """Carry bytes both ways until one end hangs up."""
    to_desktop = asyncio.create_task(_to_desktop(reader, far), name="chatd-to-desktop")
    from_desktop = asyncio.create_task(_from_desktop(far, writer), name="chatd-from-desktop")
    try:
        await asyncio.wait([to_desktop, from_desktop], return_when=asyncio.FIRST_COMPLETED)
    finally:
        to_desktop.cancel()
        writer.transport.abort()
        far.close()
        # What still comes is read until the other side has hung up too, or its reader would wait for ever.
        await asyncio.wait([to_desktop, from_desktop], timeout=HANG_UP_LIMIT)
        from_desktop.cancel()
        await asyncio.gather(to_desktop, from_desktop, return_exceptions=True)


async def _to_desktop(reader: asyncio.StreamReader, far: WebSocketClientConnection) -> None:
    with contextlib.suppress(OSError, WebSocketClosedError):
        while data := await reader.read(PIECE):
            await far.write_message(data, binary=True)


async def _from_desktop(far: WebSocketClientConnection, writer: asyncio.StreamWriter) -> None:
    while (data := await far.read_message()) is not None:
        if not writer.is_closing():
            writer.write(data.encode() if isinstance(data, str) else data)
            with contextlib.suppress(OSError):
                await writer.drain()
