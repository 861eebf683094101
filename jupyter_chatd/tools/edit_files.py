"""The tool that changes parts of files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import with_config

from ..workspace.protocol import Edit, FileEdits
from .arguments import STRICT_OBJECT
from .builtin import WRITES, BuiltinTool
from .protocol import ToolContext, ToolOutput, error_output
from .results import json_output


@with_config(STRICT_OBJECT)
@dataclass(frozen=True, slots=True, kw_only=True)
class EditArguments:
    """One replacement."""

    search: str
    """The text to replace, copied from the file without line numbers. Must match once, or set replace_all."""
    replace: str
    """What to put in its place, exactly as it should stand in the file."""
    replace_all: bool = False
    """Replace every match."""


@with_config(STRICT_OBJECT)
@dataclass(frozen=True, slots=True, kw_only=True)
class FileEditsArguments:
    """The edits of one file."""

    path: str
    """Absolute path of an existing file."""
    edits: list[EditArguments]
    """Applied in order, each on the result of the one before."""


@with_config(STRICT_OBJECT)
@dataclass(frozen=True, slots=True, kw_only=True)
class EditFilesArguments:
    """What `edit_files` takes."""

    files: list[FileEditsArguments]
    """The files to change, each once."""


class EditFiles(BuiltinTool[EditFilesArguments]):
    """`{ok: true}`; one edit that does not apply means that nothing is written."""

    name = "edit_files"
    arguments_type = EditFilesArguments
    key = WRITES

    async def call(self, args: EditFilesArguments, context: ToolContext) -> ToolOutput:
        """Apply all edits or none."""
        paths = [file.path for file in args.files]
        if context.restraint and (refusal := context.restraint.refuse_writes(paths)):
            return error_output(refusal)
        folder = context.restraint.folder if context.restraint else None
        await context.workspace().edit_files([_file_edits(file) for file in args.files], unlinked_in=folder)
        return json_output({"ok": True})


def _file_edits(file: FileEditsArguments) -> FileEdits:
    edits = [Edit(search=e.search, replace=e.replace, replace_all=e.replace_all) for e in file.edits]
    return FileEdits(path=file.path, edits=edits)


if TYPE_CHECKING:
    from .protocol import Tool

    _: Tool = EditFiles()
