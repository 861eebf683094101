"""The live view of a desktop: bytes for a viewer who reads, and memory for one who does not."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.servers import CHATS, ROOT, Dirs, JupyterServer, free_port

from .harness import Bench, Case, Measured, Plan, Samples, at_least, at_most, interleave
from .peers import install_beside
from .server import resident

WEBSOCKIFY = "websockify==0.13.0"
PROXIED = "bench-desktop"
READ = 100_000_000  # bytes of each value
BUFFER = 1024 * 1024  # bytes
STALL = 3.0  # seconds for which a viewer reads nothing
MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A way to the desktop."""

    name: str
    port: int
    target: str
    """Path and query of its WebSocket."""
    headers: Mapping[str, str]


def connect(way: Way) -> socket.socket:
    """Open the WebSocket by hand: a client library would be the slowest of all parts.

    Raises:
        RuntimeError: it was refused.
    """
    lines = [
        f"GET {way.target} HTTP/1.1",
        f"Host: 127.0.0.1:{way.port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
        *(f"{name}: {value}" for name, value in way.headers.items()),
    ]
    viewer = socket.create_connection(("127.0.0.1", way.port), timeout=60)
    viewer.sendall("\r\n".join([*lines, "", ""]).encode())
    if (answer := viewer.recv(12)) != b"HTTP/1.1 101":
        viewer.close()
        raise RuntimeError(f"{way.name} did not open: {answer!r}")
    return viewer


def read(way: Way, count: int) -> float:
    """Return bytes per second until *count* bytes have come, frames and all."""
    buffer = memoryview(bytearray(BUFFER))
    with connect(way) as viewer:
        came, began = 0, time.perf_counter()
        while came < count:
            length = viewer.recv_into(buffer)
            if length == 0:
                raise RuntimeError(f"{way.name} closed after {came} bytes")
            came += length
        return came / (time.perf_counter() - began)


def bytes_case(way: Way, plan: Plan) -> Case:
    async def run() -> dict[str, float]:
        return {way.name: await asyncio.to_thread(read, way, plan.size(READ, READ // 20)) / 1e6}

    return run


def stall_case(way: Way, pid: int, plan: Plan) -> Case:
    """By how many MiB the server grows while a viewer does not read."""

    async def run() -> dict[str, float]:
        before = resident(pid)
        viewer = await asyncio.to_thread(connect, way)
        try:
            await asyncio.sleep(STALL / plan.size(1, 10))
            return {way.name: (resident(pid) - before) / MEBIBYTE}
        finally:
            viewer.close()
            await asyncio.sleep(0.5)

    return run


@contextlib.contextmanager
def flood(folder: Path) -> Generator[Path]:
    """Start a desktop that sends every viewer 300 MB; its first client, the agent, gets a screen."""
    command = [sys.executable, "-m", "tests.acceptance.flood", str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield folder / "flood.socket"
        process.terminate()


@contextlib.asynccontextmanager
async def serving(folder: Path, desktop: Path) -> AsyncGenerator[tuple[JupyterServer, str]]:
    """Start a server with our endpoint and jupyter-server-proxy's; gives it and the id of a chat."""
    proxied = {"command": [], "unix_socket": str(desktop), "raw_socket_proxy": True}
    settings = {
        "ServerApp": {"jpserver_extensions": {"jupyter_chatd": True, "jupyter_server_proxy": True}},
        "ServerProxy": {"servers": {PROXIED: proxied}},
        "JupyterChatd": {"desktop_launcher": "socket", "desktop_socket": str(desktop)},
    }
    server = JupyterServer(Dirs(folder), settings=settings)
    try:
        await asyncio.to_thread(server.start)
        async with httpx.AsyncClient(base_url=server.url, headers=server.headers, timeout=60) as client:
            body = {"content": [{"type": "text", "text": "hello"}], "model": "demo:demo"}
            chat_id = (await client.post(CHATS, json=body)).raise_for_status().json()["id"]
            (await client.post(f"{CHATS}/{chat_id}/desktop/start")).raise_for_status()
        yield server, chat_id
    finally:
        await asyncio.to_thread(server.terminate)


@contextlib.contextmanager
def websockify(desktop: Path) -> Generator[Way | None]:
    """Start it; gives `None` when it cannot be installed."""
    if (folder := install_beside(WEBSOCKIFY)) is None:
        yield None
        return
    port = free_port()
    command = [sys.executable, "-m", "websockify", f"--unix-target={desktop}", f"127.0.0.1:{port}"]
    env = {**os.environ, "PYTHONPATH": str(folder)}
    null = subprocess.DEVNULL
    with subprocess.Popen(command, env=env, stdout=null, stderr=null) as process:
        wait_for(port)
        yield Way(name="websockify", port=port, target="/", headers={"Sec-WebSocket-Protocol": "binary"})
        process.terminate()


def wait_for(port: int) -> None:
    """Return when something listens there."""
    end = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except ConnectionRefusedError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


async def measure(plan: Plan) -> Sequence[Measured]:
    folder = Path(tempfile.mkdtemp(prefix="views"))  # short: it holds a socket
    try:
        with flood(folder) as desktop, websockify(desktop) as other:
            async with serving(folder / "server", desktop) as (server, chat_id):
                headers = {**server.headers, "Origin": server.url.rstrip("/")}
                ours = Way(
                    name="ours", port=server.port, target=f"/{CHATS}/{chat_id}/desktop", headers=headers
                )
                proxy = Way(name="proxy", port=server.port, target=f"/{PROXIED}/", headers=headers)
                ways = [ours, proxy, *([other] if other else [])]
                speed = await interleave([bytes_case(way, plan) for way in ways], plan.times(3))
                own = await interleave([stall_case(ours, server.pid, plan)], plan)
                # Once, and last: it keeps what it took.
                theirs = await interleave(
                    [stall_case(proxy, server.pid, plan)], Plan(rounds=1, is_quick=True)
                )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return [*lines_of_speed(speed), *lines_of_memory(own, theirs)]


def lines_of_speed(speed: Samples) -> list[Measured]:
    """Ours beside the one of the others that is faster as a rule, round by round."""
    others = [name for name in ("proxy", "websockify") if name in speed]
    best = max(others, key=lambda name: statistics.median(speed[name]))
    ratios = speed.ratios("ours", best)
    note = "" if len(others) == 2 else "websockify could not be installed"
    return [
        Measured(what="bytes beside the best of the others", values=ratios, goal=at_least(0.95), note=note),
        Measured(what="bytes for a viewer", values=speed["ours"], unit="MB/s"),
        Measured(what="jupyter-server-proxy's raw socket", values=speed["proxy"], unit="MB/s"),
        *(
            Measured(what=WEBSOCKIFY.replace("==", " "), values=speed[name], unit="MB/s")
            for name in others[1:]
        ),
    ]


def lines_of_memory(own: Samples, theirs: Samples) -> list[Measured]:
    """Growth of the server beside that with the other's endpoint."""
    what = "growth of the server with a viewer that does not read"
    return [
        Measured(what=what, values=own["ours"], unit="MiB", goal=at_most(8.0)),
        Measured(what=f"{what}, through jupyter-server-proxy's", values=theirs["proxy"], unit="MiB"),
    ]


BENCH = Bench(
    title="The live view: bytes for a viewer who reads, memory for one who does not",
    method=f"""
        A desktop that sends each viewer up to 300 MB as fast as they are taken, on a unix socket, behind
        three WebSockets: our route and a raw socket of jupyter-server-proxy in one Jupyter server, and
        websockify. A bare client reads {READ // 1_000_000} MB of each in every round. Then a viewer opens
        and reads nothing for {STALL:g} s; what counts is by how much the server's resident memory grows.
    """,
    run=measure,
)
