"""HTTP over a unix socket, to a server of ours: as little of it as that takes.

A call through httpx's own transport takes a multiple of the CPU, on the loop that the user's kernels share,
and sends head and body apart, which wakes the other program twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import select
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx

IDLE = 8  # connections that are kept for the next calls
PIECE = 64 * 1024  # bytes of an answer that are read at once
ROOM_PAUSE = 0.01  # seconds between attempts to connect while there is no room

_SIZES = {10: re.compile(rb"[0-9]{1,16}"), 16: re.compile(rb"[0-9A-Fa-f]{1,16}")}

Header = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Connection:
    """One connection; used by one request at a time."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @property
    def is_fresh(self) -> bool:
        """Whether nothing has come since the last answer; the end of the other side would have."""
        poll = select.poll()
        poll.register(self.writer.get_extra_info("socket").fileno(), select.POLLIN)
        return not self.writer.is_closing() and not self.reader.at_eof() and not poll.poll(0)

    def close(self) -> None:
        """Let it go. May be called twice."""
        self.writer.close()


class UnixTransport(httpx.AsyncBaseTransport):
    """Sends requests over connections that stay open. Lives until `aclose`, on one event loop.

    Args:
        path: Of the socket.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._idle: list[Connection] = []
        self._is_closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request and return the answer, whose body is still to be read.

        Raises:
            httpx.ConnectError: nobody listens; nothing was sent.
            httpx.TransportError: the answer does not come, or is none.
        """
        limits = request.extensions["timeout"]
        connection = self._take() or await self._connect(limits["connect"])
        try:
            async with _translated(limits["read"]):
                connection.writer.write(_encoded(request))
                await connection.writer.drain()
                status, headers = _parse_head(await connection.reader.readuntil(b"\r\n\r\n"))
        except BaseException:
            connection.close()
            raise
        body = Body(connection, headers, on_end=self._give_back, limit_s=limits["read"])
        return httpx.Response(status, headers=headers, stream=body)

    async def aclose(self) -> None:
        """Let all connections go. May be called twice."""
        self._is_closed = True
        while self._idle:
            self._idle.pop().close()

    def _take(self) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_fresh:
                return connection
            connection.close()
        return None

    async def _connect(self, limit_s: float | None) -> Connection:
        try:
            async with asyncio.timeout(limit_s):
                return Connection(*await _open(self._path))
        except TimeoutError as error:
            raise httpx.ConnectTimeout("The socket takes no connection.") from error
        except OSError as error:
            raise httpx.ConnectError(str(error)) from error

    def _give_back(self, connection: Connection) -> None:
        if self._is_closed or len(self._idle) >= IDLE:
            connection.close()
        else:
            self._idle.append(connection)


class Body(httpx.AsyncByteStream):
    """The body of one answer. Read to its end, it gives the connection back; else it closes it."""

    def __init__(
        self,
        connection: Connection,
        headers: Sequence[Header],
        *,
        on_end: Callable[[Connection], None],
        limit_s: float | None,
    ) -> None:
        self._connection = connection
        self._headers = dict(headers)
        self._on_end = on_end
        self._limit_s = limit_s
        self._is_read = False
        self._is_done = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the pieces.

        Raises:
            httpx.TransportError: it breaks off, or is none.
        """
        length = self._headers.get(b"content-length")
        if length is not None:
            async for piece in self._exactly(_parse_size(length, 10)):
                yield piece
        elif self._headers.get(b"transfer-encoding", b"").lower() == b"chunked":
            while size := _parse_size(await self._line(), 16):
                async for piece in self._exactly(size):
                    yield piece
                await self._end_of_chunk()
            await self._end_of_chunk()
        else:
            raise httpx.RemoteProtocolError("The answer does not say how long it is.")
        self._is_read = self._headers.get(b"connection", b"").lower() != b"close"

    async def _exactly(self, size: int) -> AsyncGenerator[bytes]:
        """Yield the next *size* bytes as they come: whoever reads decides when they are too many."""
        left = size
        while left:
            async with _translated(self._limit_s):
                piece = await self._connection.reader.read(min(left, PIECE))
            if not piece:
                raise httpx.ReadError("The answer breaks off.")
            left -= len(piece)
            yield piece

    async def _line(self) -> bytes:
        async with _translated(self._limit_s):
            return (await self._connection.reader.readuntil(b"\r\n"))[:-2]

    async def _end_of_chunk(self) -> None:
        if await self._line():
            raise httpx.RemoteProtocolError("A chunk is longer than it says.")

    async def aclose(self) -> None:
        """Give the connection back or close it. May be called twice."""
        if self._is_done:
            return
        self._is_done = True
        if self._is_read:
            self._on_end(self._connection)
        else:
            self._connection.close()


async def _open(path: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect, waiting while the other side has no room for one more.

    asyncio's own takes the refusal for a connection that is under way, which on a unix socket it never is.
    """
    made = socket.socket(socket.AF_UNIX)
    try:
        made.setblocking(False)
        while True:
            with contextlib.suppress(BlockingIOError):
                made.connect(path)
                return await asyncio.open_unix_connection(sock=made)
            await asyncio.sleep(ROOM_PAUSE)
    except BaseException:
        made.close()
        raise


@asynccontextmanager
async def _translated(limit_s: float | None) -> AsyncGenerator[None]:
    """Turn what reading and writing raise into httpx's errors, and give up after *limit_s*."""
    try:
        async with asyncio.timeout(limit_s):
            yield
    except TimeoutError as error:
        raise httpx.ReadTimeout("The answer does not come.") from error
    except (OSError, asyncio.IncompleteReadError) as error:
        raise httpx.ReadError(str(error)) from error
    except (ValueError, asyncio.LimitOverrunError) as error:
        raise httpx.RemoteProtocolError(str(error)) from error


def _encoded(request: httpx.Request) -> bytes:
    lines = [f"{request.method} {request.url.raw_path.decode('ascii')} HTTP/1.1".encode()]
    lines += [name + b": " + value for name, value in request.headers.raw]
    return b"\r\n".join(lines) + b"\r\n\r\n" + request.content


def _parse_size(digits: bytes, base: int) -> int:
    """Return how many bytes come.

    Raises:
        httpx.RemoteProtocolError: it is no such number.
    """
    if not _SIZES[base].fullmatch(digits):
        raise httpx.RemoteProtocolError(f"Expected a size, came {digits[:20]!r}.")
    return int(digits, base)


def _parse_head(head: bytes) -> tuple[int, list[Header]]:
    """Return the status and the headers, names in small letters.

    Raises:
        ValueError: it is no head of an answer.
    """
    first, *lines = head[:-4].split(b"\r\n")
    version, status, *_ = first.split(b" ", 2)
    if not version.startswith(b"HTTP/1."):
        raise ValueError(f"expected HTTP/1, came {version[:20]!r}")
    pairs = (line.split(b":", 1) for line in lines)
    return int(status), [(name.strip().lower(), value.strip()) for name, value in pairs]
