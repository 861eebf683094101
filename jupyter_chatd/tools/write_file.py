"""The tool that writes a whole file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import with_config

from .arguments import STRICT_OBJECT
from .builtin import WRITES, BuiltinTool
from .protocol import ToolContext, ToolOutput, error_output
from .results import json_output


@with_config(STRICT_OBJECT)
@dataclass(frozen=True, slots=True, kw_only=True)
class WriteFileArguments:
    """What `write_file` takes."""

    path: str
    """Absolute path of the file. Missing folders are made."""
    content: str
    """The whole new content."""


class WriteFile(BuiltinTool[WriteFileArguments]):
    """`{ok: true}`."""

    name = "write_file"
    arguments_type = WriteFileArguments
    key = WRITES

    async def call(self, args: WriteFileArguments, context: ToolContext) -> ToolOutput:
        """Replace the file in one step."""
        if context.restraint and (refusal := context.restraint.refuse_writes([args.path])):
            return error_output(refusal)
        folder = context.restraint.folder if context.restraint else None
        await context.workspace().write_file(args.path, args.content, unlinked_in=folder)
        return json_output({"ok": True})


if TYPE_CHECKING:
    from .protocol import Tool

    _: Tool = WriteFile()
