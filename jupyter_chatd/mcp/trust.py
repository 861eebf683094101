"""Which project files the user trusts: a decision about one path and one content, by hash."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ..private_file import PrivateFile

FILE_NAME = "mcp_trust.json"

DECISIONS = 20
"""Most decisions that are kept for one path, the newest: branches of a repository may alternate."""


class TrustStore(Protocol):
    """Remembers decisions."""

    async def find(self, path: str, sha256: str) -> bool | None:
        """Return what the user decided about that content at that path, `None` when nothing."""
        ...

    async def set(self, path: str, sha256: str, *, trusted: bool) -> None:
        """Remember a decision, in place of an older one about the same content."""
        ...


class FileTrustStore:
    """Decisions in a file of mode 0600: `{path: {sha256: trusted}}`, oldest first.

    Raises of both methods: `PrivateFileError` when the file cannot be used; then nothing is trusted.
    """

    def __init__(self, folder: Path) -> None:
        self._file = PrivateFile(folder / FILE_NAME)

    async def find(self, path: str, sha256: str) -> bool | None:
        """See `TrustStore.find`."""
        decisions = await asyncio.to_thread(self._file.read)
        decision: Any = decisions.get(path, {}).get(sha256)
        return decision if isinstance(decision, bool) else None

    async def set(self, path: str, sha256: str, *, trusted: bool) -> None:
        """See `TrustStore.set`."""
        await asyncio.to_thread(self._set, path, sha256, trusted)

    def _set(self, path: str, sha256: str, trusted: bool) -> None:
        with self._file.changed() as decisions:
            mine: dict[str, bool] = decisions.setdefault(path, {})
            mine.pop(sha256, None)
            mine[sha256] = trusted
            for oldest in list(mine)[:-DECISIONS]:
                del mine[oldest]


if TYPE_CHECKING:
    _: type[TrustStore] = FileTrustStore
