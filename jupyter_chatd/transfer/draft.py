"""What was read of an export and is not in the database yet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..messages import Chat, NewMessage
from ..store.files import StoredFile
from .spool import Piece, Spool


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftFile:
    """A file, and where its bytes lie in the spool; `None` when they did not come along."""

    file: StoredFile
    data: Piece | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A chat."""

    chat: Chat
    """Archived or not; in `spawned_by`, the parent's messages are counted from 1."""
    files: tuple[DraftFile, ...]
    messages: int
    """How many rows there are; settling them may add some."""
    piece: Piece
    """Where the rows lie in the spool."""
    lost_files: int = 0
    """Files that messages name and that did not come along."""

    def rows(self, spool: Spool) -> Iterator[NewMessage]:
        """Yield the rows, oldest first; what they say of each other counts them from 1."""
        return spool.rows(self.piece, self.messages)


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftFamily:
    """A chat and its children."""

    members: tuple[Draft, ...]
    """A parent before its children."""
    source: str
    """Which file it came from, for people."""
