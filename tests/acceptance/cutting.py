"""TCP proxies that cut connections: at random moments from a seed, or all of them while a gate is shut."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Self


class _Proxy:
    """Forwards to a loopback port; each connection ends when one side ends, or `_until_cut` does."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._tasks: set[asyncio.Task[None]] = set()
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
        pumps = [
            asyncio.ensure_future(self._pump(reader, back)),
            asyncio.ensure_future(self._pump(there, writer)),
        ]
        try:
            await self._until_cut(pumps)
        except asyncio.CancelledError:
            pass  # asyncio would log a cancelled connection callback as an error
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            writer.transport.abort()
            back.transport.abort()
            self._tasks.discard(task)

    async def _until_cut(self, pumps: Sequence[asyncio.Future[None]]) -> None:
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()


class CuttingProxy(_Proxy):
    """Forwards to a loopback port and cuts each connection after a random time between two, in seconds."""

    def __init__(self, port: int, *, seed: int, least_s: float = 0.02, most_s: float = 0.25) -> None:
        super().__init__(port)
        self._random = random.Random(seed)
        self._life = least_s, most_s
        self.cuts = 0

    async def _until_cut(self, pumps: Sequence[asyncio.Future[None]]) -> None:
        life = self._random.uniform(*self._life)
        await asyncio.wait(pumps, timeout=life, return_when=asyncio.FIRST_COMPLETED)
        self.cuts += 1


class Gate(_Proxy):
    """Forwards to a loopback port while it is open; shut, it is a network that is gone.

    What is connected falls silent then, and nobody connects. `shut` and `open` may be called from any thread.
    """

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self._opened = asyncio.Event()
        self._opened.set()

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        return await super().__aenter__()

    def shut(self) -> None:
        """Let nothing through."""
        self._loop.call_soon_threadsafe(self._opened.clear)

    def open(self) -> None:
        """Let new connections through; those that lost something meanwhile end."""
        self._loop.call_soon_threadsafe(self._opened.set)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._opened.is_set():
            await super()._connected(reader, writer)
        else:
            writer.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (data := await reader.read(65536)) and self._opened.is_set():
            writer.write(data)
            await writer.drain()
        await self._opened.wait()
