"""The tools of one step: all started at once, each journalled and published as it finishes.

At most once across a crash: nothing runs before its start is durable, and a result counts only once it is
durable. Results that finish while a commit is under way share the next one. Those that come last are not
journalled: the commit of the step's rows, which follows at once, makes them durable.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from ..messages import CallKey, Role, ToolCallPart, ToolResultPart
from ..store.calls import INTERRUPTED, NOT_RUN, error_result
from ..tools.protocol import Tool, ToolContext, ToolOutput, error_output
from .answer import Publish

END_GRACE = 6.0  # seconds for a cancelled tool to end: its processes have 5

STOPPED = (
    "The server was stopped while this call was running. Its outcome is unknown: check before repeating it."
)
NOT_RUN_STOPPED = "This call was not run: the server was stopped before it started."

Call = tuple[CallKey, ToolCallPart]
Result = tuple[CallKey, ToolResultPart]
MakeContext: TypeAlias = Callable[[CallKey, ToolCallPart, Callable[[str], None]], ToolContext]
"""Makes the context of a call, given its key, the call, and what publishes its live output."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Run:
    """A call with what it needs."""

    key: CallKey
    call: ToolCallPart
    tool: Tool | None
    """`None` when there is none of that name."""
    context: ToolContext


class ToolPhase:
    """Runs calls of one step. Lives for that step.

    Args:
        find: Returns the tool of that name, `None` when there is none.
        context: Makes the context of a call.
        journal: Makes results durable.
        publish: Tells subscribers of a part.
    """

    def __init__(
        self,
        *,
        find: Callable[[str], Tool | None],
        context: MakeContext,
        journal: Callable[[Sequence[Result]], Awaitable[None]],
        publish: Publish,
    ) -> None:
        self._find = find
        self._context = context
        self._journal = journal
        self._publish = publish
        self._unwritten: list[Result] = []
        """Ended and not yet durable."""
        self._more = asyncio.Event()
        self.begun: set[CallKey] = set()
        """Every call that was given to its tool."""
        self.results: dict[CallKey, ToolResultPart] = {}
        """Every call that has ended, durable or not."""

    async def run(self, calls: Sequence[Call]) -> None:
        """Run the calls to their end; afterwards all `results` but the last to come are durable.

        On cancellation, and when the journal refuses, the tools are cancelled and have 5 s to end; `results`
        then also holds what they returned on the way out, which is not journalled.

        Raises:
            StaleWorkError: the journal refused.
        """
        lanes = [asyncio.create_task(self._run_lane(lane), name="chatd-tool") for lane in self._lanes(calls)]
        try:
            await self._write_results(len(calls))
            await _join(lanes)
        finally:
            await _end(lanes)

    def _lanes(self, calls: Sequence[Call]) -> Iterable[list[_Run]]:
        """Calls with the same serial key follow one another in call order; all others stand alone."""
        lanes: dict[object, list[_Run]] = {}
        for key, call in calls:
            run = self._prepare(key, call)
            lanes.setdefault(_serial_key(run) or key, []).append(run)
        return lanes.values()

    def _prepare(self, key: CallKey, call: ToolCallPart) -> _Run:
        def emit(text: str) -> None:
            delta = ToolResultPart(
                tool_call_id=call.tool_call_id, tool_name=call.tool_name, result_delta=text
            )
            self._publish(Role.TOOL, delta, key.index)

        return _Run(key, call, self._find(call.tool_name), self._context(key, call, emit))

    async def _run_lane(self, runs: Sequence[_Run]) -> None:
        for run in runs:
            key, call = run.key, run.call
            self.begun.add(key)
            output = await _run_call(run)
            result = ToolResultPart(
                tool_call_id=call.tool_call_id,
                tool_name=call.tool_name,
                result=output.result,
                is_error=output.is_error,
                is_media=output.is_media,
                mcp_server_config_id=call.mcp_server_config_id,
            )
            self.results[key] = result
            self._unwritten.append((key, result))
            self._more.set()
            if _is_cancelled():
                raise asyncio.CancelledError

    async def _write_results(self, expected: int) -> None:
        written = 0
        while written < expected:
            await self._more.wait()
            self._more.clear()
            batch, self._unwritten = self._unwritten, []
            written += len(batch)
            if written < expected:
                await self._journal(batch)
            for key, result in batch:
                self._publish(Role.TOOL, result, key.index)


def _serial_key(run: _Run) -> str | None:
    if run.tool is None or not isinstance(run.call.args, dict):
        return None
    try:
        return run.tool.serial_key(run.call.args, run.context)
    except Exception:
        log.exception("The serial key of a %s call could not be told", run.call.tool_name)
        return run.call.tool_name


async def _run_call(run: _Run) -> ToolOutput:
    name = run.call.tool_name
    if run.tool is None:
        return error_output(f"There is no tool named {name!r} in this chat.")
    try:
        return await run.tool.run(run.call.args, run.context)
    except asyncio.CancelledError:
        if _is_cancelled():
            raise
        log.exception("The tool %s gave up by itself", name)
        return error_output(f"The tool {name} gave up without a result.")
    except Exception as error:
        log.exception("The tool %s failed unexpectedly", name)
        return error_output(f"The tool {name} failed unexpectedly: {type(error).__name__}: {error}")


def cut_result(key: CallKey, call: ToolCallPart, phase: ToolPhase, *, by_stop: bool) -> ToolResultPart:
    """Return what a call of a phase that was cancelled gave, or why it gave nothing.

    Args:
        by_stop: The server stops; else somebody stopped the turn.
    """
    if key in phase.results:
        return phase.results[key]
    if by_stop:
        return error_result(call, STOPPED if key in phase.begun else NOT_RUN_STOPPED)
    return error_result(call, INTERRUPTED if key in phase.begun else NOT_RUN)


def _is_cancelled() -> bool:
    """Whether somebody asked the present task to end."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _join(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Wait for tasks that have nothing to do any more; `gather` makes a callback for each that has ended."""
    if running := [task for task in tasks if not task.done()]:
        await asyncio.wait(running)
    for task in tasks:
        task.result()


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel what still runs and wait for it, a little longer than its processes need to die."""
    running = [task for task in tasks if not task.done()]
    for task in running:
        task.cancel()
    if running:
        _, pending = await asyncio.wait(running, timeout=END_GRACE)
        if pending:
            log.error("%d tool calls did not end within %s s of being cancelled", len(pending), END_GRACE)
