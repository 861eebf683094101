"""The connections of all chats: made when a turn needs them, shared, closed when they are idle."""

from __future__ import annotations

import asyncio
import importlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..workspace.protocol import WorkspaceAgent, WorkspaceUnavailableError
from .config import McpServerConfig, Transport
from .confinement import Confinement
from .errors import Failure, ServerUnavailableError
from .offer import ServerTool, offered_tools
from .programs import LocalPrograms, Programs, WorkspacePrograms
from .redact import Redactor
from .status import ServerState, ServerStatus, status_of
from .tool import McpTool

if TYPE_CHECKING:
    from mcp.types import CallToolResult

    from .connection import Connection, Link

RETRY_AFTER = 30.0  # seconds after a failed connection in which turns go on without the server at once
IDLE_LIMIT = 600.0  # seconds without a call after which a connection is closed

NOT_INSTALLED = Failure(
    reason="MCP servers need another Python package: run pip install 'jupyter_chatd[mcp]' and restart Jupyter"
)

CHANGED = Failure(reason="The server's settings were changed; the next turn has its tools as they are now")
FORBIDDEN = Failure(reason="The policy of this server does not allow this MCP server, or none at all")
STOPPING = Failure(reason="The Jupyter server is stopping")

log = logging.getLogger(__name__)


def _no_workspaces(_workspace_id: str) -> WorkspaceAgent:
    raise WorkspaceUnavailableError("There are no workspaces here.")


@dataclass(slots=True)
class _Server:
    """What is remembered of one server while this process runs."""

    config: McpServerConfig
    connection: Connection | None = None
    failure: Failure | None = None
    """Why it could not be connected, or broke; none while all is well."""
    retry_at: float = 0.0
    """Monotonic seconds; turns before that do not wait for it."""
    tools: tuple[str, ...] = ()


class McpManager:
    """Connects to servers and calls their tools. Lives as long as the extension, on one event loop.

    Args:
        env: What stdio servers see besides their own configured variables: the scrubbed environment
            (`workspace.environment.scrubbed`).
        state_folder: The private folder in which running programs are noted; the workspace agent sweeps it.
        directory: Where stdio servers start when their config names no folder.
        confinement: Which stdio servers run in a sandbox; `None` for none.
        agent_in: Returns the agent of a workspace, which starts what that brings along.
        allows: Whether a server may be used now; asked before every use.
        retry_after_s: How long after a failed connection nobody waits for it.
        idle_limit_s: When an unused connection is closed.
    """

    def __init__(
        self,
        *,
        env: Mapping[str, str],
        state_folder: Path,
        directory: str,
        confinement: Confinement | None = None,
        agent_in: Callable[[str], WorkspaceAgent] = _no_workspaces,
        allows: Callable[[McpServerConfig], bool] = lambda _config: True,
        retry_after_s: float = RETRY_AFTER,
        idle_limit_s: float = IDLE_LIMIT,
    ) -> None:
        self._env = env
        self._state_folder = state_folder
        self._directory = directory
        self._confinement = confinement
        self._agent_in = agent_in
        self._allows = allows
        self._retry_after_s = retry_after_s
        self._idle_limit_s = idle_limit_s
        self._servers: dict[str, _Server] = {}
        self._live: set[Connection] = set()
        """Every connection that has not ended, those that were replaced included."""
        self._local: LocalPrograms | None = None
        self._is_closed = False

    async def connect(self, configs: Sequence[McpServerConfig]) -> tuple[McpTool, ...]:
        """Return the tools of these servers, sorted by name, then by config id.

        All servers are connected at once, each within its own time. One that cannot be is left out, which is
        logged, and `statuses` says why.
        """
        enabled = [config for config in configs if config.enabled and self._allows(config)]
        listings = await asyncio.gather(*(self._find_tools(self._server(config)) for config in enabled))
        offers = offered_tools(
            (config, tools) for config, tools in zip(enabled, listings, strict=True) if tools is not None
        )
        return tuple(McpTool(offer, self.call) for offer in offers)

    async def call(self, config: McpServerConfig, tool: str, args: Mapping[str, Any]) -> CallToolResult:
        """Call a tool of a server that `connect` was given, and connect again when it is gone meanwhile.

        Raises:
            ServerUnavailableError: it cannot be connected, was forgotten, or has another config by now;
                nothing was called.
            CallError: the call failed.
        """
        connection = await self._connection(self._require_current(config))
        return await connection.call(tool, args)

    def status(self, config: McpServerConfig) -> ServerStatus:
        """Return how a server stands."""
        server = self._servers.get(config.id)
        if server is None or server.config != config:
            return status_of(config, ServerState.IDLE)
        return status_of(
            config,
            _state(server),
            reason="" if server.failure is None else str(server.failure),
            tools=server.tools,
        )

    async def check(self, config: McpServerConfig) -> ServerStatus:
        """Connect to a server now, whatever failed before, and return how it stands."""
        server = self._server(config)
        server.retry_at = 0.0
        await self._find_tools(server)
        return self.status(config)

    async def forget(self, config_id: str) -> None:
        """Close the connection of a server that was changed or removed, or is not trusted any more.

        Turns under way cannot call it again. Unknown ids are fine.
        """
        server = self._servers.pop(config_id, None)
        if server is not None and server.connection is not None:
            await server.connection.aclose()

    async def aclose(self) -> None:
        """Close every connection and end every program. May be called twice."""
        self._is_closed = True
        await asyncio.gather(*(connection.aclose() for connection in tuple(self._live)))
        self._servers.clear()
        if self._local is not None:
            await self._local.aclose()

    async def _find_tools(self, server: _Server) -> tuple[ServerTool, ...] | None:
        """Return the tools of a server, `None` when it cannot be used."""
        try:
            return (await self._connection(server)).tools
        except ServerUnavailableError as error:
            log.warning("MCP server %s is left out: %s", server.config.slug, error.failure.reason)
            return None

    async def _connection(self, server: _Server) -> Connection:
        """Return a connection that is ready.

        Raises:
            ServerUnavailableError: it may not be used, cannot be connected, or could not a moment ago.
        """
        if not self._allows(server.config):
            self._drop(server)
            server.failure = FORBIDDEN
            raise ServerUnavailableError(FORBIDDEN)
        if server.connection is not None and not server.connection.is_usable:
            self._drop(server)
        if server.connection is None:
            if server.failure is not None and time.monotonic() < server.retry_at:
                raise ServerUnavailableError(server.failure)
            await self._open(server)
        connection = server.connection
        if connection is None:
            raise ServerUnavailableError(server.failure or Failure(reason="The connection was closed"))
        try:
            await connection.ready()
        except ServerUnavailableError as error:
            self._drop(server)
            server.failure = error.failure
            server.retry_at = time.monotonic() + self._retry_after_s
            raise
        server.failure = None
        server.tools = tuple(tool.name for tool in connection.tools if server.config.offers(tool.name))
        return connection

    def _server(self, config: McpServerConfig) -> _Server:
        """Return the server of a config; a connection that was made for another config is closed."""
        server = self._servers.get(config.id)
        if server is None or server.config != config:
            if server is not None:
                self._drop(server)
            server = self._servers[config.id] = _Server(config)
        return server

    def _drop(self, server: _Server) -> None:
        if server.connection is not None:
            server.connection.stop()
            server.connection = None

    async def _open(self, server: _Server) -> None:
        """Begin to connect.

        Raises:
            ServerUnavailableError: the SDK is not installed, or Jupyter is stopping.
        """
        try:
            # Not at the start, and not on the loop: the SDK takes half a second to import.
            await asyncio.to_thread(_import_client)
        except ImportError as error:  # missing, or of another generation
            log.warning("The MCP client cannot be imported: %s", error)
            server.failure = NOT_INSTALLED
            raise ServerUnavailableError(NOT_INSTALLED) from None
        self._require_current(server.config)
        if server.connection is None:  # nobody else was faster
            from .connection import Connection

            server.connection = Connection(
                server.config,
                self._link_maker(server.config),
                on_end=self._note_end,
                idle_limit_s=self._idle_limit_s,
            )
            self._live.add(server.connection)

    def _require_current(self, config: McpServerConfig) -> _Server:
        """Return the server of a config.

        Raises:
            ServerUnavailableError: it was forgotten or has another config, or Jupyter is stopping.
        """
        if self._is_closed:
            raise ServerUnavailableError(STOPPING)
        server = self._servers.get(config.id)
        if server is None or server.config != config:
            raise ServerUnavailableError(CHANGED)
        return server

    def _link_maker(self, config: McpServerConfig) -> Callable[[Callable[[], None]], Link]:
        if config.transport is not Transport.STDIO:
            from .http import HttpLink

            return lambda _on_end: HttpLink(config)
        from .stdio import StdioLink

        programs = self._programs_of(config)
        redactor = Redactor(config)
        return lambda on_end: StdioLink(config, programs, redactor=redactor, on_end=on_end)

    def _programs_of(self, config: McpServerConfig) -> Programs:
        workspace_id = config.workspace_id
        if workspace_id is not None:
            return WorkspacePrograms(lambda: self._agent_in(workspace_id))
        if self._local is None:
            self._local = LocalPrograms(
                env=self._env,
                state_folder=self._state_folder,
                directory=self._directory,
                confinement=self._confinement,
            )
        return self._local

    def _note_end(self, connection: Connection, failure: Failure | None) -> None:
        self._live.discard(connection)
        server = self._servers.get(connection.config.id)
        if server is None or server.connection is not connection:
            return
        server.connection = None
        server.failure = failure
        if failure is not None and connection.was_ready:
            log.warning("MCP server %s is gone: %s", connection.config.slug, failure.reason)


def _import_client() -> None:
    for name in ("connection", "stdio", "http"):
        importlib.import_module(f"{__package__}.{name}")


def _state(server: _Server) -> ServerState:
    connection = server.connection
    if connection is not None and connection.is_usable:
        return ServerState.CONNECTED if connection.is_connected else ServerState.CONNECTING
    return ServerState.FAILED if server.failure is not None else ServerState.IDLE
