"""Files in the database against the folder of bytes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from ..files.blobs import BlobFolder, BlobMissingError, digest_of


def check_files(conn: sqlite3.Connection, blobs: BlobFolder) -> Iterator[str]:
    """Yield the files whose bytes are missing or are others. Reads all of them."""
    for file_id, digest, size in conn.execute("SELECT id, sha256, size_bytes FROM files ORDER BY id"):
        try:
            data = blobs.read(digest, size=size)
        except BlobMissingError as error:
            yield f"File {file_id} has lost its bytes: {error}."
            continue
        if digest_of(data) != digest:
            yield f"File {file_id} has other bytes than were stored: {blobs.folder / digest} is damaged."
