"""The side that asks: an agent behind HTTP, which tools cannot tell from one in their own process."""

from __future__ import annotations

import asyncio
import logging
import math
import tempfile
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, TypeVar
from urllib.parse import quote

from pydantic import ValidationError

from ...handshakes import Handshake
from ...wire.values import adapter_of
from ..protocol import (
    PROTOCOL_VERSION,
    FileBytes,
    FileEdits,
    FileLines,
    FoundFiles,
    InstructionFile,
    ProcessInfo,
    ProcessOutput,
    ProcessSignal,
    ProcessSpec,
    WorkspaceError,
    WorkspaceFacts,
    WorkspaceUnavailableError,
)
from . import operations as ops
from .answers import GARBAGE, USUAL_BYTES, AgentAnswerError, read_texts, read_whole
from .desktop_operations import DESKTOP_OPERATIONS, DESKTOPS
from .kernel_operations import FOLLOW_CODE, KERNEL_OPERATIONS
from .piped_operations import PIPED_OPERATIONS
from .remote_desktops import RemoteDesktops
from .remote_kernels import RemoteKernels
from .remote_piped import RemotePiped

if TYPE_CHECKING:
    import ssl

    import httpx
    from tornado.websocket import WebSocketClientConnection

CONNECT_LIMIT = 5.0  # seconds
ANSWER_LIMIT = 60.0  # seconds: a file on a network that hangs
WAIT_MARGIN = 30.0  # seconds on top of what a call may take by itself

Q = TypeVar("Q")
R = TypeVar("R")

Explain: TypeAlias = Callable[[int], WorkspaceError | None]
"""Returns what a status means that is none of the agent's; `None` for one that means nothing."""

log = logging.getLogger(__name__)


class AgentUnreachableError(WorkspaceUnavailableError):
    """The agent took no request: nothing was done, and another agent may be asked."""


class AgentLostError(WorkspaceUnavailableError):
    """The agent took the request and gave no answer, so nobody knows whether it was done."""


class AgentVersionError(WorkspaceError):
    """The agent speaks another version of the protocol."""

    def __init__(self, version: str) -> None:
        theirs = int(version) if version.isdigit() else 0
        age = "an older" if theirs < PROTOCOL_VERSION else "a newer"
        super().__init__(
            f"The workspace's agent is of {age} release: it speaks version {version or 'unknown'} of the "
            f"agent protocol, this server version {PROTOCOL_VERSION}. Stop and start the workspace; if that "
            "does not help, install the same release of jupyter_chatd on both sides."
        )


class RemoteAgent:
    """An agent in another program, over connections that stay open. Lives until `aclose`, on one event loop.

    Args:
        url: Where its routes are, up to `ops.PREFIX`: `http://agent`, or a Jupyter server's base URL.
        token: What the agent wants to see.
        socket_path: Of its unix socket; `None` to go by the URL.
        tls: Checks the certificate of an `https` URL; `None` for the usual authorities.
        explain: Knows what whoever stands between the two says in place of the agent.
        wait_piece_s: Longest wait of one request; longer ones are several, as proxies cut what is silent.
        sockets: Below it are the sockets that lead to its desktops; default: where temporary files are.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str,
        socket_path: str | None = None,
        tls: ssl.SSLContext | None = None,
        explain: Explain = lambda _status: None,
        wait_piece_s: float = math.inf,
        sockets: Path | None = None,
    ) -> None:
        import httpx

        # Without httpx's client around it, which takes longer than all the rest of a call.
        self._transport = _transport_to(socket_path, tls)
        self._explain = explain
        self._wait_piece_s = wait_piece_s
        base = httpx.URL(url.rstrip("/") + ops.PREFIX + "/")
        routes = (ops.HELLO, ops.SHUTDOWN, ops.FOLLOW, FOLLOW_CODE)
        self._urls = {
            name: base.join(name)
            for name in (
                *routes,
                *ops.OPERATIONS,
                *KERNEL_OPERATIONS,
                *PIPED_OPERATIONS,
                *DESKTOP_OPERATIONS,
            )
        }
        self._tls = tls
        self._hello: ops.Hello | None = None
        self._base = str(base)
        self._headers = [
            ("Host", base.netloc.decode("ascii")),
            ("Authorization", f"token {token}"),
            (ops.VERSION_HEADER, str(PROTOCOL_VERSION)),
        ]
        self._undoing: set[asyncio.Task[None]] = set()
        self._kernels = RemoteKernels(
            lambda operation, question, limit_s: self._ask(operation, question, limit_s=limit_s),
            self._follow,
            wait_piece_s=wait_piece_s,
        )

        self._piped = RemotePiped(
            lambda operation, question, limit_s: self._ask(operation, question, limit_s=limit_s)
        )
        self._desktops = RemoteDesktops(
            lambda operation, question, limit_s: self._ask(operation, question, limit_s=limit_s),
            self._dial_desktop,
            require=self._require_desktops,
            parent=sockets or Path(tempfile.gettempdir()),
        )

    # The program

    async def hello(self) -> ops.Hello:
        """Return what the agent says of itself.

        Raises:
            WorkspaceUnavailableError: it does not answer.
            AgentVersionError: it cannot be spoken with.
        """
        async with self._exchange("GET", ops.HELLO, b"", limit_s=CONNECT_LIMIT) as response:
            body = await read_whole(response, limit_bytes=USUAL_BYTES, limit_s=CONNECT_LIMIT)
        self._hello = _parse(ops.Hello, body)
        return self._hello

    async def shutdown(self) -> None:
        """Tell the program to end all that it runs, and itself. Returns before it has.

        Raises:
            WorkspaceUnavailableError: it does not answer.
        """
        async with self._exchange("POST", ops.SHUTDOWN, b"", limit_s=CONNECT_LIMIT):
            return

    # WorkspaceAgent

    async def facts(self) -> WorkspaceFacts:
        """Where this agent is."""
        return await self._ask(ops.FACTS, ops.Nothing())

    @property
    def kernels(self) -> RemoteKernels:
        """The kernels that chats run code in."""
        return self._kernels

    @property
    def piped(self) -> RemotePiped:
        """What runs programs that are spoken with over their pipes."""
        return self._piped

    @property
    def desktops(self) -> RemoteDesktops:
        """What starts and stops desktops that show the workspace."""
        return self._desktops

    async def instructions(self) -> Sequence[InstructionFile]:
        """AGENTS.md of the working folder, if any."""
        return await self._ask(ops.INSTRUCTIONS, ops.Nothing())

    async def read_file(self, path: str, *, offset: int = 1, limit: int = 2000) -> FileLines:
        """Lines *offset* (from 1) to *offset+limit-1*; all or nothing."""
        return await self._ask(ops.READ_FILE, ops.ReadFile(path=path, offset=offset, limit=limit))

    async def read_bytes(self, path: str, *, limit_bytes: int, inside: str | None = None) -> FileBytes:
        """The first *limit_bytes* of a regular file, which must lie in *inside* after links are resolved."""
        question = ops.ReadBytes(path=path, limit_bytes=limit_bytes, inside=inside)
        found = await self._ask(ops.READ_BYTES, question)
        return FileBytes(data=found.data, size=found.size)

    async def find_files(
        self, folder: str, *, name: str | None = None, depth: int = 8, limit: int = 1000
    ) -> FoundFiles:
        """Regular files up to *depth* levels below *folder*; links below it are not followed."""
        question = ops.FindFiles(folder=folder, name=name, depth=depth, limit=limit)
        return await self._ask(ops.FIND_FILES, question)

    async def write_file(self, path: str, content: str, *, unlinked_in: str | None = None) -> None:
        """Replace the file in one step. A cancelled caller does not stop a write that has begun."""
        await self._ask(ops.WRITE_FILE, ops.WriteFile(path=path, content=content, unlinked_in=unlinked_in))

    async def edit_files(self, files: Sequence[FileEdits], *, unlinked_in: str | None = None) -> None:
        """Apply all edits or none. A cancelled caller does not stop a write that has begun."""
        await self._ask(ops.EDIT_FILES, ops.EditFiles(files=files, unlinked_in=unlinked_in))

    async def start_process(self, spec: ProcessSpec) -> str:
        """Start a process in a group of its own and return its id; cancelled before, it is ended again."""
        starting = asyncio.create_task(self._ask(ops.START_PROCESS, spec), name="chatd-agent-start")
        try:
            return (await asyncio.shield(starting)).process_id
        except asyncio.CancelledError:
            undoing = asyncio.create_task(self._undo(spec.chat_id, starting), name="chatd-agent-undo")
            self._undoing.add(undoing)
            undoing.add_done_callback(self._undoing.discard)
            await asyncio.shield(undoing)
            raise

    async def _undo(self, chat_id: str, starting: asyncio.Task[ops.Started]) -> None:
        """End what was started for a caller that has gone away without learning its id."""
        try:
            await self.kill_process(chat_id, (await starting).process_id)
        except WorkspaceError as error:
            log.warning("A command of chat %s was given up while it started: %s", chat_id, error)

    async def wait_process(self, chat_id: str, process_id: str, *, timeout_s: float) -> ProcessOutput:
        """Wait until it exits, at most *timeout_s*, and return what there is."""
        give_up_at = time.monotonic() + timeout_s
        while True:
            left_s = max(give_up_at - time.monotonic(), 0.0)
            piece_s = min(left_s, self._wait_piece_s)
            question = ops.WaitProcess(chat_id=chat_id, process_id=process_id, timeout_s=piece_s)
            output = await self._ask(ops.WAIT_PROCESS, question, limit_s=piece_s + WAIT_MARGIN)
            if not output.running or piece_s == left_s:
                return output

    async def follow_process(self, chat_id: str, process_id: str) -> AsyncGenerator[str, None]:
        """Live output from the start, in pieces, until it exits."""
        body = adapter_of(ops.OfProcess).dump_json(ops.OfProcess(chat_id=chat_id, process_id=process_id))
        async with aclosing(self._follow(ops.FOLLOW, body)) as pieces:
            async for piece in pieces:
                yield piece

    async def _follow(self, name: str, body: bytes) -> AsyncGenerator[str, None]:
        async with (
            self._exchange("POST", name, body, limit_s=None) as response,
            aclosing(read_texts(response)) as pieces,
        ):
            async for piece in pieces:
                if piece is None:
                    return
                if piece:  # an empty one says that the agent is there
                    yield piece
        raise AgentLostError(_LOST)

    async def list_processes(self, chat_id: str) -> Sequence[ProcessInfo]:
        """The chat's processes, oldest first."""
        return await self._ask(ops.LIST_PROCESSES, ops.OfChat(chat_id=chat_id))

    async def signal_process(self, chat_id: str, process_id: str, signal: ProcessSignal) -> None:
        """Signal the whole process group."""
        question = ops.SignalProcess(chat_id=chat_id, process_id=process_id, signal=signal)
        await self._ask(ops.SIGNAL_PROCESS, question)

    async def kill_process(self, chat_id: str, process_id: str) -> None:
        """End the whole session now and wait until it is gone, at most 5 s. Unknown ids are fine."""
        await self._ask(ops.KILL_PROCESS, ops.OfProcess(chat_id=chat_id, process_id=process_id))

    async def aclose(self) -> None:
        """Let the connections go; the program goes on. May be called twice."""
        await asyncio.gather(*self._undoing, self._desktops.aclose())
        await self._transport.aclose()

    # Desktops

    async def _require_desktops(self) -> None:
        hello = self._hello or await self.hello()
        if DESKTOPS not in hello.features:
            raise WorkspaceError(
                f"The workspace's agent is of release {hello.release}, which has no desktops. Install the "
                "same release of jupyter_chatd on both sides."
            )

    async def _dial_desktop(self, desktop_id: str) -> WebSocketClientConnection:
        from .dial import dial

        return await dial(
            f"{self._base}{DESKTOPS}/{quote(desktop_id, safe='')}",
            headers=dict(self._headers),
            tls=self._tls,
            explain=self._explain,
        )

    # Asking

    async def _ask(self, operation: ops.Operation[Q, R], question: Q, *, limit_s: float = ANSWER_LIMIT) -> R:
        try:
            body = operation.dump_question(question)
        except ValueError as error:  # as the agent of this process says of such a text
            raise WorkspaceError("The text is not valid Unicode: send it whole.") from error
        async with self._exchange("POST", operation.name, body, limit_s=limit_s) as response:
            most = operation.answer_bytes(question)
            answer = await read_whole(response, limit_bytes=most, limit_s=limit_s)
        try:
            return operation.parse_answer(answer)
        except ValidationError as error:
            raise AgentAnswerError(GARBAGE) from error

    @asynccontextmanager
    async def _exchange(
        self, method: str, name: str, body: bytes, *, limit_s: float | None
    ) -> AsyncGenerator[httpx.Response]:
        """Send a request and give the answer to read.

        Raises:
            WorkspaceError: the agent refuses, does not answer, or answers with something else.
        """
        import httpx

        limits = {"connect": CONNECT_LIMIT, "read": limit_s, "write": limit_s, "pool": CONNECT_LIMIT}
        extensions = {"timeout": limits, "trace": Handshake()}
        request = httpx.Request(
            method, self._urls[name], headers=self._headers, content=body, extensions=extensions
        )
        try:
            response = await self._transport.handle_async_request(request)
            try:
                await _check(response, self._explain)
                yield response
            finally:
                await response.aclose()
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise AgentUnreachableError(_UNREACHABLE) from error
        except httpx.TransportError as error:
            raise AgentLostError(_LOST) from error


def _transport_to(socket_path: str | None, tls: ssl.SSLContext | None) -> httpx.AsyncBaseTransport:
    import httpx

    from .unix import UnixTransport

    if socket_path is not None:
        return UnixTransport(socket_path)
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=8, keepalive_expiry=300.0)
    return httpx.AsyncHTTPTransport(verify=tls or True, limits=limits, trust_env=False)


_UNREACHABLE = "The workspace's agent cannot be reached; nothing was done."
_LOST = (
    "The workspace's agent went away before it answered, so it is unknown whether this was done. "
    "Check before you repeat it."
)


async def _check(response: httpx.Response, explain: Explain) -> None:
    """Let good answers pass.

    Raises:
        WorkspaceError: the agent refuses, or it is no agent that we can speak with.
    """
    version = response.headers.get(ops.VERSION_HEADER, "")
    if version != str(PROTOCOL_VERSION):
        if version.isdigit():
            raise AgentVersionError(version)
        raise explain(response.status_code) or AgentAnswerError(GARBAGE)
    if response.status_code in (200, 202):
        return
    body = await read_whole(response, limit_bytes=USUAL_BYTES, limit_s=ANSWER_LIMIT)
    if response.status_code == ops.REFUSED:
        raise ops.error_of(_parse(ops.Refusal, body))
    if response.status_code == ops.NOT_YET:
        raise AgentUnreachableError(_UNREACHABLE)
    log.error("An agent answered with status %d", response.status_code)
    raise explain(response.status_code) or AgentAnswerError(GARBAGE)


def _parse(cls: type[R], body: bytes) -> R:
    try:
        return adapter_of(cls).validate_json(body)
    except ValidationError as error:
        raise AgentAnswerError(GARBAGE) from error


if TYPE_CHECKING:
    from ..protocol import WorkspaceAgent

    _: type[WorkspaceAgent] = RemoteAgent
