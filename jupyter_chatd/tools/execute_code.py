"""The tool that runs code in the chat's kernel."""

from __future__ import annotations

import asyncio
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import with_config

from ..messages import JsonValue
from ..workspace.kernels.protocol import CodeOutput, CodeSpec, Kernels
from .arguments import STRICT_OBJECT
from .builtin import BuiltinTool
from .code_results import code_output
from .durations import DurationError, parse_seconds
from .live_output import emit_live
from .protocol import ToolContext, ToolOutput, error_output
from .text import printable

DEFAULT_TIMEOUT = 30.0  # seconds
KERNEL = "kernel"
"""The serial key of what uses the chat's kernel: it does one thing after the other."""

_RUNS_ON = (
    "The code did not end within {:g} s and runs on. Wait for it with code_output, look at its variables "
    "with inspect_variables, or end it with interrupt_kernel."
)
_WRITES = "This chat is to change nothing, and code in a kernel could. To look around, use execute."
_LOST = "A new kernel was started: the variables and imports of the last one are gone. {}"


@with_config(STRICT_OBJECT)
@dataclass(frozen=True, slots=True, kw_only=True)
class ExecuteCodeArguments:
    """What `execute_code` takes."""

    code: str
    """The code, as in a notebook's cell."""
    timeout: str | None = None
    """How long to wait for it, such as `2m` or `1h`; at most `4h`. Default `30s`."""
    kernel: str | None = None
    """Name of the kernel to start, such as `ir`. Default: the one that runs, else Python."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """Code that was sent."""

    context: ToolContext
    kernels: Kernels
    execution_id: str
    began: float
    """Seconds of the monotonic clock."""
    timeout_s: float
    lost: str | None
    """Why an earlier kernel is gone."""

    def result(self, output: CodeOutput) -> ToolOutput:
        """What there is, with what must be known besides."""
        notes = [
            _LOST.format(printable(self.lost)) if self.lost else "",
            _RUNS_ON.format(self.timeout_s) if output.is_running else "",
        ]
        return code_output(output, note=" ".join(filter(None, notes)), wall_duration_ms=self._elapsed_ms)

    @property
    def _elapsed_ms(self) -> JsonValue:
        return round((time.monotonic() - self.began) * 1000)


class ExecuteCode(BuiltinTool[ExecuteCodeArguments]):
    """`{success, running?, output?, error?, traceback?, truncated?, note?, wall_duration_ms}`, or pictures.

    Code that raises, runs on, is interrupted or loses its kernel is `success: false`, not a flagged error.
    """

    name = "execute_code"
    arguments_type = ExecuteCodeArguments
    key = KERNEL

    async def call(self, args: ExecuteCodeArguments, context: ToolContext) -> ToolOutput:
        """Run the code, wait for it and stream its output."""
        if context.restraint is not None:
            return error_output(_WRITES)
        if not args.code.strip():
            return error_output("The code is empty: give the code to run.")
        try:
            timeout_s = DEFAULT_TIMEOUT if args.timeout is None else parse_seconds(args.timeout)
        except DurationError as error:
            return error_output(f"Wrong timeout: {error}")
        kernels, execution_id = context.workspace().kernels, str(uuid.uuid4())
        began = time.monotonic()
        spec = CodeSpec(
            execution_id=execution_id, chat_id=context.chat_id, code=args.code, kernel=args.kernel
        )
        try:
            started = await kernels.run_code(spec)
        except asyncio.CancelledError:
            await kernels.stop_code(context.chat_id, execution_id)
            raise
        return await _wait(
            _Call(
                context=context,
                kernels=kernels,
                execution_id=execution_id,
                began=began,
                timeout_s=timeout_s,
                lost=started.lost,
            )
        )


async def _wait(call: _Call) -> ToolOutput:
    chat_id, execution_id = call.context.chat_id, call.execution_id
    following = call.kernels.follow_code(chat_id, execution_id)
    live = asyncio.create_task(
        emit_live(call.context, following, run_id=execution_id), name=f"live output of {execution_id}"
    )
    try:
        output = await call.kernels.wait_code(chat_id, execution_id=execution_id, timeout_s=call.timeout_s)
        if not output.is_running:
            await live
    except asyncio.CancelledError:
        return await stop(call.kernels, chat_id, execution_id)
    finally:
        live.cancel()
        await asyncio.gather(live, return_exceptions=True)
    return call.result(output)


async def stop(kernels: Kernels, chat_id: str, execution_id: str) -> ToolOutput:
    """End code whose chat was stopped, and return what it had given."""
    await kernels.stop_code(chat_id, execution_id)
    return code_output(await kernels.wait_code(chat_id, execution_id=execution_id, timeout_s=0))


if TYPE_CHECKING:
    from .protocol import Tool

    _: Tool = ExecuteCode()
