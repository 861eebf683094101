"""The files of a prompt: from ids to content, for one model call. What is stored keeps the ids.

Only what users send is looked up. Rule for pasted text: spec/chatd.md §3.9.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from ..files.kind import TEXTS
from ..files.names import is_pasted_text
from ..messages import FilePart, Part, Role, TextPart
from ..providers.prompt_text import fence
from ..providers.protocol import PromptMessage

PASTED_BYTES = 128 * 1024
"""Most bytes of a pasted text that a prompt holds."""
CUT = "\n[cut here: the pasted text is longer]"

TEXT_BYTES = 4 * (128 * 1024 + 1)
"""Most bytes of another text: `providers/prompt.py` takes 128 Ki characters of it, one more tells that there
is more."""

_PIECE = 3 * 256 * 1024  # bytes encoded in one go, so that other threads run in between; a multiple of 3

Contents: TypeAlias = Callable[[Collection[str]], Awaitable[Mapping[str, bytes]]]
"""Returns the bytes of files by id; those that cannot be had are missing."""


async def with_files(messages: Sequence[PromptMessage], contents: Contents) -> tuple[PromptMessage, ...]:
    """Return the prompt with the content of the files in its user messages, looked up all at once.

    A file whose content is missing is left out; a message of which nothing is left says that it had files.
    """
    file_ids = {part.file_id for message in messages for part in _stored_files(message) if part.file_id}
    if not file_ids:
        return tuple(messages)
    found = await contents(file_ids)
    return await asyncio.to_thread(lambda: tuple(_filled(message, found) for message in messages))


def _stored_files(message: PromptMessage) -> list[FilePart]:
    if message.role is not Role.USER:
        return []
    return [part for part in message.parts if isinstance(part, FilePart) and part.file_id]


def _filled(message: PromptMessage, contents: Mapping[str, bytes]) -> PromptMessage:
    if not _stored_files(message):
        return message
    parts = tuple(filled for part in message.parts if (filled := _filled_part(part, contents)) is not None)
    return replace(message, parts=parts or (_missing(message),))


def _filled_part(part: Part, contents: Mapping[str, bytes]) -> Part | None:
    if not isinstance(part, FilePart) or part.file_id is None:
        return part
    data = contents.get(part.file_id)
    if data is None:
        return None
    if part.media_type not in TEXTS:
        return replace(part, data=_encoded(data))
    if part.name and is_pasted_text(part.name):
        return TextPart(text=_pasted(part.name, data))
    return replace(part, data=_encoded(data[:TEXT_BYTES]))


def _pasted(name: str, data: bytes) -> str:
    text = data[:PASTED_BYTES].decode("utf-8", "ignore")
    return f"[pasted text] {name}\n{fence(text)}{CUT if len(data) > PASTED_BYTES else ''}"


def _missing(message: PromptMessage) -> TextPart:
    names = ", ".join(part.name or "unnamed" for part in _stored_files(message))
    return TextPart(text=f"[file] {names}: the content is no longer there")


def _encoded(data: bytes) -> str:
    pieces = (data[start : start + _PIECE] for start in range(0, len(data), _PIECE))
    return "".join(base64.b64encode(piece).decode("ascii") for piece in pieces)
