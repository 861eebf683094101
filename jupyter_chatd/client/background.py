"""An event loop in a thread of its own, for callers that block: a kernel's main thread has a loop already."""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class BackgroundLoop:
    """A running event loop. Ends with the process."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="jupyter-chatd-client", daemon=True
        )
        self._thread.start()

    def start(self, work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """Start *work*; cancelling the future cancels it. May be called from any thread."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Return what *work* returns; blocks until then. Not from within the loop itself."""
        if threading.current_thread() is self._thread:
            work.close()
            raise RuntimeError(
                "A chat's blocking methods would wait for themselves in an async tool function. "
                "Make the function a plain def."
            )
        future = self.start(work)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise


_lock = threading.Lock()
_loops: dict[int, BackgroundLoop] = {}


def background() -> BackgroundLoop:
    """Return this process's loop; threads do not survive a fork, so a child gets its own."""
    with _lock:
        loop = _loops.get(os.getpid())
        if loop is None:
            _loops.clear()
            loop = _loops[os.getpid()] = BackgroundLoop()
        return loop
