"""What a search over messages finds, as values."""

from __future__ import annotations

from dataclasses import dataclass

from .messages import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class SnippetPiece:
    """Part of a snippet."""

    text: str
    is_match: bool
    """It is one of the words that were looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A message that was found."""

    message_id: int
    chat_id: str
    chat_title: str
    archived: bool
    role: Role
    created_at: float
    """UTC seconds."""
    snippet: tuple[SnippetPiece, ...]
    """The message around the match, in a few words."""

    @property
    def text(self) -> str:
        """The snippet in one piece."""
        return "".join(piece.text for piece in self.snippet)
