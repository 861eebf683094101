"""A copy of database and files, of one moment, while a server may be writing."""

from __future__ import annotations

import os
import secrets
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from ..errors import ChatdError, StoreError
from ..files.blobs import BlobFolder, BlobMissingError, digest_of
from ..runtime import DATABASE, FILES
from ..store.database import quick_check
from .alone import open_beside_server

LOCK = Path(DATABASE).with_suffix(".lock").name
"""What `check` leaves in a backup that it looks at."""


class BackupError(ChatdError):
    """The backup cannot be made there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """What was copied."""

    folder: Path
    chats: int
    messages: int
    files: int
    size_bytes: int
    """Of the database and all files."""
    lost: tuple[str, ...]
    """SHA-256 of files whose bytes are missing or damaged in the data folder itself."""


def back_up(data_folder: Path, folder: Path, *, replaces: bool = False) -> Backup:
    """Copy the database and its files into a new folder, which can serve as a data folder itself.

    The database comes first. Files are never changed, and only those that the copy names are taken, so that
    both tell of the same moment. Keys, locks and settings are not copied.

    Args:
        data_folder: Where the database lies.
        folder: Where the copy goes; it must not exist.
        replaces: An earlier backup may be there: it is kept until the new one is complete.

    Raises:
        BackupError: something is there already, or it cannot be written.
        StoreError: the database is damaged.
        NoDatabaseError: there is none.
    """
    _check_target(folder, replaces=replaces)
    scratch = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        scratch.mkdir(mode=0o700)
        backup = _copy(data_folder, scratch, folder)
        _put_in_place(scratch, folder)
    except OSError as error:
        raise BackupError(f"The backup {folder} cannot be written: {error.strerror}.") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return backup


def _check_target(folder: Path, *, replaces: bool) -> None:
    if not folder.exists():
        return
    if not replaces:
        raise BackupError(f"{folder} exists. Name another folder, or replace an earlier backup with --force.")
    inside = {entry.name for entry in folder.iterdir()} if folder.is_dir() else {folder.name}
    if foreign := sorted(inside - {DATABASE, FILES, LOCK}):
        raise BackupError(f"{folder} is not a backup: it holds {foreign[0]}.")


def _copy(data_folder: Path, scratch: Path, folder: Path) -> Backup:
    database = scratch / DATABASE
    _copy_database(data_folder / DATABASE, database)
    lost = tuple(_copy_files(database, BlobFolder(data_folder / FILES), BlobFolder(scratch / FILES)))
    with closing(_opened(database)) as conn:
        chats, messages = (_count(conn, table) for table in ("chats", "messages"))
    copied = [entry for entry in scratch.rglob("*") if entry.is_file()]
    return Backup(
        folder=folder,
        chats=chats,
        messages=messages,
        files=len(copied) - 1,
        size_bytes=sum(entry.stat().st_size for entry in copied),
        lost=lost,
    )


def _copy_database(path: Path, copy: Path) -> None:
    """Write all of the database into one new file. Writers go on meanwhile: one snapshot is read."""
    os.close(os.open(copy, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    with open_beside_server(path) as conn:
        try:
            conn.execute("VACUUM INTO ?", (str(copy),))
        except sqlite3.DatabaseError as error:
            raise StoreError(
                f"{path} cannot be copied: {error}. jupyter chatd check says what is damaged."
            ) from error
    _sync(copy)
    problem = quick_check(copy)
    if problem is not None:
        raise StoreError(f"The copy of {path} is damaged: {problem}. jupyter chatd check says more.")


def _copy_files(database: Path, source: BlobFolder, target: BlobFolder) -> Iterator[str]:
    """Copy the bytes that the database names; yield those that are not there, or not what they should be."""
    with closing(_opened(database)) as conn:
        has_files = conn.execute("SELECT 1 FROM sqlite_master WHERE name = 'files'").fetchone()
        query = "SELECT DISTINCT sha256, size_bytes FROM files ORDER BY sha256"
        for digest, size in conn.execute(query) if has_files else ():
            try:
                data = source.read(digest, size=size)
            except BlobMissingError:
                data = b""
            if digest_of(data) == digest:
                target.write(digest, data)
            else:
                yield digest


def _opened(database: Path) -> sqlite3.Connection:
    """Open the copy without leaving anything beside it."""
    return sqlite3.connect(f"{database.resolve().as_uri()}?immutable=1", uri=True)


def _count(conn: sqlite3.Connection, table: str) -> int:
    return int(conn.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0])  # noqa: S608 - names are ours


def _put_in_place(scratch: Path, folder: Path) -> None:
    """Let the new folder take the place of an old one, if there is any."""
    old = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.old")
    if folder.exists():
        os.rename(folder, old)
    os.rename(scratch, folder)
    _sync(folder.parent)
    shutil.rmtree(old, ignore_errors=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
