"""Tells Jupyter that a running turn is activity.

`current_activity` only keeps the server from shutting itself down. A hub culls by the server's last activity,
which is the newest time in the web application's `last_activity_times`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, MutableMapping
from datetime import UTC, datetime

MARK_S = 5.0  # seconds between marks; a hub may stop servers that did nothing for ten

NAME = "jupyter_chatd"


class ActivityMark:
    """Keeps the time of the last activity fresh while turns run. From `start` to `stop`, with the server.

    Args:
        times: The web application's `last_activity_times`.
        running: How many chats are driven now.
        mark_s: Seconds between looks.
    """

    def __init__(
        self, times: MutableMapping[str, datetime], running: Callable[[], int], *, mark_s: float = MARK_S
    ) -> None:
        self._times = times
        self._running = running
        self._mark_s = mark_s
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.create_task(self._mark_forever(), name="chatd-activity")

    async def stop(self) -> None:
        """Stop looking. May be called twice, and without `start`."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _mark_forever(self) -> None:
        while True:
            if self._running():
                self._times[NAME] = datetime.now(UTC)
            await asyncio.sleep(self._mark_s)
