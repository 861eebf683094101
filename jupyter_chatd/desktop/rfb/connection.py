"""One persistent connection to an RFB server."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable

from ..errors import DesktopError, DesktopLostError, DesktopStartError
from ..geometry import Point, Region, Size
from ..pixels import Pixels
from . import messages
from .clipboard import Clipboard
from .handshake import greet
from .listening import Listener, ProtocolError
from .messages import Fence
from .screen import Screen
from .waiting import Waiters, fulfil

log = logging.getLogger(__name__)

LONGEST_PATH = 100  # bytes: Linux takes 107 for a unix socket, macOS 103
OPEN_LIMIT = 10.0  # seconds
REPLY_LIMIT = 5.0  # seconds that a server may take to answer; a busy one needs milliseconds
_BUFFER = 8 * 1024 * 1024  # bytes: a whole picture, so that reading it does not stop the server
_CORNER = Region(x=0, y=0, width=1, height=1)
_ENDED = (OSError, asyncio.IncompleteReadError)


class Connection:
    """Pictures out, input in. Asks for pixels only when somebody wants them. Lives until `close` or an error.

    Every method raises `DesktopLostError` once the server has gone or has not answered in time.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, size: Size) -> None:
        self._writer = writer
        self._screen = Screen(size)
        self._waiters = Waiters()
        self._updated = self._waiters.new()
        self._fences: dict[bytes, asyncio.Future[None]] = {}
        self._fences_sent = 0
        self._has_fences = False
        self._lost: DesktopLostError | None = None
        self.clipboard = Clipboard(self.post, self._waiters)
        """The desktop's clipboard as far as we fill it."""
        listener = Listener(
            reader,
            screen=self._screen,
            clipboard=self.clipboard,
            on_update=self._receive_update,
            on_fence=self._receive_fence,
        )
        self._task = asyncio.create_task(self._listen(listener), name="rfb-listener")

    @classmethod
    async def open(cls, path: str | os.PathLike[str], *, limit_s: float = OPEN_LIMIT) -> Connection:
        """Connect to the server that listens on the unix socket *path*.

        Raises:
            DesktopStartError: nobody listens there, or it is not a server that we can use.
        """
        check_path(path)
        try:
            async with asyncio.timeout(limit_s):
                return await cls._open(path)
        except TimeoutError:
            reason = f"it did not answer within {limit_s:g} s"
        except asyncio.IncompleteReadError:
            reason = "it closed the connection"
        except OSError as error:
            reason = error.strerror or str(error)
        raise DesktopStartError(f"Cannot connect to the RFB server at {os.fspath(path)}: {reason}.")

    @classmethod
    async def _open(cls, path: str | os.PathLike[str]) -> Connection:
        reader, writer = await asyncio.open_unix_connection(os.fspath(path), limit=_BUFFER)
        try:
            size = await greet(reader, writer)
            connection = cls(reader, writer, size)
        except BaseException:
            writer.close()
            raise
        try:
            connection.post(messages.pixel_format() + messages.encodings())
            await connection.grab()  # by then the server has said what it can do
        except BaseException:
            await connection.close()
            raise
        return connection

    @property
    def size(self) -> Size:
        """The screen's size now."""
        return self._screen.size

    @property
    def pointer(self) -> Point | None:
        """Where the server said that a program moved the pointer; `None` when we moved it since."""
        return self._screen.pointer

    @property
    def is_open(self) -> bool:
        """False once the server has gone or `close` was called."""
        return self._lost is None

    def forget_pointer(self) -> None:
        """Take note that we move the pointer ourselves."""
        self._screen.pointer = None

    def post(self, message: bytes) -> None:
        """Send *message* without waiting: for what must be said even when cancelled."""
        if self._lost is not None:
            raise self._lost
        self._writer.write(message)

    async def send(self, message: bytes) -> None:
        """Send *message*; wait when the server reads slowly."""
        self.post(message)
        try:
            async with asyncio.timeout(REPLY_LIMIT):
                await self._writer.drain()
        except TimeoutError:
            raise self._lose(f"The desktop read nothing for {REPLY_LIMIT:g} s.") from None
        except OSError as error:
            raise self._lose(f"The desktop has gone: {error}") from error

    async def barrier(self) -> None:
        """Return once the server has worked on all that was sent, and what it said before was read.

        Without effect on servers that know no fences.
        """
        if not self._has_fences:
            return
        self._fences_sent += 1
        name = self._fences_sent.to_bytes(8)
        waiter = self._fences[name] = self._waiters.new()
        try:
            await self.send(messages.fence(Fence.REQUEST | Fence.BLOCK_BEFORE, name))
            await self._answer(waiter)
        finally:
            self._fences.pop(name, None)
            waiter.cancel()

    async def grab(self) -> Pixels:
        """Return the screen as it is after all that was sent before.

        Only what has changed is fetched. A server is silent when nothing has, so one pixel is asked for
        outright: when it comes, so has all else.
        """
        await self.barrier()
        if self._screen.is_known:
            before = self._screen.corners
            corner = messages.update_request(_CORNER, is_incremental=False)
            await self._fetch(self._request() + corner, lambda: self._screen.corners > before)
        while not self._screen.is_known:  # the first time, and when its size has changed
            await self._fetch(self._request(is_incremental=False), lambda: self._screen.is_known)
        return self._screen.snapshot()

    @property
    def received(self) -> int:
        """How many pixels have come so far: a mark for `changed`."""
        return self._screen.received

    async def changed(self, limit_s: float, *, since: int | None = None) -> bool:
        """Wait until some pixels change; false when none did within *limit_s*.

        *since* is an earlier `received`: what changed after that counts too. Without it a change may have
        come before this was called, for an earlier request may still be open.
        """
        before = self._screen.received if since is None else since
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                while self._screen.received == before:
                    updated = self._updated
                    await self.send(self._request())
                    await asyncio.shield(updated)
        return self._screen.received > before

    async def settle(self, *, quiet_s: float, limit_s: float) -> bool:
        """Wait until nothing has changed for *quiet_s*; false when that did not happen within *limit_s*."""
        end = asyncio.get_running_loop().time() + limit_s
        await self.barrier()
        while await self.changed(quiet_s):
            if asyncio.get_running_loop().time() >= end:
                return False
        return True

    async def close(self) -> None:
        """Hang up. May be called twice."""
        self._lose("The connection to the desktop was closed.")
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    def _request(self, *, is_incremental: bool = True) -> bytes:
        return messages.update_request(Region.all_of(self.size), is_incremental=is_incremental)

    async def _fetch(self, request: bytes, has_come: Callable[[], bool]) -> None:
        """Send *request*, then ask for more until what is wanted has come."""
        while True:
            updated, size = self._updated, self.size
            await self.send(request)
            await self._answer(updated)
            if has_come() or self.size != size:
                return
            request = self._request()

    async def _answer(self, future: asyncio.Future[None]) -> None:
        try:
            async with asyncio.timeout(REPLY_LIMIT):
                await asyncio.shield(future)
        except TimeoutError:
            raise self._lose(f"The desktop did not answer within {REPLY_LIMIT:g} s.") from None

    async def _listen(self, listener: Listener) -> None:
        try:
            await listener.listen()
        except _ENDED:
            self._lose("The desktop has gone: its server closed the connection.")
        except (ProtocolError, DesktopError) as error:
            log.warning("The RFB connection is given up: %s", error)
            self._lose(f"The desktop's server does not speak RFB as it must: {error}")

    def _lose(self, reason: str) -> DesktopLostError:
        if self._lost is None:
            self._lost = DesktopLostError(reason)
            self._waiters.fail(self._lost)
        return self._lost

    def _receive_update(self) -> None:
        updated, self._updated = self._updated, self._waiters.new()
        fulfil(updated)

    def _receive_fence(self, flags: int, content: bytes) -> None:
        self._has_fences = True
        if flags & Fence.REQUEST:
            known = Fence.BLOCK_BEFORE | Fence.BLOCK_AFTER | Fence.SYNC_NEXT
            self.post(messages.fence(flags & known, content))
        else:
            fulfil(self._fences.get(content))


def check_path(path: str | os.PathLike[str]) -> None:
    """Refuse a path that is too long for a unix socket.

    Raises:
        DesktopStartError: it is.
    """
    length = len(os.fsencode(path))
    if length > LONGEST_PATH:
        raise DesktopStartError(
            f"Expected a socket's path of at most {LONGEST_PATH} bytes, came {length}: {os.fspath(path)}. "
            "Use a folder with a shorter path."
        )
