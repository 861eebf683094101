"""Requests and streams that a kernel makes for a page which has no way to the server but a widget's comm.

The messages are those of labextension/src/widgets/contract.ts.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, cast
from urllib.parse import unquote, urlsplit

from ..client.client import AsyncClient
from ..client.errors import ClientError
from ..client.server import CHATS
from .stream import REFUSED, Stream

LEASE = 300.0  # seconds that a stream is kept for a page that says nothing of it; pages do every 30
METHODS = frozenset({"DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"})
SENDABLE = re.compile(r"[!-~]{1,60000}")
"""What a request line takes: a line break in a path would begin another request."""

Send = Callable[[Mapping[str, Any], Sequence[bytes]], None]
"""Tells all pages that show the widget."""


class Relay:
    """Serves the pages of one widget; lives in one event loop, from the first message to `close`.

    Args:
        client: The server that is meant. Its token stays here.
        send: Takes messages and their buffers.
    """

    def __init__(self, client: AsyncClient, send: Send) -> None:
        self._client = client
        self._send = send
        self._streams: dict[str, Stream] = {}
        self._renewed: dict[str, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def receive(self, message: Mapping[str, Any], buffers: Sequence[bytes]) -> None:
        """Take what a page says; what is no message of ours is ignored."""
        match message:
            case {"type": "request", "id": str(key)}:
                self._start(self._request(key, message, buffers))
            case {"type": "open", "id": str(key), "path": str(path)}:
                self._open(key, path)
            case {"type": "send", "id": str(key)} if key in self._streams:
                text = message.get("text")
                self._streams[key].send(text if isinstance(text, str) else b"".join(buffers))
            case {"type": "taken", "id": str(key), "bytes": int(count)} if key in self._streams:
                self._streams[key].taken(count)
            case {"type": "alive", "id": str(key)} if key in self._streams:
                self._renewed[key] = time.monotonic()
            case {"type": "close", "id": str(key)} if key in self._streams:
                self._streams[key].close()
            case _:
                pass

    def close(self) -> None:
        """End all that runs. May be called twice."""
        for task in self._tasks:
            task.cancel()

    async def _request(self, key: str, message: Mapping[str, Any], buffers: Sequence[bytes]) -> None:
        try:
            method, path = asked_for(message)
            reply = await self._client.forward(
                method, path, content=b"".join(buffers), headers=headers_of(message)
            )
        except ClientError as error:
            self._respond(key, 0, str(error), {}, b"")
        else:
            self._respond(key, reply.status, "", reply.headers, reply.content)

    def _respond(self, key: str, status: int, reason: str, headers: Mapping[str, str], body: bytes) -> None:
        answer = {"type": "response", "id": key, "status": status, "reason": reason, "headers": dict(headers)}
        self._send(answer, [body])

    def _open(self, key: str, path: str) -> None:
        self._close_forgotten()

        def tell(message: Mapping[str, Any], data: Sequence[bytes]) -> None:
            self._send({**message, "id": key}, data)

        server = self._client.server
        try:
            url = f"{server.chats_url}{path_below_chats(path)}"
        except ClientError as error:
            tell({"type": "closed", "code": REFUSED, "reason": str(error)}, [])
            return
        stream = Stream(server, url, tell)
        self._streams[key] = stream
        self._renewed[key] = time.monotonic()
        self._start(self._follow(key, stream))

    async def _follow(self, key: str, stream: Stream) -> None:
        try:
            await stream.run()
        finally:
            del self._streams[key], self._renewed[key]

    def _close_forgotten(self) -> None:
        """A page that was closed in a hurry has not said so."""
        oldest = time.monotonic() - LEASE
        for key in [key for key, at in self._renewed.items() if at < oldest]:
            self._streams[key].close()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def asked_for(message: Mapping[str, Any]) -> tuple[str, str]:
    """Return method and path of a request. Raises as `path_below_chats`."""
    method = str(message.get("method", "GET"))
    if method not in METHODS:
        raise ClientError(f"Expected one of {', '.join(sorted(METHODS))}, came {method[:20]!r}.")
    return method, path_below_chats(str(message.get("path")))


def headers_of(message: Mapping[str, Any]) -> dict[str, str]:
    """Return the headers of a request, without those that cannot be sent."""
    headers: object = message.get("headers")
    named = cast(dict[object, object], headers) if isinstance(headers, dict) else {}
    return {
        name: value
        for name, value in named.items()
        if isinstance(name, str) and isinstance(value, str) and value.isascii() and value.isprintable()
    }


def path_below_chats(path: str) -> str:
    """Return what comes after the chat routes in a path of theirs.

    Raises:
        ClientError: it leads elsewhere, or cannot be sent. A page may ask only for what widgets need.
    """
    if not SENDABLE.fullmatch(path):
        raise ClientError(f"Expected a path below {CHATS} in printable ASCII, came {path[:80]!r}.")
    parts = urlsplit(path)
    words = unquote(parts.path).replace("\\", "/").split("/")
    is_ours = "/".join(words[:3]) == CHATS and not parts.scheme and not parts.netloc
    if not is_ours or ".." in words or "." in words:
        raise ClientError(f"Expected a path below {CHATS}, came {path[:80]!r}.")
    return path.removeprefix(CHATS)
