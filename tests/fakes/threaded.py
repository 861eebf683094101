"""What serves on a loop of its own, such as a fake vendor: it outlives the server that a test kills."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Any, TypeVar

Served = TypeVar("Served", bound=AbstractAsyncContextManager[Any])


@contextmanager
def in_thread(served: Served) -> Iterator[Served]:
    """Serve in a thread until the end of the block."""
    is_up = threading.Event()
    loops: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def serve() -> None:
        end = asyncio.Event()
        async with served:
            loops.append((asyncio.get_running_loop(), end))
            is_up.set()
            await end.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="served", daemon=True)
    thread.start()
    assert is_up.wait(10.0), f"{served} did not start"
    try:
        yield served
    finally:
        loop, end = loops[0]
        loop.call_soon_threadsafe(end.set)
        thread.join()
