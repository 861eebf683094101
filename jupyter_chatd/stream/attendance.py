"""Whether a client is there that could act in a chat."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager

from .feeds import Feeds

RECENT = 10.0  # seconds that a client which only asks now and then counts as there


class Attendance:
    """Who follows a chat, watches all chats of its owner, or asked about it a moment ago. One per server."""

    def __init__(self, feeds: Feeds, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._feeds = feeds
        self._clock = clock
        self._watchers: Counter[str] = Counter()
        self._asked_at: dict[str, float] = {}
        """By chat, the longest ago first."""

    @contextmanager
    def watching(self, owner_id: str) -> Generator[None]:
        """Somebody hears of all chats of an owner as long as this is entered."""
        self._watchers[owner_id] += 1
        try:
            yield
        finally:
            self._watchers[owner_id] -= 1
            if not self._watchers[owner_id]:
                del self._watchers[owner_id]

    def note(self, chat_id: str) -> None:
        """Somebody has asked about a chat."""
        now = self._clock()
        self._asked_at.pop(chat_id, None)
        self._asked_at[chat_id] = now
        for other in [one for one, at in self._asked_at.items() if now - at > RECENT]:
            del self._asked_at[other]

    def is_attended(self, chat_id: str, *, owner_id: str) -> bool:
        """Whether a client is there that could take on what the chat waits for."""
        asked_at = self._asked_at.get(chat_id)
        return (
            self._watchers[owner_id] > 0
            or self._feeds.is_followed(chat_id)
            or (asked_at is not None and self._clock() - asked_at <= RECENT)
        )
