"""The WebSocket that carries RFB between a viewer and a desktop: jupyter-server-proxy's, with back-pressure.

Its library is large: import this only when a viewer comes. Why a subclass: desktop/DECISIONS.md.
"""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tornado.websocket import WebSocketClosedError, WebSocketHandler

from ..desktop.errors import DesktopLostError
from ..desktop.viewers.framing import UnknownMessageError
from ..desktop.viewers.gates import Gate
from .sockets import Sockets

if TYPE_CHECKING:  # the library has no types: what of it is used here
    from tornado.httputil import HTTPServerRequest
    from tornado.web import Application, OutputTransform

    class RawSocketHandler(WebSocketHandler):
        """Proxies a WebSocket into a stream."""

        unix_socket: str | None
        name: str
        ws_transp: asyncio.Transport
        ws_proto: DesktopProtocol

        async def _create_ws_connection(
            self, proto: partial[DesktopProtocol]
        ) -> tuple[asyncio.Transport, DesktopProtocol]: ...

        async def _execute(
            self, transforms: list[OutputTransform], *args: bytes, **kwargs: bytes
        ) -> None: ...
else:
    from jupyter_server_proxy.rawsocket import RawSocketHandler

WINDOW = 512 * 1024  # bytes on their way to a viewer before no more are read from the desktop
MOST_MESSAGE = 1024 * 1024  # bytes in one message of a viewer: browsers send 10 KiB, other clients 64
MOST_SILENT = 3  # pings in a row that a viewer may leave unanswered

GOING_AWAY = 1001
PROTOCOL_ERROR = 1002
_LONGEST_REASON = 120  # bytes; a frame takes 123


class DesktopProtocol(asyncio.Protocol):
    """The desktop's end of the bridge. Reads nothing until the viewer is there."""

    transport: asyncio.Transport

    def __init__(self, viewer: DesktopSocket) -> None:
        self._viewer = viewer
        self._may_write = asyncio.Event()
        self._may_write.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.pause_reading()

    def data_received(self, data: bytes) -> None:
        self._viewer.show(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._may_write.set()
        self._viewer.hang_up()

    def pause_writing(self) -> None:
        self._may_write.clear()

    def resume_writing(self) -> None:
        self._may_write.set()

    async def write(self, data: bytes) -> None:
        """Hand *data* to the desktop; returns when it takes more."""
        self.transport.write(data)
        await self._may_write.wait()


class DesktopSocket(RawSocketHandler):
    """One viewer. The route has checked who it is and what it may do; `connect`, then `serve`."""

    name = "desktop"

    if TYPE_CHECKING:

        def __init__(
            self,
            application: Application,
            request: HTTPServerRequest,
            *,
            path: Path,
            gate: Gate,
            sockets: Sockets,
        ) -> None: ...

    def initialize(self, *, path: Path, gate: Gate, sockets: Sockets) -> None:
        """Take what tornado passes on.

        Args:
            path: The desktop's socket.
            gate: What of the viewer's bytes may pass.
            sockets: Keeps the viewer open, and closes it when the server stops.
        """
        self.unix_socket = str(path)
        self._gate = gate
        self._sockets = sockets
        self._unsent = 0  # bytes
        self._silent = 0
        self._is_open = False

    async def connect(self) -> None:
        """Connect to the desktop.

        Raises:
            DesktopLostError: it is not there any more.
        """
        try:
            self.ws_transp, self.ws_proto = await self._create_ws_connection(partial(DesktopProtocol, self))
        except OSError as error:
            raise DesktopLostError(f"The desktop does not answer: {error.strerror}. Try again.") from error

    async def serve(self) -> None:
        """Answer the request in the route's stead, and serve the viewer until it goes."""
        try:
            await self._execute([])
        finally:
            self.ws_transp.abort()

    async def open(self, *_args: str, **_kwargs: str) -> None:
        """Begin to show the desktop."""
        self._is_open = True
        self.set_nodelay(True)
        self._sockets.add(self)
        if self.ws_transp.is_closing():
            self.hang_up()
        else:
            self.ws_transp.resume_reading()

    def hang_up(self) -> None:
        """The desktop has gone."""
        if self._is_open:
            self.close(GOING_AWAY, "the desktop has stopped")

    def show(self, data: bytes) -> None:
        """Send what the desktop said; while too much is on its way, nothing is read from the desktop."""
        try:
            sending = self.write_message(data, binary=True)
        except WebSocketClosedError:
            return
        self._unsent += len(data)
        if self._unsent >= WINDOW:
            self.ws_transp.pause_reading()
        sending.add_done_callback(partial(self._sent, len(data)))

    def _sent(self, length: int, sending: asyncio.Future[None]) -> None:
        if sending.cancelled() or sending.exception():
            return  # the viewer has gone: on_close cleans up
        self._unsent -= length
        if self._unsent < WINDOW and not self.ws_transp.is_closing():
            self.ws_transp.resume_reading()

    async def on_message(self, message: str | bytes) -> None:
        """Pass on what a viewer may say; tornado reads its next message when this returns."""
        try:
            data = self._gate.passed(message.encode() if isinstance(message, str) else message)
        except UnknownMessageError as error:
            self.close(PROTOCOL_ERROR, str(error)[:_LONGEST_REASON])
            return
        if data and not self.ws_transp.is_closing():
            await self.ws_proto.write(data)

    def keep_open(self) -> None:
        """Ask whether the viewer is there; close it when it did not answer for long."""
        self._silent += 1
        if self._silent > MOST_SILENT:
            self.close(reason="no answer to pings")
            return
        try:
            self.ping()
        except WebSocketClosedError:
            return

    def on_pong(self, data: bytes) -> None:
        """The viewer is there."""
        self._silent = 0

    def on_close(self) -> None:
        """Let go of the desktop."""
        self._sockets.discard(self)
        self.ws_transp.abort()

    def set_default_headers(self) -> None:
        """None: the answer is no page."""

    @property
    def max_message_size(self) -> int:
        """Bytes; a longer message closes."""
        return MOST_MESSAGE

    @property
    def ping_interval(self) -> float:
        """None of tornado's own; see `keep_open`."""
        return 0

    def _record_activity(self) -> None:
        """Looking is no activity; the gate tells of input."""
