"""What the two WebSocket routes share: one way, checked before the upgrade, kept open by pings."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from jupyter_server.base.websocket import WebSocketMixin
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from .. import wire
from ..errors import ChatdError, InvalidInputError
from .base import ChatdMixin, error_envelope

PING = '{"type":"ping"}'
PONG_S = 30.0  # seconds between pings of the protocol, and to wait for the pong: finds clients that are gone

GOING_WRONG = 1011
TRY_AGAIN_LATER = 1013
READ_ONLY = 1003

log = logging.getLogger(__name__)


class OneWaySocket(WebSocketMixin, WebSocketHandler, ChatdMixin):  # type: ignore[misc]
    """A socket on which only the server speaks; what a client sends closes it."""

    _track_activity = False  # an open viewer is no activity; what the user does is
    _pump: asyncio.Task[None] | None = None
    _asked_at = 0.0
    """When the client was last asked whether it is there, on the loop's clock."""
    _has_answered = True
    """It was, or it was never asked."""

    @property
    def ping_interval(self) -> float:
        """None of tornado's own, which would be a task for each socket; see `keep_open`."""
        return 0

    @property
    def ping_timeout(self) -> float:
        """See `ping_interval`."""
        return 0

    async def check_permission(self, action: str, resource: str) -> None:
        """Ask the authorizer: `ws_authenticated` checks identity only. Waits while the agent starts.

        Raises:
            web.HTTPError: 403.
            UnavailableError: the agent could not start.
        """
        await self.extension.wait_until_settled()
        await self.check_allowed(action, resource)

    @property
    def wants_upgrade(self) -> bool:
        """Whether the request asks for a WebSocket."""
        return self.request.headers.get("Upgrade", "").lower() == "websocket"

    async def upgrade(self, *args: Any, **kwargs: Any) -> None:
        """Answer the handshake; `open` follows.

        Raises:
            InvalidInputError: the request asks for no WebSocket.
        """
        if not self.wants_upgrade:
            raise InvalidInputError("Expected a WebSocket: a request with the header Upgrade: websocket.")
        await WebSocketHandler.get(self, *args, **kwargs)

    async def deliver(self) -> None:
        """Write frames until there are no more; the socket closes when this returns."""
        raise NotImplementedError

    async def open(self, *_args: str, **_kwargs: str) -> None:
        """Begin to deliver."""
        self.set_nodelay(True)
        self.extension.sockets.add(self)
        self._pump = asyncio.create_task(self._run(), name="chatd-socket")

    async def _run(self) -> None:
        try:
            await self.deliver()
            self.close()
        except WebSocketClosedError:
            pass  # the client went away: on_close cleans up
        except ChatdError as error:
            await self._fail(error_envelope(error)[1])
        except Exception:
            log.exception("A stream broke off")
            await self._fail({"message": "The stream broke off. The server's log says why."})

    async def _fail(self, envelope: dict[str, object]) -> None:
        """End with a frame that says what happened."""
        try:
            await self.write_message(wire.dump_json({"type": "error", "data": envelope}))
        except WebSocketClosedError:
            return
        self.close(GOING_WRONG)

    def keep_open(self) -> None:
        """Say something, for proxies; ask whether the client is there, and close if it did not answer."""
        try:
            self._ask(asyncio.get_running_loop().time())
            self.write_message(PING).add_done_callback(_take_note)
        except WebSocketClosedError:  # the client had gone before `open`, so that nothing else tells
            self.on_close()

    def _ask(self, now: float) -> None:
        interval_s = self.settings.get("websocket_ping_interval") or PONG_S
        timeout_s = self.settings.get("websocket_ping_timeout") or interval_s
        if not self._has_answered and now - self._asked_at >= timeout_s:
            self.close(reason="no answer to a ping")
        elif self._has_answered and now - self._asked_at >= interval_s:
            self._asked_at, self._has_answered = now, False
            self.ping()

    def on_pong(self, data: bytes) -> None:
        """The client is there."""
        self._has_answered = True

    def on_message(self, message: str | bytes) -> None:
        """The stream is one way."""
        self.close(READ_ONLY, "this stream is read only")

    def on_close(self) -> None:
        """Stop delivering."""
        self.extension.sockets.discard(self)
        if self._pump is not None:
            self._pump.cancel()


def _take_note(sending: asyncio.Future[None]) -> None:
    """Nobody waits for a ping to be sent: when the client has gone, `on_close` will tell."""
    if not sending.cancelled():
        sending.exception()
