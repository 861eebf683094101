"""The bytes of files, each under its SHA-256, in one private folder beside the database.

Written once, whole or not at all, and never changed. All of it blocks: call it in threads.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import time
from pathlib import Path

_DIGEST = re.compile(r"[0-9a-f]{64}")
_SCRATCH = ".tmp-"
ABANDONED_S = 3600.0  # seconds after which nobody is still writing a scratch file


class BlobMissingError(Exception):
    """The folder does not have these bytes, or not all of them."""


def digest_of(data: bytes) -> str:
    """Return the name under which bytes are kept."""
    return hashlib.sha256(data).hexdigest()


class BlobFolder:
    """The folder. Several processes may use it at once; it is made when something is written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, digest: str, data: bytes) -> None:
        """Keep bytes under their digest; they are on the disk when this returns. Bytes that are there stay.

        Raises:
            OSError: they could not be written, and nothing is left of them.
        """
        if not self.has(digest, size=len(data)):
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._write_new(self._path(digest), data)

    def _write_new(self, path: Path, data: bytes) -> None:
        scratch = self.folder / f"{_SCRATCH}{secrets.token_hex(8)}"
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            with os.fdopen(os.open(scratch, flags, 0o600), "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(scratch, path)
        finally:
            scratch.unlink(missing_ok=True)
        _sync_folder(self.folder)

    def has(self, digest: str, *, size: int) -> bool:
        """Whether that many bytes are kept under the digest."""
        with contextlib.suppress(OSError):
            return self._path(digest).lstat().st_size == size
        return False

    def read(self, digest: str, *, size: int) -> bytes:
        """Return the bytes.

        Raises:
            BlobMissingError: they are not there, not *size* of them, or cannot be read.
        """
        return self.read_piece(digest, size=size, start=0, count=size)

    def read_piece(self, digest: str, *, size: int, start: int, count: int) -> bytes:
        """Return *count* of the *size* bytes from *start* on, fewer at their end.

        Raises:
            BlobMissingError: they are not there, not *size* of them, or cannot be read.
        """
        try:
            with os.fdopen(
                os.open(self._path(digest), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb"
            ) as file:
                found = os.fstat(file.fileno()).st_size
                file.seek(start)
                data = file.read(count) if found == size else b""
        except OSError as error:
            raise BlobMissingError(f"{digest} cannot be read: {error.strerror}") from error
        if found != size:
            raise BlobMissingError(f"{digest} should have {size} bytes and has {found}")
        return data

    def digests(self, *, older_than_s: float) -> set[str]:
        """Return what is kept and was written longer ago than that; abandoned scratch files are removed."""
        if not self.folder.is_dir():
            return set()
        found: set[str] = set()
        with os.scandir(self.folder) as entries:
            for entry in entries:
                if _DIGEST.fullmatch(entry.name) and _is_older(entry, older_than_s):
                    found.add(entry.name)
                elif entry.name.startswith(_SCRATCH) and _is_older(entry, ABANDONED_S):
                    Path(entry.path).unlink(missing_ok=True)
        return found

    def remove(self, digest: str) -> None:
        """Forget the bytes; gone already is fine."""
        self._path(digest).unlink(missing_ok=True)

    def _path(self, digest: str) -> Path:
        if not _DIGEST.fullmatch(digest):
            raise ValueError(f"expected a SHA-256 in hexadecimal, came {digest[:80]!r}")
        return self.folder / digest


def _is_older(entry: os.DirEntry[str], seconds: float) -> bool:
    try:
        return entry.stat(follow_symlinks=False).st_mtime < time.time() - seconds
    except FileNotFoundError:
        return False


def _sync_folder(folder: Path) -> None:
    """Make a new name durable: without this a power loss may forget it, though the bytes are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
