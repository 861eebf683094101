"""The `.mcp.json` of a folder: servers that a project brings along, used only once the user trusts the file.

{"mcpServers": {"github": {"command": "npx", "args": ["-y", "server-github"], "env": {"LEVEL": "debug"}},
                "docs": {"type": "http", "url": "https://example.org/mcp", "headers": {"X-Team": "a"}}}}
"""

from __future__ import annotations

import hashlib
import posixpath
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated

from pydantic import Field, StrictBool, StrictStr, ValidationError

from ..wire.values import adapter_of
from .config import SLUG_CHARACTERS, Availability, McpServerConfig, Transport, check_config

FILE_NAME = ".mcp.json"
FILE_BYTES = 256 * 1024
SERVERS = 50
"""Most servers of a file."""

_KINDS = {
    "stdio": Transport.STDIO,
    "http": Transport.STREAMABLE_HTTP,
    "streamable-http": Transport.STREAMABLE_HTTP,
    "streamable_http": Transport.STREAMABLE_HTTP,
    "streamableHttp": Transport.STREAMABLE_HTTP,
    "sse": Transport.SSE,
}
_ID_PREFIX = "project-"
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectServer:
    """One entry of the file."""

    name: str
    shown: str
    """What it would start or reach, as the file has it: for people, before they trust it."""
    config: McpServerConfig | None = None
    problem: str = ""
    """Why there is no config."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectFile:
    """The file as it was read: what was hashed is what was parsed."""

    path: str
    sha256: str
    servers: tuple[ProjectServer, ...] = ()
    problem: str = ""
    """Why the whole file cannot be used."""

    @property
    def configs(self) -> tuple[McpServerConfig, ...]:
        """Of all servers that can be used, in the order of the file."""
        return tuple(server.config for server in self.servers if server.config is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """One server. Other clients' settings are ignored."""

    type: StrictStr | None = None
    command: StrictStr | None = None
    args: tuple[StrictStr, ...] = ()
    env: dict[str, StrictStr] = field(default_factory=dict[str, str])
    cwd: StrictStr | None = None
    url: StrictStr | None = None
    headers: dict[str, StrictStr] = field(default_factory=dict[str, str])
    disabled: StrictBool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    servers: Annotated[dict[str, object], Field(alias="mcpServers")]


def is_of_project(config: McpServerConfig) -> bool:
    """Whether a project file brought the server along; others have the id of their row."""
    return config.id.startswith(_ID_PREFIX)


def parse_project(
    path: str, data: bytes, *, env: Mapping[str, str], workspace_id: str | None = None
) -> ProjectFile:
    """Return what the file at *path* says; everything wrong with it is in `problem` fields.

    Args:
        workspace_id: The workspace that it lies in, whose agent starts its programs; `None` for this server.
        env: The variables that `${NAME}` and `${NAME:-default}` may take values from: those that every
            command sees, never the server's own environment.
    """
    sha256 = hashlib.sha256(data).hexdigest()
    if len(data) > FILE_BYTES:
        return ProjectFile(path=path, sha256=sha256, problem=f"The file has more than {FILE_BYTES} bytes.")
    try:
        file = adapter_of(_File).validate_json(data)
    except ValidationError as error:
        return ProjectFile(path=path, sha256=sha256, problem=_wrong("The file", error))
    if len(file.servers) > SERVERS:
        return ProjectFile(path=path, sha256=sha256, problem=f"The file has more than {SERVERS} servers.")
    slugs = _slugs(file.servers)
    servers = (_server(path, name, next(slugs), entry, env) for name, entry in file.servers.items())
    placed = (_placed(server, workspace_id) for server in servers)
    return ProjectFile(path=path, sha256=sha256, servers=tuple(placed))


def _placed(server: ProjectServer, workspace_id: str | None) -> ProjectServer:
    """Return the server as that workspace has it: one of the same path elsewhere is another."""
    config = server.config
    if config is None or workspace_id is None:
        return server
    program_of = workspace_id if config.transport is Transport.STDIO else None
    own_id = _config_id(f"{workspace_id}:{config.id}", server.name)
    return replace(server, config=replace(config, id=own_id, workspace_id=program_of))


def _server(path: str, name: str, slug: str, raw: object, env: Mapping[str, str]) -> ProjectServer:
    try:
        entry = adapter_of(_Entry).validate_python(raw)
    except ValidationError as error:
        return ProjectServer(name=name, shown="", problem=_wrong("The entry", error))
    shown = _shown(entry)
    try:
        config = _config(path, name, slug, _expanded(entry, env))
        check_config(config)
    except ValueError as error:
        return ProjectServer(name=name, shown=shown, problem=str(error))
    return ProjectServer(name=name, shown=shown, config=config)


def _shown(entry: _Entry) -> str:
    """Return what a person decides by: of variables the names, for their values may be keys."""
    if not entry.command:
        return entry.url or ""
    return " ".join([*(f"{name}=…" for name in entry.env), shlex.join([entry.command, *entry.args])])


def _config(path: str, name: str, slug: str, entry: _Entry) -> McpServerConfig:
    kind = entry.type or ("stdio" if entry.command else "http")
    if kind not in _KINDS:
        raise ValueError(f"type: expected one of {', '.join(_KINDS)}; {kind!r} came")
    transport = _KINDS[kind]
    folder = posixpath.dirname(path)
    return McpServerConfig(
        id=_config_id(path, name),
        slug=slug,
        display_name=name,
        transport=transport,
        command=entry.command,
        args=entry.args,
        env=entry.env,
        cwd=posixpath.join(folder, entry.cwd or "") if transport is Transport.STDIO else None,
        url=entry.url,
        headers=entry.headers,
        enabled=not entry.disabled,
        availability=Availability.FORCE_ON,
    )


def _config_id(path: str, name: str) -> str:
    """Return what stays the same while the entry's content changes: its connection is then replaced."""
    place = f"{path}\0{name}"
    return f"{_ID_PREFIX}{hashlib.sha256(place.encode()).hexdigest()[:16]}"


def _slugs(names: Mapping[str, object]) -> Iterator[str]:
    """Make a slug of each name; of several that become the same, the later ones get a number."""
    taken: set[str] = set()
    for name in names:
        words = re.sub(r"[^a-z0-9_-]+", "-", name.lower())
        base = re.sub(r"_{2,}", "_", words).strip("-_")
        base = base if base[:1].isalpha() else f"server-{base}"
        base = base[: SLUG_CHARACTERS - 3].rstrip("-_")
        slug, number = base, 1
        while slug in taken:
            number += 1
            slug = f"{base}-{number}"
        taken.add(slug)
        yield slug


def _expanded(entry: _Entry, env: Mapping[str, str]) -> _Entry:
    """Return the entry with its variables replaced.

    Raises:
        ValueError: a variable may not be used, or has no value.
    """

    def expand(text: str) -> str:
        return _VARIABLE.sub(lambda match: _value(match.group(1), match.group(2), env), text)

    def find(text: str | None) -> str | None:
        return None if text is None else expand(text)

    return replace(
        entry,
        command=find(entry.command),
        args=tuple(expand(arg) for arg in entry.args),
        env={name: expand(value) for name, value in entry.env.items()},
        cwd=find(entry.cwd),
        url=find(entry.url),
        headers={name: expand(value) for name, value in entry.headers.items()},
    )


def _value(name: str, default: str | None, env: Mapping[str, str]) -> str:
    value = env.get(name, default)
    if value is None:
        raise ValueError(
            f"${{{name}}}: this variable is not among those that commands see, and has no default. "
            "Set the server up with jupyter chatd mcp add if it needs a secret, or add the name to "
            "extra_environment"
        )
    return value


def _wrong(what: str, error: ValidationError) -> str:
    """Name the first wrong place, without the value that stands there."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(str(step) for step in first["loc"])
    return f"{what} is wrong{f' at {place}' if place else ''}: {first['msg']}."
