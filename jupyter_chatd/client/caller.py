"""Running functions in the thread that waits for a chat: its `print` reaches the cell."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, TypeAlias, TypeVar

T = TypeVar("T")

_Inbox: TypeAlias = SimpleQueue[Callable[[], None] | None]


class CallerThread:
    """Runs functions in whichever thread is inside `serve`; in a thread of their own when none is."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inboxes: list[_Inbox] = []

    async def run_sync(self, call: Callable[[], Any]) -> Any:
        """Return what *call* returns. Cancelling leaves one that has begun to its fate."""
        future: concurrent.futures.Future[Any] = concurrent.futures.Future()
        self._hand_over(lambda: _run(call, future))
        return await asyncio.wrap_future(future)

    def serve(self, work: concurrent.futures.Future[T], timeout_s: float | None) -> T:
        """Return the result of *work*; meanwhile run here what comes.

        Raises:
            TimeoutError: it took longer than *timeout_s*; then, as on any exception, *work* is cancelled.
        """
        inbox: _Inbox = SimpleQueue()
        work.add_done_callback(lambda _: inbox.put(None))
        give_up_at = None if timeout_s is None else time.monotonic() + timeout_s
        with self._lock:
            self._inboxes.append(inbox)
        try:
            while (job := _next(inbox, give_up_at)) is not None:
                job()
        except BaseException:
            work.cancel()
            raise
        finally:
            self._leave(inbox)
        return work.result()

    def _leave(self, inbox: _Inbox) -> None:
        with self._lock:
            self._inboxes.remove(inbox)
        while not inbox.empty():
            if (job := inbox.get()) is not None:
                self._hand_over(job)

    def _hand_over(self, job: Callable[[], None]) -> None:
        with self._lock:
            if self._inboxes:
                self._inboxes[-1].put(job)
                return
        # Daemon: a function that never ends must not keep the process from ending.
        threading.Thread(target=job, name="jupyter-chatd-tool", daemon=True).start()


def _next(inbox: _Inbox, give_up_at: float | None) -> Callable[[], None] | None:
    if give_up_at is None:
        return inbox.get()
    try:
        return inbox.get(timeout=max(0.0, give_up_at - time.monotonic()))
    except Empty:
        raise TimeoutError from None


def _run(call: Callable[[], Any], future: concurrent.futures.Future[Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = call()
    except Exception as error:  # noqa: BLE001 - goes to whoever awaits it
        future.set_exception(error)
    except BaseException as error:
        future.set_exception(RuntimeError(f"It was stopped by {type(error).__name__}."))
        raise
    else:
        future.set_result(result)
