"""`chats/files` and `chats/{id}/files`: send files, fetch them, and put them into messages.

What people send is served to browsers again, so: only what `files/kind.py` knows is taken, only raster images
are shown in place, and no answer may run anything.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from typing import Any, cast

from tornado.iostream import StreamClosedError
from tornado.web import stream_request_body

from .. import wire
from ..errors import InvalidInputError
from ..files import FileLibrary
from ..files.kind import IMAGES, TEXTS
from ..files.names import disposition_header, name_from_header
from ..messages import Part
from ..store.files import StoredFile, chat_files
from .base import BASE, CHAT, ChatdHandler, permission

FOREVER = "private, max-age=31536000, immutable"
SANDBOX = "default-src 'none'; frame-ancestors 'self'; sandbox"

DRAINED = 64 * 1024 * 1024
"""Bytes up to which the body of a refused upload is read to its end. Who is still sending when the connection
closes sees a broken connection, and not the sentence that says why (RFC 9112, 9.6)."""

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
PIECE = 256 * 1024  # bytes that are handed to the socket at once, so that a slow reader costs no memory


def file_json(file: StoredFile) -> dict[str, object]:
    """Return a file as clients see it; `size` in bytes."""
    return {
        "id": file.id,
        "name": file.name,
        "media_type": file.media_type,
        "size": file.size_bytes,
        "created_at": wire.rfc3339(file.created_at),
    }


async def read_parts(handler: ChatdHandler, content: list[Any]) -> tuple[Part, ...]:
    """Return the parts of a message that a client sends, with the caller's files looked up all at once.

    Raises:
        InvalidInputError: there is no part, or one is not as it must be.
    """
    wanted = {file_id.strip() for part in content if (file_id := _file_id_of(part)) is not None}
    if not wanted:
        return wire.parse_input_parts(content)
    found = await handler.extension.runtime.files.find_parts(wanted, owner_id=handler.owner_id)
    return wire.parse_input_parts(content, find_file=found.get)


def _file_id_of(part: object) -> str | None:
    file_id = cast("Mapping[str, object]", part).get("file_id") if isinstance(part, Mapping) else None
    return file_id if isinstance(file_id, str) else None


@stream_request_body
class FilesHandler(ChatdHandler):
    """`/chats/files`."""

    _received = 0  # bytes

    async def prepare(self) -> None:
        """Refuse what is much too large before it is sent, where its length is told."""
        await super().prepare()
        self._library = self.extension.runtime.files
        self._pieces: list[bytes] = []
        length = self.request.headers.get("Content-Length", "")
        if length.isdecimal() and int(length) > DRAINED:
            self._library.check_size(int(length))

    def data_received(self, chunk: bytes) -> None:
        """Collect the body; of one that grows too large nothing is kept."""
        self._received += len(chunk)
        if self._received <= self._library.max_bytes:
            self._pieces.append(chunk)
        else:
            self._pieces.clear()

    @permission("write", "chats")
    async def post(self) -> None:
        """Keep the body as a file of the caller's."""
        self._library.check_size(self._received)
        headers = self.request.headers
        file = await self._library.upload(
            owner_id=self.owner_id,
            name=name_from_header(headers.get("Content-Disposition")),
            declared=headers.get("Content-Type"),
            data=b"".join(self._pieces),
        )
        self.reply(file_json(file), status=201)


class FileHandler(ChatdHandler):
    """`/chats/files/{file}`."""

    @permission("read", "chats")
    async def get(self, file_id: str) -> None:
        """Send a file of the caller's: shown in place when it is a raster image, else saved."""
        library = self.extension.runtime.files
        file = await library.get(_checked_id(file_id), owner_id=self.owner_id)
        self._describe(file)
        if self.check_etag_header():
            self.set_status(304)
            self.finish()
            return
        wanted = range(file.size_bytes)
        if part := find_range(self.request.headers.get("Range", ""), file.size_bytes):
            wanted = part
            self.set_status(206)
            self.set_header("Content-Range", f"bytes {part.start}-{part.stop - 1}/{file.size_bytes}")
        await self._send(library, file, wanted)

    def _describe(self, file: StoredFile) -> None:
        charset = "; charset=utf-8" if file.media_type in TEXTS else ""
        self.set_header("Content-Type", file.media_type + charset)
        self.set_header(
            "Content-Disposition", disposition_header(file.name, inline=file.media_type in IMAGES)
        )
        self.set_header("Content-Security-Policy", SANDBOX)
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Cross-Origin-Resource-Policy", "same-origin")
        self.set_header("Cache-Control", FOREVER)
        self.set_header("Etag", f'"{file.sha256}"')
        self.set_header("Accept-Ranges", "bytes")

    async def _send(self, library: FileLibrary, file: StoredFile, wanted: range) -> None:
        """Send some bytes of the file; the first of them are read before anything is sent."""
        self.set_header("Content-Length", str(len(wanted)))
        try:
            for start in range(wanted.start, wanted.stop, PIECE):
                count = min(PIECE, wanted.stop - start)
                self.write(await library.read_piece(file, start=start, count=count))
                await self.flush()
        except StreamClosedError:
            return  # the client went away
        self.finish()


def find_range(header: str, size: int) -> range | None:
    """Return the bytes of a file of *size* that a Range header asks for; `None` for the whole file.

    Browsers ask for parts of a video, and some play it only when they get them. What is no range, or is not
    within the file, is answered with all of it, as RFC 9110 (14.2) allows.

    >>> find_range("bytes=10-", 100), find_range("bytes=-10", 100), find_range("bytes=0-199", 100)
    (range(10, 100), range(90, 100), range(0, 100))
    """
    found = _RANGE.fullmatch(header)
    if found is None or found.group(0) == "bytes=-":
        return None
    first, last = found.groups()
    start = int(first) if first else max(0, size - int(last))
    stop = min(int(last) + 1, size) if first and last else size
    return range(start, stop) if start < stop else None


def _checked_id(text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise InvalidInputError(
            "Invalid file id.", detail=f"Expected a UUID as the upload gave it, came {text[:80]!r}"
        ) from None


class ChatFilesHandler(ChatdHandler):
    """`/chats/{id}/files`."""

    @permission("read", "chats")
    async def get(self, chat_id: str) -> None:
        """List the files that the chat holds, oldest first."""
        await self.find_chat(chat_id)
        files = await self.service.store.read(lambda conn: chat_files(conn, chat_id))
        self.reply([file_json(file) for file in files])


ROUTES = [
    (BASE + r"/files", FilesHandler),
    (BASE + r"/files/(?P<file_id>[^/]+)", FileHandler),
    (CHAT + r"/files", ChatFilesHandler),
]
