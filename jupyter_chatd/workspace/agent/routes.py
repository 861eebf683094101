"""The side that answers: Tornado handlers that call an agent of this process."""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from pydantic import ValidationError
from tornado import iostream, web

from ..._version import __version__
from ...wire.values import adapter_of
from ..protocol import PROTOCOL_VERSION, WorkspaceAgent, WorkspaceError
from .desktop_operations import DESKTOP_OPERATIONS
from .kernel_operations import FOLLOW_CODE, KERNEL_OPERATIONS, OfCode
from .operations import (
    FOLLOW,
    HELLO,
    OPERATIONS,
    PREFIX,
    REFUSED,
    SHUTDOWN,
    VERSION_HEADER,
    Hello,
    Lifecycle,
    OfProcess,
    Operation,
    Refusal,
    refusal_of,
)
from .piped_operations import PIPED_OPERATIONS

MAX_BODY = 128 * 1024 * 1024  # bytes: the largest edit there can be, and its escapes

_OPERATIONS = {**OPERATIONS, **KERNEL_OPERATIONS, **PIPED_OPERATIONS, **DESKTOP_OPERATIONS}

T = TypeVar("T")

log = logging.getLogger(__name__)


class Host:
    """What the handlers answer for. One per program.

    Args:
        agent: Does what is asked.
        token: Whoever sends it may ask for everything here, and for nothing else anywhere.
        on_shutdown: Ends the program, after the answer has left.
        on_use: Hears of the beginning of each request, and of the end with `-1`.
    """

    def __init__(
        self,
        agent: WorkspaceAgent,
        *,
        token: str,
        on_shutdown: Callable[[], None],
        on_use: Callable[[int], None] = lambda _change: None,
    ) -> None:
        self.agent = agent
        self.lifecycle = Lifecycle.READY
        self.on_shutdown = on_shutdown
        self.on_use = on_use
        self._token = token

    def knows(self, authorization: str) -> bool:
        """Whether a request with that header may be answered."""
        return hmac.compare_digest(authorization.encode(), f"token {self._token}".encode())


class AgentHandler(web.RequestHandler):
    """Refuses strangers and tells the protocol's version with every answer."""

    def initialize(self, host: Host) -> None:
        """Be told what to answer for."""
        self.host = host

    def set_default_headers(self) -> None:
        """Tell the version, also with errors."""
        self.set_header(VERSION_HEADER, str(PROTOCOL_VERSION))
        self.set_header("Content-Type", "application/json")

    def prepare(self) -> None:
        """Refuse whoever does not have the token.

        Raises:
            HTTPError: 403.
        """
        if not self.host.knows(self.request.headers.get("Authorization", "")):
            raise web.HTTPError(403)
        self._is_counted = True
        self.host.on_use(1)

    def on_finish(self) -> None:
        """Tell that the request has ended."""
        self._end_use()

    def on_connection_close(self) -> None:
        """Tell that nobody waits for the answer any more."""
        self._end_use()

    def _end_use(self) -> None:
        if getattr(self, "_is_counted", False):
            self._is_counted = False
            self.host.on_use(-1)

    def refuse(self, error: WorkspaceError) -> None:
        """Answer that the agent refuses."""
        self.set_status(REFUSED)
        self.finish(adapter_of(Refusal).dump_json(refusal_of(error)))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer other errors as JSON; their causes are in the log."""
        self.finish(json.dumps({"message": self._reason}))

    if TYPE_CHECKING:  # tornado's own leave the type of a dict open

        def write(self, chunk: str | bytes | dict[str, Any]) -> None: ...
        def finish(self, chunk: str | bytes | dict[str, Any] | None = None) -> asyncio.Future[None]: ...


class HelloHandler(AgentHandler):
    """`GET hello`: the same in all versions."""

    def get(self) -> None:
        """Say which version this is, and how far the start is."""
        hello = Hello(protocol_version=PROTOCOL_VERSION, release=__version__, lifecycle=self.host.lifecycle)
        self.finish(adapter_of(Hello).dump_json(hello))


class ShutdownHandler(AgentHandler):
    """`POST shutdown`."""

    async def post(self) -> None:
        """End the program and all that it runs."""
        self.host.lifecycle = Lifecycle.SHUTTING_DOWN
        self.set_status(202)
        await self.finish("{}")
        self.host.on_shutdown()


class OperationHandler(AgentHandler):
    """`POST <operation>`."""

    async def post(self, name: str) -> None:
        """Do it. When the asker goes away meanwhile it is done all the same.

        Raises:
            HTTPError: 404 for an operation that this version does not have, 400 for malformed arguments.
        """
        operation, question = parse(name, self.request.body)
        try:
            answer = await operation.call(self.host.agent, question)
        except WorkspaceError as error:
            return self.refuse(error)
        self.finish(operation.dump_answer(answer))
        return None


def parse(name: str, body: bytes) -> tuple[Operation[Any, Any], Any]:
    """Return what is asked, and its arguments.

    Raises:
        HTTPError: 404 for an operation that this version does not have, 400 for malformed arguments.
    """
    operation = _OPERATIONS.get(name)
    if operation is None:
        raise web.HTTPError(404)
    try:
        return operation, operation.parse_question(body)
    except ValidationError as error:
        raise web.HTTPError(400) from error


Follow = Callable[[WorkspaceAgent, bytes], AsyncGenerator[str, None]]
"""Returns live output, given the body of the request; raises `HTTPError` (400) for malformed arguments."""


def follow_process(agent: WorkspaceAgent, body: bytes) -> AsyncGenerator[str, None]:
    """Follow a command."""
    of = _parsed(OfProcess, body)
    return agent.follow_process(of.chat_id, of.process_id)


def follow_code(agent: WorkspaceAgent, body: bytes) -> AsyncGenerator[str, None]:
    """Follow code in a kernel."""
    of = _parsed(OfCode, body)
    return agent.kernels.follow_code(of.chat_id, of.execution_id)


def _parsed(cls: type[T], body: bytes) -> T:
    try:
        return adapter_of(cls).validate_json(body)
    except ValidationError as error:
        raise web.HTTPError(400) from error


class FollowHandler(AgentHandler):
    """`POST follow_…`: lines of JSON, a text each; `null` after the last."""

    def initialize(self, host: Host, follow: Follow = follow_process) -> None:
        """Be told what to answer for, and what to follow."""
        super().initialize(host)
        self._follow = follow

    async def post(self) -> None:
        """Send output as it comes. A reader that falls behind loses pieces and is told how much.

        Raises:
            HTTPError: 400 for malformed arguments.
        """
        following = self._follow(self.host.agent, self.request.body)
        try:
            await send_pieces(self, following)
        except WorkspaceError as error:
            self.refuse(error)


class Answers(Protocol):
    """What live output needs of a handler."""

    def write(self, chunk: str) -> None:
        """Add to the answer."""
        ...

    def flush(self) -> Awaitable[None]:
        """Send what there is."""
        ...

    def finish(self, chunk: str) -> Awaitable[None]:
        """Send the rest."""
        ...


async def with_signs_of_life(
    following: AsyncGenerator[str, None], silence_s: float
) -> AsyncGenerator[str, None]:
    """Yield what *following* yields, and an empty text whenever it has been silent for *silence_s*."""
    async with aclosing(following) as pieces:
        coming = asyncio.ensure_future(anext(pieces, None))
        try:
            while True:
                await asyncio.wait([coming], timeout=silence_s)
                if not coming.done():
                    yield ""
                elif (piece := coming.result()) is None:
                    return
                else:
                    yield piece
                    coming = asyncio.ensure_future(anext(pieces, None))
        finally:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)


async def send_pieces(handler: Answers, following: AsyncGenerator[str, None]) -> None:
    """Answer with live output until it ends, or nobody reads on.

    Raises:
        WorkspaceError: there is none; nothing was sent.
    """
    try:
        async with aclosing(following) as pieces:
            async for piece in pieces:
                handler.write(json.dumps(piece) + "\n")
                await handler.flush()
            await handler.finish("null\n")
    except iostream.StreamClosedError:
        log.debug("Nobody follows any more")


def application(host: Host) -> web.Application:
    """Return the routes of *host*."""
    arguments = {"host": host}
    return web.Application(
        [
            (f"{PREFIX}/{HELLO}", HelloHandler, arguments),
            (f"{PREFIX}/{SHUTDOWN}", ShutdownHandler, arguments),
            (f"{PREFIX}/{FOLLOW}", FollowHandler, arguments),
            (f"{PREFIX}/{FOLLOW_CODE}", FollowHandler, {**arguments, "follow": follow_code}),
            (rf"{PREFIX}/([a-z_]+)", OperationHandler, arguments),
        ],
        log_function=_log_nothing,
    )


def _log_nothing(_handler: web.RequestHandler) -> None:
    """Requests are not logged: there are many, and their failures are logged as such."""
