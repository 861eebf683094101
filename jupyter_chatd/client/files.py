"""Files of this machine on their way into a chat: what they are sent as, and how they are named."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePath
from typing import Any, Self, TypeAlias
from urllib.parse import quote

from ..wire.times import with_seconds
from ..wire.values import adapter_of
from .errors import ClientError

TYPES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".pdf": "application/pdf",
    ".md": "text/markdown",
    ".csv": "text/csv",
    ".json": "application/json",
}
"""What a file is sent as, by the end of its name; any other as plain text. The server looks at the bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatFile:
    """A file that the server keeps for messages. One that no message has is forgotten after a week."""

    id: str
    name: str
    media_type: str
    """Told by the server from the bytes."""
    size: int
    """Bytes."""
    created_at: float
    """UTC seconds."""

    @classmethod
    def of_json(cls, reply: Mapping[str, Any]) -> Self:
        """Return the file that a server tells of."""
        return adapter_of(cls).validate_python(with_seconds(reply, ("created_at",)))

    @property
    def part(self) -> Mapping[str, Any]:
        """The file as a part of a message."""
        return {"type": "file", "file_id": self.id}


Attachment: TypeAlias = str | PurePath | ChatFile
"""A path on this machine, or a file that was uploaded before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """The bytes of a file with what they are sent as."""

    name: str
    data: bytes
    media_type: str

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers that say so."""
        disposition = f"attachment; filename*=UTF-8''{quote(self.name, safe='')}"
        return {"Content-Type": self.media_type, "Content-Disposition": disposition}


def media_type_of(name: str) -> str:
    """Return what a file of that name is sent as."""
    return TYPES.get(PurePath(name).suffix.lower(), "text/plain")


async def read_upload(path: str | PurePath) -> Upload:
    """Read a file of this machine.

    Raises:
        ClientError: it cannot be read.
    """
    try:
        data = await asyncio.to_thread(_read, path)
    except OSError as error:
        raise ClientError(f"The file {path} cannot be read: {error.strerror}.") from error
    name = PurePath(path).name
    return Upload(name=name, data=data, media_type=media_type_of(name))


def _read(path: str | PurePath) -> bytes:
    return Path(path).expanduser().read_bytes()


def pasted_text(text: str, *, now: datetime) -> Upload:
    """Return a long text as a file whose content the model reads as if it stood in the message.

    The name is how the server knows it: `pasted-text-2026-11-21-07-30-00.txt`.
    """
    name = now.strftime("pasted-text-%Y-%m-%d-%H-%M-%S.txt")
    return Upload(name=name, data=text.encode(), media_type="text/plain")


def file_reference(
    path: str | PurePath, start_line: int | None = None, end_line: int | None = None
) -> Mapping[str, Any]:
    """Return lines of a text file of this machine as a part of a message, for `content`.

    Args:
        path: The model reads it as it is given here.
        start_line: The first line, from 1; `None` names the file without its content.
        end_line: The last line; `None` for one line.

    Raises:
        ClientError: the file cannot be read, or has no such lines.
    """
    part: dict[str, Any] = {"type": "file-reference", "file_name": str(path)}
    if start_line is None:
        return part
    last = start_line if end_line is None else end_line
    lines = _read_lines(path)
    if not 1 <= start_line <= last <= len(lines):
        raise ClientError(
            f"Expected lines of {path} between 1 and {len(lines)}, came {start_line} to {last}."
        )
    content = "\n".join(lines[start_line - 1 : last])
    return {**part, "start_line": start_line, "end_line": last, "content": content}


def _read_lines(path: str | PurePath) -> Sequence[str]:
    try:
        return _read(path).decode("utf-8").splitlines()
    except OSError as error:
        raise ClientError(f"The file {path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError:
        raise ClientError(f"The file {path} is no text in UTF-8: attach it as a file instead.") from None
