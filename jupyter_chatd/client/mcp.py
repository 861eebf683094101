"""MCP servers of a server: what was set up, what a project brings along, how they stand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from ..mcp.config import Availability, Transport
from ..mcp.status import ServerState
from ..wire.values import adapter_of
from .restapi import RestApi

_SERVERS = "/mcp/servers"
_PROJECT = "/mcp/project"


@dataclass(frozen=True, slots=True, kw_only=True)
class McpStatus:
    """How a server stands."""

    state: ServerState
    reason: str = ""
    """Why it cannot be used."""
    tools: tuple[str, ...] = ()
    """The server's own names of what it offered when it was last connected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class McpServer:
    """One that was set up. Values of its secrets stay on the server."""

    id: str
    slug: str
    display_name: str
    transport: Transport
    availability: Availability
    enabled: bool
    status: McpStatus
    command: str | None = None
    args: tuple[str, ...] = ()
    url: str | None = None
    allowed_tools: tuple[str, ...] = ()
    denied_tools: tuple[str, ...] = ()
    env_names: tuple[str, ...] = ()
    header_names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class McpProjectServer:
    """An entry of a project file."""

    name: str
    shown: str
    """What it would start or reach, as the file has it."""
    problem: str = ""
    """Why it cannot be used."""
    slug: str | None = None
    status: McpStatus | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class McpProject:
    """The `.mcp.json` of the server's folder."""

    path: str
    sha256: str
    trusted: bool | None
    """`None`: nobody decided about this content yet."""
    servers: tuple[McpProjectServer, ...] = ()
    problem: str = ""


class McpClient:
    """What can be done with MCP servers. Every method raises as those of `AsyncClient`."""

    def __init__(self, api: RestApi) -> None:
        self._api = api

    async def servers(self) -> tuple[McpServer, ...]:
        """Return those that were set up, by slug."""
        return tuple(map(_server, await self._api.get(_SERVERS)))

    async def create(self, slug: str, **fields: Any) -> McpServer:
        """Set a server up; the fields are those of `POST /mcp/servers` (docs/mcp.md)."""
        return _server(await self._api.post(_SERVERS, {"slug": slug, **fields}))

    async def update(self, config_id: str, **changes: Any) -> McpServer:
        """Change it; another program or address forgets the secrets that do not come along."""
        return _server(await self._api.patch(_path(config_id), changes))

    async def delete(self, config_id: str) -> None:
        """Remove it and its secrets."""
        await self._api.delete(_path(config_id))

    async def test(self, config_id: str) -> McpStatus:
        """Connect now, and return how it stands; takes up to its connect timeout."""
        return adapter_of(McpStatus).validate_python(await self._api.post(f"{_path(config_id)}/test"))

    async def project(self, *, chat_id: str | None = None) -> McpProject | None:
        """Return the project file of the server's folder or a chat's workspace, `None` without one."""
        return _project(await self._api.get(_PROJECT, _of(chat_id)))

    async def trust(
        self, sha256: str, *, trusted: bool = True, chat_id: str | None = None
    ) -> McpProject | None:
        """Decide whether exactly the content with that hash is used; 409 when it is another one by now."""
        body = {"sha256": sha256, "trusted": trusted, **_of(chat_id)}
        return _project(await self._api.post(_PROJECT, body))


def _of(chat_id: str | None) -> dict[str, str]:
    return {"chat_id": chat_id} if chat_id is not None else {}


def _server(reply: Mapping[str, Any]) -> McpServer:
    return adapter_of(McpServer).validate_python(reply)


def _project(reply: Mapping[str, Any]) -> McpProject | None:
    return adapter_of(McpProject | None).validate_python(reply["project"])


def _path(config_id: str) -> str:
    return f"{_SERVERS}/{quote(config_id, safe='')}"
