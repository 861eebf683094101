"""Every number that bounds what the agent of the own server reads, keeps and waits for."""

from __future__ import annotations

from dataclasses import dataclass, field

from .kernels.settings import KernelSettings

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputLimits:
    """What is kept of a process's output: its beginning and its end."""

    head_bytes: int = 16 * KIB
    """The first bytes, kept for ever."""
    tail_bytes: int = 16 * KIB
    """The last bytes; when something is left out, the marker that says so takes 64 of these."""
    line_bytes: int = 2048
    """A longer line is cut when the output is shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileLimits:
    """What a file may be, and how much of it is shown at once."""

    read_bytes: int = MIB
    """A larger file is not read."""
    edit_bytes: int = 16 * MIB
    """A larger file is not edited: its text is held in memory several times over."""
    lines: int = 2000
    """Most lines of one response."""
    line_bytes: int = 1024
    """A longer line is cut in the response."""
    response_bytes: int = 32 * KIB
    instruction_bytes: int = 64 * KIB
    """Of an AGENTS.md; the rest is left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessLimits:
    """How long things about processes take, in seconds."""

    forget_after_s: float = 300.0
    """From the exit of a process until it leaves the list."""
    term_grace_s: float = 0.5
    """From SIGTERM to SIGKILL when a group is ended."""
    kill_limit_s: float = 5.0
    """Until a group that does not end is reported, the grace included."""
    follower_bytes: int = 64 * KIB
    """Live output that waits for one slow reader; what comes on top of it is skipped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentLimits:
    """All limits of an agent."""

    output: OutputLimits = OutputLimits()
    files: FileLimits = FileLimits()
    processes: ProcessLimits = ProcessLimits()
    kernels: KernelSettings = field(default_factory=KernelSettings)
