"""`GET chats/watch`: what happens to the caller's chats. No replay: after a drop, list them again."""

from __future__ import annotations

import asyncio

from jupyter_server.auth.decorator import ws_authenticated

from .. import wire
from ..events import Change
from .base import BASE
from .chats import chat_reply
from .socket import PING, TRY_AGAIN_LATER, OneWaySocket

BACKLOG = 1000  # changes that a watcher may be behind


class WatchHandler(OneWaySocket):
    """Tells `{kind, chat}` for each change of a chat's state or metadata."""

    @ws_authenticated
    async def get(self) -> None:
        """Check, then upgrade."""
        await self.check_permission("read", "chats")
        await self.upgrade()

    async def deliver(self) -> None:
        """A first ping says that nothing is missed from here on; then every change of the owner's chats."""
        changes: asyncio.Queue[Change] = asyncio.Queue(BACKLOG)
        owner_id = self.owner_id

        def listen(change: Change) -> None:
            if change.chat.owner_id != owner_id or not _is_told(change):
                return
            try:
                changes.put_nowait(change)
            except asyncio.QueueFull:
                self.close(TRY_AGAIN_LATER, "too slow: list the chats again")

        stop = self.service.store.listen(listen)
        try:
            with self.extension.runtime.attendance.watching(owner_id):
                await self._tell(changes)
        finally:
            stop()

    async def _tell(self, changes: asyncio.Queue[Change]) -> None:
        await self.write_message(PING)
        while True:
            change = await changes.get()
            event = {"kind": change.kind, "chat": chat_reply(change.chat)}
            await self.write_message(wire.dump_json({"type": "data", "data": event}))


def _is_told(change: Change) -> bool:
    """Steps inside a turn are for those who follow the chat."""
    return change.kind != "updated" or change.status_changed


ROUTES = [(BASE + r"/watch", WatchHandler)]
