"""What `/proc` says of processes. Where there is no `/proc` (macOS) every answer is "nothing known"."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
_ZOMBIE_STATES = frozenset("ZX")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessStat:
    """The identity of a process and where it belongs."""

    pid: int
    state: str
    group: int
    session: int
    started_ticks: int
    """Clock ticks since boot: with the pid it names a process for as long as the machine runs."""

    @property
    def is_alive(self) -> bool:
        """False for one that has ended and only waits for its parent to notice."""
        return self.state not in _ZOMBIE_STATES


def find_stat(pid: int) -> ProcessStat | None:
    """Return the facts of process *pid*, `None` when there is none or nothing is known."""
    try:
        text = (PROC / str(pid) / "stat").read_text("utf-8", "replace")
    except OSError:  # gone meanwhile, hidden from us, or no /proc
        return None
    # The second field is the program's name in brackets and may itself hold blanks and brackets.
    fields = text[text.rindex(")") + 2 :].split()
    return ProcessStat(
        pid=pid,
        state=fields[0],
        group=int(fields[2]),
        session=int(fields[3]),
        started_ticks=int(fields[19]),
    )


def program_of(pid: int) -> str:
    """Return the name of the program that process *pid* runs, at most 15 characters; empty when unknown."""
    try:
        return (PROC / str(pid) / "comm").read_text("utf-8", "replace").strip()
    except OSError:  # gone meanwhile
        return ""


def living_members(session: int) -> list[ProcessStat]:
    """Return the processes of that session that are alive, in no order. Blocks for about 1 µs a process.

    The kernel is asked for the session first: reading the facts of every process costs ten times as much.
    """
    names = os.listdir(PROC) if PROC.is_dir() else []
    members = (find_stat(pid) for pid in map(int, filter(str.isdigit, names)) if _session_of(pid) == session)
    return [stat for stat in members if stat is not None and stat.session == session and stat.is_alive]


def _session_of(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except OSError:  # gone meanwhile, or not ours to ask about
        return None


def has_variable(pid: int, name: str, value: str) -> bool:
    """True when process *pid* was started with that variable; false also when it may not be looked at."""
    try:
        environment = (PROC / str(pid) / "environ").read_bytes()
    except OSError:
        return False
    return f"{name}={value}".encode() in environment.split(b"\0")


def find_marked(name: str, value: str) -> list[int]:
    """Return the processes that were started with that variable and are alive, in no order.

    Blocks for about 20 µs a process of this user.
    """
    names = os.listdir(PROC) if PROC.is_dir() else []
    return [pid for pid in map(int, filter(str.isdigit, names)) if has_variable(pid, name, value)]


def place() -> str:
    """Name where process ids are valid: this boot, this pid namespace. Empty when unknown."""
    try:
        boot = (PROC / "sys/kernel/random/boot_id").read_text().strip()
        namespace = os.readlink(PROC / "self/ns/pid")
    except OSError:
        return ""
    return f"{boot} {namespace}"
