"""What is known of an MCP server before anybody connects to it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar
from urllib.parse import urlsplit

CONNECT_TIMEOUT = 10.0  # seconds, for starting or reaching it, the handshake and the first list of its tools
CALL_TIMEOUT = 60.0  # seconds
LONGEST_TIMEOUT = 3600.0  # seconds

SLUG_CHARACTERS = 32

_SLUG = re.compile(r"[a-z](?:[a-z0-9-]|_(?!_|$)){0,31}")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Transport(StrEnum):
    """How messages travel."""

    STDIO = "stdio"
    """Over the standard input and output of a program that this server starts."""
    STREAMABLE_HTTP = "streamable_http"
    SSE = "sse"
    """The older way over HTTP."""


class Availability(StrEnum):
    """Which chats have a server."""

    FORCE_ON = "force_on"
    """All of them."""
    DEFAULT_ON = "default_on"
    """New ones, until somebody deselects it."""
    DEFAULT_OFF = "default_off"
    """Those that select it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class McpServerConfig:
    """One MCP server. Whatever may hold a secret is left out of its `repr`."""

    id: str
    slug: str
    """The first half of its tools' names: from `a-z0-9_-`, at most 32 characters, without `__`."""
    display_name: str | None = None
    transport: Transport = Transport.STREAMABLE_HTTP
    command: str | None = None
    """Stdio: a program, looked for in the PATH unless it holds a slash."""
    args: tuple[str, ...] = field(default=(), repr=False)
    env: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """Stdio: added to the allow-listed environment."""
    cwd: str | None = None
    """Stdio: an absolute folder; `None` for the one that commands start in."""
    workspace_id: str | None = None
    """Stdio: the workspace whose agent starts the program; `None` for beside this server."""
    url: str | None = field(default=None, repr=False)
    """HTTP: may hold a key in its query."""
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    enabled: bool = True
    availability: Availability = Availability.DEFAULT_OFF
    allowed_tools: tuple[str, ...] = ()
    """The server's own names of the tools that are offered; empty for all."""
    denied_tools: tuple[str, ...] = ()
    """Taken from those that are allowed."""
    allow_in_plan_mode: bool = False
    model_intent: bool = False
    """Ask the model to say with each call what it is for."""
    connect_timeout_s: float = CONNECT_TIMEOUT
    call_timeout_s: float = CALL_TIMEOUT

    @property
    def label(self) -> str:
        """How messages name it."""
        return self.display_name or self.slug

    @property
    def place(self) -> str:
        """Where it is, for people: a program's name, or an address without user and query."""
        if self.transport is Transport.STDIO:
            return self.command or ""
        parts = urlsplit(self.url or "")
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        port = f":{parts.port}" if parts.port else ""
        return f"{parts.scheme}://{host}{port}{parts.path}"

    @property
    def identity(self) -> str:
        """What a policy names it by: its command line, or its address without user and query."""
        if self.transport is Transport.STDIO:
            return shlex.join((self.command or "", *self.args))
        return self.place

    def offers(self, tool: str) -> bool:
        """Whether the server's tool of that name is offered: allow-list, then deny-list."""
        return (not self.allowed_tools or tool in self.allowed_tools) and tool not in self.denied_tools


C = TypeVar("C", bound=McpServerConfig)


def select(
    configs: Iterable[C], chosen: Collection[str], *, in_plan_mode: bool = False, only_chosen: bool = False
) -> tuple[C, ...]:
    """Return the servers of a chat that chose *chosen*; with *only_chosen*, without what is forced on it."""
    return tuple(
        config
        for config in configs
        if config.enabled
        and (config.id in chosen or (config.availability is Availability.FORCE_ON and not only_chosen))
        and (config.allow_in_plan_mode or not in_plan_mode)
    )


def default_ids(configs: Iterable[McpServerConfig]) -> tuple[str, ...]:
    """Return what a new chat has chosen when nobody chose."""
    return tuple(
        config.id for config in configs if config.enabled and config.availability is Availability.DEFAULT_ON
    )


def check_config(config: McpServerConfig) -> None:
    """Check what people entered.

    Raises:
        ValueError: a field is wrong; the text begins with its name and never repeats a secret.
    """
    if not _SLUG.fullmatch(config.slug):
        raise ValueError(
            f"slug: {config.slug!r} must begin with a-z, hold only a-z 0-9 - and single _, and have at most "
            f"{SLUG_CHARACTERS} characters; it becomes the beginning of tool names"
        )
    for name in ("connect_timeout_s", "call_timeout_s"):
        if not 0 < getattr(config, name) <= LONGEST_TIMEOUT:
            raise ValueError(f"{name}: expected more than 0 and at most {LONGEST_TIMEOUT:g} seconds")
    if config.transport is Transport.STDIO:
        _check_stdio(config)
    else:
        _check_http(config)


def _check_stdio(config: McpServerConfig) -> None:
    if not config.command or not config.command.strip():
        raise ValueError("command: missing; a stdio server needs the program to start")
    if config.url or config.headers:
        raise ValueError("url, headers: a stdio server has none; give command, args, env and cwd")
    if config.cwd is not None and not config.cwd.startswith("/"):
        raise ValueError(f"cwd: {config.cwd!r} is not an absolute path")
    for name in config.env:
        if not _VARIABLE.fullmatch(name):
            raise ValueError(f"env: {name!r} is not a name of an environment variable")
    if any("\0" in text for text in (config.command, *config.args, *config.env.values())):
        raise ValueError("command, args, env: NUL characters cannot be passed to a program")


def _check_http(config: McpServerConfig) -> None:
    if config.command or config.args or config.env:
        raise ValueError("command, args, env: only a stdio server has them; give url and headers")
    try:
        parts = urlsplit(config.url or "")
        bad_port = parts.port == 0
    except ValueError:
        raise ValueError("url: not an address; enter one such as https://mcp.example.org/mcp") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or bad_port:
        raise ValueError(
            "url: must begin with http:// or https:// and a host, as https://mcp.example.org/mcp"
        )
    if parts.username or parts.password or parts.fragment:
        raise ValueError(
            "url: no user, password or #; credentials belong into a header such as Authorization"
        )
    for name, value in config.headers.items():
        if not _HEADER_NAME.fullmatch(name):
            raise ValueError(f"headers: {name!r} is not a name of a header")
        if not all(" " <= char <= "~" for char in value):
            raise ValueError(f"headers: the value of {name} holds characters outside printable ASCII")
