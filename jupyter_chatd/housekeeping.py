"""What is done once a day: chats age, files that nobody needs go."""

from __future__ import annotations

import asyncio
import logging

from .files import FileLibrary
from .store import Store
from .store.retention import archive_idle, purge_archived

FIRST_AFTER = 60.0  # seconds after the start: nobody should wait for this
PERIOD = 86_400.0  # seconds

log = logging.getLogger(__name__)


class Housekeeper:
    """Does the work of each day. From `start` to `stop`; several servers on one database do no harm.

    Args:
        store: The chats.
        files: Their files.
        auto_archive_days: Days without change after which a chat is archived; 0 is never.
        retention_days: Days after which an archived chat is deleted for good; 0 is never.
        first_after_s: Seconds until the first time.
        period_s: Seconds from one time to the next.
    """

    def __init__(
        self,
        store: Store,
        files: FileLibrary,
        *,
        auto_archive_days: int = 0,
        retention_days: int = 0,
        first_after_s: float = FIRST_AFTER,
        period_s: float = PERIOD,
    ) -> None:
        self._store = store
        self._files = files
        self._auto_archive_days = auto_archive_days
        self._retention_days = retention_days
        self._first_after_s = first_after_s
        self._period_s = period_s
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to wait for the first time."""
        self._task = asyncio.create_task(self._run_forever(), name="chatd-housekeeping")

    async def stop(self) -> None:
        """Stop. May be called twice, and without `start`."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run_forever(self) -> None:
        delay = self._first_after_s
        while True:
            await asyncio.sleep(delay)
            delay = self._period_s
            try:
                await self.run_once()
            except Exception:
                log.exception("Housekeeping failed; it is tried again in %g seconds", delay)

    async def run_once(self) -> None:
        """Archive what is idle, delete what was archived long ago, and let go of files that nothing holds."""
        archived = await archive_idle(self._store, older_than_days=self._auto_archive_days)
        purged = await purge_archived(self._store, older_than_days=self._retention_days)
        if archived or purged:
            log.info("Archived %d idle chats, deleted %d archived ones", archived, purged)
        await self._files.collect()
