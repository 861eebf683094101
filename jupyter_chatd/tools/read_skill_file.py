"""The tool that reads a file of a skill."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import with_config

from ..skills.library import SkillError, SkillLibrary
from .arguments import STRICT_OBJECT
from .builtin import BuiltinTool
from .protocol import ToolContext, ToolOutput, error_output
from .results import json_output
from .text import printable


@with_config(STRICT_OBJECT)
@dataclass(frozen=True, slots=True, kw_only=True)
class ReadSkillFileArguments:
    """What `read_skill_file` takes."""

    name: str
    """The skill's name."""
    path: str
    """The file, relative to the skill's folder."""


class ReadSkillFile(BuiltinTool[ReadSkillFileArguments]):
    """`{path, content}`."""

    name = "read_skill_file"
    arguments_type = ReadSkillFileArguments
    repeatable = True

    def __init__(self, library: SkillLibrary) -> None:
        super().__init__()
        self._library = library

    async def call(self, args: ReadSkillFileArguments, context: ToolContext) -> ToolOutput:
        """Read it."""
        try:
            content = await self._library.read_file(context.workspace(), args.name, args.path)
        except SkillError as error:
            return error_output(str(error))
        return json_output({"path": args.path, "content": printable(content)})


if TYPE_CHECKING:
    from .protocol import Tool

    _: Tool = ReadSkillFile(SkillLibrary())
