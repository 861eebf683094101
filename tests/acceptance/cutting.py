"""A TCP proxy that cuts connections at random moments, from a seed."""

from __future__ import annotations

import asyncio
import random
from typing import Self


class CuttingProxy:
    """Forwards to a loopback port and cuts each connection after a random time between two, in seconds."""

    def __init__(self, port: int, *, seed: int, least_s: float = 0.02, most_s: float = 0.25) -> None:
        self._target = port
        self._random = random.Random(seed)
        self._life = least_s, most_s
        self._tasks: set[asyncio.Task[None]] = set()
        self.cuts = 0
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        there, back = await asyncio.open_connection("127.0.0.1", self._target)
        pumps = [asyncio.ensure_future(_pump(reader, back)), asyncio.ensure_future(_pump(there, writer))]
        try:
            await asyncio.wait(
                pumps, timeout=self._random.uniform(*self._life), return_when=asyncio.FIRST_COMPLETED
            )
            self.cuts += 1
        except asyncio.CancelledError:
            pass  # asyncio would log a cancelled connection callback as an error
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            writer.transport.abort()
            back.transport.abort()
            self._tasks.discard(task)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
