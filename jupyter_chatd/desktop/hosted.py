"""The desktops that run here for the chats of another server of the user, whose workspace this server is."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ..workspace.desktops import DesktopFacts
from ..workspace.protocol import WorkspaceError
from .errors import DesktopError

if TYPE_CHECKING:  # what is large is loaded with the first desktop
    from .manager import DesktopManager

UNHELD_LIMIT = (
    120.0  # seconds for which nobody may be connected: a network may fail, a server may be restarted
)

log = logging.getLogger(__name__)


class HostedDesktops:
    """Lives as long as the server. Apart from the desktops of its own chats, which need not be open.

    Args:
        make: Makes the manager; called with the first use.
        unheld_limit_s: See `UNHELD_LIMIT`.
    """

    def __init__(self, make: Callable[[], DesktopManager], *, unheld_limit_s: float = UNHELD_LIMIT) -> None:
        self._make = make
        self._made: DesktopManager | None = None
        self._unheld_limit_s = unheld_limit_s
        self._holders: Counter[str] = Counter()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._stopping: set[asyncio.Task[None]] = set()

    @property
    def manager(self) -> DesktopManager:
        """The manager, made when it is needed."""
        if self._made is None:
            self._made = self._make()
        return self._made

    async def facts(self) -> DesktopFacts:
        """Return how desktops are got here, and what is missing for that."""
        status = self.manager.idle_status
        return DesktopFacts(launcher=status.launcher, problem=status.problem)

    async def start(self, desktop_id: str) -> None:
        """Start a desktop unless it runs.

        Raises:
            WorkspaceError: it did not start.
        """
        try:
            await self.manager.get(desktop_id).socket()
        except BaseException as error:
            await self.manager.stop(desktop_id)
            if isinstance(error, DesktopError):
                raise WorkspaceError(str(error)) from error
            raise
        self._wait_for_holder(desktop_id)

    async def socket(self, desktop_id: str) -> Path:
        """Return the desktop's own socket.

        Raises:
            WorkspaceError: there is no such desktop, or it crashed and did not start again.
        """
        desktop = self._made.find(desktop_id) if self._made else None
        if desktop is None:
            raise WorkspaceError("There is no such desktop: it was stopped.")
        try:
            return await desktop.socket()
        except DesktopError as error:
            raise WorkspaceError(str(error)) from error

    @contextmanager
    def held(self, desktop_id: str) -> Generator[None]:
        """Keep a desktop while somebody is connected to it, however long nothing happens there."""
        self._holders[desktop_id] += 1
        self._forget_timer(desktop_id)
        try:
            with self.manager.held(desktop_id):
                yield
        finally:
            self._holders[desktop_id] -= 1
            self._wait_for_holder(desktop_id)

    async def stop(self, desktop_id: str) -> None:
        """Stop a desktop and all programs on it. Unknown ids are fine."""
        self._forget_timer(desktop_id)
        if self._made is not None:
            await self._made.stop(desktop_id)

    async def aclose(self) -> None:
        """Stop all of them. May be called twice."""
        for desktop_id in tuple(self._timers):
            self._forget_timer(desktop_id)
        await asyncio.gather(*self._stopping)
        if self._made is not None:
            await self._made.close()

    def _wait_for_holder(self, desktop_id: str) -> None:
        self._forget_timer(desktop_id)
        if self._holders[desktop_id]:
            return
        del self._holders[desktop_id]
        if self._made is None or self._made.find(desktop_id) is None:
            return
        loop = asyncio.get_running_loop()
        self._timers[desktop_id] = loop.call_later(self._unheld_limit_s, self._stop_unheld, desktop_id)

    def _forget_timer(self, desktop_id: str) -> None:
        if timer := self._timers.pop(desktop_id, None):
            timer.cancel()

    def _stop_unheld(self, desktop_id: str) -> None:
        log.info("Nobody is connected to the desktop %s any more, and it is stopped", desktop_id)
        task = asyncio.create_task(self.stop(desktop_id), name="desktop-unheld-stop")
        self._stopping.add(task)
        task.add_done_callback(self._stopping.discard)


if TYPE_CHECKING:
    from ..workspace.desktops import AgentDesktops

    _: type[AgentDesktops] = HostedDesktops
