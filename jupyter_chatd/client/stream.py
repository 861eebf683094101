"""Following a chat over its WebSocket, across drops, from where it was left."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlencode

from tornado.websocket import WebSocketClientConnection

from .. import wire
from ..events import StreamEvent
from .errors import ClientError
from .restapi import unreachable
from .server import Server
from .sockets import MAX_FRAME, DroppedError, hang_up, open_socket
from .view import ChatView, apply, reconnected

SILENCE = 45.0  # seconds without a frame after which a connection counts as dead; the server pings every 15
GIVE_UP = 60.0  # seconds that a server may be gone
FIRST_DELAY = 0.2  # seconds before the first try to connect again
LONGEST_DELAY = 3.0  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """What came, and the chat after it."""

    view: ChatView
    events: tuple[StreamEvent, ...]
    """Empty at the start of each connection."""


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
        except DroppedError as error:
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
        DroppedError: it ended.
    """
    connection = await open_socket(server, f"{server.chats_url}/{chat_id}/stream?{urlencode(cursor)}")
    try:
        while True:
            yield _events(await _read(connection))
    finally:
        hang_up(connection)


async def _read(connection: WebSocketClientConnection) -> str | bytes:
    try:
        async with asyncio.timeout(SILENCE):
            text = await connection.read_message()
    except TimeoutError as error:
        raise DroppedError from error
    if text is not None:
        return text
    if connection.close_code == 1009:
        raise ClientError(f"A frame of the stream is longer than {MAX_FRAME} bytes: it cannot be read.")
    raise DroppedError


def _events(text: str | bytes) -> tuple[StreamEvent, ...]:
    """Return the events of a frame: `{type: ping | data | error, data}`. Unknown events are left out."""
    frame = cast("Mapping[str, Any]", wire.load_json(text))
    if frame.get("type") == "error":
        raise ClientError(f"The server ended the stream: {frame['data'].get('message')}")
    if frame.get("type") != "data":
        return ()
    found = (wire.event_from_json(value) for value in frame["data"])
    return tuple(event for event in found if event is not None)
