"""A fake vendor on a loop of its own, in the test's process: it outlives the server that a test kills."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from .vendor import FakeVendor


@contextmanager
def in_thread(vendor: FakeVendor) -> Iterator[FakeVendor]:
    """Serve in a thread until the end of the block."""
    is_up = threading.Event()
    loops: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def serve() -> None:
        end = asyncio.Event()
        async with vendor:
            loops.append((asyncio.get_running_loop(), end))
            is_up.set()
            await end.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="fake-vendor", daemon=True)
    thread.start()
    assert is_up.wait(10.0), "the fake vendor did not start"
    try:
        yield vendor
    finally:
        loop, end = loops[0]
        loop.call_soon_threadsafe(end.set)
        thread.join()
