"""How everything is measured: cases run in turn, medians over the rounds, ratios round by round."""

from __future__ import annotations

import asyncio
import gc
import math
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

ROUNDS = 5  # of each case at the least, in a real run

Values: TypeAlias = tuple[float, ...]
Case: TypeAlias = Callable[[], Awaitable[Mapping[str, float]]]
"""Runs once and returns what it measured, by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much to measure."""

    rounds: int = ROUNDS
    is_quick: bool = False
    """Only show that it works."""

    def times(self, factor: int) -> Plan:
        """Return a plan with more rounds, for cases that cost little."""
        return self if self.is_quick else replace(self, rounds=factor * self.rounds)

    def size(self, full: int, quick: int) -> int:
        """Return how large something is to be."""
        return quick if self.is_quick else full


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """What a measured value must not pass."""

    bound: float
    is_lower: bool = False
    """The value must be at least *bound*; otherwise at most."""

    def is_met(self, value: float) -> bool:
        """Whether *value* reaches the goal."""
        return value >= self.bound if self.is_lower else value <= self.bound


def at_most(bound: float) -> Goal:
    """A goal that larger values miss."""
    return Goal(bound=bound)


def at_least(bound: float) -> Goal:
    """A goal that smaller values miss."""
    return Goal(bound=bound, is_lower=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One line of the table."""

    what: str
    values: Values = ()
    """One for each round; empty when it could not be measured."""
    unit: str = "×"
    goal: Goal | None = None
    """`None`: reported only."""
    note: str = ""

    @property
    def value(self) -> float:
        """The median; not a number when there is none."""
        return statistics.median(self.values) if self.values else math.nan

    @property
    def is_met(self) -> bool | None:
        """Whether the goal is reached; `None` when there is no goal or no value."""
        return self.goal.is_met(self.value) if self.goal and self.values else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A row of the table."""

    title: str
    """What is measured, as the table says it."""
    method: str
    """How, in a few sentences, for whoever doubts the number."""
    run: Callable[[Plan], Awaitable[Sequence[Measured]]]


@dataclass(slots=True)
class Samples:
    """What the rounds gave, by name; the n-th value of each name is of the same round."""

    by_name: dict[str, list[float]] = field(default_factory=dict[str, list[float]])

    def add(self, measured: Mapping[str, float]) -> None:
        """Keep what a case gave."""
        for name, value in measured.items():
            self.by_name.setdefault(name, []).append(value)

    def __getitem__(self, name: str) -> Values:
        return tuple(self.by_name[name])

    def __contains__(self, name: str) -> bool:
        return name in self.by_name

    def scaled(self, name: str, factor: float) -> Values:
        """Return the values times *factor*."""
        return tuple(value * factor for value in self[name])

    def ratios(self, name: str, base: str) -> Values:
        """Return the values over those of *base*, round by round."""
        return tuple(value / other for value, other in zip(self[name], self[base], strict=True))

    def differences(self, name: str, base: str) -> Values:
        """Return the values less those of *base*, round by round."""
        return tuple(value - other for value, other in zip(self[name], self[base], strict=True))


async def interleave(cases: Sequence[Case], plan: Plan, *, warm_up: bool = True) -> Samples:
    """Run all cases once per round, every other round in reverse, and return what they gave.

    Args:
        cases: What is compared.
        plan: How many rounds.
        warm_up: Begin with a round that does not count.
    """
    samples = Samples()
    if warm_up and not plan.is_quick:
        for case in cases:
            await case()
    for number in range(plan.rounds):
        for case in cases if number % 2 == 0 else reversed(cases):
            gc.collect()
            samples.add(await case())
    return samples


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest value that at least *percent* of the values do not pass."""
    ranked = sorted(values)
    return ranked[max(math.ceil(len(ranked) * percent / 100) - 1, 0)]


def cpu_of(pid: int) -> float:
    """Return the CPU seconds that a process has used, all threads together, without disturbing it (Linux)."""
    return time.clock_gettime((~pid << 3) | 2)  # linux/posix-timers.h: CPUCLOCK_SCHED of a process


class Heartbeat:
    """Sleeps 1 ms over and over and notes how late it woke: how long the event loop was kept busy."""

    PERIOD = 0.001  # seconds

    def __init__(self) -> None:
        self._late: list[float] = []
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; on a running loop."""
        self._late = []
        self._task = asyncio.create_task(self._beat(), name="bench-heartbeat")

    async def stop(self) -> list[float]:
        """End, and return the lateness of every beat in seconds."""
        assert self._task is not None
        await asyncio.sleep(2 * self.PERIOD)
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        return self._late

    async def _beat(self) -> None:
        while True:
            due = time.perf_counter() + self.PERIOD
            await asyncio.sleep(self.PERIOD)
            self._late.append(time.perf_counter() - due)
