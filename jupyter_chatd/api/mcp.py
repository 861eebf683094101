"""`chats/mcp/servers`, `chats/mcp/project`: MCP servers that were set up, and those of a project file.

Values of environment, headers and an address's query go in and never come out.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import fields
from typing import Any, TypeVar

from ..capabilities import Capability
from ..errors import InvalidInputError
from ..mcp.config import Availability, McpServerConfig, Transport
from ..mcp.project import ProjectServer
from ..mcp.project_servers import Project
from ..mcp.secret_file import split_secrets
from ..mcp.service import McpService
from ..mcp.status import ServerStatus
from ..private_file import PrivateFileError
from ..workspace.protocol import WorkspaceError
from . import requests
from .base import BASE, ChatdHandler, permission

T = TypeVar("T")

SERVERS = BASE + r"/mcp/servers"
SERVER = SERVERS + r"/(?P<config_id>[^/]+)"

_TOLD = (
    *("slug", "transport", "command", "cwd", "url", "enabled", "availability"),
    *("allow_in_plan_mode", "model_intent", "connect_timeout_s", "call_timeout_s"),
)
_TOLD_LISTS = ("args", "allowed_tools", "denied_tools")


class _McpHandler(ChatdHandler):
    """Finds the parts, and answers with them."""

    @property
    def mcp(self) -> McpService:
        """Servers, connections, project files."""
        return self.extension.mcp

    async def using_files(self, work: Awaitable[T]) -> T:
        """Return what *work* gives.

        Raises:
            InvalidInputError: one of its files cannot be used; says what to do.
        """
        try:
            return await work
        except (PrivateFileError, WorkspaceError, OSError) as error:
            raise InvalidInputError("A file of the MCP servers cannot be used.", detail=str(error)) from error

    def server_reply(self, config: McpServerConfig) -> dict[str, Any]:
        """Return a server as clients see it: with the names of its secrets only."""
        bare, secrets = split_secrets(config)
        reply: dict[str, Any] = {"id": config.id, "display_name": config.label}
        reply |= {name: getattr(bare, name) for name in _TOLD}
        reply |= {name: list(getattr(bare, name)) for name in _TOLD_LISTS}
        reply |= {"env_names": sorted(secrets.env), "header_names": sorted(secrets.headers)}
        reply["has_url_query"] = bool(secrets.query)
        return reply | {"status": _status_reply(self.mcp.manager.status(config))}

    def project_reply(self, project: Project | None) -> dict[str, Any]:
        """Return a project file as clients see it."""
        if project is None:
            return {"project": None}
        statuses = {status.config_id: status for status in project.statuses(self.mcp.manager.status)}
        servers = [_project_server(server, statuses) for server in project.file.servers]
        reply = {"path": project.file.path, "sha256": project.file.sha256, "trusted": project.trusted}
        return {"project": {**reply, "problem": project.file.problem, "servers": servers}}


def _status_reply(status: ServerStatus) -> dict[str, Any]:
    return {"state": status.state.value, "reason": status.reason, "tools": list(status.tools)}


def _project_server(server: ProjectServer, statuses: dict[str, ServerStatus]) -> dict[str, Any]:
    reply: dict[str, Any] = {"name": server.name, "shown": server.shown, "problem": server.problem}
    if server.config is not None:
        reply |= {"id": server.config.id, "slug": server.config.slug}
        reply["status"] = _status_reply(statuses[server.config.id])
    return reply


def _given(body: requests.McpServerCreate | requests.McpServerPatch) -> dict[str, Any]:
    """Return the fields that say something, as a config has them; an empty folder is none."""
    values = {item.name: getattr(body, item.name) for item in fields(body)}
    given = {name: value for name, value in values.items() if value is not None}
    makers: dict[str, Callable[[Any], Any]] = {
        "transport": Transport,
        "availability": Availability,
        "cwd": lambda cwd: cwd or None,
    }
    return {name: makers[name](value) if name in makers else value for name, value in given.items()}


class ServersHandler(_McpHandler):
    """`/chats/mcp/servers`."""

    @permission("read", "chats")
    async def get(self) -> None:
        """List the servers that were set up, and how they stand."""
        configs = await self.using_files(self.mcp.stored.list())
        self.reply([self.server_reply(config) for config in configs])

    @permission("write", "settings")
    async def post(self) -> None:
        """Set up a server; nothing connects to it yet."""
        self.require(Capability.MCP)
        config = McpServerConfig(id="", **_given(self.body(requests.McpServerCreate)))
        self.reply(self.server_reply(await self.using_files(self.mcp.stored.create(config))), status=201)


class ServerHandler(_McpHandler):
    """`/chats/mcp/servers/{id}`."""

    @permission("write", "settings")
    async def patch(self, config_id: str) -> None:
        """Change a server; another program or address forgets the secrets that do not come along."""
        self.require(Capability.MCP)
        changes = _given(self.body(requests.McpServerPatch))
        self.reply(self.server_reply(await self.using_files(self.mcp.stored.change(config_id, changes))))

    @permission("write", "settings")
    async def delete(self, config_id: str) -> None:
        """Remove a server and its secrets; chats that chose it go on without."""
        await self.using_files(self.mcp.stored.delete(config_id))
        self.reply_empty()


class TestHandler(_McpHandler):
    """`/chats/mcp/servers/{id}/test`."""

    @permission("write", "settings")
    async def post(self, config_id: str) -> None:
        """Connect now, whatever failed before, and say how the server stands."""
        self.require(Capability.MCP)
        config = await self.using_files(self.mcp.stored.get(config_id))
        self.reply(_status_reply(await self.mcp.manager.check(config)))


class ProjectHandler(_McpHandler):
    """`/chats/mcp/project`: the `.mcp.json` of the server's folder, or of the workspace of a chat."""

    @permission("read", "chats")
    async def get(self) -> None:
        """Return what the file would start and reach, and whether it may."""
        workspace_id = await self._workspace_of(self.get_query_argument("chat_id", None))
        self.reply(self.project_reply(await self.using_files(self.mcp.find_project(workspace_id))))

    @permission("execute", "approvals")
    async def post(self) -> None:
        """Trust exactly this content of the file, or not."""
        body = self.body(requests.Trust)
        if body.trusted:
            self.require(Capability.MCP)
        workspace_id = await self._workspace_of(body.chat_id)
        decided = self.mcp.decide(sha256=body.sha256, trusted=body.trusted, workspace_id=workspace_id)
        self.reply(self.project_reply(await self.using_files(decided)))

    async def _workspace_of(self, chat_id: str | None) -> str | None:
        """Return the id of the chat's workspace; `None` for the server's own folder."""
        return (await self.find_chat(chat_id)).workspace_id if chat_id is not None else None


ROUTES = [
    (SERVERS, ServersHandler),
    (SERVER, ServerHandler),
    (SERVER + r"/test", TestHandler),
    (BASE + r"/mcp/project", ProjectHandler),
]
