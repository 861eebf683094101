"""What all people together have seen."""

from __future__ import annotations

import collections
from dataclasses import dataclass, field

EXPECTED = ("chats", "messages", "calls", "compactions", "interrupts", "edits", "kills")
"""Counts that every soak has, the shortest too."""


@dataclass(slots=True)
class Tally:
    """Counts since the start, and everything that was wrong."""

    chats: int = 0
    messages: int = 0
    calls: int = 0
    unknown: int = 0
    """Calls whose server was killed while they ran, so that nobody knows their outcome."""
    compactions: int = 0
    interrupts: int = 0
    edits: int = 0
    late: int = 0
    """Requests that came too late for the state of the chat."""
    cut: int = 0
    """Requests that nobody answered."""
    failed: int = 0
    """Turns that ended in an error."""
    kills: int = 0
    faults: collections.Counter[str] = field(default_factory=collections.Counter[str])
    """Of the vendors."""
    problems: list[str] = field(default_factory=list[str])
    _told: int = 0

    def __str__(self) -> str:
        counts = "  ".join(
            f"{getattr(self, name)} {name}" for name in (*EXPECTED, "unknown", "late", "cut", "failed")
        )
        return f"{counts}  {self.faults.total()} faults  {len(self.problems)} problems"

    def take_news(self) -> list[str]:
        """Return the problems that came since the last call."""
        news, self._told = self.problems[self._told :], len(self.problems)
        return news

    def gaps(self) -> list[str]:
        """Return what never happened, and without which the soak proves little."""
        missing = [name for name in EXPECTED if not getattr(self, name)]
        return [f"there were no {name}" for name in (*missing, *(() if self.faults else ("faults",)))]
