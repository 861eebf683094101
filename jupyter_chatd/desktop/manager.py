"""All desktops of a server, by chat family: a root chat and its children share one."""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from .defaults import DEFAULT_SIZE, IDLE_LIMIT, MOST_DESKTOPS
from .desktop import Desktop
from .errors import DesktopLimitError
from .geometry import Size
from .launchers.launcher import Launcher
from .recording.recordings import Recordings
from .status import State, Status

log = logging.getLogger(__name__)


class DesktopManager:
    """Starts each family's desktop on first use and stops it when nobody used it for long.

    A viewer that only looks is no use; whoever passes on a person's input calls `touch`. Lives as long as the
    server; `close` stops all.
    """

    def __init__(
        self,
        launcher: Launcher,
        *,
        size: Size = DEFAULT_SIZE,
        idle_limit_s: float = IDLE_LIMIT,
        limit: int = MOST_DESKTOPS,
        recordings: Recordings | None = None,
    ) -> None:
        self.launcher = launcher
        self.recordings = recordings or Recordings(Path(tempfile.gettempdir()))
        """Of these desktops; by default below the system's temporary folder."""
        self._size = size
        self._idle_limit_s = idle_limit_s
        self._limit = limit
        self._desktops: dict[str, Desktop] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._holders: Counter[str] = Counter()
        self._stopping: set[asyncio.Task[None]] = set()

    @property
    def idle_status(self) -> Status:
        """What is known of the desktop of a family that has none yet."""
        missing = self.launcher.missing()
        problem = f"The desktop needs {missing}." if missing else None
        return Status(state=State.STOPPED, launcher=self.launcher.name, size=self._size, problem=problem)

    def get(self, family_id: str, launcher: Launcher | None = None) -> Desktop:
        """Return a family's desktop, which starts when it is used. Ask again for each use: it may be stopped.

        Its use raises a `DesktopLimitError` when it does not run and as many as may run do.

        Args:
            launcher: Of a desktop that is not there yet, in place of the manager's.
        """
        if (desktop := self.find(family_id)) is None:
            desktop = Desktop(
                launcher or self.launcher,
                size=self._size,
                on_use=self._toucher(family_id),
                on_start=self._check_limit,
            )
            self._desktops[family_id] = desktop
            self.touch(family_id)
        return desktop

    def find(self, family_id: str) -> Desktop | None:
        """Return a family's desktop, `None` when it has none."""
        return self._desktops.get(family_id)

    def touch(self, family_id: str) -> None:
        """Take note that a desktop was used: its idle time begins anew."""
        if timer := self._timers.pop(family_id, None):
            timer.cancel()
        if family_id in self._desktops:
            loop = asyncio.get_running_loop()
            self._timers[family_id] = loop.call_later(self._idle_limit_s, self._stop_idle, family_id)

    @contextmanager
    def held(self, family_id: str) -> Generator[None]:
        """Keep a desktop meanwhile, however long nobody uses it."""
        self._holders[family_id] += 1
        try:
            yield
        finally:
            self._holders[family_id] -= 1
            if not self._holders[family_id]:
                del self._holders[family_id]
            self.touch(family_id)

    async def stop(self, family_id: str) -> None:
        """Stop a family's desktop, if it has one: it was archived, or somebody wants it stopped."""
        if timer := self._timers.pop(family_id, None):
            timer.cancel()
        if desktop := self._desktops.pop(family_id, None):
            await desktop.close()

    async def close(self) -> None:
        """Stop all desktops and recordings, and what launches them. May be called twice."""
        await self.recordings.close()
        await asyncio.gather(*(self.stop(family_id) for family_id in tuple(self._desktops)))
        await asyncio.gather(*self._stopping)
        await self.launcher.close()

    def _toucher(self, family_id: str) -> Callable[[], None]:
        return lambda: self.touch(family_id)

    def _check_limit(self) -> None:
        """Count those that run or start, the one that asks included."""
        states = [each.status.state for each in self._desktops.values()]
        if states.count(State.RUNNING) + states.count(State.STARTING) > self._limit:
            raise DesktopLimitError(self._limit)

    def _stop_idle(self, family_id: str) -> None:
        desktop = self.find(family_id)
        if family_id in self._holders or (desktop is not None and desktop.is_busy):
            self.touch(family_id)
            return
        log.info("The desktop of %s was not used for %g s and is stopped", family_id, self._idle_limit_s)
        task = asyncio.create_task(self.stop(family_id), name="desktop-idle-stop")
        self._stopping.add(task)
        task.add_done_callback(self._stopping.discard)
