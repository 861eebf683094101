"""How parts that are no plain text read in a prompt. Needs no model library."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from ..messages import ContextFilePart, FileReferencePart
from ..wire.jsontext import dump_json


def file_reference_text(part: FileReferencePart) -> str:
    """The marker `[file-reference] name:start-end`, and the content in a fence."""
    lines = [str(line) for line in (part.start_line, part.end_line) if line is not None]
    if len(set(lines)) == 1:
        lines = lines[:1]
    marker = f"[file-reference] {part.file_name}"
    if lines:
        marker = f"{marker}:{'-'.join(lines)}"
    return f"{marker}\n{fence(part.content)}" if part.content else marker


def context_file_text(part: ContextFilePart) -> str:
    """An instruction file of the workspace, wrapped to tell it from what the user wrote."""
    remark = " (cut to its first 64 KiB)" if part.context_file_truncated else ""
    header = [f"Source: {part.context_file_path}{remark}"]
    if part.context_file_directory:
        header.insert(0, f"Working directory: {part.context_file_directory}")
    if part.context_file_os:
        header.insert(0, f"Operating system: {part.context_file_os}")
    text = "\n".join([*header, "", part.context_file_content or ""])
    return f"<workspace-context>\n{text.strip()}\n</workspace-context>"


def fence(text: str) -> str:
    """*text* in a code block whose fence does not occur in it."""
    marks = "```"
    while marks in text:
        marks += "`"
    return f"{marks}\n{text}\n{marks}"


def error_text(result: object) -> str:
    """The message of an error result: its `error` field if it has one."""
    error: object = result
    if isinstance(result, Mapping):
        error = cast("Mapping[str, Any]", result).get("error")
    if isinstance(error, str) and error.strip():
        return error
    return dump_json(cast("object", result)) if result else "The tool failed and did not say why."
