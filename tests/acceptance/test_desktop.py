"""Desktops on a whole server below a base URL: another's client, no port, no process left, no memory lost."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from acceptance import foreign_viewer
from acceptance.chats import eventually
from acceptance.comm import CommPage
from acceptance.kernels import kernel_of
from desktop.stages import check_strangers_are_refused
from servers import CHATS, Dirs, JupyterServer

GONE_WITHIN = 10.0  # seconds
PATIENCE = 60.0  # seconds
MOST_GROWTH = 8 * 1024  # KiB
WINDOW = 16 * 1024 * 1024  # bytes that may be on their way to a viewer who does not read, kernels included

needs_xvnc = pytest.mark.skipif(shutil.which("Xtigervnc") is None, reason="needs TigerVNC")
pytestmark = pytest.mark.slow


Start = Callable[..., JupyterServer]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    with contextlib.ExitStack() as stack:

        def begin(**settings: Any) -> JupyterServer:
            server = JupyterServer(Dirs(tmp_path), settings={"JupyterChatd": settings}, base_url="/user/bob/")
            return stack.enter_context(server)

        yield begin


@pytest.fixture
def short() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="rfb"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def call(server: JupyterServer, method: str, path: str, body: object = None) -> Any:
    reply = httpx.request(method, server.chats_url + path, headers=server.headers, json=body, timeout=60)
    assert reply.status_code < 300, reply.text
    return reply.json()


def new_chat(server: JupyterServer) -> str:
    return call(server, "POST", "", {"content": [{"type": "text", "text": "say hello"}]})["id"]


@needs_xvnc
@pytest.mark.anyio
async def test_d1_a_vnc_client_of_somebody_else_works(start: Start, tmp_path: Path) -> None:
    server = await asyncio.to_thread(start, desktop_launcher="xvnc")
    chat_id = new_chat(server)
    actions = ["move", "300", "200", "click", "1", "type", "hello"]
    url = f"{server.chats_url}/{chat_id}/desktop"
    await foreign_viewer.use(url, server.headers, *actions, picture=tmp_path / "screen.png")
    head = (tmp_path / "screen.png").read_bytes()[:24]
    assert (head[:4], struct.unpack(">II", head[16:24])) == (b"\x89PNG", (1280, 800))
    reply = call(server, "POST", f"/{chat_id}/desktop/action", {"actions": [{"action": "cursor"}]})
    assert reply["results"] == [{"cursor": [300, 200]}]


def processes_of(home: Path) -> set[int]:
    """All processes of that user, which their environment tells."""
    mark, found = f"HOME={home}".encode(), set[int]()
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark in (folder / "environ").read_bytes().split(b"\0"):
                found.add(int(folder.name))
    return found


def variable(pids: set[int], name: str) -> str:
    """What a variable of one of the processes says; some of them may have ended."""
    for pid in pids:
        with contextlib.suppress(OSError):
            for one in Path(f"/proc/{pid}/environ").read_text().split("\0"):
                if one.startswith(f"{name}="):
                    return one.partition("=")[2]
    raise AssertionError(f"no process has {name}")


def listening(pids: set[int]) -> set[str]:
    """Addresses of TCP sockets that the processes listen on, as the kernel writes them."""
    inodes = set[str]()
    for pid in pids:
        for link in Path(f"/proc/{pid}/fd").glob("*"):
            with contextlib.suppress(OSError):
                inodes.add(os.readlink(link).removeprefix("socket:[").removesuffix("]"))
    rows = [
        line.split()
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
    ]
    return {row[1] for row in rows if row[3] == "0A" and row[9] in inodes}


@needs_xvnc
@pytest.mark.parametrize("end", [JupyterServer.terminate, JupyterServer.kill])
def test_a_desktop_opens_no_port_and_dies_with_its_server(
    start: Start, end: Callable[[JupyterServer], None]
) -> None:
    server = start(desktop_launcher="xvnc")
    home = server.dirs.home
    chat_id = new_chat(server)
    before, ports = processes_of(home), listening(processes_of(home))
    assert ports  # the server's own
    assert call(server, "POST", f"/{chat_id}/desktop/start")["state"] == "running"
    programs = processes_of(home) - before
    assert len(programs) >= 2
    assert listening(processes_of(home)) == ports
    if os.geteuid() == 0:  # who alone may try as another account
        folder = Path(variable(programs, "XAUTHORITY")).parent
        check_strangers_are_refused(folder / "rfb.socket", variable(programs, "DISPLAY"))
    end(server)
    give_up_at = time.monotonic() + GONE_WITHIN
    while left := processes_of(home):
        assert time.monotonic() < give_up_at, f"still there: {left}"
        time.sleep(0.1)


@pytest.fixture
def flood(short: Path) -> Iterator[Path]:
    """The folder of a desktop that sends viewers as much as they take."""
    command = [sys.executable, "-m", "tests.acceptance.flood", str(short)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield short
        process.terminate()


def test_a_viewer_that_does_not_read_costs_no_memory(start: Start, flood: Path) -> None:
    server = start(desktop_launcher="socket", desktop_socket=str(flood / "flood.socket"))
    chat_id = new_chat(server)
    call(server, "POST", f"/{chat_id}/desktop/start")
    live = f"{server.chats_url}/{chat_id}/desktop"
    with connect(server, live):  # loads what is loaded with the first viewer
        new_count(flood, set())
    known, before = counts(flood), resident(server.pid)
    with connect(server, live):
        sent = at_rest(new_count(flood, known))
        growth = resident(server.pid) - before
    assert 0 < sent < WINDOW
    assert growth < MOST_GROWTH


def test_a_page_that_does_not_take_what_its_kernel_relays_costs_no_memory(start: Start, flood: Path) -> None:
    """The page is connected to its kernel, which holds the live view for it, and reads nothing at all."""
    server = start(desktop_launcher="socket", desktop_socket=str(flood / "flood.socket"))
    chat_id = new_chat(server)
    call(server, "POST", f"/{chat_id}/desktop/start")
    live = f"{CHATS}/{chat_id}/desktop?start=false&view_only=true"
    with kernel_of(server) as kernel:
        pids = (server.pid, int(kernel.run("import os; print(os.getpid())")))
        page = CommPage(
            kernel, f"from jupyter_chatd.widgets import Desktop\nDesktop({chat_id!r}, route='comm')"
        )
        with connect(server, f"{kernel.url}/channels"):
            first = page.open(live)  # loads what is loaded with the first viewer
            assert page.next_of(first)["type"] == "opened"
            new_count(flood, set())
            page.close(first)
            known, before = counts(flood), [resident(pid) for pid in pids]
            stream = page.open(live)
            count = new_count(flood, known)
            sent = at_rest(count)
            growth = [resident(pid) - had for pid, had in zip(pids, before, strict=True)]
            assert 0 < sent < WINDOW
            assert max(growth) < MOST_GROWTH, growth
            page.taken(stream, sent)
            assert at_rest(count, after=sent) > sent


def counts(flood: Path) -> set[Path]:
    """Where it is told how much viewers have taken, one each."""
    return set(flood.glob("sent-*"))


def new_count(flood: Path, known: set[Path]) -> Path:
    """Return where it is told of the viewer that comes next."""
    eventually(lambda: counts(flood) - known)
    return (counts(flood) - known).pop()


def at_rest(count: Path, *, after: int = 0) -> int:
    """Return the number in a file once it is greater than *after* and has not changed for a second."""
    seen, since = after, time.monotonic()
    while seen <= after or time.monotonic() - since < 1:
        assert time.monotonic() - since < PATIENCE
        number = int(count.read_text() or 0)
        if number != seen:
            seen, since = number, time.monotonic()
        time.sleep(0.1)
    return seen


def connect(server: JupyterServer, url: str) -> socket.socket:
    """Open a WebSocket and read nothing but the answer's first bytes."""
    path = url.split(str(server.port), 1)[1]
    key = base64.b64encode(os.urandom(16)).decode()
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: 127.0.0.1:{server.port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {key}",
        *(f"{name}: {value}" for name, value in server.headers.items()),
    ]
    viewer = socket.create_connection(("127.0.0.1", server.port))
    viewer.sendall("\r\n".join([*lines, "", ""]).encode())
    assert viewer.recv(12) == b"HTTP/1.1 101"
    return viewer


def resident(pid: int) -> int:
    """KiB of memory that a process holds."""
    line = next(
        line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS")
    )
    return int(line.split()[1])
