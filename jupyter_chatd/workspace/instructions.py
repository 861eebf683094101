"""AGENTS.md: what a user or a project wants every agent to know."""

from __future__ import annotations

import logging
import os

from . import utf8
from .file_errors import FileMissingError
from .files import Files
from .protocol import InstructionFile, WorkspaceError

log = logging.getLogger(__name__)

FILE_NAME = "AGENTS.md"


def find_instructions(files: Files, folder: str, *, limit_bytes: int) -> InstructionFile | None:
    """Return the AGENTS.md of *folder*, cut at *limit_bytes*, or `None` when none can be read. Blocks."""
    path = os.path.join(folder, FILE_NAME)
    try:
        contents = files.head(path, limit_bytes=limit_bytes)
    except FileMissingError:
        return None
    except WorkspaceError as error:  # a turn goes on without it
        log.warning("Instructions are left out: %s", error)
        return None
    truncated = contents.size > limit_bytes
    data = contents.data
    if truncated:
        data = data[: len(data) - utf8.unfinished(data)]
    return InstructionFile(path=path, content=data.decode("utf-8", "replace"), truncated=truncated)
