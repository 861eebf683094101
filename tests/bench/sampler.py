"""Where the time of a row goes: looks at all threads every 2 ms and counts what they were doing."""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

PERIOD = 0.002  # seconds between two looks
_WAITS = frozenset(
    {"wait", "select", "poll", "accept", "get", "acquire", "sleep", "_worker", "_wait_for_tstate_lock"}
)


class Sampler:
    """Samples this process from `start` to `stop`. Its thread takes the GIL for some 20 µs a look."""

    def __init__(self) -> None:
        self.looks = 0
        self.own: Counter[str] = Counter()
        """How often a function was on top of a thread's stack."""
        self.below: Counter[str] = Counter()
        """How often it was anywhere on a stack that did not only wait."""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._sample, name="bench-sampler", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more. May be called twice."""
        self._stopping.set()
        self._thread.join()

    def table(self, *, rows: int = 20) -> Iterator[str]:
        """Yield lines: share of the looks on top of a stack, share anywhere on it, the function."""
        looks = max(self.looks, 1)
        for name, count in self.own.most_common(rows):
            yield f"{count / looks:6.1%} {self.below[name] / looks:6.1%}  {name}"

    def _sample(self) -> None:
        me = threading.get_ident()
        while not self._stopping.is_set():
            self.looks += 1
            for ident, frame in sys._current_frames().items():
                if ident != me:
                    self._count(frame)
            time.sleep(PERIOD)

    def _count(self, top: FrameType) -> None:
        if top.f_code.co_name in _WAITS:
            return
        self.own[_name(top)] += 1
        self.below.update({_name(frame) for frame in _stack(top)})


@contextmanager
def profiled() -> Generator[Sampler]:
    """Look at what happens inside, and print it. Only this process is seen, not servers that it starts."""
    sampler = Sampler()
    sampler.start()
    try:
        yield sampler
    finally:
        sampler.stop()
        print("\n    on top  anywhere  of the looks", *sampler.table(), sep="\n", flush=True)


def _stack(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _name(frame: FrameType) -> str:
    """`store/cell.py Cell.insert`."""
    file = Path(frame.f_code.co_filename)
    return f"{file.parent.name}/{file.name} {frame.f_code.co_qualname}"
