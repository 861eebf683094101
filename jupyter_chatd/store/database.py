"""Opening the file: where it lies, how it is journalled, and whether it may be opened at all."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from pathlib import Path
from typing import IO

from sqlite_utils.db import Database

from ..errors import NewerSchemaError, StoreError
from .schema import migrations

BUSY_TIMEOUT = 30_000  # milliseconds to wait for another process's commit

NETWORK_FILESYSTEMS = frozenset(
    "nfs nfs4 cifs smb3 smbfs afs ncpfs 9p ceph lustre gpfs beegfs pvfs2 glusterfs fuse.sshfs fuse.glusterfs".split()
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


def check_schema(path: Path) -> None:
    """Refuse, without touching it, a file that a newer release has migrated.

    Raises:
        NewerSchemaError: the file records a migration that this release does not have.
        StoreError: the file is not a database.
    """
    if not path.exists() or path.stat().st_size == 0:
        return
    known = {migration.name for migration in migrations.pending(Database(memory=True))}
    conn = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    try:
        rows = conn.execute(
            "SELECT name FROM _sqlite_migrations WHERE migration_set = ?", [migrations.name]
        ).fetchall()
    except sqlite3.OperationalError:
        rows = []  # no such table: made by nobody of ours yet
    except sqlite3.DatabaseError as error:
        raise StoreError(f"{path} is not a usable SQLite database: {error}. Restore a backup.") from error
    finally:
        conn.close()
    unknown = sorted({str(name) for (name,) in rows} - known)
    if unknown:
        raise NewerSchemaError(
            f"{path} was written by a newer release of jupyter_chatd (it has {', '.join(unknown)}). "
            "Upgrade jupyter_chatd, or point JupyterChatd.data_dir elsewhere. The file was not changed."
        )


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
            f"{path} lies on a network file system and another server has it open. Only one process may use it "
            "there: stop the other server, or set JupyterChatd.data_dir to a local folder."
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


def prepare(path: Path, *, journal: str) -> None:
    """Create or migrate the file. *journal* is `wal` or `delete`.

    Raises:
        NewerSchemaError, StoreError: see `check_schema`.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    check_schema(path)
    if not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    conn = connect(path)
    try:
        conn.execute(f"PRAGMA journal_mode = {journal}")
        conn.execute("PRAGMA synchronous = FULL")
        conn.isolation_level = ""  # sqlite-utils drives its own transactions
        migrations.apply(Database(conn))
    finally:
        conn.close()


def quick_check(path: Path) -> str | None:
    """Return what `PRAGMA quick_check` complains of, or `None` when the file is sound. Reads the whole file."""
    conn = connect(path, readonly=True)
    try:
        lines = [str(row[0]) for row in conn.execute("PRAGMA quick_check")]
    finally:
        conn.close()
    return None if lines == ["ok"] else "; ".join(lines[:5])
