"""What builds say while they run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

LIMIT = 64 * 1024  # characters that are kept of one build


class BuildLog:
    """The lines of one running build, for all who want to hear them. Lives as long as the build."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._size = 0
        self._changed = asyncio.Event()
        self._is_closed = False

    def say(self, line: str) -> None:
        """Add a line; a log that is full takes no more."""
        if self._size > LIMIT:
            return
        self._size += len(line) + 1
        self._lines.append(line if self._size <= LIMIT else "[the log is cut here]")
        self._tell()

    def close(self) -> None:
        """Say no more."""
        self._is_closed = True
        self._tell()

    @property
    def text(self) -> str:
        """All of it so far."""
        return "".join(f"{line}\n" for line in self._lines)

    async def follow(self) -> AsyncGenerator[str, None]:
        """Yield the lines from the first one, until the build has ended."""
        seen = 0
        while True:
            changed = self._changed
            while seen < len(self._lines):
                yield self._lines[seen]
                seen += 1
            if self._is_closed:
                return
            if changed is self._changed:
                await changed.wait()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
