"""Opening the file: where it lies, how it is journalled, and whether it may be opened at all."""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from ..errors import NewerSchemaError, StoreError
from .schema import MIGRATIONS, NAME, RECORDS, migrate

log = logging.getLogger(__name__)

BUSY_TIMEOUT = 30_000  # milliseconds to wait for another process's commit

NETWORK_FILESYSTEMS = frozenset(
    (
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ncpfs", "9p"),
        *("ceph", "lustre", "gpfs", "beegfs", "pvfs2", "glusterfs"),
        *("fuse.sshfs", "fuse.glusterfs"),
    )
)
"""Where WAL is unsafe, because its shared memory does not reach across hosts (sqlite.org/wal.html)."""


def filesystem_of(path: Path) -> str:
    """Return the type of the file system that *path* lies on, `""` where the system does not tell."""
    try:
        mounts = Path("/proc/self/mountinfo").read_text()
    except OSError:
        return ""
    best, kind = "", ""
    target = str(path.resolve())
    for line in mounts.splitlines():
        left, _, right = line.partition(" - ")
        mount_point = left.split()[4].encode().decode("unicode_escape")
        inside = target == mount_point or target.startswith(mount_point.rstrip("/") + "/")
        if inside and len(mount_point) >= len(best):
            best, kind = mount_point, right.split()[0]
    return kind


@dataclass(slots=True)
class OpenedFile:
    """The database as a store holds it: the connection that writes, and on a network file system a lock."""

    connection: sqlite3.Connection
    was_left_open: bool
    """A journal lay beside the file: the last process did not close it, or one has it open now."""
    lock: IO[bytes] | None = None

    def close(self) -> None:
        """Let the file go. May be called twice."""
        self.connection.close()
        if self.lock is not None:
            self.lock.close()


def open_file(path: Path, *, journal: str = "auto") -> OpenedFile:
    """Create or migrate the database and return its writing connection. Blocks; call it off the loop.

    Args:
        path: The file; its folder is made, private, when absent.
        journal: `wal`, `delete`, or `auto`: WAL unless the file lies on a network file system.

    Raises:
        NewerSchemaError: a newer release wrote it; it was not touched.
        StoreError: it is not a database of ours, or another process holds it on a network file system.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    filesystem = filesystem_of(path.parent) if journal == "auto" else ""
    if filesystem in NETWORK_FILESYSTEMS:
        log.warning("The data folder is on %s: using a rollback journal and one process only", filesystem)
        journal = "delete"
    lock = lock_exclusively(path) if journal == "delete" else None
    try:
        was_left_open = has_journal(path)
        prepare(path, journal="delete" if journal == "delete" else "wal")
        connection = connect(path)
        connection.execute("PRAGMA synchronous = FULL")
    except BaseException:
        if lock is not None:
            lock.close()
        raise
    return OpenedFile(connection=connection, was_left_open=was_left_open, lock=lock)


def has_journal(path: Path) -> bool:
    """Whether changes lie beside the file that have not been moved into it."""
    journals = (path.with_name(path.name + suffix) for suffix in ("-wal", "-journal"))
    return any(journal.exists() and journal.stat().st_size > 0 for journal in journals)


def check_schema(path: Path) -> None:
    """Refuse, without touching it, a file that is not ours or that a newer release has migrated.

    Raises:
        NewerSchemaError: the file records a migration that this release does not have.
        StoreError: the file is not a database, or not one of ours.
    """
    if not path.exists() or path.stat().st_size == 0:
        return
    applied = _applied_migrations(path)
    if applied is None:
        raise StoreError(
            f"{path} is an SQLite database of another program. Point JupyterChatd.data_dir elsewhere. "
            "The file was not changed."
        )
    if unknown := sorted(applied - MIGRATIONS.keys()):
        raise NewerSchemaError(
            f"{path} was written by a newer release of jupyter_chatd (it has {', '.join(unknown)}). "
            "Upgrade jupyter_chatd, or point JupyterChatd.data_dir elsewhere. The file was not changed."
        )


def pending_migrations(path: Path) -> set[str]:
    """Return the names of the migrations that a database of ours still needs.

    Raises:
        StoreError: the file is not a database.
    """
    return MIGRATIONS.keys() - (_applied_migrations(path) or set())


def _applied_migrations(path: Path) -> set[str] | None:
    """Return the names of our migrations that the file has; `None` when it has tables but none of ours."""
    # Without a journal beside it the file is all there is: `immutable` keeps SQLite from making any.
    mode = "mode=ro" if has_journal(path) else "immutable=1"
    conn = sqlite3.connect(f"{path.resolve().as_uri()}?{mode}", uri=True)
    try:
        conn.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT}")
        return _recorded_migrations(conn)
    except sqlite3.DatabaseError as error:
        raise StoreError(f"{path} is not a usable SQLite database: {error}. Restore a backup.") from error
    finally:
        conn.close()


def _recorded_migrations(conn: sqlite3.Connection) -> set[str] | None:
    """Return what `_applied_migrations` does, of an open file."""
    tables = {str(name) for (name,) in conn.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if RECORDS not in tables:
        return None if tables else set()
    rows = conn.execute(f"SELECT name FROM {RECORDS} WHERE migration_set = ?", [NAME])  # noqa: S608
    names = {str(name) for (name,) in rows}
    return names if names or tables == {RECORDS} else None


def lock_exclusively(path: Path) -> IO[bytes]:
    """Take the lock that keeps a second process away from a file on a network file system.

    Raises:
        StoreError: another process has it.
    """
    handle = open(path.with_suffix(".lock"), "ab")  # noqa: SIM115 - held for the life of the store
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        handle.close()
        raise StoreError(
            f"{path} lies on a network file system and another server has it open. Only one process may use "
            "it there: stop the other server, or set JupyterChatd.data_dir to a local folder."
        ) from error
    return handle


def connect(path: Path, *, readonly: bool = False) -> sqlite3.Connection:
    """Return a connection in autocommit mode, so that transactions begin where the code says so."""
    conn = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)
    conn.row_factory = sqlite3.Row
    conn.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT}")
    conn.execute("PRAGMA foreign_keys = ON")
    if readonly:
        conn.execute("PRAGMA query_only = ON")
    return conn


def prepare(path: Path, *, journal: Literal["wal", "delete"]) -> None:
    """Create or migrate the file.

    Raises:
        NewerSchemaError, StoreError: see `check_schema`.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    check_schema(path)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    conn = connect(path)
    try:
        conn.execute(f"PRAGMA journal_mode = {journal}")
        conn.execute("PRAGMA synchronous = FULL")
        if MIGRATIONS.keys() - (_recorded_migrations(conn) or set()):
            conn.execute("BEGIN EXCLUSIVE")  # of two servers that start at once, one migrates
            migrate(conn)
            conn.execute("COMMIT")
    finally:
        conn.close()


def quick_check(path: Path) -> str | None:
    """Return what `PRAGMA quick_check` complains of, `None` when the file is sound. Reads the whole file."""
    conn = connect(path, readonly=True)
    try:
        lines = [str(row[0]) for row in conn.execute("PRAGMA quick_check")]
    except sqlite3.DatabaseError as error:
        return str(error)
    finally:
        conn.close()
    return None if lines == ["ok"] else "; ".join(lines[:5])
