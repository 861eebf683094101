"""The tool that starts the chat's kernel afresh."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import with_config

from .arguments import STRICT_OBJECT
from .builtin import BuiltinTool
from .execute_code import KERNEL
from .protocol import ToolContext, ToolOutput
from .results import json_output


@with_config(STRICT_OBJECT)
@dataclass(frozen=True, slots=True, kw_only=True)
class RestartKernelArguments:
    """What `restart_kernel` takes."""

    kernel: str | None = None
    """Name of the kernel to start, such as `ir`. Default: the one that runs, else Python."""


class RestartKernel(BuiltinTool[RestartKernelArguments]):
    """`{success, kernel, note}`."""

    name = "restart_kernel"
    arguments_type = RestartKernelArguments
    key = KERNEL

    async def call(self, args: RestartKernelArguments, context: ToolContext) -> ToolOutput:
        """End the kernel, with what it runs, and start another."""
        kernel = await context.workspace().kernels.restart(context.chat_id, kernel=args.kernel)
        return json_output(
            {"success": True, "kernel": kernel, "note": "A fresh kernel runs: there are no variables yet."}
        )


if TYPE_CHECKING:
    from .protocol import Tool

    _: Tool = RestartKernel()
