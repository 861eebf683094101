"""The tool that shows the user a plan, which ends the turn."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import with_config

from ..errors import InvalidInputError, StoreError
from .arguments import STRICT_OBJECT
from .builtin import BuiltinTool
from .protocol import ToolContext, ToolOutput, error_output
from .results import json_output

MAX_BYTES = 32 * 1024


@with_config(STRICT_OBJECT)
@dataclass(frozen=True, slots=True, kw_only=True)
class ProposePlanArguments:
    """What `propose_plan` takes."""

    path: str = ""
    """Absolute path of the plan. Default: the chat's plan file."""


class ProposePlan(BuiltinTool[ProposePlanArguments]):
    """`{ok, path, kind: "plan", file_id, media_type}`. The user gets the plan as it is now."""

    name = "propose_plan"
    arguments_type = ProposePlanArguments
    repeatable = True

    async def call(self, args: ProposePlanArguments, context: ToolContext) -> ToolOutput:
        """Keep the plan as a file of the chat."""
        library = context.files
        if library is None:
            return error_output("This chat takes no files. Write the plan as your answer instead.")
        own = context.restraint.plan_file if context.restraint else None
        path = args.path.strip() or own or ""
        if problem := _wrong_path(path, own):
            return error_output(problem)
        found = await context.workspace().read_bytes(path, limit_bytes=MAX_BYTES)
        if problem := _wrong_content(found.data, found.size):
            return error_output(f"{path} {problem}")
        try:
            file = await library.attach(context.chat_id, name=path, data=found.data)
        except (InvalidInputError, StoreError) as error:
            return error_output(f"{path} was not proposed. {error}")
        return json_output(
            {"ok": True, "path": path, "kind": "plan", "file_id": file.id, "media_type": file.media_type}
        )


def _wrong_path(path: str, own: str | None) -> str | None:
    if not path:
        return "The path is missing: write the plan to a file whose name ends in .md, and give its path."
    if own is not None and os.path.normpath(path) != own:
        return f"The plan of this chat is {own}: write it there."
    if not path.endswith(".md"):
        return f"The name of a plan ends in .md, and {path!r} does not."
    return None


def _wrong_content(data: bytes, size: int) -> str | None:
    if size > MAX_BYTES:
        return f"has {size} bytes, and a plan may have {MAX_BYTES}. Shorten it."
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return "is not text in UTF-8."
    return None if text.strip() else "is empty: write the plan first."


if TYPE_CHECKING:
    from .protocol import Tool

    _: Tool = ProposePlan()
