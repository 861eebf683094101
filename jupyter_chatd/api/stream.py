"""`GET chats/{id}/stream`: a WebSocket, and the same events as `text/event-stream` without an Upgrade header."""

from __future__ import annotations

import asyncio
from typing import Any

from jupyter_server.auth.decorator import ws_authenticated
from jupyter_server.base.websocket import WebSocketMixin
from jupyter_server.utils import ensure_async
from tornado import web
from tornado.iostream import StreamClosedError
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from .. import wire
from ..errors import ChatdError, InvalidInputError
from ..events import Episode
from ..stream import Cursor, Subscription
from .base import ChatdMixin, ChatdHandler, error_envelope

PING_S = 15.0  # seconds between pings; proxies cut sockets that are silent for 60 s

PING = '{"type":"ping"}'


def parse_cursor(after_id: str | None, episode: str | None) -> Cursor:
    """Return the cursor of a request.

    Args:
        after_id: Decimal id of the last durable message that the client has; absent means none.
        episode: `history_version.attempt.seq` of the last live part that it has.

    Raises:
        InvalidInputError: one of them is not of that form.
    """
    if episode is None or episode == "":
        return Cursor(after_id=_number(after_id or "0", "after_id"))
    pieces = episode.split(".")
    if len(pieces) != 3:
        raise InvalidInputError(
            "Invalid stream cursor.", detail=f"episode: expected history_version.attempt.seq, came {episode[:80]!r}"
        )
    version, attempt, seq = (_number(piece, "episode") for piece in pieces)
    return Cursor(
        after_id=_number(after_id or "0", "after_id"),
        episode=Episode(history_version=version, attempt=attempt),
        seq=seq,
    )


def _number(text: str, name: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise InvalidInputError(
            "Invalid stream cursor.", detail=f"{name}: expected a whole number from 0 to 10^18, came {text[:80]!r}"
        )
    return int(text)


class StreamHandler(ChatdMixin, WebSocketMixin, WebSocketHandler):  # type: ignore[misc]
    """Follows one chat. The client never writes; what it sends closes the socket."""

    _track_activity = False  # an open viewer is no activity; what the user does is
    _subscription: Subscription | None = None
    _pump: asyncio.Task[None] | None = None

    @ws_authenticated
    async def get(self, chat_id: str) -> None:
        """Check, then upgrade; a request that does not ask for an upgrade gets an event stream."""
        await self._authorize()
        if self.request.headers.get("Upgrade", "").lower() != "websocket":
            await self._serve_events(chat_id)
            return
        try:
            await self.find_chat(chat_id)
            self._cursor()
        except ChatdError as error:
            self._refuse(error)
            return
        await ensure_async(super().get(chat_id))  # type: ignore[arg-type]

    async def _authorize(self) -> None:
        allowed = await ensure_async(self.authorizer.is_authorized(self, self.current_user, "read", "chats"))
        if not allowed:
            raise web.HTTPError(403, log_message="You may not read chats.")

    def _cursor(self) -> Cursor:
        after_id = self.get_query_argument("after_id", None) or self.request.headers.get("Last-Event-ID")
        return parse_cursor(after_id, self.get_query_argument("episode", None))

    def _refuse(self, error: ChatdError) -> None:
        status, envelope = error_envelope(error)
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self.finish(wire.dump_json(envelope))

    async def _subscribe(self, chat_id: str) -> Subscription:
        await self.find_chat(chat_id)
        subscription = await self.extension.runtime.feeds.subscribe(chat_id, self._cursor())
        self._subscription = subscription
        return subscription

    # WebSocket

    async def open(self, chat_id: str) -> None:  # type: ignore[override]
        """Begin to deliver."""
        self.set_nodelay(True)
        self._pump = asyncio.create_task(self._deliver(chat_id), name=f"chatd-stream-{chat_id}")

    async def _deliver(self, chat_id: str) -> None:
        try:
            subscription = await self._subscribe(chat_id)
            pinger = asyncio.create_task(self._ping_forever())
            try:
                async for frame in subscription:
                    await self.write_message(frame.text)
            finally:
                pinger.cancel()
            self.close(1013 if subscription.overrun else 1000)
        except ChatdError as error:
            await self.write_message(wire.dump_json({"type": "error", "data": error_envelope(error)[1]}))
            self.close(1011)
        except WebSocketClosedError:
            pass  # the client went away: on_close has cleaned up

    async def _ping_forever(self) -> None:
        while True:
            await asyncio.sleep(PING_S)
            await self.write_message(PING)

    def on_message(self, message: str | bytes) -> None:
        """The stream is one way."""
        self.close(1003, "this stream is read only")

    def on_close(self) -> None:
        """Stop delivering."""
        if self._subscription is not None:
            self._subscription.close()
        if self._pump is not None:
            self._pump.cancel()

    # Event stream

    async def _serve_events(self, chat_id: str) -> None:
        try:
            subscription = await self._subscribe(chat_id)
        except ChatdError as error:
            self._refuse(error)
            return
        self.set_header("Content-Type", "text/event-stream")
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Accel-Buffering", "no")
        try:
            await self.flush()
            await self._write_events(subscription)
        except StreamClosedError:
            pass  # the client went away
        finally:
            subscription.close()
        if not self._finished:
            self.finish()

    async def _write_events(self, subscription: Subscription) -> None:
        frames = aiter(subscription)
        pending: asyncio.Task[Any] | None = None
        try:
            while True:
                pending = pending or asyncio.ensure_future(anext(frames, None))
                done, _ = await asyncio.wait([pending], timeout=PING_S)
                if not done:
                    self.write(": ping\n\n")
                    await self.flush()
                    continue
                frame, pending = pending.result(), None
                if frame is None:
                    return
                self.write(f"id: {frame.last_id}\n" if frame.last_id else "")
                self.write(f"data: {frame.text}\n\n")
                await self.flush()
        finally:
            if pending is not None:
                pending.cancel()

    def on_connection_close(self) -> None:
        """The client of an event stream went away."""
        if self._subscription is not None:
            self._subscription.close()
        super().on_connection_close()
