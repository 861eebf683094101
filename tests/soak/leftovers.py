"""What must not be there when the servers have ended and every chat was deleted."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

TABLES = ("chats", "messages", "queued_messages", "tool_runs", "heartbeats", "message_search")
TRACEBACK = "Traceback (most recent call last)"


def in_database(database: Path) -> list[str]:
    """Return what is left: all of it belongs to nobody."""
    with contextlib.closing(sqlite3.connect(database)) as conn:
        counts = {table: conn.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in TABLES}
        verdict = conn.execute("PRAGMA integrity_check").fetchone()[0]
    found = [f"{count} rows are left in {table}" for table, count in counts.items() if count]
    return found if verdict == "ok" else [*found, f"the database is damaged: {verdict}"]


def running_in(folder: Path) -> list[str]:
    """Return the processes that work in a folder of the servers' user (Linux)."""
    found: list[str] = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it ended, or is not ours
            if (process / "cwd").resolve(strict=True).is_relative_to(folder.resolve()):
                found.append(f"process {process.name} is left: {(process / 'cmdline').read_bytes()!r}")
    return found


def in_log(log: str) -> list[str]:
    """Return the first traceback of a log: faults of vendors, people and machines are daily business."""
    count = log.count(TRACEBACK)
    if not count:
        return []
    place = log.index(TRACEBACK)
    return [f"the log has {count} tracebacks, the first one is\n{log[max(place - 300, 0) : place + 3000]}"]
