"""Proof of life of a worker: a held lock on its file, and for other hosts a heartbeat row."""

from __future__ import annotations

import fcntl
import os
import socket
import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import IO


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerRow:
    """One row of `heartbeats`."""

    worker_id: str
    host: str
    pid: int
    heartbeat_at: float
    """UTC seconds."""


@dataclass(slots=True)
class HeldLock:
    """A worker's lock file, held. The system lets it go when the process dies, however it dies."""

    path: Path
    handle: IO[bytes]

    @classmethod
    def take(cls, folder: Path, worker_id: str) -> HeldLock:
        """Make and lock the file of a worker."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = folder / f"{worker_id}.lock"
        while True:
            handle = open(path, "ab")  # noqa: SIM115 - held for the life of the worker
            fcntl.flock(handle, fcntl.LOCK_EX)
            if os.fstat(handle.fileno()).st_nlink:
                return cls(path, handle)
            handle.close()  # removed by `remove_left_locks` before it was held

    def release(self) -> None:
        """Let the lock go and remove the file."""
        self.path.unlink(missing_ok=True)
        self.handle.close()


def remove_left_locks(folder: Path, *, known: Collection[str]) -> None:
    """Remove the free locks of workers that the database does not know."""
    for lock in folder.glob("*.lock"):
        if lock.stem not in known and is_free(lock):
            lock.unlink(missing_ok=True)


def is_dead(row: WorkerRow, folder: Path, *, stale_before: float) -> bool:
    """Whether a worker is known to be dead: its lock can be had, or on another host its heartbeat is old."""
    if row.host != socket.gethostname():
        return row.heartbeat_at < stale_before
    return is_free(folder / f"{row.worker_id}.lock")


def is_free(lock: Path) -> bool:
    """Whether nobody holds a lock file; one that is gone is free too."""
    try:
        with open(lock, "rb") as handle:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return True
    except BlockingIOError:
        return False
    return True


def list_workers(conn: sqlite3.Connection) -> tuple[WorkerRow, ...]:
    """Return all workers that have not taken leave."""
    rows = conn.execute("SELECT worker_id, host, pid, heartbeat_at FROM heartbeats")
    return tuple(WorkerRow(**dict(row)) for row in rows)


def unknown_owners(conn: sqlite3.Connection) -> frozenset[str]:
    """Return the workers that own chats that should run, but have taken leave or were forgotten."""
    rows = conn.execute(
        "SELECT DISTINCT worker_id FROM chats WHERE status IN ('running', 'interrupting')"
        " AND worker_id IS NOT NULL AND worker_id NOT IN (SELECT worker_id FROM heartbeats)"
    )
    return frozenset(row["worker_id"] for row in rows)


def upsert_worker(conn: sqlite3.Connection, worker_id: str, *, host: str, now: float) -> None:
    """Write a heartbeat, the first one included."""
    conn.execute(
        "INSERT INTO heartbeats (worker_id, host, pid, started_at, heartbeat_at) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET heartbeat_at = excluded.heartbeat_at",
        (worker_id, host, os.getpid(), now, now),
    )


def remove_worker(conn: sqlite3.Connection, worker_id: str) -> None:
    """Forget a worker."""
    conn.execute("DELETE FROM heartbeats WHERE worker_id = ?", (worker_id,))
