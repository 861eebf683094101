"""The messages to and from one kernel (https://jupyter-client.readthedocs.io/en/stable/messaging.html).

Not jupyter_client's own client: it has a thread per kernel, takes messages of any size, and hands replies to
whoever asks first. What signs and checks messages is jupyter_client's.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

import zmq
import zmq.asyncio
from jupyter_client.session import Session

from .connection import Connection

log = logging.getLogger(__name__)

_BUSY_LIMIT = 0.004  # seconds of the loop that a kernel that never stops talking gets at a time
_NUDGE = 0.25  # seconds between two questions to a kernel that is starting

_KINDS = {"shell": zmq.DEALER, "control": zmq.DEALER, "iopub": zmq.SUB}

Listener = Callable[[str, str, Mapping[str, Any]], None]
"""Hears of output: the id of the request that it belongs to, the type, the content."""


class KernelDeafError(Exception):
    """The kernel does not answer in time."""


class Channels:
    """Shell, control and output of one kernel. Lives from its start to its end, on one event loop.

    Args:
        connection: Where the kernel listens, or will.
        on_output: Hears of all that the kernel publishes.
        message_bytes: The largest message that is taken.
    """

    def __init__(self, connection: Connection, *, on_output: Listener, message_bytes: int) -> None:
        # jupyter_client leaves the types of its arguments open.
        self._session: Any = Session(key=connection.key.encode(), username="jupyter_chatd")
        self._on_output = on_output
        self._context = zmq.asyncio.Context()
        self._sockets = {name: self._connect(connection, name, message_bytes) for name in _KINDS}
        self._replies: dict[str, asyncio.Future[Mapping[str, Any]]] = {}
        self._is_heard = asyncio.Event()
        self._tasks = [
            asyncio.create_task(self._read(name, socket), name=f"chatd-kernel-{name}")
            for name, socket in self._sockets.items()
        ]

    async def ready(self) -> Mapping[str, Any]:
        """Return what the kernel says of itself, once it answers and its output is heard. Waits for ever."""
        while True:
            try:
                reply = await self.ask("shell", "kernel_info_request", {}, limit_s=_NUDGE)
            except KernelDeafError:
                continue
            if self._is_heard.is_set():
                return reply

    async def ask(
        self,
        channel: str,
        kind: str,
        content: Mapping[str, Any],
        *,
        limit_s: float,
        subshell_id: str | None = None,
    ) -> Mapping[str, Any]:
        """Return the content of the reply.

        Raises:
            KernelDeafError: there is none within *limit_s*.
        """
        request_id, reply = self.request(channel, kind, content, subshell_id=subshell_id)
        try:
            async with asyncio.timeout(limit_s):
                return await reply
        except TimeoutError as error:
            raise KernelDeafError(f"no answer to {kind} within {limit_s:g} s") from error
        finally:
            self.forget(request_id)

    def request(
        self, channel: str, kind: str, content: Mapping[str, Any], *, subshell_id: str | None = None
    ) -> tuple[str, asyncio.Future[Mapping[str, Any]]]:
        """Send a request; return its id, and its reply to come. Never waits."""
        message = self._session.msg(kind, dict(content))
        if subshell_id is not None:
            message["header"]["subshell_id"] = subshell_id
        reply: asyncio.Future[Mapping[str, Any]] = asyncio.get_running_loop().create_future()
        self._replies[message["header"]["msg_id"]] = reply
        self._session.send(self._sockets[channel], message)
        return message["header"]["msg_id"], reply

    def forget(self, request_id: str) -> None:
        """Expect no reply to a request any more."""
        self._replies.pop(request_id, None)

    async def aclose(self) -> None:
        """Let go of the sockets; replies to come are cancelled. May be called twice."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for reply in self._replies.values():
            reply.cancel()
        self._context.destroy(linger=0)

    def _connect(self, connection: Connection, name: str, message_bytes: int) -> zmq.asyncio.Socket:
        socket = self._context.socket(_KINDS[name])
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.MAXMSGSIZE, message_bytes)
        if _KINDS[name] == zmq.SUB:
            socket.setsockopt(zmq.SUBSCRIBE, b"")
        socket.connect(connection.url(name))
        return socket

    async def _read(self, name: str, socket: zmq.asyncio.Socket) -> None:
        resumed = time.monotonic()
        while True:
            waiting = time.monotonic()
            frames = await socket.recv_multipart()
            resumed += time.monotonic() - waiting
            try:
                self._take(name, frames)
            except (ValueError, KeyError, TypeError) as error:  # forged, garbled, or no message at all
                log.warning("A kernel sent a %s message that cannot be read: %r", name, error)
            # What waits in the socket is given without a turn of the loop. Half of the time is for others.
            busy_s = time.monotonic() - resumed
            if busy_s > _BUSY_LIMIT:
                await asyncio.sleep(busy_s)
                resumed = time.monotonic()

    def _take(self, name: str, frames: list[bytes]) -> None:
        _, parts = self._session.feed_identities(frames)
        message = self._session.deserialize(parts)
        parent = str(message["parent_header"].get("msg_id", ""))
        content: Mapping[str, Any] = message["content"]
        if name == "iopub":
            self._is_heard.set()
            self._on_output(parent, str(message["header"]["msg_type"]), content)
            return
        reply = self._replies.pop(parent, None)
        if reply is not None and not reply.done():
            reply.set_result(content)
