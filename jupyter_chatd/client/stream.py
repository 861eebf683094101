"""Following a chat over its WebSocket, across drops, from where it was left."""

from __future__ import annotations

import asyncio
import random
import socket
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlencode

from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.iostream import StreamClosedError
from tornado.netutil import Resolver
from tornado.websocket import WebSocketClientConnection, WebSocketError, websocket_connect

from .. import wire
from ..events import StreamEvent
from .errors import ClientError
from .restapi import CONNECT_TIMEOUT, refusal, unreachable
from .server import Server
from .view import ChatView, apply, reconnected

SILENCE = 45.0  # seconds without a frame after which a connection counts as dead; the server pings every 15
GIVE_UP = 60.0  # seconds that a server may be gone
FIRST_DELAY = 0.2  # seconds before the first try to connect again
LONGEST_DELAY = 3.0  # seconds
MAX_FRAME = 512 * 1024 * 1024  # bytes; a snapshot's frame holds up to a hundred messages


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """What came, and the chat after it."""

    view: ChatView
    events: tuple[StreamEvent, ...]
    """Empty at the start of each connection."""


class _DroppedError(Exception):
    """The connection ended, or could not be made."""


async def follow(
    server: Server, chat_id: str, *, view: ChatView | None = None, give_up_s: float | None = GIVE_UP
) -> AsyncGenerator[Update, None]:
    """Yield what happens in a chat, for as long as it is iterated; close it with `aclosing`.

    Every stored message comes once and in order. Live parts come once too, also when the connection drops
    inside an answer; when the server was restarted meanwhile, the view's `live` begins anew.

    Args:
        server: Where the chat is.
        chat_id: The chat.
        view: What was seen before; the stream goes on from there.
        give_up_s: Seconds that the server may be gone; `None` waits for ever.

    Raises:
        RefusedError: there is no such chat, or the server does not let us in.
        UnreachableError: the server was gone for too long.
    """
    view = view or ChatView(chat_id=chat_id)
    patience = _Patience(give_up_s)
    while True:
        view = reconnected(view)
        yield Update(view=view, events=())
        try:
            async with aclosing(_frames(server, chat_id, view.cursor)) as frames:
                async for events in frames:
                    patience.renew()
                    view = apply(view, events)
                    yield Update(view=view, events=events)
        except _DroppedError as error:
            await patience.wait(server, error)


class _Patience:
    """Random delays that grow while a server is gone, and an end to them."""

    def __init__(self, give_up_s: float | None) -> None:
        self._give_up_s = give_up_s
        self.renew()

    def renew(self) -> None:
        """The server is there."""
        self._since = time.monotonic()
        self._delay = FIRST_DELAY

    async def wait(self, server: Server, error: Exception) -> None:
        """Sleep before the next try, or give up."""
        if self._give_up_s is not None and time.monotonic() - self._since > self._give_up_s:
            raise unreachable(server, error)
        await asyncio.sleep(random.uniform(self._delay / 2, self._delay))
        self._delay = min(self._delay * 2, LONGEST_DELAY)


async def _frames(
    server: Server, chat_id: str, cursor: Mapping[str, str]
) -> AsyncGenerator[tuple[StreamEvent, ...], None]:
    """Yield the events of each frame of one connection.

    Raises:
        _DroppedError: it ended.
    """
    connection = await _connect(server, f"{server.chats_url}/{chat_id}/stream?{urlencode(cursor)}")
    try:
        while True:
            yield _events(await _read(connection))
    finally:
        _hang_up(connection)


async def _connect(server: Server, url: str) -> WebSocketClientConnection:
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
            raise _DroppedError from error
        raise refusal(error.code, error.response.body if error.response else b"") from None
    except (OSError, StreamClosedError, WebSocketError) as error:
        raise _DroppedError from error
    except RuntimeError as error:
        if "shutdown" not in str(error):
            raise
        raise _DroppedError from error  # the process ends: no thread looks names up any more


def _close_unwanted(connecting: asyncio.Future[WebSocketClientConnection]) -> None:
    if not connecting.cancelled() and connecting.exception() is None:
        _hang_up(connecting.result())


def _hang_up(connection: WebSocketClientConnection) -> None:
    """Say goodbye and let the socket go: the loop may end before the server has answered."""
    protocol = connection.protocol  # the connection forgets it when it says goodbye
    connection.close()
    if protocol is not None and protocol.stream is not None:
        protocol.stream.close()


async def _read(connection: WebSocketClientConnection) -> str | bytes:
    try:
        async with asyncio.timeout(SILENCE):
            text = await connection.read_message()
    except TimeoutError as error:
        raise _DroppedError from error
    if text is not None:
        return text
    if connection.close_code == 1009:
        raise ClientError(f"A frame of the stream is longer than {MAX_FRAME} bytes: it cannot be read.")
    raise _DroppedError


def _events(text: str | bytes) -> tuple[StreamEvent, ...]:
    """Return the events of a frame: `{type: ping | data | error, data}`. Unknown events are left out."""
    frame = cast("Mapping[str, Any]", wire.load_json(text))
    if frame.get("type") == "error":
        raise ClientError(f"The server ended the stream: {frame['data'].get('message')}")
    if frame.get("type") != "data":
        return ()
    found = (wire.event_from_json(value) for value in frame["data"])
    return tuple(event for event in found if event is not None)


class _UnixResolver(Resolver):
    """Leads every host name to one Unix socket."""

    def initialize(self, path: str) -> None:
        self._path = path

    async def resolve(
        self, host: str, port: int, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[tuple[int, Any]]:
        return [(socket.AF_UNIX, self._path)]
