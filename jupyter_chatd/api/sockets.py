"""The open WebSockets of the server: kept open by one task for all of them, and closed together.

A task, or two, for each socket would be a tenth of what an idle one keeps in memory.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

PING_S = 15.0  # seconds between ping frames; proxies cut sockets that are silent for 60 s
AT_ONCE = 50  # sockets pinged before the loop may turn to something else: two milliseconds

GOING_AWAY = 1001


class OpenSocket(Protocol):
    """What of a WebSocket needs to be known here."""

    def keep_open(self) -> None:
        """Say something on it, or close it when its client is gone. Does not raise."""
        ...

    def close(self, code: int | None = None, reason: str | None = None) -> None:
        """End it."""
        ...


class Sockets:
    """Those that are open. Its task lives as long as there is one."""

    def __init__(self) -> None:
        self._open: set[OpenSocket] = set()
        self._pinger: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        """How many are open."""
        return len(self._open)

    def add(self, socket: OpenSocket) -> None:
        """Keep it open until `discard`."""
        self._open.add(socket)
        if self._pinger is None:
            self._pinger = asyncio.create_task(self._ping_forever(), name="chatd-ping")

    def discard(self, socket: OpenSocket) -> None:
        """It is closed. May be called twice."""
        self._open.discard(socket)
        if not self._open and self._pinger is not None:
            self._pinger.cancel()
            self._pinger = None

    def close(self) -> None:
        """Tell all clients that the server goes away: Jupyter closes no sockets when it stops."""
        for socket in tuple(self._open):
            socket.close(GOING_AWAY, "the server is stopping")

    async def _ping_forever(self) -> None:
        while True:
            await asyncio.sleep(PING_S)
            for number, socket in enumerate(tuple(self._open), start=1):
                if socket in self._open:
                    socket.keep_open()
                if number % AT_ONCE == 0:
                    await asyncio.sleep(0)
