"""The tool that interrupts what the chat's kernel runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import with_config

from .arguments import STRICT_OBJECT
from .builtin import BuiltinTool
from .code_results import code_output
from .protocol import ToolContext, ToolOutput

_DEAF = "The code has not reacted to the interrupt yet. If it does not end, call restart_kernel."


@with_config(STRICT_OBJECT)
@dataclass(frozen=True, slots=True, kw_only=True)
class InterruptKernelArguments:
    """What `interrupt_kernel` takes: nothing."""


class InterruptKernel(BuiltinTool[InterruptKernelArguments]):
    """As `execute_code` gives it, of the code that was interrupted; that it ended so is what was wanted."""

    name = "interrupt_kernel"
    arguments_type = InterruptKernelArguments

    async def call(self, args: InterruptKernelArguments, context: ToolContext) -> ToolOutput:
        """Interrupt the code and return what it had given."""
        output = await context.workspace().kernels.interrupt(context.chat_id)
        return code_output(output, note=_DEAF if output.is_running else None, success=not output.is_running)


if TYPE_CHECKING:
    from .protocol import Tool

    _: Tool = InterruptKernel()
