"""The tool that reads a skill."""

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
class ReadSkillArguments:
    """What `read_skill` takes."""

    name: str
    """The skill's name, as the system prompt lists it."""


class ReadSkill(BuiltinTool[ReadSkillArguments]):
    """`{name, folder, body, files, truncated?}`."""

    name = "read_skill"
    arguments_type = ReadSkillArguments
    repeatable = True

    def __init__(self, library: SkillLibrary) -> None:
        super().__init__()
        self._library = library

    async def call(self, args: ReadSkillArguments, context: ToolContext) -> ToolOutput:
        """Read it."""
        try:
            text = await self._library.read(context.workspace(), args.name)
        except SkillError as error:
            return error_output(str(error))
        return json_output(
            {
                "name": text.skill.name,
                "folder": text.skill.folder,
                "body": printable(text.body),
                "files": list(text.files),
                "truncated": True if text.is_cut else None,
            }
        )


if TYPE_CHECKING:
    from .protocol import Tool

    _: Tool = ReadSkill(SkillLibrary())
