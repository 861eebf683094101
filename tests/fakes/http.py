"""A tiny HTTP/1.1 server for fakes: streamed replies, and control over how a connection ends."""

from __future__ import annotations

import asyncio
import json
import ssl
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 429: "Too Many Requests"}


class ClientGoneError(Exception):
    """The client closed the connection before the reply was complete."""


@dataclass(slots=True, kw_only=True)
class Request:
    """One request as it came, and what became of it."""

    method: str
    path: str
    """Without the query."""
    headers: Mapping[str, str]
    """Names in lower case."""
    raw: bytes
    aborted: bool = False
    """The client went away before the reply was complete."""
    done: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the reply has ended, however."""

    @property
    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.raw)


class Reply:
    """The answer to one request, written piece by piece as chunked transfer encoding."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.dropped = False

    async def start(self, status: int, headers: Mapping[str, str]) -> None:
        """Send the status line and headers."""
        lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}", "Transfer-Encoding: chunked"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        await self._write("\r\n".join([*lines, "", ""]).encode())

    async def send(self, data: bytes) -> None:
        """Send one chunk."""
        if data:
            await self._write(b"%x\r\n%b\r\n" % (len(data), data))

    async def end(self) -> None:
        """Complete the reply; the connection stays open."""
        await self._write(b"0\r\n\r\n")

    async def send_json(self, status: int, value: Any, headers: Mapping[str, str] | None = None) -> None:
        """Send a whole JSON reply."""
        await self.start(status, {"Content-Type": "application/json", **(headers or {})})
        await self.send(json.dumps(value).encode())
        await self.end()

    async def pause(self, seconds: float | None) -> None:
        """Wait, `None` for ever, but not longer than the client does.

        Raises:
            ClientGoneError: the client closed its side meanwhile.
        """
        try:
            async with asyncio.timeout(seconds):
                await self._reader.read(1)
        except TimeoutError:
            return
        except ConnectionError:
            raise ClientGoneError from None
        raise ClientGoneError

    def drop(self) -> None:
        """Cut the connection at once (RST)."""
        self.dropped = True
        self._writer.transport.abort()

    async def _write(self, data: bytes) -> None:
        if self._writer.is_closing():
            raise ClientGoneError
        try:
            self._writer.write(data)
            await self._writer.drain()
        except ConnectionError:
            raise ClientGoneError from None


class HttpServer:
    """Serves on 127.0.0.1 between `__aenter__` and `__aexit__`; subclasses implement `handle`.

    Args:
        port: 0 picks a free one.
        tls: Proves to be the host that clients look for when they take this server for their HTTPS proxy:
            so it stands for that host. Without it there is no `CONNECT`.
    """

    def __init__(self, *, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Request] = []
        """Every request, oldest first."""
        self._port = port
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def handle(self, request: Request, reply: Reply) -> None:
        """Answer one request."""
        raise NotImplementedError

    @property
    def port(self) -> int:
        """The port in use; 0 before the server has started."""
        return self._port

    @property
    def origin(self) -> str:
        """`http://127.0.0.1:port`."""
        return f"http://127.0.0.1:{self._port}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            while await self._exchange(reader, writer):
                pass
        except asyncio.CancelledError:
            pass  # asyncio would log a cancelled connection callback as an error
        finally:
            self._connections.discard(task)
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Read one request and answer it; whether the connection can carry another."""
        request = await _read_request(reader)
        if request is None:
            return False
        if request.method == "CONNECT" and self._tls:
            writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
            await writer.start_tls(self._tls)
            return True
        self.requests.append(request)
        reply = Reply(reader, writer)
        try:
            await self.handle(request, reply)
        except ClientGoneError:
            request.aborted = True
        finally:
            request.done.set()
        return not (request.aborted or reply.dropped)


async def _read_request(reader: asyncio.StreamReader) -> Request | None:
    """The next request of a connection, `None` when the client has closed it."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.strip().split("\r\n")
        pairs = (line.split(":", 1) for line in lines)
        headers = {name.strip().lower(): value.strip() for name, value in pairs}
        raw = await reader.readexactly(int(headers.get("content-length", "0")))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    method, target, _ = first.split(" ", 2)
    return Request(method=method, path=urllib.parse.urlsplit(target).path, headers=headers, raw=raw)
