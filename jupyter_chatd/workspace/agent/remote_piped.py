"""The side that asks an agent behind HTTP for its piped programs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from ..piped import PipedLine, PipedSpec
from . import piped_operations as ops
from .operations import Operation

START_LIMIT = 60.0  # seconds
WAIT_MARGIN = 30.0  # seconds on top of what a call may take by itself

Ask = Callable[[Operation[Any, Any], Any, float], Awaitable[Any]]
"""Asks an operation, given its arguments and the seconds that the answer may take."""


class RemotePiped:
    """Lives as long as the agent that it belongs to."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    async def start(self, spec: PipedSpec) -> str:
        """Start a program and return its id."""
        return (await self._ask(ops.START_PIPED, spec, START_LIMIT)).program_id

    async def write(self, program_id: str, text: str) -> None:
        """Write to its input."""
        await self._ask(ops.WRITE_PIPED, ops.WritePiped(program_id=program_id, text=text), WAIT_MARGIN)

    async def read(self, program_id: str, *, after: int, timeout_s: float) -> PipedLine:
        """Return the line that follows the first *after* lines, waiting for it at most *timeout_s*."""
        question = ops.ReadPiped(program_id=program_id, after=after, timeout_s=timeout_s)
        return await self._ask(ops.READ_PIPED, question, timeout_s + WAIT_MARGIN)

    async def end(self, program_id: str) -> None:
        """End it with all that it started. Unknown ids are fine."""
        await self._ask(ops.END_PIPED, ops.OfPiped(program_id=program_id), WAIT_MARGIN)


if TYPE_CHECKING:
    from ..piped import PipedPrograms

    _: type[PipedPrograms] = RemotePiped
