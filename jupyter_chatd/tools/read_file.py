"""The tool that reads lines of a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import with_config

from .arguments import STRICT_OBJECT
from .builtin import BuiltinTool
from .protocol import ToolContext, ToolOutput
from .results import json_output
from .text import printable


@with_config(STRICT_OBJECT)
@dataclass(frozen=True, slots=True, kw_only=True)
class ReadFileArguments:
    """What `read_file` takes."""

    path: str
    """Absolute path of the file."""
    offset: int = 1
    """First line to read, from 1."""
    limit: int = 2000
    """How many lines to read."""


class ReadFile(BuiltinTool[ReadFileArguments]):
    """`{content, file_size, total_lines, lines_read}`; all of the wanted lines or an error."""

    name = "read_file"
    arguments_type = ReadFileArguments
    repeatable = True

    async def call(self, args: ReadFileArguments, context: ToolContext) -> ToolOutput:
        """Read the lines."""
        lines = await context.workspace().read_file(args.path, offset=args.offset, limit=args.limit)
        return json_output(
            {
                "content": printable(lines.content),
                "file_size": lines.file_size,
                "total_lines": lines.total_lines,
                "lines_read": lines.lines_read,
            }
        )


if TYPE_CHECKING:
    from .protocol import Tool

    _: Tool = ReadFile()
