"""The user's own skills, on the machine of the server, whatever workspace a chat has."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ..workspace import search
from ..workspace.files import Files
from ..workspace.guard import Guard
from ..workspace.limits import FileLimits
from ..workspace.protocol import FileBytes, FoundFiles


class LocalFiles:
    """Reads without the guard of the file tools, which must not touch the user's config folder."""

    def __init__(self) -> None:
        self._guard = Guard([])
        self._files = Files(self._guard, FileLimits())

    async def read_bytes(self, path: str, *, limit_bytes: int, inside: str | None = None) -> FileBytes:
        """See `WorkspaceAgent.read_bytes`."""
        contents = await asyncio.to_thread(self._files.head, path, limit_bytes=limit_bytes, inside=inside)
        return FileBytes(data=contents.data, size=contents.size)

    async def find_files(
        self, folder: str, *, name: str | None = None, depth: int = 8, limit: int = 1000
    ) -> FoundFiles:
        """See `WorkspaceAgent.find_files`."""
        return await asyncio.to_thread(
            search.find_files, self._guard, folder, name=name, depth=depth, limit=limit
        )


if TYPE_CHECKING:
    from .library import SkillFiles

    _: SkillFiles = LocalFiles()
