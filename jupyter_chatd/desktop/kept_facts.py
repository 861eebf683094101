"""What other servers said of their desktops, kept: an open view of a stopped one asks every 2 seconds."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ..workspace.desktops import DesktopFacts

if TYPE_CHECKING:
    from .launchers.placed import Place

KEPT = 7200.0
"""Seconds: a hub's proxy takes each question for use, and idle servers end after an hour or less."""
PROBLEM_KEPT = 30.0  # seconds: somebody may be mending it


class KeptFacts:
    """Of places, by workspace. A launch does not ask here, so what has changed shows with the next one."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[DesktopFacts, float]] = {}
        """Each with the time of the monotonic clock at which it is forgotten."""

    async def of(self, place: Place) -> DesktopFacts:
        """Return what is known of the desktops of a place; asks there when that is nothing."""
        from .launchers.placed import look

        now = time.monotonic()
        self._kept = {each: kept for each, kept in self._kept.items() if kept[1] > now}
        if place.workspace_id in self._kept:
            return self._kept[place.workspace_id][0]
        facts = await look(place)
        limit_s = KEPT if facts.problem is None else PROBLEM_KEPT
        self._kept[place.workspace_id] = facts, time.monotonic() + limit_s
        return facts
