"""The tool that looks at a process in the background."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import with_config

from ..workspace.protocol import ProcessOutput as Output
from .arguments import STRICT_OBJECT
from .builtin import BuiltinTool
from .durations import DurationError, parse_seconds
from .protocol import ToolContext, ToolOutput, error_output
from .results import exit_error, json_output, truncation_fields
from .text import OUTPUT_BYTES, clip_text

DEFAULT_WAIT = 10.0  # seconds


@with_config(STRICT_OBJECT)
@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessOutputArguments:
    """What `process_output` takes."""

    process_id: str
    """The id, from execute or process_list."""
    wait_timeout: str | None = None
    """How long to wait for its exit, such as `30s` or `5m`; `0s` looks without waiting. Default `10s`."""


class ProcessOutput(BuiltinTool[ProcessOutputArguments]):
    """`{success, running, output?, exit_code?, error?, truncated?, note?}`."""

    name = "process_output"
    arguments_type = ProcessOutputArguments
    repeatable = True

    async def call(self, args: ProcessOutputArguments, context: ToolContext) -> ToolOutput:
        """Wait for the exit, and return the output so far."""
        try:
            wait_s = DEFAULT_WAIT if args.wait_timeout is None else parse_seconds(args.wait_timeout)
        except DurationError as error:
            return error_output(f"Wrong wait_timeout: {error}")
        output = await context.workspace().wait_process(context.chat_id, args.process_id, timeout_s=wait_s)
        return _result(output)


def _result(output: Output) -> ToolOutput:
    error = None if output.running else exit_error(output.exit_code)
    return json_output(
        {
            "success": error is None,
            "running": output.running,
            "output": clip_text(output.output, OUTPUT_BYTES) or None,
            "exit_code": output.exit_code,
            "error": error,
            "truncated": truncation_fields(output.truncated),
            "note": "The process is still running; this is its output so far." if output.running else None,
        }
    )


if TYPE_CHECKING:
    from .protocol import Tool

    _: Tool = ProcessOutput()
