"""The tool that looks at code which runs on."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import with_config

from .arguments import STRICT_OBJECT
from .builtin import BuiltinTool
from .code_results import code_output
from .durations import DurationError, parse_seconds
from .execute_code import KERNEL, stop
from .protocol import ToolContext, ToolOutput, error_output

DEFAULT_WAIT = 10.0  # seconds

_STILL = "The code still runs; this is its output so far."


@with_config(STRICT_OBJECT)
@dataclass(frozen=True, slots=True, kw_only=True)
class CodeOutputArguments:
    """What `code_output` takes."""

    wait_timeout: str | None = None
    """How long to wait for its end, such as `30s` or `5m`; `0s` looks without waiting. Default `10s`."""


class CodeOutputTool(BuiltinTool[CodeOutputArguments]):
    """As `execute_code` gives it, of the chat's latest code."""

    name = "code_output"
    arguments_type = CodeOutputArguments
    repeatable = True
    key = KERNEL

    async def call(self, args: CodeOutputArguments, context: ToolContext) -> ToolOutput:
        """Wait for the end of the latest code, and return its output so far."""
        try:
            wait_s = DEFAULT_WAIT if args.wait_timeout is None else parse_seconds(args.wait_timeout)
        except DurationError as error:
            return error_output(f"Wrong wait_timeout: {error}")
        kernels = context.workspace().kernels
        output = await kernels.wait_code(context.chat_id, timeout_s=0)
        try:
            output = await kernels.wait_code(
                context.chat_id, execution_id=output.execution_id, timeout_s=wait_s
            )
        except asyncio.CancelledError:
            return await stop(kernels, context.chat_id, output.execution_id)
        return code_output(output, note=_STILL if output.is_running else None)


if TYPE_CHECKING:
    from .protocol import Tool

    _: Tool = CodeOutputTool()
