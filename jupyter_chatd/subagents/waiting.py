"""Being woken when a chat changes, and looking now and then where nobody tells."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

from ..events import Change
from ..messages import Chat, ChatStatus, Role
from ..store import Store
from ..store.families import report_of

FALLBACK = 5.0  # seconds between two looks at a chat of which nothing was heard


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A chat that is waited for, as it was seen or heard of."""

    chat: Chat
    report: str | None = None
    """The text of its newest assistant message that has any, where that is known without a look."""

    @property
    def has_ended(self) -> bool:
        """Whether it rests. One that waits for somebody's decision does not."""
        return self.chat.status in (ChatStatus.WAITING, ChatStatus.ERROR)


class Bell:
    """Rings at every change of one chat, and holds what the newest one left. Lives as long as one wait."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()
        self._chat: Chat | None = None
        self._report: str | None = None

    def ring(self, change: Change) -> None:
        """Hear of a change."""
        if change.foreign or change.history is not None:
            self._report = None
        for message in change.inserted:
            if message.role is Role.ASSISTANT and not message.compressed:
                self._report = report_of(message) or self._report
        self._chat = None if change.purged else change.chat
        self._rung.set()

    async def hear(self) -> Seen | None:
        """Return the chat as the newest change since the last call left it, as soon as there is one.

        `None` when it has to be looked at: it was deleted, or nothing was heard for a while.
        """
        try:
            async with asyncio.timeout(FALLBACK):
                await self._rung.wait()
        except TimeoutError:
            return None
        self._rung.clear()
        return self._chat and Seen(chat=self._chat, report=self._report)


class Bells:
    """Bells for the chats that somebody waits for. Lives as long as the store's announcements matter.

    A change that another process made is heard of when this one notices it, within 0.2 s.
    """

    def __init__(self, store: Store) -> None:
        self._bells: dict[str, set[Bell]] = {}
        self._unlisten = store.listen(self._ring)

    def close(self) -> None:
        """Hear of nothing any more. May be called twice."""
        self._unlisten()

    @contextmanager
    def bell(self, chat_id: str) -> Generator[Bell]:
        """Give a bell that rings at every change of the chat from now on."""
        bell = Bell()
        bells = self._bells.setdefault(chat_id, set())
        bells.add(bell)
        try:
            yield bell
        finally:
            bells.discard(bell)
            if not bells:
                self._bells.pop(chat_id, None)

    def _ring(self, change: Change) -> None:
        for bell in self._bells.get(change.chat.id, ()):
            bell.ring(change)
