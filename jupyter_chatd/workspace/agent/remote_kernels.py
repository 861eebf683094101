"""The side that asks an agent behind HTTP for its kernels."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from ...wire.values import adapter_of
from ..kernels.protocol import CodeOutput, CodeSpec, CodeStarted, CodeState, Variables
from . import kernel_operations as ops
from .operations import OfChat, Operation

START_LIMIT = 120.0  # seconds for an answer that may take the start of a kernel, and the end of another
WAIT_MARGIN = 30.0  # seconds on top of what a call may take by itself

Ask = Callable[[Operation[Any, Any], Any, float], Awaitable[Any]]
"""Asks an operation, given its arguments and the seconds that the answer may take."""
Follow = Callable[[str, bytes], AsyncGenerator[str, None]]
"""Yields pieces of text, given a route and the body of the request."""


class RemoteKernels:
    """Lives as long as the agent that it belongs to.

    Args:
        wait_piece_s: Longest wait of one request; longer ones are several.
    """

    def __init__(self, ask: Ask, follow: Follow, *, wait_piece_s: float = math.inf) -> None:
        self._ask = ask
        self._follow = follow
        self._wait_piece_s = wait_piece_s

    async def run_code(self, spec: CodeSpec) -> CodeStarted:
        """Run code, starting a kernel when the chat has none; returns once the code was sent."""
        return await self._ask(ops.RUN_CODE, spec, START_LIMIT)

    async def wait_code(
        self, chat_id: str, *, execution_id: str | None = None, timeout_s: float
    ) -> CodeOutput:
        """Wait until it ends, at most *timeout_s*, and return what there is."""
        give_up_at = time.monotonic() + timeout_s
        while True:
            left_s = max(give_up_at - time.monotonic(), 0.0)
            piece_s = min(left_s, self._wait_piece_s)
            question = ops.WaitCode(chat_id=chat_id, execution_id=execution_id, timeout_s=piece_s)
            output: CodeOutput = await self._ask(ops.WAIT_CODE, question, piece_s + WAIT_MARGIN)
            if output.state is not CodeState.RUNNING or piece_s == left_s:
                return output

    async def follow_code(self, chat_id: str, execution_id: str) -> AsyncGenerator[str, None]:
        """Live output from the start, in pieces, until it ends."""
        body = adapter_of(ops.OfCode).dump_json(ops.OfCode(chat_id=chat_id, execution_id=execution_id))
        async with aclosing(self._follow(ops.FOLLOW_CODE, body)) as pieces:
            async for piece in pieces:
                yield piece

    async def interrupt(self, chat_id: str) -> CodeOutput:
        """Interrupt what runs, and return how it stands a few seconds later at most."""
        return await self._ask(ops.INTERRUPT, OfChat(chat_id=chat_id), START_LIMIT)

    async def stop_code(self, chat_id: str, execution_id: str) -> None:
        """End that code: interrupt it, and when it does not react end its kernel."""
        question = ops.OfCode(chat_id=chat_id, execution_id=execution_id)
        await self._ask(ops.STOP_CODE, question, START_LIMIT)

    async def restart(self, chat_id: str, *, kernel: str | None = None) -> str:
        """End the chat's kernel, start a fresh one, and return the name of its kernelspec."""
        answer = await self._ask(ops.RESTART, ops.Restart(chat_id=chat_id, kernel=kernel), START_LIMIT)
        return answer.kernel

    async def end(self, chat_id: str) -> None:
        """End the chat's kernel and what runs in it. Chats without one are fine."""
        await self._ask(ops.END, OfChat(chat_id=chat_id), START_LIMIT)

    async def inspect(self, chat_id: str, *, names: Sequence[str] = ()) -> Variables:
        """Look at variables, also while code runs where the kernel can."""
        return await self._ask(ops.INSPECT, ops.Inspect(chat_id=chat_id, names=names), START_LIMIT)


if TYPE_CHECKING:
    from ..kernels.protocol import Kernels

    _: type[Kernels] = RemoteKernels
