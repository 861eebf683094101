"""The tool that ends a process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pydantic import with_config

from ..workspace.protocol import ProcessSignal as Signal
from ..workspace.protocol import WorkspaceError, WorkspaceUnavailableError
from .arguments import STRICT_OBJECT
from .builtin import BuiltinTool
from .protocol import ToolContext, ToolOutput
from .results import json_output


@with_config(STRICT_OBJECT)
@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessSignalArguments:
    """What `process_signal` takes."""

    process_id: str
    """The id, from execute or process_list."""
    signal: Literal["terminate", "kill"]
    """`terminate` lets it clean up (SIGTERM), `kill` ends it at once (SIGKILL)."""


class ProcessSignal(BuiltinTool[ProcessSignalArguments]):
    """`{success: true, message}`, or `{success: false, error}` when there is nothing to signal."""

    name = "process_signal"
    arguments_type = ProcessSignalArguments

    async def call(self, args: ProcessSignalArguments, context: ToolContext) -> ToolOutput:
        """Signal the whole group."""
        agent = context.workspace()
        try:
            await agent.signal_process(context.chat_id, args.process_id, Signal(args.signal))
        except WorkspaceUnavailableError:
            raise
        except WorkspaceError as error:
            return json_output({"success": False, "error": str(error)})
        return json_output({"success": True, "message": f"Sent {args.signal} to process {args.process_id}."})


if TYPE_CHECKING:
    from .protocol import Tool

    _: Tool = ProcessSignal()
