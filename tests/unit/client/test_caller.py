"""Functions run in the thread that waits, or in one of their own."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable
from typing import Any

import pytest

from jupyter_chatd.client.background import background
from jupyter_chatd.client.caller import CallerThread


def where() -> threading.Thread:
    return threading.current_thread()


async def run(caller: CallerThread, call: Callable[[], Any]) -> Any:
    return await caller.run_sync(call)


async def run_soon(caller: CallerThread, call: Callable[[], Any]) -> Any:
    """Run it once somebody waits."""
    await asyncio.sleep(0.5)
    return await caller.run_sync(call)


def test_who_waits_runs_it() -> None:
    caller = CallerThread()
    assert caller.serve(background().start(run_soon(caller, where)), 30) is threading.current_thread()


def test_when_nobody_waits_it_has_a_thread_of_its_own() -> None:
    caller = CallerThread()
    thread = background().run(run(caller, where))
    assert thread is not threading.current_thread()
    assert thread.daemon


def test_what_it_raises_is_raised_where_it_is_awaited() -> None:
    def fail() -> None:
        raise LookupError("nothing")

    caller = CallerThread()
    with pytest.raises(LookupError, match="nothing"):
        caller.serve(background().start(run(caller, fail)), 30)


def test_waiting_ends_and_takes_the_work_along() -> None:
    work: concurrent.futures.Future[None] = concurrent.futures.Future()
    with pytest.raises(TimeoutError):
        CallerThread().serve(work, 0.01)
    assert work.cancelled()


def test_an_interrupt_in_a_function_reaches_who_waits_and_who_asked() -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    caller = CallerThread()
    inner = background().start(run_soon(caller, stop))
    never: concurrent.futures.Future[None] = concurrent.futures.Future()
    with pytest.raises(KeyboardInterrupt):
        caller.serve(never, 30)
    with pytest.raises(RuntimeError, match="stopped by KeyboardInterrupt"):
        inner.result(30)


def test_the_loop_does_not_wait_for_itself() -> None:
    async def inner() -> None: ...

    async def outer() -> None:
        background().run(inner())

    with pytest.raises(RuntimeError, match="would wait for themselves"):
        background().run(outer())
