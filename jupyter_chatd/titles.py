"""Titles of chats: the first one, made from what the user wrote, and what a model says for a better one."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .messages import Chat, FileReferencePart, Part, TextPart

MAX_WORDS = 6
MAX_LENGTH = 80  # characters, of a title made here

MAX_MODEL_WORDS = 8
"""A model that says more has not understood that it was to write a title."""

_QUOTES = "\"'`*“”„«»‘’"
_CONTROL = dict.fromkeys((*range(0x20), *range(0x7F, 0xA0)), " ")


def initial_title(parts: Sequence[Part]) -> str:
    """Return the first six words of a chat's first message, then `…` if there are more; "New Chat" if none.

    Rule: the original's, for messages of text and file references alike.
    """
    words = " ".join(_texts(parts)).split(maxsplit=MAX_WORDS)
    title = " ".join(words[:MAX_WORDS]) + ("…" if len(words) > MAX_WORDS else "")
    return tidy(title[:MAX_LENGTH]) or Chat.DEFAULT_TITLE


def generated_title(answer: str) -> str | None:
    """Return the title that a model's answer is; `None` when it is none.

    >>> generated_title(' "Sorting  large files." ')
    'Sorting large files'
    """
    title = " ".join(tidy(answer).split()).strip(_QUOTES).removesuffix(".").strip(_QUOTES).strip()
    return title[:MAX_LENGTH] if 0 < len(title.split()) <= MAX_MODEL_WORDS else None


def tidy(text: str) -> str:
    """Return *text* for one line: control characters, NUL and line breaks too, as spaces; trimmed."""
    return text.translate(_CONTROL).strip()


def flatten_reference(part: FileReferencePart) -> str:
    """Return a file reference as text: `[file-reference] name:start-end`, then any content in a fence."""
    marker = f"[file-reference] {part.file_name}{_lines(part)}"
    if not part.content:
        return marker
    longest = max((len(run) for run in re.findall("`{3,}", part.content)), default=2)
    fence = "`" * (longest + 1)
    return f"{marker}\n{fence}\n{part.content}\n{fence}"


def _texts(parts: Sequence[Part]) -> list[str]:
    texts = (
        flatten_reference(part) if isinstance(part, FileReferencePart) else part.text
        for part in parts
        if isinstance(part, (TextPart, FileReferencePart))
    )
    return [text for text in texts if text]


def _lines(part: FileReferencePart) -> str:
    if not part.start_line:
        return ""
    if not part.end_line or part.end_line == part.start_line:
        return f":{part.start_line}"
    return f":{part.start_line}-{part.end_line}"
