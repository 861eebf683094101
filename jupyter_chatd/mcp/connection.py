"""A live session with one server: from its start until nobody has used it for a while, or it breaks.

The SDK binds a session to the task that opened it, so each connection has a task of its own, which opens it,
waits, and closes it. Calls come from other tasks.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from typing import Any, Protocol

import anyio
import httpx2
from mcp.client import Client, IncomingMessage, Transport
from mcp.shared.exceptions import MCPError
from mcp.types import (
    CONNECTION_CLOSED,
    INTERNAL_ERROR,
    INVALID_REQUEST,
    CallToolRequest,
    CallToolRequestParams,
    CallToolResult,
    Implementation,
    InputRequiredResult,
    PaginatedRequestParams,
    Tool,
    ToolListChangedNotification,
)
from pydantic import TypeAdapter, ValidationError

from .._version import __version__
from .config import McpServerConfig
from .errors import (
    CallError,
    CallLostError,
    CallRefusedError,
    CallTimeoutError,
    Failure,
    McpError,
    ServerUnavailableError,
)
from .offer import ServerTool
from .quiet import quiet_sdk
from .redact import Redactor

IDLE_LIMIT = 600.0  # seconds without a call after which a connection is closed
LIST_AGE = 300.0  # seconds after which a list of tools is asked for again: not every server tells of changes
CLOSE_LIMIT = 3.0  # seconds for taking leave of a server over HTTP
END_LIMIT = 10.0  # seconds for a connection to close, the end of its program included

PAGES = 20
TOOLS = 512
"""Most tools of one server; the rest is left out."""

_AFTERMATH = 0.5  # seconds after a broken call in which the reason may become known

_CALL_RESULT: TypeAdapter[CallToolResult | InputRequiredResult] = TypeAdapter(
    CallToolResult | InputRequiredResult
)

log = logging.getLogger(__name__)


class Link(Protocol):
    """One way to one server, opened once."""

    def open(self) -> Transport:
        """Return the SDK's transport; entering it starts or reaches the server, leaving it lets go of it."""
        ...

    def find_failure(self) -> Failure | None:
        """Return what is known of why the server does not answer, `None` when nothing."""
        ...


class Connection:
    """One session. Made, started, used by many calls at once, ended; never used again.

    Args:
        make_link: Makes the link, given what it calls when the server is gone.
        on_end: Called when the connection has ended, with the reason when it broke.
    """

    def __init__(
        self,
        config: McpServerConfig,
        make_link: Callable[[Callable[[], None]], Link],
        *,
        on_end: Callable[[Connection, Failure | None], None],
        idle_limit_s: float = IDLE_LIMIT,
    ) -> None:
        self.config = config
        self.tools: tuple[ServerTool, ...] = ()
        """What the server offers, once `ready` has returned."""
        self._link = make_link(self._lose)
        self._redactor = Redactor(config)
        self._on_end = on_end
        self._idle_limit_s = idle_limit_s
        self._client: Client | None = None
        self._connected: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._stopping = asyncio.Event()
        self._listing = asyncio.Lock()
        self._sending = asyncio.Lock()
        self._listed_at = -math.inf
        self._calls = 0
        self._used_at = time.monotonic()
        self._failure: Failure | None = None
        self._is_lost = False
        """Whether it broke, and was not closed by us."""
        self._scope = anyio.CancelScope(deadline=anyio.current_time() + config.connect_timeout_s)
        self._task = asyncio.create_task(self._run(), name=f"chatd-mcp-{config.slug}")
        self._alarm = asyncio.get_running_loop().call_later(config.connect_timeout_s, self._give_up)

    @property
    def is_usable(self) -> bool:
        """Whether it is being made or is there."""
        return not self._stopping.is_set() and not self._task.done()

    @property
    def is_connected(self) -> bool:
        """Whether calls can be made now."""
        return self.is_usable and self._client is not None

    @property
    def was_ready(self) -> bool:
        """Whether it was ever connected."""
        return self._connected.done() and self._connected.exception() is None

    async def ready(self) -> None:
        """Wait until calls can be made and `tools` is what the server offers now.

        Raises:
            ServerUnavailableError: it cannot be connected, or does not tell its tools.
        """
        await asyncio.shield(self._connected)
        async with self._listing:
            if time.monotonic() - self._listed_at > LIST_AGE:
                await self._list_again()

    async def call(self, tool: str, args: Mapping[str, Any]) -> CallToolResult:
        """Call a tool. Cancelled, it tells the server to stop.

        Raises:
            CallError: it failed; see there.
        """
        client = self._client
        if client is None:
            raise CallLostError(self._failure or Failure(reason="The connection was closed"))
        request = CallToolRequest(params=CallToolRequestParams(name=tool, arguments=dict(args)))
        self._calls += 1
        try:
            with quiet_sdk():
                async with asyncio.timeout(self.config.call_timeout_s):
                    await self._take_turn()
                    # Not `Client.call_tool`: that checks results against a schema, in Python, on the loop.
                    result = await client.session.send_request(request, _CALL_RESULT)
        except TimeoutError:
            raise CallTimeoutError(
                Failure(reason=f"The server did not answer within {self.config.call_timeout_s:g} s")
            ) from None
        except MCPError as error:
            raise await self._call_error(error) from None
        except ValidationError:
            raise CallRefusedError(
                Failure(reason="The server answered with something that is not MCP")
            ) from None
        finally:
            self._calls -= 1
            self._used_at = time.monotonic()
        if isinstance(result, InputRequiredResult):
            raise CallRefusedError(
                Failure(reason="The server asked for input in the middle of the call, which is not supported")
            )
        return result

    async def _take_turn(self) -> None:
        """Let one call begin per turn of the event loop: each takes the SDK a millisecond."""
        async with self._sending:
            await asyncio.sleep(0)

    def stop(self) -> None:
        """Begin to close; calls under way are lost. May be called twice."""
        self._stopping.set()
        if not self._connected.done():
            self._scope.cancel()

    async def aclose(self) -> None:
        """Close, and wait until its program and its tasks are gone. May be called twice."""
        self.stop()
        done, _ = await asyncio.wait([self._task], timeout=END_LIMIT)
        if not done:
            log.error("The connection to MCP server %s did not close in time", self.config.slug)
            self._task.cancel()
            await asyncio.wait([self._task])

    # Its own task

    async def _run(self) -> None:
        failure: Failure | None = None
        try:
            with quiet_sdk(), self._scope:
                await self._serve()
        except Exception as error:  # noqa: BLE001 - the SDK's tasks end in groups of anything
            failure = self._explain(error)
        finally:
            self._end(failure)

    async def _serve(self) -> None:
        client = Client(
            self._link.open(),
            cache=None,
            client_info=Implementation(name="jupyter_chatd", version=__version__),
            message_handler=self._hear,
        )
        async with client, AsyncExitStack() as stack:
            self.tools = await self._list(client)
            await self._listen(client, stack)
            self._client = client
            self._scope.deadline = math.inf
            self._alarm.cancel()
            if not self._connected.done():
                self._connected.set_result(None)
            await self._wait_for_end()
            self._client = None
            self._scope.deadline = anyio.current_time() + CLOSE_LIMIT

    async def _wait_for_end(self) -> None:
        """Wait until it is stopped, or was not used for long."""
        while not self._stopping.is_set():
            idle_s = 0.0 if self._calls else time.monotonic() - self._used_at
            if idle_s >= self._idle_limit_s:
                self._stopping.set()
                return
            with anyio.move_on_after(self._idle_limit_s - idle_s):
                await self._stopping.wait()

    async def _listen(self, client: Client, stack: AsyncExitStack) -> None:
        """Ask newer servers to tell of changes; older ones do unasked."""
        tools = client.server_capabilities.tools
        if client.session.discover_result is None or tools is None or not tools.list_changed:
            return
        try:
            await stack.enter_async_context(client.listen(tools_list_changed=True))
        except (MCPError, RuntimeError, TimeoutError):  # then its list is asked for now and then
            log.debug("MCP server %s does not tell of changes", self.config.slug)

    async def _hear(self, message: IncomingMessage) -> None:
        if isinstance(message, ToolListChangedNotification):
            self._listed_at = -math.inf

    def _give_up(self) -> None:
        """Answer those who wait in time, even when the server is slow to end."""
        self._fail(Failure(reason=f"The server did not answer within {self.config.connect_timeout_s:g} s"))

    def _lose(self) -> None:
        """Close, because the server is gone."""
        if not self._stopping.is_set():
            self._is_lost = True
            self.stop()

    def _fail(self, failure: Failure) -> None:
        self._failure = self._failure or failure
        self._stopping.set()
        if not self._connected.done():
            self._connected.set_exception(ServerUnavailableError(self._failure))
            self._connected.exception()  # retrieved: nobody may be waiting

    def _end(self, failure: Failure | None) -> None:
        self._alarm.cancel()
        self._client = None
        if failure is None and self._is_lost:
            failure = self._link.find_failure() or Failure(reason="The server ended the connection")
        if failure is not None or not self._connected.done():
            self._fail(failure or Failure(reason="The connection was closed"))
        self._stopping.set()
        self._on_end(self, self._failure)

    # Tools

    async def _list_again(self) -> None:
        client = self._client
        if client is None:
            raise ServerUnavailableError(self._failure or Failure(reason="The connection was closed"))
        try:
            with quiet_sdk():
                async with asyncio.timeout(self.config.connect_timeout_s):
                    self.tools = await self._list(client)
        except (TimeoutError, MCPError, ValidationError) as error:
            failure = self._link.find_failure() or self._explain(error)
            self._fail(failure)
            raise ServerUnavailableError(failure) from None

    async def _list(self, client: Client) -> tuple[ServerTool, ...]:
        # Noted before, so that a change meanwhile counts.
        self._listed_at = time.monotonic()
        tools: list[Tool] = []
        cursor: str | None = None
        if client.server_capabilities.tools is None:
            return ()
        for _ in range(PAGES):
            page = await client.session.list_tools(params=PaginatedRequestParams(cursor=cursor))
            tools += page.tools
            cursor = page.next_cursor
            if cursor is None or len(tools) > TOOLS:
                break
        return tuple(_server_tool(tool) for tool in tools[:TOOLS])

    # Errors

    async def _call_error(self, error: MCPError) -> CallError:
        said = self._redactor.hide(error.message)
        known = self._link.find_failure()
        # Invalid request: what the SDK makes of a server over HTTP that has forgotten the session.
        is_lost = error.code == CONNECTION_CLOSED or (error.code == INVALID_REQUEST and known is not None)
        if not is_lost:
            if error.code == INTERNAL_ERROR and known is not None:
                return CallRefusedError(known)
            return CallRefusedError(
                Failure(reason=f"The server refused the call (code {error.code})", detail=said)
            )
        self._lose()
        await asyncio.wait([self._task], timeout=_AFTERMATH)
        return CallLostError(
            self._failure
            or self._link.find_failure()
            or Failure(reason="The connection to the server broke", detail=said)
        )

    def _explain(self, error: BaseException) -> Failure:
        known = self._link.find_failure()
        leaf = next(_leaves(error))
        match leaf:
            case McpError():
                return leaf.failure
            case _ if known is not None:
                return known
            case MCPError():
                said = self._redactor.hide(leaf.message)
                return Failure(reason="The server answered with an error", detail=said)
            case httpx2.HTTPStatusError():
                status = leaf.response.status_code
                return Failure(reason=f"The server at {self.config.place} answered with status {status}")
            case httpx2.SSEError():
                # The SDK takes at most 1 MiB from a server of the older kind.
                return Failure(
                    reason="The server sent something that cannot be read, or more than 1 MiB at once"
                )
            case httpx2.TransportError():
                kind = type(leaf).__name__
                return Failure(reason=f"The server at {self.config.place} cannot be reached ({kind})")
            case TimeoutError():
                return Failure(reason="The server did not tell its tools in time")
            case ValidationError():
                return Failure(reason="The server answered with something that is not MCP")
            case _:
                return Failure(reason=f"The connection failed ({type(leaf).__name__})")


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
            yield from _leaves(inner)  # pyright: ignore[reportUnknownArgumentType]
    else:
        yield error


def _server_tool(tool: Tool) -> ServerTool:
    title = tool.title or (tool.annotations.title if tool.annotations else None)
    return ServerTool(
        name=tool.name,
        description=tool.description or title or "",
        input_schema=tool.input_schema,
        is_read_only=bool(tool.annotations and tool.annotations.read_only_hint),
    )
