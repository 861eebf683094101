"""The tool that gives a file of the workspace to the user."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import with_config

from ..errors import FileTooLargeError, InvalidInputError, StoreError
from .arguments import STRICT_OBJECT
from .builtin import BuiltinTool
from .protocol import ToolContext, ToolOutput, error_output
from .results import json_output


@with_config(STRICT_OBJECT)
@dataclass(frozen=True, slots=True, kw_only=True)
class AttachFileArguments:
    """What `attach_file` takes."""

    path: str
    """Absolute path of the file."""


class AttachFile(BuiltinTool[AttachFileArguments]):
    """`{file_id, name, media_type, size}`. What the chat holds already is not added again."""

    name = "attach_file"
    arguments_type = AttachFileArguments
    repeatable = True

    async def call(self, args: AttachFileArguments, context: ToolContext) -> ToolOutput:
        """Copy the file into the chat."""
        library = context.files
        if library is None:
            return error_output("This chat takes no files. Tell the user the path instead.")
        found = await context.workspace().read_bytes(args.path, limit_bytes=library.max_bytes)
        try:
            library.check_size(found.size)
            file = await library.attach(context.chat_id, name=args.path, data=found.data)
        except (InvalidInputError, FileTooLargeError, StoreError) as error:
            return error_output(f"{args.path} was not attached. {error}")
        return json_output(
            {
                "file_id": file.id,
                "name": file.name,
                "media_type": file.media_type,
                "size": file.size_bytes,
            }
        )


if TYPE_CHECKING:
    from .protocol import Tool

    _: Tool = AttachFile()
