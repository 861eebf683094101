"""Work on long requests, kept off the event loop: the loop belongs to the user's kernels."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

T = TypeVar("T")

LONG_PROMPT = 60
"""Messages from which on a prompt is built in a thread; at this length building takes about 3 ms."""


async def call_off_loop(function: Callable[[], T], *, size: int) -> T:
    """Call *function*, in a thread when it works on *size* messages or more than is quick."""
    return await asyncio.to_thread(function) if size > LONG_PROMPT else function()


async def run_off_loop(coroutine: Coroutine[Any, Any, T], *, size: int) -> T:
    """Run a coroutine that waits for nothing, in a thread when *size* is more than is quick.

    Raises:
        RuntimeError: it did wait for something, which only a loop could have given it.
    """
    return await asyncio.to_thread(_finish, coroutine) if size > LONG_PROMPT else await coroutine


def _finish(coroutine: Coroutine[Any, Any, T]) -> T:
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    coroutine.close()
    raise RuntimeError("A coroutine that was to run outside of the event loop waited for something.")


def body_size(body: object) -> int:
    """Messages in a request's body, whatever the vendor calls them; 0 when it has none."""
    if not isinstance(body, dict):
        return 0
    messages = body.get("messages") or body.get("input") or ()  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
    return len(messages) if isinstance(messages, Sequence) else 0  # pyright: ignore[reportUnknownArgumentType]
