"""What an idle chat with an open stream keeps in the server's memory, beside a bare WebSocket."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from tornado.websocket import websocket_connect

from . import server
from .harness import Bench, Case, Measured, Plan, at_most, interleave
from .machine import scratch

CHATS = 1000
MESSAGES = 10  # in each chat
AT_ONCE = 50  # connections being opened
WARM_UP = 20  # connections before the first look at the memory: what the first ones load is not theirs
SETTLE = 1.0  # seconds
KILOBYTE = 1000


async def open_all(connect: Callable[[int], Awaitable[Any]], numbers: range) -> list[Any]:
    """Open connections, some at once."""
    limit = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> Any:
        async with limit:
            return await connect(number)

    return list(await asyncio.gather(*(one(number) for number in numbers)))


async def growth(pid: int, connect: Callable[[int], Awaitable[Any]], count: int) -> float:
    """Return the kilobytes by which each of *count* connections makes a process grow. Leaves them open."""
    warm = await open_all(connect, range(WARM_UP))
    await asyncio.sleep(SETTLE)
    before = server.resident(pid)
    sockets = await open_all(connect, range(WARM_UP, WARM_UP + count))
    await asyncio.sleep(SETTLE)
    grown = server.resident(pid) - before
    for socket in (*warm, *sockets):
        socket.close()
    return grown / count / KILOBYTE


def our_case(count: int) -> Case:
    """Chats that are idle and followed."""

    async def run() -> dict[str, float]:
        histories = [("bench:scripted", MESSAGES)] * (WARM_UP + count)
        with scratch() as folder:
            async with server.running(folder, histories=histories) as (running, chat_ids):

                async def connect(number: int) -> server.Subscriber:
                    subscriber = await running.follow(chat_ids[number])
                    await subscriber.until_told()
                    return subscriber

                return {"ours": await growth(running.pid, connect, count)}

    return run


def bare_case(count: int) -> Case:
    """WebSockets on which nothing happens."""

    async def run() -> dict[str, float]:
        command = [sys.executable, "-m", "tests.bench.bare_socket"]
        process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
        try:
            assert process.stdout is not None
            url = f"ws://127.0.0.1:{int(await process.stdout.readline())}/"
            return {"bare": await growth(process.pid, lambda _number: websocket_connect(url), count)}
        finally:
            process.terminate()
            await process.wait()

    return run


async def measure(plan: Plan) -> Sequence[Measured]:
    count = plan.size(CHATS, 20)
    samples = await interleave([our_case(count), bare_case(count)], plan, warm_up=False)
    return [
        Measured(what="memory per idle chat", values=samples["ours"], unit="KB", goal=at_most(30.0)),
        Measured(what="memory per bare Tornado WebSocket", values=samples["bare"], unit="KB"),
        Measured(what="ours over the bare one", values=samples.ratios("ours", "bare")),
    ]


BENCH = Bench(
    title="1,000 idle chats with open streams: memory per chat",
    method=f"""
        Resident memory of a fresh Jupyter server before and after 1,000 clients open the streams of
        1,000 chats of {MESSAGES} messages and have been told them, over the number of chats; the same
        for a server of nothing but a silent Tornado WebSocket.
    """,
    run=measure,
)
