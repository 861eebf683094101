"""`GET chats/{id}/stream`: a WebSocket, or without an Upgrade header `text/event-stream`."""

from __future__ import annotations

import asyncio

from jupyter_server.auth.decorator import ws_authenticated
from tornado import web
from tornado.iostream import StreamClosedError

from ..errors import InvalidInputError
from ..events import Episode
from ..stream import Cursor, Frame, Subscription
from .base import CHAT
from .socket import TRY_AGAIN_LATER, OneWaySocket
from .sockets import PING_S


def parse_cursor(after_id: str | None, episode: str | None) -> Cursor:
    """Return the cursor of a request.

    Args:
        after_id: Decimal id of the last durable message that the client has; absent means none.
        episode: `history_version.attempt.seq` of the last live part that it has.

    Raises:
        InvalidInputError: one of them is not of that form.
    """
    last_id = _number(after_id or "0", "after_id")
    if not episode:
        return Cursor(after_id=last_id)
    pieces = episode.split(".")
    if len(pieces) != 3:
        raise _bad("episode", "history_version.attempt.seq", episode)
    version, attempt, seq = (_number(piece, "episode") for piece in pieces)
    return Cursor(after_id=last_id, episode=Episode(history_version=version, attempt=attempt), seq=seq)


def _number(text: str, name: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise _bad(name, "a whole number from 0 to 10^18", text)
    return int(text)


def _bad(name: str, expected: str, came: str) -> InvalidInputError:
    return InvalidInputError(
        "Invalid stream cursor.", detail=f"{name}: expected {expected}, came {came[:80]!r}"
    )


class StreamHandler(OneWaySocket):
    """Follows one chat."""

    chat_id = ""
    _is_unread = False
    """Whether there is something to read when the stream is opened."""
    _subscription: Subscription | None = None

    @ws_authenticated
    async def get(self, chat_id: str) -> None:
        """Check, then upgrade; a request that does not ask for an upgrade gets an event stream."""
        await self.check_permission("read", "chats")
        self.chat_id = chat_id
        self._cursor()
        self._is_unread = (await self.find_chat(chat_id)).has_unread
        if self.wants_upgrade:
            await self.upgrade()
        else:
            await self._serve_events()

    def _cursor(self) -> Cursor:
        after_id = self.get_query_argument("after_id", None) or self.request.headers.get("Last-Event-ID")
        return parse_cursor(after_id, self.get_query_argument("episode", None))

    async def _subscribe(self) -> Subscription:
        self._subscription = await self.extension.runtime.feeds.subscribe(self.chat_id, self._cursor())
        return self._subscription

    async def deliver(self) -> None:
        """Write the frames of the subscription; one that was overrun is told to come again."""
        subscription = await self._subscribe()
        opening = self._begin_reading()
        try:
            async for frame in subscription:
                await self.write_message(frame.text)
                del frame  # else an idle stream would keep what it told last in memory
        finally:
            await self._end_reading(opening)
        if subscription.overrun:
            self.close(TRY_AGAIN_LATER, "too slow: resume from your cursor")

    def on_close(self) -> None:
        """Stop delivering."""
        self._unsubscribe()
        super().on_close()

    def on_connection_close(self) -> None:
        """The client of an event stream went away."""
        self._unsubscribe()
        super().on_connection_close()

    def _begin_reading(self) -> asyncio.Task[None] | None:
        """Who opens the stream has read what there is: note it, delaying nothing."""
        return asyncio.create_task(self._mark_read(), name="chatd-read-mark") if self._is_unread else None

    async def _end_reading(self, opening: asyncio.Task[None] | None) -> None:
        """Who closes the stream has read what came meanwhile."""
        if opening is not None:
            await opening
        await self._mark_read()

    async def _mark_read(self) -> None:
        if self.extension.problem is None:  # else the server stops, and the store with it
            await self.service.mark_read(self.chat_id)

    def _unsubscribe(self) -> None:
        if self._subscription is not None:
            self._subscription.close()

    # Event stream

    async def _serve_events(self) -> None:
        if not self.check_origin():  # pyright: ignore[reportUnknownMemberType] - the mixin has no types
            raise web.HTTPError(403, log_message="Expected a request from this server's own pages.")
        subscription = await self._subscribe()
        self.set_header("Content-Type", "text/event-stream")
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Accel-Buffering", "no")
        pinger = asyncio.create_task(self._comment_forever(), name="chatd-ping")
        opening = self._begin_reading()
        try:
            async for frame in subscription:
                self.write(event_text(frame))
                del frame
                await self.flush()
        except StreamClosedError:
            pass  # the client went away
        finally:
            pinger.cancel()
            self._unsubscribe()
            await self._end_reading(opening)
        self.finish()

    async def _comment_forever(self) -> None:
        try:
            while True:
                await asyncio.sleep(PING_S)
                self.write(": ping\n\n")
                await self.flush()
        except StreamClosedError:
            return


def event_text(frame: Frame) -> str:
    """Return a frame as one server-sent event; its id is the newest durable message in it, if any."""
    identity = f"id: {frame.last_id}\n" if frame.last_id else ""
    return f"{identity}data: {frame.text}\n\n"


ROUTES = [(CHAT + r"/stream", StreamHandler)]
