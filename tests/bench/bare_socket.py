"""A Tornado server with nothing but a silent WebSocket: what a connection costs. Prints its port."""

from __future__ import annotations

import asyncio

from tornado import httpserver, netutil, web
from tornado.websocket import WebSocketHandler


class SilentSocket(WebSocketHandler):
    """Accepts, and says nothing."""

    def open(self, *_args: str, **_kwargs: str) -> None:
        """Stay open."""


async def serve() -> None:
    """Serve until the process is terminated."""
    sockets = netutil.bind_sockets(0, "127.0.0.1")
    httpserver.HTTPServer(web.Application([("/", SilentSocket)])).add_sockets(sockets)
    print(sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve())
