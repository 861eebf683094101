"""The files of all users: uploading, attaching, reading, and letting go of what no chat holds."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import uuid
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from .. import defaults
from ..errors import FileTooLargeError, NotFoundError, StoreError
from ..messages import FilePart
from ..store import Store, reads
from ..store.files import (
    StoredFile,
    delete_unlinked_files,
    find_chat_file,
    find_files,
    get_file,
    insert_file,
    link_files,
    unknown_blobs,
)
from .blobs import BlobFolder, BlobMissingError, digest_of
from .kind import check_attachment, check_upload
from .names import clean_name

MAX_BYTES = defaults.MAX_UPLOAD
"""Most bytes of one file."""

UNSENT_S = 7 * 86_400.0
"""Seconds that an uploaded file waits for a message that it is sent with."""

FRESH_S = 3600.0  # seconds in which bytes without a file may still get one
ATTEMPTS = 3  # to write bytes that are collected at the same moment
BATCH = 100  # bytes removed in one transaction: each is a few microseconds of the writer's time

log = logging.getLogger(__name__)


class FileLibrary:
    """Files by id, with bytes in a folder. One per server; lives as long as its store."""

    def __init__(self, store: Store, folder: Path, *, max_bytes: int = MAX_BYTES) -> None:
        self.max_bytes = max_bytes
        self._store = store
        self._blobs = BlobFolder(folder)

    # Adding

    async def upload(self, *, owner_id: str, name: str, declared: str | None, data: bytes) -> StoredFile:
        """Keep a file that a person sends. It waits a week for the message that it belongs to.

        Raises:
            InvalidInputError: its type is not one that models take, or not the declared one.
            FileTooLargeError: it has too many bytes.
            StoreError: it could not be written.
        """
        self.check_size(len(data))
        media_type = await asyncio.to_thread(check_upload, declared, data)
        file = await self._describe(owner_id, clean_name(name), media_type, data)
        return await self._keep(file, data, lambda conn: insert_file(conn, file))

    async def attach(
        self, chat_id: str, *, name: str, data: bytes, limit_bytes: int | None = None
    ) -> StoredFile:
        """Keep a file that a tool gives to a chat. One that the chat holds already is returned as it is.

        *limit_bytes* takes the place of `max_bytes`, for what a tool of ours made.

        Raises:
            InvalidInputError: it is HTML or SVG, or the chat holds as many files as it may.
            FileTooLargeError: it has too many bytes.
            StoreError: it could not be written.
        """
        self.check_size(len(data), limit_bytes)
        name = clean_name(name)
        media_type = await asyncio.to_thread(check_attachment, name, data)
        chat = await self._store.read(lambda conn: reads.get_chat(conn, chat_id))
        file = await self._describe(chat.owner_id, name, media_type, data)

        def insert(conn: sqlite3.Connection) -> StoredFile:
            held = find_chat_file(conn, chat_id, sha256=file.sha256, name=name, media_type=media_type)
            if held is None:
                insert_file(conn, file)
                link_files(conn, chat_id, [file.id])
            return held or file

        return await self._keep(file, data, insert)

    def check_size(self, size_bytes: int, limit_bytes: int | None = None) -> None:
        """Refuse a file of more than *limit_bytes*, default `max_bytes`.

        Raises:
            FileTooLargeError: it is too large.
        """
        limit = self.max_bytes if limit_bytes is None else limit_bytes
        if size_bytes > limit:
            raise FileTooLargeError(size_bytes=size_bytes, limit=limit)

    async def _describe(self, owner_id: str, name: str, media_type: str, data: bytes) -> StoredFile:
        return StoredFile(
            id=str(uuid.uuid4()),
            owner_id=owner_id,
            name=name,
            media_type=media_type,
            size_bytes=len(data),
            sha256=await asyncio.to_thread(digest_of, data),
            created_at=self._store.clock(),
        )

    async def _keep(
        self, file: StoredFile, data: bytes, insert: Callable[[sqlite3.Connection], StoredFile | None]
    ) -> StoredFile:
        """Write the bytes, then the row. Bytes that `collect` took in between are written again."""

        def run(conn: sqlite3.Connection) -> StoredFile:
            if not self._blobs.has(file.sha256, size=file.size_bytes):
                raise BlobMissingError(file.sha256)
            return insert(conn) or file

        for _ in range(ATTEMPTS):
            await self._write(file, data)
            try:
                return await self._store.write(run)
            except BlobMissingError:
                log.info("The bytes of a new file were collected at the same moment: writing them again")
        raise StoreError("The file could not be stored: its bytes vanish from the data folder. Try again.")

    async def _write(self, file: StoredFile, data: bytes) -> None:
        try:
            await asyncio.to_thread(self._blobs.write, file.sha256, data)
        except OSError as error:
            raise StoreError(
                f"The file could not be stored: {error.strerror}. Make room for it in the data folder and "
                "try again."
            ) from error

    # Reading

    async def get(self, file_id: str, *, owner_id: str) -> StoredFile:
        """Return a file of the owner.

        Raises:
            NotFoundError: no such file, or someone else's.
        """
        return await self._store.read(lambda conn: get_file(conn, file_id, owner_id=owner_id))

    async def read(self, file: StoredFile) -> bytes:
        """Return the bytes of a file.

        Raises:
            NotFoundError: they are gone from the data folder.
        """
        return await self.read_piece(file, start=0, count=file.size_bytes)

    async def read_piece(self, file: StoredFile, *, start: int, count: int) -> bytes:
        """Return *count* bytes of a file from *start* on, fewer at its end.

        Raises:
            NotFoundError: they are gone from the data folder.
        """
        try:
            return await asyncio.to_thread(
                self._blobs.read_piece, file.sha256, size=file.size_bytes, start=start, count=count
            )
        except BlobMissingError as error:
            log.warning("The bytes of file %s are missing: %s", file.id, error)
            raise NotFoundError(f"The content of file {file.id} is gone from the server's disk.") from error

    async def find_parts(self, file_ids: Collection[str], *, owner_id: str) -> Mapping[str, FilePart]:
        """Return what a message holds of those files that exist and are the owner's, by id."""
        found = await self._store.read(lambda conn: find_files(conn, file_ids, owner_id=owner_id))
        return {
            file.id: FilePart(media_type=file.media_type, file_id=file.id, name=file.name or None)
            for file in found.values()
        }

    async def contents(self, file_ids: Collection[str], *, owner_id: str) -> Mapping[str, bytes]:
        """Return the bytes of those files that exist, are the owner's and can be read; warns of others."""
        found = await self._store.read(lambda conn: find_files(conn, file_ids, owner_id=owner_id))
        return await asyncio.to_thread(self._read_all, found, sorted(file_ids))

    def _read_all(self, found: Mapping[str, StoredFile], wanted: Collection[str]) -> dict[str, bytes]:
        contents: dict[str, bytes] = {}
        for file_id in wanted:
            file = found.get(file_id)
            if file is None:
                log.warning("File %s is gone: it is left out of the prompt", file_id)
                continue
            try:
                contents[file_id] = self._blobs.read(file.sha256, size=file.size_bytes)
            except BlobMissingError as error:
                log.warning("The bytes of file %s are left out of the prompt: %s", file_id, error)
        return contents

    # Letting go

    async def collect(self) -> None:
        """Forget uploads that were never sent, and bytes that no file has any more.

        Bytes go inside a write transaction that has made sure that no file has them: nobody, in no process,
        can insert such a file meanwhile.
        """
        unsent_since = self._store.clock() - UNSENT_S
        await self._store.write(lambda conn: delete_unlinked_files(conn, created_before=unsent_since))
        kept = await asyncio.to_thread(self._blobs.digests, older_than_s=FRESH_S)
        unknown = sorted(await self._store.read(lambda conn: unknown_blobs(conn, kept)))
        for start in range(0, len(unknown), BATCH):
            await self._store.write(
                lambda conn, batch=unknown[start : start + BATCH]: self._remove(conn, batch)
            )

    def _remove(self, conn: sqlite3.Connection, digests: Collection[str]) -> None:
        for digest in unknown_blobs(conn, digests):
            self._blobs.remove(digest)
