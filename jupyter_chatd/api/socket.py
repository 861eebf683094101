"""What the two WebSocket routes share: one way, checked before the upgrade, kept open by pings."""

from __future__ import annotations

import asyncio
from typing import Any

from jupyter_server.base.websocket import WebSocketMixin
from jupyter_server.utils import ensure_async
from tornado import web
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from .. import wire
from ..errors import ChatdError
from .base import ChatdMixin, error_envelope

PING_S = 15.0  # seconds between pings; proxies cut sockets that are silent for 60 s
PING = '{"type":"ping"}'


class OneWaySocket(WebSocketMixin, WebSocketHandler, ChatdMixin):  # type: ignore[misc]
    """A socket on which only the server speaks; what a client sends closes it."""

    _track_activity = False  # an open viewer is no activity; what the user does is
    _pump: asyncio.Task[None] | None = None

    async def check_permission(self, action: str, resource: str) -> None:
        """Ask the authorizer: `ws_authenticated` checks identity only. Waits while the agent starts.

        Raises:
            web.HTTPError: 403; 503 when the agent could not start.
        """
        await self.extension.wait_until_settled()
        user = self.current_user
        if not await ensure_async(self.authorizer.is_authorized(self, user, action, resource)):
            raise web.HTTPError(
                403, log_message=f"User is not authorized to {action} on resource: {resource}."
            )

    @property
    def wants_upgrade(self) -> bool:
        """Whether the request asks for a WebSocket."""
        return self.request.headers.get("Upgrade", "").lower() == "websocket"

    async def upgrade(self, *args: Any, **kwargs: Any) -> None:
        """Answer the handshake; `open` follows."""
        await ensure_async(WebSocketHandler.get(self, *args, **kwargs))

    def refuse(self, error: ChatdError) -> None:
        """Answer with an error instead of an upgrade."""
        status, envelope = error_envelope(error)
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self.finish(wire.dump_json(envelope))

    async def deliver(self) -> None:
        """Write frames until there are no more; the socket closes when this returns."""
        raise NotImplementedError

    async def open(self, *_args: str, **_kwargs: str) -> None:  # type: ignore[override]
        """Begin to deliver."""
        self.set_nodelay(True)
        self._pump = asyncio.create_task(self._run(), name="chatd-socket")

    async def _run(self) -> None:
        pinger = asyncio.create_task(self._ping_forever(), name="chatd-ping")
        try:
            await self.deliver()
        except ChatdError as error:
            await self.write_message(wire.dump_json({"type": "error", "data": error_envelope(error)[1]}))
            self.close(1011)
        except WebSocketClosedError:
            pass  # the client went away: on_close cleans up
        finally:
            pinger.cancel()
        self.close()

    async def _ping_forever(self) -> None:
        try:
            while True:
                await asyncio.sleep(PING_S)
                await self.write_message(PING)
        except WebSocketClosedError:
            return

    def on_message(self, message: str | bytes) -> None:
        """The stream is one way."""
        self.close(1003, "this stream is read only")

    def on_close(self) -> None:
        """Stop delivering."""
        if self._pump is not None:
            self._pump.cancel()
