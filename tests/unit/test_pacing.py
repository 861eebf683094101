"""Long work in a thread pauses now and then; on the loop it does not."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from jupyter_chatd import pacing
from jupyter_chatd.pacing import PAUSE, SPAN, PacedList, paced

ITEMS = list(range(100))


class Clock:
    """Stands for `time`: each item takes a quarter of the time between two pauses."""

    def __init__(self) -> None:
        self.now = 1.0
        self.pauses: list[float] = []

    def perf_counter(self) -> float:
        self.now += SPAN / 4
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(pacing, "time", clock)
    return clock


def in_new_thread(work: Callable[[], list[int]]) -> list[int]:
    """Run *work* in a thread of its own, which has never paused before."""
    results: list[list[int]] = []
    thread = threading.Thread(target=lambda: results.append(work()))
    thread.start()
    thread.join()
    return results[0]


def test_a_thread_pauses_after_each_span(clock: Clock) -> None:
    assert in_new_thread(lambda: list(paced(ITEMS))) == ITEMS
    assert 15 <= len(clock.pauses) <= 30
    assert set(clock.pauses) == {PAUSE}


def test_many_short_loops_pause_like_a_long_one(clock: Clock) -> None:
    assert in_new_thread(lambda: [item for item in ITEMS for _ in paced([item])]) == ITEMS
    assert 15 <= len(clock.pauses) <= 30


@pytest.mark.anyio
async def test_the_loop_itself_never_pauses(clock: Clock) -> None:
    assert list(paced(ITEMS)) == list(PacedList(ITEMS)) == ITEMS
    assert clock.pauses == []


def test_whoever_goes_through_a_paced_list_pauses(clock: Clock) -> None:
    made = PacedList(ITEMS)
    assert made == ITEMS
    assert in_new_thread(lambda: [item + 1 for item in made]) == [item + 1 for item in ITEMS]
    assert clock.pauses
