"""The tools of one step: all started at once, each journalled and published as it finishes.

At most once across a crash: nothing runs before its start is durable, and a result counts only once it is durable.
Results that finish while a commit is under way share the next one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, cast

from ..messages import CallKey, Part, Role, ToolCallPart, ToolResultPart
from ..tools.protocol import Tool, ToolContext, ToolOutput, error_output

KILL_GRACE = 5.0  # seconds that a cancelled tool has to end its processes

Call = tuple[CallKey, ToolCallPart]
Result = tuple[CallKey, ToolResultPart]

log = logging.getLogger(__name__)


class ToolPhase:
    """Runs calls of one step. Lives for that step.

    Args:
        find: Returns the tool of that name, `None` when there is none.
        context: Makes the context of a call, given its key, call and `emit`.
        journal: Makes results durable.
        publish: Tells subscribers of a part.
    """

    def __init__(
        self,
        *,
        find: Callable[[str], Tool | None],
        context: Callable[[CallKey, ToolCallPart, Callable[[str], None]], ToolContext],
        journal: Callable[[Sequence[Result]], Awaitable[None]],
        publish: Callable[[Role, Part, int], None],
    ) -> None:
        self._find = find
        self._context = context
        self._journal = journal
        self._publish = publish
        self._finished: list[Result] = []
        """Ended and not yet durable."""
        self._more = asyncio.Event()
        self.results: dict[CallKey, ToolResultPart] = {}
        """Every call that has ended, durable or not."""

    async def run(self, calls: Sequence[Call]) -> None:
        """Run the calls to their end; afterwards all `results` are durable.

        On cancellation the tools are cancelled too and have 5 s to end; `results` then also holds what they
        returned on the way out, which is not journalled.
        """
        lanes = [asyncio.create_task(self._run_lane(lane)) for lane in self._lanes(calls)]
        writer = asyncio.create_task(self._write_results(len(calls)))
        try:
            await writer
        except BaseException:
            await _end([*lanes, writer])
            raise
        await asyncio.gather(*lanes)

    def _lanes(self, calls: Sequence[Call]) -> Iterable[list[Call]]:
        """Calls with the same serial key follow one another in call order; all others stand alone."""
        lanes: dict[object, list[Call]] = {}
        for key, call in calls:
            lanes.setdefault(self._serial_key(key, call) or key, []).append((key, call))
        return lanes.values()

    def _serial_key(self, key: CallKey, call: ToolCallPart) -> str | None:
        tool = self._find(call.tool_name)
        if tool is None or not isinstance(call.args, dict):
            return None
        try:
            return tool.serial_key(cast("dict[str, Any]", call.args), self._context(key, call, lambda _text: None))
        except Exception:
            log.exception("The serial key of a %s call could not be told", call.tool_name)
            return call.tool_name

    async def _run_lane(self, calls: Sequence[Call]) -> None:
        for key, call in calls:
            output = await self._run_call(key, call)
            result = ToolResultPart(
                tool_call_id=call.tool_call_id,
                tool_name=call.tool_name,
                result=output.result,
                is_error=output.is_error,
                is_media=output.is_media,
                mcp_server_config_id=call.mcp_server_config_id,
            )
            self.results[key] = result
            self._finished.append((key, result))
            self._more.set()
            if _is_cancelling():
                raise asyncio.CancelledError

    async def _run_call(self, key: CallKey, call: ToolCallPart) -> ToolOutput:
        tool = self._find(call.tool_name)
        if tool is None:
            return error_output(f"There is no tool named {call.tool_name!r} in this chat.")

        def emit(text: str) -> None:
            delta = ToolResultPart(tool_call_id=call.tool_call_id, tool_name=call.tool_name, result_delta=text)
            self._publish(Role.TOOL, delta, key.index)

        try:
            return await tool.run(call.args, self._context(key, call, emit))
        except Exception as error:
            log.exception("The tool %s failed unexpectedly", call.tool_name)
            return error_output(f"The tool {call.tool_name} failed unexpectedly: {type(error).__name__}: {error}")

    async def _write_results(self, expected: int) -> None:
        written = 0
        while written < expected:
            await self._more.wait()
            self._more.clear()
            batch, self._finished = self._finished, []
            if not batch:
                continue
            await self._journal(batch)
            for key, result in batch:
                self._publish(Role.TOOL, result, key.index)
            written += len(batch)


def _is_cancelling() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel tasks and wait for them, a little longer than their processes need to die."""
    for task in tasks:
        task.cancel()
    _, pending = await asyncio.wait(tasks, timeout=KILL_GRACE + 1.0)
    if pending:
        log.error("%d tool calls did not end within %s s of being cancelled", len(pending), KILL_GRACE)
