"""How a peer's program talks to the bench: one JSON request a line, one JSON reply a line.

The programs run in environments of their own and know nothing of jupyter_chatd.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

SLEEP = 0.05  # seconds that the tool of the parallel task takes
TEXT = "x" * 200
"""What the model says, and what the tool gives back, in the sequential task."""

Task = Callable[..., Awaitable[dict[str, float]]]


class Stopwatch:
    """Notes when the model was called and when it had answered."""

    def __init__(self) -> None:
        self.called: list[float] = []
        self.answered: list[float] = []

    def call(self) -> int:
        """The model is called; return how often it was before."""
        self.called.append(time.perf_counter())
        return len(self.called) - 1

    def answer(self) -> None:
        """The model has answered."""
        self.answered.append(time.perf_counter())

    def between(self) -> float:
        """Seconds from the end of the first answer to the second call: the tools and all around them."""
        return self.called[1] - self.answered[0]


def serve(**tasks: Task) -> None:
    """Answer requests `{"task": name, ...arguments}` until the input ends."""
    asyncio.run(_serve(tasks))


async def _serve(tasks: dict[str, Task]) -> None:
    # What a library prints must not get between the replies.
    replies, sys.stdout = sys.stdout, sys.stderr
    while line := await asyncio.to_thread(sys.stdin.readline):
        request: dict[str, Any] = json.loads(line)
        began = time.perf_counter()
        measured = await tasks[request.pop("task")](**request)
        reply = {"run_s": time.perf_counter() - began, **measured}
        replies.write(json.dumps(reply) + "\n")
        replies.flush()
