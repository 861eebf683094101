"""What the long-lived server holds while nobody uses it, and whether that grows."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import httpx

MEGABYTE = 1024 * 1024
MEMORY_PER_HOUR = 5.0  # MB that memory may grow
FILES = 5  # that may be open more, or less
COARSE_MEMORY = 40.0  # MB that memory may grow in a run too short for a slope
COARSE_FILES = 25
LONG = 30.0  # minutes from which on a slope says something


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What the server held at one moment."""

    minute: float
    """Since the start."""
    memory_mb: float
    """Resident."""
    anonymous_mb: float
    """What of it no file backs, such as the heap."""
    files: int
    tasks: Mapping[str, int]
    """Tasks of the event loop by name."""
    objects: int
    """Of Python, all that the garbage collector knows."""

    def __str__(self) -> str:
        return (
            f"{self.minute:5.1f} min  {self.memory_mb:.1f} MB, {self.anonymous_mb:.1f} anonymous  "
            f"{self.objects} objects  {self.files} files  {sum(self.tasks.values())} tasks"
        )


async def take(client: httpx.AsyncClient, *, minute: float) -> Sample:
    """Ask the server, whose base URL *client* has."""
    value = (await client.get("soak/gauge", timeout=60)).raise_for_status().json()
    return Sample(
        minute=minute,
        memory_mb=value["memory_bytes"] / MEGABYTE,
        anonymous_mb=value["anonymous_bytes"] / MEGABYTE,
        files=value["files"],
        tasks=value["tasks"],
        objects=value["objects"],
    )


def growth_per_hour(samples: Sequence[Sample]) -> float:
    """Return the slope of the memory, MB per hour, by least squares; not a number without two samples."""
    if len(samples) < 2:
        return math.nan
    line = statistics.linear_regression(
        [sample.minute for sample in samples], [sample.memory_mb for sample in samples]
    )
    return 60 * line.slope


def problems(samples: Sequence[Sample], *, minutes: float) -> list[str]:
    """Return what grew that should not have.

    Args:
        samples: Of a server at rest, oldest first, after the warm-up.
        minutes: How long the soak was to take.
    """
    if len(samples) < 2:
        return [f"there are {len(samples)} samples: nothing can be said of memory, files and tasks"]
    first, last = samples[0], samples[-1]
    return [
        *(_memory(samples) if minutes >= LONG else _coarse_memory(first, last)),
        *_files(first, last, allowed=FILES if minutes >= LONG else COARSE_FILES),
        *_tasks(first, last),
    ]


def _memory(samples: Sequence[Sample]) -> list[str]:
    growth = growth_per_hour(samples)
    return (
        []
        if growth <= MEMORY_PER_HOUR
        else [f"memory grows by {growth:.1f} MB/h, allowed are {MEMORY_PER_HOUR}"]
    )


def _coarse_memory(first: Sample, last: Sample) -> list[str]:
    growth = last.memory_mb - first.memory_mb
    return [] if growth <= COARSE_MEMORY else [f"memory grew by {growth:.1f} MB, allowed are {COARSE_MEMORY}"]


def _files(first: Sample, last: Sample, *, allowed: int) -> list[str]:
    if abs(last.files - first.files) <= allowed:
        return []
    return [f"{first.files} files were open, then {last.files}; allowed are {allowed} more or less"]


def _tasks(first: Sample, last: Sample) -> list[str]:
    return [
        f"{last.tasks[name]} tasks {name!r} are left, at first there were {first.tasks.get(name, 0)}"
        for name in last.tasks
        if last.tasks[name] > first.tasks.get(name, 0)
    ]
