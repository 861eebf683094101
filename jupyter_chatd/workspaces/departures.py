"""What chats that are archived or gone leave in their workspaces: their kernels, which are ended."""

from __future__ import annotations

import asyncio
import logging

from ..errors import ChatdError
from ..events import Change
from ..messages import Chat
from ..workspace.protocol import WorkspaceError
from .lookup import AgentLookup

log = logging.getLogger(__name__)


class Departures:
    """Hears of every change. One per server; looks after one chat after the other, as many may leave at once.

    Args:
        lookup: Finds the agents that have the kernels.
    """

    def __init__(self, lookup: AgentLookup) -> None:
        self._lookup = lookup
        self._leaving: dict[str, Chat] = {}
        self._ending: asyncio.Task[None] | None = None

    def hear(self, change: Change) -> None:
        """Begin to end the kernel of a chat that was archived or deleted."""
        if not (change.chat.archived or change.purged):
            return
        self._leaving[change.chat.id] = change.chat
        if self._ending is None or self._ending.done():
            self._ending = asyncio.create_task(self._end_all(), name="chatd-departures")

    async def close(self) -> None:
        """Give up: agents of this server end their kernels with it. May be called twice."""
        self._leaving.clear()
        if self._ending is not None:
            self._ending.cancel()
            await asyncio.gather(self._ending, return_exceptions=True)

    async def _end_all(self) -> None:
        while self._leaving:
            chat_id = next(iter(self._leaving))
            chat = self._leaving.pop(chat_id)
            try:
                await self._lookup.agent_of(chat).kernels.end(chat_id)
            except (WorkspaceError, ChatdError, OSError) as error:  # with its agent the kernel is gone too
                log.info("No kernel of chat %s is ended: %s", chat_id, error)
