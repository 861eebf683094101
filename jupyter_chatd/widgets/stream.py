"""One WebSocket of the server, held for a page."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from tornado.websocket import WebSocketClientConnection, WebSocketClosedError

from ..client.errors import ClientError
from ..client.server import Server
from ..client.sockets import DroppedError, hang_up, open_socket

NORMAL = 1000
LOST = 1006  # what a browser says of a connection that it could not make, or lost
REFUSED = 1011

WINDOW = 1024 * 1024  # bytes on their way to a page before no more are read from the server

Tell = Callable[[Mapping[str, Any], Sequence[bytes]], None]


class Stream:
    """Carries frames both ways from `run` until either side closes.

    Args:
        server: Where to.
        url: The address of the WebSocket, with `http`.
        tell: Takes `opened`, `frame` and, once and last, `closed`.
    """

    def __init__(self, server: Server, url: str, tell: Tell) -> None:
        self._server = server
        self._url = url
        self._tell = tell
        self._outgoing: asyncio.Queue[str | bytes] = asyncio.Queue()
        self._untaken = 0  # bytes
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._task: asyncio.Task[Any] | None = None
        self._is_closed = False

    def send(self, frame: str | bytes) -> None:
        """Send a frame, in order."""
        self._outgoing.put_nowait(frame)

    def taken(self, count: int) -> None:
        """Take note that the page has taken in so many bytes."""
        self._untaken -= count
        if self._untaken < WINDOW:
            self._has_room.set()

    def close(self) -> None:
        """Hang up, or do not begin. May be called twice."""
        self._is_closed = True
        if self._task is not None:
            self._task.cancel()

    async def run(self) -> None:
        """Carry frames until the end."""
        self._task = asyncio.current_task()
        code, reason = NORMAL, ""
        try:
            if not self._is_closed:
                code, reason = await self._carry()
        except DroppedError as error:
            code, reason = LOST, str(error)
        except ClientError as error:
            code, reason = REFUSED, str(error)
        finally:
            self._tell({"type": "closed", "code": code, "reason": reason}, [])

    async def _carry(self) -> tuple[int, str]:
        connection = await open_socket(self._server, self._url)
        sending = asyncio.ensure_future(self._send_all(connection))
        try:
            self._tell({"type": "opened"}, [])
            while (frame := await connection.read_message()) is not None:
                self._pass_on(frame)
                await self._has_room.wait()
            return connection.close_code or LOST, connection.close_reason or ""
        finally:
            sending.cancel()
            hang_up(connection)

    def _pass_on(self, frame: str | bytes) -> None:
        if isinstance(frame, str):
            self._tell({"type": "frame", "text": frame}, [])
        else:
            self._tell({"type": "frame"}, [frame])
            self._untaken += len(frame)
            if self._untaken >= WINDOW:
                self._has_room.clear()

    async def _send_all(self, connection: WebSocketClientConnection) -> None:
        with suppress(WebSocketClosedError):
            while True:
                frame = await self._outgoing.get()
                await connection.write_message(frame, binary=isinstance(frame, bytes))
