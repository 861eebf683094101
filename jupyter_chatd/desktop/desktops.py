"""The desktops of a server's chats: what routes and tools use. Nothing is made before the first use."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Protocol

from .kept_facts import KeptFacts
from .status import Status

if TYPE_CHECKING:  # what is large is loaded with the first use
    from .desktop import Desktop
    from .launchers.placed import Place, PlacedLauncher
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


async def here(_family_id: str) -> None:
    """Return where a family's desktop belongs: beside this server."""


class Desktops:
    """Lives as long as the server. Families are named by `Chat.family_id`.

    Args:
        make: Makes the manager; called with the first use.
        find_place: Returns the other server in which a family's desktop belongs, `None` for beside this one.
    """

    def __init__(
        self,
        make: Callable[[], DesktopManager],
        find_place: Callable[[str], Awaitable[Place | None]] = here,
    ) -> None:
        self._make = make
        self._find_place = find_place
        self._manager: DesktopManager | None = None
        self._facts = KeptFacts()
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
        from .launchers.placed import PlacedLauncher

        if (desktop := self.find(family_id)) is not None:
            return desktop
        launcher = PlacedLauncher(self.manager.launcher, partial(self._find_place, family_id))
        return self.manager.get(family_id, launcher)

    def find(self, family_id: str) -> Desktop | None:
        """Return a family's desktop, `None` when it has none."""
        return self._manager.find(family_id) if self._manager else None

    async def status(self, family_id: str) -> Status:
        """Return what is known of a family's desktop, without starting one."""
        if (desktop := self.find(family_id)) is not None:
            return desktop.status
        idle = self.manager.idle_status
        if (place := await self._find_place(family_id)) is None:
            return idle
        facts = await self._facts.of(place)
        return replace(idle, launcher=facts.launcher, problem=facts.problem)

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
        if self.find(family_id) is not None:
            self._begin(self.stop(family_id))

    def follow_soon(self, family_id: str, workspace_id: str | None) -> None:
        """Begin to stop a family's desktop where it does not belong any more; `close` waits for that.

        Args:
            workspace_id: Of the family now; it may be a folder beside this server.
        """
        from .launchers.placed import PlacedLauncher

        desktop = self.find(family_id)
        launcher = desktop.launcher if desktop is not None else None
        if isinstance(launcher, PlacedLauncher) and launcher.workspace_id != workspace_id:
            self._begin(self._follow(family_id, launcher))

    async def _follow(self, family_id: str, launcher: PlacedLauncher) -> None:
        if await launcher.has_moved():
            await self.stop(family_id)

    def _begin(self, stopping: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(stopping, name="chatd-desktop-stop")
        self._stopping.add(task)
        task.add_done_callback(self._stopping.discard)

    async def close(self) -> None:
        """Stop all. May be called twice."""
        await asyncio.gather(*self._stopping, return_exceptions=True)
        if self._manager is not None:
            await self._manager.close()
