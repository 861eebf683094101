"""Connections to the WebSockets of a server."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.iostream import StreamClosedError
from tornado.netutil import Resolver
from tornado.websocket import WebSocketClientConnection, WebSocketError, websocket_connect

from .restapi import CONNECT_TIMEOUT, refusal
from .server import Server

MAX_FRAME = 512 * 1024 * 1024  # bytes; a snapshot's frame holds up to a hundred messages


class DroppedError(Exception):
    """The connection ended, or could not be made."""


async def open_socket(server: Server, url: str) -> WebSocketClientConnection:
    """Return a connection to a WebSocket of *server*; `hang_up` ends it.

    Raises:
        DroppedError: the server does not answer.
        RefusedError: it does not let us in, or has no such stream.
    """
    request = HTTPRequest(
        url.replace("http", "ws", 1), headers=dict(server.headers), connect_timeout=CONNECT_TIMEOUT
    )
    resolver = _UnixResolver(server.sock) if server.sock else None
    connecting = asyncio.ensure_future(
        websocket_connect(request, max_message_size=MAX_FRAME, resolver=resolver)
    )
    try:
        return await asyncio.shield(connecting)
    except asyncio.CancelledError:
        connecting.add_done_callback(_close_unwanted)  # Tornado goes on connecting
        raise
    except HTTPClientError as error:
        if error.code < 400 or error.code >= 500:  # 599 is Tornado's own: no answer in time
            raise DroppedError(str(error)) from error
        raise refusal(error.code, error.response.body if error.response else b"") from None
    except (OSError, StreamClosedError, WebSocketError) as error:
        raise DroppedError(str(error)) from error
    except RuntimeError as error:
        if "shutdown" not in str(error):
            raise
        raise DroppedError(str(error)) from error  # the process ends: no thread looks names up any more


def _close_unwanted(connecting: asyncio.Future[WebSocketClientConnection]) -> None:
    if not connecting.cancelled() and connecting.exception() is None:
        hang_up(connecting.result())


def hang_up(connection: WebSocketClientConnection) -> None:
    """Say goodbye and let the socket go: the loop may end before the server has answered."""
    protocol = connection.protocol  # the connection forgets it when it says goodbye
    connection.close()
    if protocol is not None and protocol.stream is not None:
        protocol.stream.close()


class _UnixResolver(Resolver):
    """Leads every host name to one Unix socket."""

    def initialize(self, path: str) -> None:
        self._path = path

    async def resolve(
        self, host: str, port: int, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[tuple[int, Any]]:
        return [(socket.AF_UNIX, self._path)]
