"""What the program is started with, and what it says once it listens. Both are lines of JSON."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from ..limits import AgentLimits
from ..sandbox import SandboxPolicy, SandboxSettings

SOCKET = "s"
"""The socket's name in the agent's folder; short, because the path has few bytes to live in."""
PATH_LIMIT = 100
"""Bytes of a unix socket's path: Linux takes 107, macOS 103."""
MARK_VARIABLE = "JUPYTER_CHATD_AGENT_ID"
"""Marks the program and all that it starts, so that all of it can be found and ended."""
IDLE_LIMIT = 30 * 60.0  # seconds without a request after which the program ends itself
STARTUP_LIMIT = 600.0  # seconds that a start-up script has


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSettings:
    """All that the program needs. It comes by standard input: a token on a command line is public."""

    id: str
    folder: Path
    """Private: holds the socket and the note of what runs."""
    token: str
    directory: Path
    home: Path
    config_folder: Path | None = None
    protected: tuple[Path, ...] = ()
    extra_env_names: tuple[str, ...] = ()
    sandbox: SandboxSettings = field(default_factory=SandboxSettings)
    piped_sandbox: SandboxPolicy = SandboxPolicy.OFF
    """Of MCP servers that a project brings along."""
    limits: AgentLimits = field(default_factory=AgentLimits)
    startup_script: str | None = None
    startup_limit_s: float = STARTUP_LIMIT
    idle_limit_s: float = IDLE_LIMIT
    undumpable: bool = True

    @property
    def socket_path(self) -> str:
        """Where the program listens."""
        return str(self.folder / SOCKET)

    @property
    def is_reachable(self) -> bool:
        """Whether the socket is still there."""
        return os.path.exists(self.socket_path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """What the program prints when it can be asked."""

    pid: int
    started_ticks: int
    """With the pid it names the process; 0 where nothing is known."""
