"""A note on disk of what runs, so that the next server can end what a dead one left behind.

The warden does that at once; the ledger is for when the warden died too. One file per server process,
appended to without fsync: it need not survive a power cut, which ends the processes as well.

    <state>/<hash of boot and pid namespace>-<server pid>-<server start>.processes
    add 4711 883201 7c0f…     group, start of its leader in ticks, our id of the process
    drop 4711 883201 7c0f…
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from . import procfs
from .environment import PROCESS_ID_VARIABLE

log = logging.getLogger(__name__)

_SUFFIX = ".processes"
_STALE_AFTER = 30 * 24 * 3600.0  # seconds; files of another boot or machine cannot be judged, only grow old


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """One command."""

    group: int
    started_ticks: int
    process_id: str


class Ledger:
    """The open note of this server. Made with the first entry, removed by `close`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: int | None = None
        self._path: Path | None = None
        self._entries: dict[int, LedgerEntry] = {}

    def add(self, group: int, process_id: str) -> None:
        """Note a command that was just started. Does nothing where there is no /proc to judge it by later."""
        stat = procfs.find_stat(group)
        if stat is None:
            return
        entry = LedgerEntry(group=group, started_ticks=stat.started_ticks, process_id=process_id)
        self._entries[group] = entry
        self._write("add", entry)

    def drop(self, group: int) -> None:
        """Note that the whole group has ended."""
        entry = self._entries.pop(group, None)
        if entry is not None:
            self._write("drop", entry)

    def close(self) -> None:
        """Close the file, and remove it unless something would not end. May be called twice."""
        if self._file is None or self._path is None:
            return
        os.close(self._file)
        self._file = None
        if not self._entries:
            self._path.unlink(missing_ok=True)

    def _write(self, verb: str, entry: LedgerEntry) -> None:
        line = f"{verb} {entry.group} {entry.started_ticks} {entry.process_id}\n"
        try:
            if self._file is None:
                self._file = self._open()
            os.write(self._file, line.encode())
            if not self._entries:
                os.ftruncate(self._file, 0)  # nothing runs: start over, so that the file stays small
        except OSError as error:  # a full disk must not stop the agent; the warden still watches
            log.warning("Cannot note running commands in %s: %s", self._folder, error)

    def _open(self) -> int:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = self._folder / f"{owner_tag()}-{id(self):x}{_SUFFIX}"
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)


def owner_tag() -> str:
    """Name this process, for what it leaves on disk."""
    return f"{_place_hash()}-{_identity_of_this_process()}"


def is_left_over(name: str) -> bool:
    """Whether *name*, which begins with an `owner_tag` and `-`, is that of a process here that has died."""
    place, _, owner = name.partition("-")
    return place == _place_hash() and not _owner_lives(owner)


def sweep(folder: Path) -> int:
    """Kill what dead servers left running and remove their ledgers. Return how many processes were killed.

    Blocks: reads /proc. Ledgers of servers that are alive, this one included, are left alone.
    """
    killed = 0
    for path in sorted(folder.glob(f"*{_SUFFIX}")):
        place, _, owner = path.name.removesuffix(_SUFFIX).partition("-")
        if place != _place_hash():
            _remove_if_old(path)
        elif not _owner_lives(owner):
            killed += sum(_kill_session(entry) for entry in _running_entries(path))
            path.unlink(missing_ok=True)
    if killed:
        log.warning("Ended %d processes that an earlier server had left running", killed)
    return killed


def _running_entries(path: Path) -> Iterator[LedgerEntry]:
    """The entries that were added and not dropped. A last line that a crash cut short is left out."""
    running: dict[tuple[str, str], LedgerEntry] = {}
    for line in path.read_text("utf-8", "replace").splitlines():
        match line.split():
            case ["add", group, ticks, process_id] if group.isdigit() and ticks.isdigit():
                running[group, ticks] = LedgerEntry(
                    group=int(group), started_ticks=int(ticks), process_id=process_id
                )
            case ["drop", group, ticks, _]:
                running.pop((group, ticks), None)
            case _:
                continue
    yield from running.values()


def _kill_session(entry: LedgerEntry) -> int:
    leader = procfs.find_stat(entry.group)
    if leader is not None and leader.started_ticks != entry.started_ticks:
        return 0  # the number is a stranger's now
    members = procfs.living_members(entry.group)
    if leader is None:
        # Another leader may have come and gone under this number: only what carries our mark is ours.
        members = [s for s in members if procfs.has_variable(s.pid, PROCESS_ID_VARIABLE, entry.process_id)]
    for stat in members:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(stat.pid, signal.SIGKILL)
    return len(members)


def _owner_lives(owner: str) -> bool:
    pid, _, rest = owner.partition("-")
    stat = procfs.find_stat(int(pid)) if pid.isdigit() else None
    return stat is not None and stat.is_alive and rest.startswith(f"{stat.started_ticks}-")


def _remove_if_old(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):  # another server may be sweeping too
        if time.time() - path.stat().st_mtime > _STALE_AFTER:
            path.unlink()


def _place_hash() -> str:
    return hashlib.sha256(procfs.place().encode()).hexdigest()[:12]


def _identity_of_this_process() -> str:
    stat = procfs.find_stat(os.getpid())
    return f"{os.getpid()}-{stat.started_ticks if stat else 0}"
