"""Being woken when a chat changes, and looking now and then where nobody tells."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager

from ..events import Change
from ..store import Store

FALLBACK = 5.0  # seconds between two looks at a chat of which nothing was heard


class Bells:
    """One bell for each chat that somebody waits for. Lives as long as the store's announcements matter.

    A change that another process made is heard of when this one notices it, within 0.2 s.
    """

    def __init__(self, store: Store) -> None:
        self._bells: dict[str, set[asyncio.Event]] = {}
        self._unlisten = store.listen(self._ring)

    def close(self) -> None:
        """Hear of nothing any more. May be called twice."""
        self._unlisten()

    @contextmanager
    def bell(self, chat_id: str) -> Generator[asyncio.Event]:
        """Give an event that is set at every change of the chat from now on."""
        event = asyncio.Event()
        bells = self._bells.setdefault(chat_id, set())
        bells.add(event)
        try:
            yield event
        finally:
            bells.discard(event)
            if not bells:
                self._bells.pop(chat_id, None)

    def _ring(self, change: Change) -> None:
        for event in self._bells.get(change.chat.id, ()):
            event.set()


async def ring_or_look(event: asyncio.Event) -> None:
    """Return at the next change, or when it is time to look without one."""
    try:
        async with asyncio.timeout(FALLBACK):
            await event.wait()
    except TimeoutError:
        return
