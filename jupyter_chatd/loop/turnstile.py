"""Taking turns on the event loop."""

from __future__ import annotations

import asyncio


class Turnstile:
    """Lets tasks through one after the other, and the loop do everything else in between.

    Each of twenty chats that go on at the same moment works for a few milliseconds without a pause: one after
    the other in the same turn of the loop they would hold up all other requests.
    """

    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    async def through(self) -> None:
        """Return when it is the caller's turn; first come, first served."""
        async with self._lock:
            await asyncio.sleep(0)
