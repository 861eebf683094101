"""How a desktop stands."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from .geometry import Size


class State(Enum):
    """Where a desktop is in its life."""

    STOPPED = "stopped"
    """Nothing runs: not used yet, idle for long, or crashed. The next use starts it."""
    STARTING = "starting"
    RUNNING = "running"
    FAILED = "failed"
    """The last start did not work. The next use tries again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What is known of a desktop."""

    state: State
    launcher: str
    size: Size
    """Its own while it runs, else the one it will be asked for."""
    problem: str | None = None
    """Why it failed, crashed, or cannot start."""
