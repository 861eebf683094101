"""What the numbers depend on: the machine, the versions, and how long a durable commit takes here."""

from __future__ import annotations

import os
import platform
import shutil
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Generator
from contextlib import closing, contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

MEMORY = Path("/dev/shm")
"""A tmpfs: files without a disk."""
COMMITS = 200  # commits of which the median is taken
PACKAGES = (
    *("jupyter_chatd", "pydantic-ai-slim", "openai", "anthropic", "pydantic", "tornado"),
    *("jupyter-server", "sqlite-utils"),
)


@contextmanager
def scratch(*, on_disk: bool = True) -> Generator[Path, None, None]:
    """A folder that is removed afterwards, on the disk or in memory (where there is a tmpfs)."""
    base = None if on_disk or not MEMORY.is_dir() else MEMORY
    folder = Path(tempfile.mkdtemp(prefix="chatd-bench-", dir=base))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def commit_time(folder: Path) -> float:
    """Return the median seconds of a small durable commit (WAL, FULL) in *folder*."""
    with closing(sqlite3.connect(folder / "commits.db", isolation_level=None)) as conn:
        conn.execute("PRAGMA journal_mode = wal")
        conn.execute("PRAGMA synchronous = FULL")
        conn.execute("CREATE TABLE IF NOT EXISTS rows (text)")
        return statistics.median(_commit(conn) for _ in range(COMMITS))


def _commit(conn: sqlite3.Connection) -> float:
    began = time.perf_counter()
    conn.execute("BEGIN IMMEDIATE")
    conn.execute("INSERT INTO rows VALUES (?)", ("x" * 200,))
    conn.execute("COMMIT")
    return time.perf_counter() - began


class Bystanders:
    """How much of the machine others used, from its making on: what they take, the benches do not get."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._busy, self._ours = _busy_seconds(), _our_seconds()

    @property
    def cores(self) -> float:
        """Cores that were busy for others. The CPU time of our processes counts once they have ended."""
        others = (_busy_seconds() - self._busy) - (_our_seconds() - self._ours)
        return max(others, 0.0) / (time.monotonic() - self._began)


def _busy_seconds() -> float:
    """Return the CPU seconds that all cores have worked since the machine started."""
    user, nice, system, _idle, _iowait, *others = map(int, Path("/proc/stat").read_text().split()[1:9])
    return (user + nice + system + sum(others)) / os.sysconf("SC_CLK_TCK")


def _our_seconds() -> float:
    return sum(os.times()[:4])


def describe_machine() -> str:
    """Return one line about the machine."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    with scratch() as folder:
        commit_ms = commit_time(folder) * 1000
    return (
        f"{os.cpu_count()} cores ({_processor()}), {memory:.0f} GB, Linux {platform.release()}, load average"
        f" before {load}, a durable commit on its disk {commit_ms:.2f} ms"
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def describe_versions() -> str:
    """Return one line about what was measured."""
    own = [f"Python {platform.python_version()}", f"SQLite {sqlite3.sqlite_version}"]
    return ", ".join(own + [f"{name} {_version(name)}" for name in PACKAGES])


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:  # run from the source tree
        from jupyter_chatd._version import __version__

        return __version__ if name == "jupyter_chatd" else "?"
