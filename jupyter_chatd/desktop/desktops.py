"""The desktops of a server's chats: what routes and tools use. Nothing is made before the first use."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from .status import Status

if TYPE_CHECKING:  # what is large is loaded with the first use
    from .desktop import Desktop
    from .manager import DesktopManager

log = logging.getLogger(__name__)


class DesktopsOfChats(Protocol):
    """How a tool gets at the desktop that it acts on."""

    def get(self, family_id: str) -> Desktop:
        """Return the desktop of a chat and its subagents, which starts when it is used.

        Raises:
            DesktopLimitError: it has none yet, and as many as may run are running.
        """
        ...


class Desktops:
    """Lives as long as the server. Families are named by `Chat.family_id`.

    Args:
        make: Makes the manager; called with the first use.
    """

    def __init__(self, make: Callable[[], DesktopManager]) -> None:
        self._make = make
        self._manager: DesktopManager | None = None
        self._stopping: set[asyncio.Task[None]] = set()

    @property
    def manager(self) -> DesktopManager:
        """The manager, made when it is needed."""
        if self._manager is None:
            self._manager = self._make()
        return self._manager

    @property
    def is_in_use(self) -> bool:
        """Whether there was a first use."""
        return self._manager is not None

    def get(self, family_id: str) -> Desktop:
        return self.manager.get(family_id)

    def find(self, family_id: str) -> Desktop | None:
        """Return a family's desktop, `None` when it has none."""
        return self._manager.find(family_id) if self._manager else None

    def status(self, family_id: str) -> Status:
        """Return what is known of a family's desktop, without starting one."""
        desktop = self.find(family_id)
        return desktop.status if desktop else self.manager.idle_status

    def touch(self, family_id: str) -> None:
        """Take note that a person used a desktop."""
        if self._manager is not None:
            self._manager.touch(family_id)

    async def stop(self, family_id: str) -> None:
        """Stop a family's desktop, if it has one."""
        if self._manager is not None:
            await self._manager.stop(family_id)

    def stop_soon(self, family_id: str) -> None:
        """Begin to stop a family's desktop, if it has one; `close` waits for that."""
        if self.find(family_id) is None:
            return
        task = asyncio.create_task(self.stop(family_id), name="chatd-desktop-stop")
        self._stopping.add(task)
        task.add_done_callback(self._stopping.discard)

    async def close(self) -> None:
        """Stop all. May be called twice."""
        await asyncio.gather(*self._stopping)
        if self._manager is not None:
            await self._manager.close()
