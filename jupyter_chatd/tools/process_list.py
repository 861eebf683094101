"""The tool that lists the chat's processes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pydantic import with_config

from ..messages import JsonObject
from ..workspace.protocol import ProcessInfo
from .arguments import STRICT_OBJECT
from .builtin import BuiltinTool
from .protocol import ToolContext, ToolOutput
from .results import json_output
from .text import clip_text

COMMAND_BYTES = 1024
"""Most bytes of a command in the list: some are whole scripts."""


@with_config(STRICT_OBJECT)
@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessListArguments:
    """What `process_list` takes: nothing."""


class ProcessList(BuiltinTool[ProcessListArguments]):
    """`{processes: [{id, command, work_dir, background, running, exit_code?, started_at, exited_at?}]}`."""

    name = "process_list"
    arguments_type = ProcessListArguments
    repeatable = True

    async def call(self, args: ProcessListArguments, context: ToolContext) -> ToolOutput:
        """List them, oldest first."""
        processes = await context.workspace().list_processes(context.chat_id)
        return json_output({"processes": [_entry(process) for process in processes]})


def _entry(process: ProcessInfo) -> JsonObject:
    entry = {
        "id": process.id,
        "command": clip_text(process.command, COMMAND_BYTES),
        "work_dir": process.work_dir,
        "background": process.background,
        "running": process.running,
        "exit_code": process.exit_code,
        "started_at": _time(process.started_at),
        "exited_at": _time(process.exited_at),
    }
    return {key: value for key, value in entry.items() if value is not None}


def _time(seconds: float | None) -> str | None:
    """UTC seconds as RFC 3339 text."""
    return (
        None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    )


if TYPE_CHECKING:
    from .protocol import Tool

    _: Tool = ProcessList()
