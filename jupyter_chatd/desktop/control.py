"""Whose hands a desktop is in: the model's, unless a person takes it."""

from __future__ import annotations

import asyncio


class Control:
    """A person takes a desktop and gives it back; meanwhile the model waits. Lives as long as its desktop."""

    def __init__(self) -> None:
        self._holder: str | None = None
        self._is_free = asyncio.Event()
        self._is_free.set()

    @property
    def holder(self) -> str | None:
        """Who took it, `None` while it is the model's."""
        return self._holder

    def take(self, holder: str) -> None:
        """Give the desktop to a person, also from another one. What the model does just now is finished."""
        self._holder = holder
        self._is_free.clear()

    def give_back(self) -> None:
        """Let the model go on. May be called twice."""
        self._holder = None
        self._is_free.set()

    async def wait(self, limit_s: float) -> bool:
        """Wait until the desktop is the model's; false when a person still has it after *limit_s*."""
        try:
            async with asyncio.timeout(limit_s):
                await self._is_free.wait()
        except TimeoutError:
            return False
        return True
