"""What only an agent behind HTTP can do wrong: be a stranger's, another version, gone, or no agent at all."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tracemalloc
import zlib
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from jupyter_chatd.workspace.agent import answers, operations, remote, routes
from jupyter_chatd.workspace.agent.operations import PREFIX, VERSION_HEADER, Hello, Lifecycle
from jupyter_chatd.workspace.agent.remote import (
    AgentAnswerError,
    AgentLostError,
    AgentUnreachableError,
    AgentVersionError,
    RemoteAgent,
)
from jupyter_chatd.workspace.edits import EditError
from jupyter_chatd.workspace.file_errors import FileMissingError
from jupyter_chatd.workspace.guard import ProtectedPathError
from jupyter_chatd.workspace.kernels.protocol import KernelBusyError, KernelStartError, NoKernelError
from jupyter_chatd.workspace.protocol import (
    ProcessNotFoundError,
    ProcessNotRunningError,
    ProcessSpec,
    WorkspaceError,
    WorkspaceUnavailableError,
)
from jupyter_chatd.workspace.sandbox import SandboxError
from jupyter_chatd.workspace.server import ServerAgent

from .hosting import TOKEN, hosted
from .processes import CHAT, alive, pids_in, start

pytestmark = pytest.mark.anyio

ERRORS = (
    WorkspaceError("plain"),
    WorkspaceUnavailableError("unavailable"),
    ProcessNotFoundError("not found"),
    ProcessNotRunningError("not running"),
    EditError("edit 1: no match"),
    SandboxError("no sandbox"),
    KernelBusyError("busy"),
    KernelStartError("no start"),
    NoKernelError("none"),
    FileMissingError("/w/f"),
    ProtectedPathError("/w/key"),
)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
async def test_errors_come_as_they_left(error: WorkspaceError) -> None:
    came = operations.error_of(operations.refusal_of(error))
    assert (type(came), str(came), vars(came)) == (type(error), str(error), vars(error))


def client_of(agent: RemoteAgent) -> httpx.AsyncClient:
    """A client that sends what an agent is never sent by us."""
    return httpx.AsyncClient(
        transport=agent._transport,
        base_url=f"http://agent{PREFIX}",
        headers={"Authorization": f"token {TOKEN}"},
    )


async def test_an_agent_says_what_it_is(server_agent: ServerAgent) -> None:
    async with hosted(server_agent) as (agent, host):
        host.lifecycle = Lifecycle.STARTING
        assert await agent.hello() == Hello(protocol_version=1, release="0.1.0", lifecycle=Lifecycle.STARTING)


async def test_a_stranger_gets_nothing_and_starts_nothing(server_agent: ServerAgent) -> None:
    async with hosted(server_agent) as (agent, _):
        client = client_of(agent)
        for value in ("", "token wrong", f"token {TOKEN}x", "token é"):
            for path in ("hello", "facts", "shutdown", "start_process", "follow_process"):
                method = "GET" if path == "hello" else "POST"
                reply = await client.request(
                    method, f"/{path}", headers=[(b"Authorization", value.encode())], content=b"{}"
                )
                assert (path, reply.status_code) == (path, 403)


async def test_malformed_and_unknown_requests_are_refused(server_agent: ServerAgent) -> None:
    async with hosted(server_agent) as (agent, _):
        client = client_of(agent)
        for path, body, status in (
            ("read_file", b"{}", 400),
            ("read_file", b"garbage", 400),
            ("read_file", b'{"path": 3, "offset": 1, "limit": 1}', 400),
            ("follow_process", b"[]", 400),
            ("sing", b"{}", 404),
        ):
            assert (await client.post(f"/{path}", content=body)).status_code == status


async def test_an_older_agent_is_told_plainly(
    server_agent: ServerAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with hosted(server_agent) as (agent, _):
        monkeypatch.setattr(remote, "PROTOCOL_VERSION", 7)
        with pytest.raises(AgentVersionError, match=r"older release.* version 1 .*this server version 7"):
            await agent.hello()
        with pytest.raises(AgentVersionError):
            await agent.facts()
        monkeypatch.setattr(remote, "PROTOCOL_VERSION", 0)
        with pytest.raises(AgentVersionError, match="newer release"):
            await agent.facts()


async def test_an_agent_that_is_not_there_did_nothing(tmp_path: Path) -> None:
    agent = RemoteAgent("http://agent", token=TOKEN, socket_path=str(tmp_path / "nobody"))
    with pytest.raises(AgentUnreachableError, match="nothing was done"):
        await agent.write_file("/w/f", "x")
    await agent.aclose()


@asynccontextmanager
async def answering(answer: bytes, folder: Path, **options: Any) -> AsyncIterator[RemoteAgent]:
    """Something that listens like an agent and answers every request with *answer*, then hangs up."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    path = str(folder / "s")
    server = await asyncio.start_unix_server(serve, path)
    agent = RemoteAgent("http://agent", token=TOKEN, socket_path=path, **options)
    yield agent
    await agent.aclose()
    server.close()


def http(body: bytes, *, head: bytes = b"X-Chatd-Agent-Protocol: 1\r\n", status: bytes = b"200 OK") -> bytes:
    return b"HTTP/1.1 %s\r\n%sContent-Length: %d\r\n\r\n%s" % (status, head, len(body), body)


@pytest.mark.parametrize(
    "answer",
    [
        http(b"[1, 2"),
        http(b'{"content": 3}'),
        http(b"<html>", head=b""),
        http(b"{}", status=b"500 Oops"),
        http(b"{}", status=b"422 No"),
    ],
)
async def test_garbage_is_no_answer(answer: bytes, tmp_path: Path) -> None:
    async with answering(answer, tmp_path) as agent:
        with pytest.raises(AgentAnswerError, match="makes no sense"):
            await agent.read_file("/w/f")


@pytest.mark.parametrize("head", [b"", b"X-Chatd-Agent-Protocol: 1\r\n"])
async def test_whoever_stands_in_between_can_be_explained(head: bytes, tmp_path: Path) -> None:
    told = AgentUnreachableError("the proxy knows no such server")
    answer = http(b"<html>", head=head, status=b"404 None")
    async with answering(answer, tmp_path, explain={404: told}.get) as agent:
        with pytest.raises(AgentUnreachableError, match="knows no such server"):
            await agent.read_file("/w/f")


async def test_an_agent_that_is_starting_or_ending_did_nothing(tmp_path: Path) -> None:
    async with answering(http(b"{}", status=b"503 Later"), tmp_path) as agent:
        with pytest.raises(AgentUnreachableError, match="nothing was done"):
            await agent.write_file("/w/f", "x")


async def test_a_long_wait_can_be_many_requests(server_agent: ServerAgent) -> None:
    async with hosted(server_agent, wait_piece_s=0.05) as (agent, host):
        changes: list[int] = []
        host.on_use = changes.append
        process_id = await start(agent, "sleep 60", background=True)
        assert (await agent.wait_process(CHAT, process_id, timeout_s=0.2)).running
        assert changes.count(1) > 3
        await agent.kill_process(CHAT, process_id)
        assert not (await agent.wait_process(CHAT, process_id, timeout_s=60)).running


@pytest.mark.parametrize("answer", [b"", http(b"x" * 50)[:-20], b"SSH-2.0\r\n"])
async def test_an_agent_that_dies_before_it_answers_leaves_the_outcome_open(
    answer: bytes, tmp_path: Path
) -> None:
    async with answering(answer, tmp_path) as agent:
        with pytest.raises(AgentLostError, match="unknown whether"):
            await agent.write_file("/w/f", "x")


async def test_a_connection_that_ended_meanwhile_is_not_used_again(tmp_path: Path) -> None:
    async with answering(http(b"{}"), tmp_path) as agent:
        for _ in range(3):
            await agent.write_file("/w/f", "x")
            await asyncio.sleep(0.05)


async def test_many_calls_at_once_have_connections_of_their_own(agent: RemoteAgent) -> None:
    process_id = await start(agent, "until [ -e go ]; do sleep 0.05; done")
    waits = [asyncio.create_task(agent.wait_process(CHAT, process_id, timeout_s=60)) for _ in range(150)]
    await agent.write_file(f"{(await agent.facts()).directory}/go", "")
    outputs = await asyncio.gather(*waits)
    assert {output.exit_code for output in outputs} == {0}


async def test_output_that_breaks_off_is_an_error(tmp_path: Path) -> None:
    async with answering(http(b'"one"\n'), tmp_path) as agent:
        with pytest.raises(AgentLostError):
            async with aclosing(agent.follow_process(CHAT, "p")) as pieces:
                assert [piece async for piece in pieces] == ["one"]


# An agent that was replaced by a program that wants to fill the server's memory

LOT = 64 * 1024 * 1024  # bytes: what it sends when nobody stops it
LITTLE = 24 * 1024 * 1024  # bytes: two of the longest answers, and what lies in the buffers of their sockets
KNOWN = b"HTTP/1.1 200 OK\r\nX-Chatd-Agent-Protocol: 1\r\n"
PACKED = zlib.compress(bytes(LOT), wbits=31)
SPACES = b" " * 65536
CHUNKED = KNOWN + b"Transfer-Encoding: chunked\r\n\r\n"
CHUNK = b"10000\r\n" + SPACES + b"\r\n"


@dataclass
class Flood:
    """Answers every request with *head* and then *piece* again and again."""

    head: bytes
    piece: bytes
    sent: int = 0
    serving: set[asyncio.Task[Any]] = field(default_factory=set[asyncio.Task[Any]])

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.serving.add(task)
        with contextlib.suppress(ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(self.head)
            while self.sent < LOT:
                writer.write(self.piece)
                await writer.drain()
                self.sent += len(self.piece)
        writer.close()


@asynccontextmanager
async def flooding(flood: Flood, folder: Path, *, is_unix: bool) -> AsyncIterator[RemoteAgent]:
    path = str(folder / "s") if is_unix else None
    serving = (
        asyncio.start_unix_server(flood.serve, path)
        if is_unix
        else asyncio.start_server(flood.serve, "127.0.0.1")
    )
    server = await serving
    port = None if is_unix else server.sockets[0].getsockname()[1]
    agent = RemoteAgent(f"http://127.0.0.1:{port}" if port else "http://agent", token=TOKEN, socket_path=path)
    try:
        yield agent
    finally:
        await agent.aclose()
        server.close()
        await asyncio.wait_for(asyncio.gather(*flood.serving), 60)


@pytest.mark.parametrize("is_unix", [True, False], ids=["unix", "tcp"])
@pytest.mark.parametrize(
    ("head", "piece", "error"),
    [
        (KNOWN + b"Content-Length: %d\r\n\r\n" % LOT, SPACES, "answered with more than 1048576 bytes"),
        (CHUNKED, CHUNK, "answered with more than 1048576 bytes"),
        (CHUNKED.replace(b"200 OK", b"422 No"), CHUNK, "answered with more than 1048576 bytes"),
        (CHUNKED.replace(b"200 OK", b"500 No"), CHUNK, "answered with more than 1048576 bytes"),
        (CHUNKED + b"40000000\r\n", SPACES, "answered with more than 1048576 bytes"),
        (KNOWN, b"X-More: " + SPACES + b"\r\n", "went away before it answered"),
        (CHUNKED, b"1;" + SPACES, "went away before it answered"),
    ],
    ids=["length", "chunks", "refusal", "failure", "one chunk", "head", "size of a chunk"],
)
async def test_of_an_answer_without_end_little_is_read(
    head: bytes, piece: bytes, error: str, is_unix: bool, tmp_path: Path
) -> None:
    flood = Flood(head, piece)
    async with flooding(flood, tmp_path, is_unix=is_unix) as agent:
        with pytest.raises(WorkspaceError, match=error):
            await agent.read_file("/w/f")
        with pytest.raises(WorkspaceError, match=error):
            await agent.hello()
    assert flood.sent < LITTLE


@pytest.mark.parametrize("is_unix", [True, False], ids=["unix", "tcp"])
async def test_of_a_line_without_end_little_is_read(is_unix: bool, tmp_path: Path) -> None:
    flood = Flood(CHUNKED + b'5\r\n"one"\r\n1\r\n\n\r\n', CHUNK)
    async with (
        flooding(flood, tmp_path, is_unix=is_unix) as agent,
        aclosing(agent.follow_process(CHAT, "p")) as pieces,
    ):
        assert await anext(pieces) == "one"
        with pytest.raises(AgentAnswerError, match="answered with more than"):
            await anext(pieces)
    assert flood.sent < LITTLE


@pytest.mark.parametrize("is_unix", [True, False], ids=["unix", "tcp"])
async def test_what_is_packed_is_not_unpacked(is_unix: bool, tmp_path: Path) -> None:
    head = KNOWN + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(PACKED)
    async with flooding(Flood(head, PACKED), tmp_path, is_unix=is_unix) as agent:
        tracemalloc.start()
        with pytest.raises(AgentAnswerError, match="makes no sense"):
            await agent.read_file("/w/f")
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert most < LITTLE


async def test_an_answer_that_never_ends_is_given_up() -> None:
    """Each piece comes in time."""

    class Drops(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            while True:
                yield b" "
                await asyncio.sleep(0.05)

    with pytest.raises(httpx.ReadTimeout):
        await answers.read_whole(httpx.Response(200, stream=Drops()), limit_bytes=LOT, limit_s=0.5)


async def test_the_longest_answers_there_are_can_be_read(agent: RemoteAgent, folder: Path) -> None:
    (folder / "f").write_bytes(b"\1" * 9_000_000)
    assert (await agent.read_bytes(str(folder / "f"), limit_bytes=9_000_000)).size == 9_000_000
    (folder / "lines").write_bytes((b"\1" * 1000 + b"\n") * 30)
    assert (await agent.read_file(str(folder / "lines"))).lines_read == 31
    process_id = await start(agent, "yes $(head -c 1000 /dev/zero | tr '\\0' '\\1') | head -c 100000")
    assert len((await agent.wait_process(CHAT, process_id, timeout_s=60)).output) > 30_000
    many = folder / "many"
    many.mkdir()
    for number in range(1000):
        (many / f"{number:0240}").touch()
    assert len((await agent.find_files(str(many))).files) == 1000


async def test_a_start_whose_caller_goes_away_is_undone(
    server_agent: ServerAgent, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = asyncio.Event()
    start_process = server_agent.start_process

    async def start_slowly(spec: ProcessSpec) -> str:
        process_id = await start_process(spec)
        await slow.wait()
        return process_id

    monkeypatch.setattr(server_agent, "start_process", start_slowly)
    async with hosted(server_agent) as (agent, _):
        starting = asyncio.create_task(start(agent, "echo $$ > pids; sleep 60"))
        pids = await pids_in(folder / "pids", 1)
        starting.cancel()
        asyncio.get_running_loop().call_later(0.1, slow.set)
        with pytest.raises(asyncio.CancelledError):
            await starting
        assert alive(pids) == []


async def test_who_follows_and_goes_away_stops_nothing(agent: RemoteAgent) -> None:
    process_id = await start(agent, "echo one; sleep 0.3; echo two")
    async with aclosing(agent.follow_process(CHAT, process_id)) as pieces:
        assert await anext(pieces) == "one\n"
    assert (await agent.wait_process(CHAT, process_id, timeout_s=10)).output == "one\ntwo\n"


async def test_requests_in_flight_are_counted(server_agent: ServerAgent) -> None:
    changes: list[int] = []
    async with hosted(server_agent) as (agent, host):
        host.on_use = changes.append
        await agent.facts()
        process_id = await start(agent, "sleep 60")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await agent.wait_process(CHAT, process_id, timeout_s=60)
        await agent.kill_process(CHAT, process_id)
        async with asyncio.timeout(30):
            while sum(changes):  # noqa: ASYNC110 - nobody announces that the server has noticed
                await asyncio.sleep(0.01)
    assert changes.count(1) == 4


async def test_bytes_of_any_kind_cross(agent: RemoteAgent, folder: Path) -> None:
    data = os.urandom(300_000)
    (folder / "f").write_bytes(data)
    found = await agent.read_bytes(str(folder / "f"), limit_bytes=200_000)
    assert (found.data, found.size) == (data[:200_000], 300_000)


async def test_names_that_are_no_text_are_left_out(agent: RemoteAgent, folder: Path) -> None:
    (folder / "good").touch()
    (folder / os.fsdecode(b"b\xffd")).touch()
    assert [file.path for file in (await agent.find_files(str(folder))).files] == ["good"]


async def test_the_routes_say_their_version_even_when_they_refuse(server_agent: ServerAgent) -> None:
    async with hosted(server_agent) as (agent, _):
        reply: httpx.Response = await client_of(agent).post("/facts", headers={"Authorization": "no"})
        assert reply.headers[VERSION_HEADER] == "1"
        assert str(reply.url).endswith(f"{PREFIX}/facts")
        assert routes.PROTOCOL_VERSION == 1
