"""Long work in threads beside the event loop, which must not wait long for the interpreter's lock.

A thread that computes gives the lock up only when another has waited 5 ms for it, and the loop needs it anew
after each system call: some of these waits make a stall that kernels notice. So work on long histories
pauses of its own accord. Measured: tests/bench/DECISIONS.md.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")

SPAN = 0.001  # seconds of work between two pauses
PAUSE = 0.0001  # seconds; long enough for a thread on another core to wake up and take the lock


def paced(items: Iterable[T]) -> Iterator[T]:
    """Yield the items, with a short pause after each millisecond; in an event loop's thread without."""
    return iter(items) if _is_in_loop() else _with_pauses(items)


class PacedList(list[T]):
    """A list that is gone through as `paced` does it, by code that knows nothing of it."""

    def __iter__(self) -> Iterator[T]:
        """Begin at the first item."""
        return paced(super().__iter__())


class _Rest(threading.local):
    """When this thread paused last."""

    at = 0.0


_rest = _Rest()


def _with_pauses(items: Iterable[T]) -> Iterator[T]:
    for item in items:
        yield item
        if time.perf_counter() - _rest.at > SPAN:
            time.sleep(PAUSE)
            _rest.at = time.perf_counter()


def _is_in_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
