"""CPU of one text delta on its way from the vendor's socket to the client's WebSocket."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncGenerator, Sequence

from . import server, vendor
from .harness import Bench, Case, Measured, Plan, Samples, at_most, interleave
from .machine import scratch

VENDORS = ("anthropic", "openai")
MICRO = 1e6


class Reader:
    """A process that reads a vendor's stream and measures itself."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def read(self, count: int) -> float:
        """Return the CPU seconds of reading *count* deltas."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(b"%d\n" % count)
        return float(await self._process.stdout.readline())


@contextlib.asynccontextmanager
async def reading(how: str, kind: str, url: str) -> AsyncGenerator[Reader, None]:
    """Start a reader: `bridge` or `sdk`."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.deltas_reader", how, kind, url),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        yield Reader(process)
    finally:
        process.terminate()
        await process.wait()


def reader_case(reader: Reader, name: str, count: int) -> Case:
    """One stream, read by a process that does nothing else."""

    async def run() -> dict[str, float]:
        return {name: await reader.read(count) / count * MICRO}

    return run


def server_case(running: server.Server, kind: str, count: int) -> Case:
    """One turn of the whole server, followed by one client."""

    async def run() -> dict[str, float]:
        chat_id = await running.create("count 1", model=vendor.MODELS[kind])
        subscriber = await running.follow(chat_id)
        await subscriber.until_rest()
        began = running.cpu
        await running.send(chat_id, f"count {count}")
        answer = await subscriber.until_rest()
        used = running.cpu - began
        subscriber.close()
        if answer.live != answer.stored:
            raise RuntimeError(f"{answer.lost} of {count} deltas were lost")
        return {f"server {kind}": used / count * MICRO}

    return run


async def measure(plan: Plan) -> Sequence[Measured]:
    count = plan.size(5000, 50)
    async with contextlib.AsyncExitStack() as stack:
        folder = stack.enter_context(scratch())
        urls = await stack.enter_async_context(vendor.running(VENDORS))
        running, _ = await stack.enter_async_context(server.running(folder, env=vendor.environment(urls)))
        cases: list[Case] = []
        for kind, url in urls.items():
            cases.append(server_case(running, kind, count))
            for how in ("bridge", "sdk"):
                reader = await stack.enter_async_context(reading(how, kind, url))
                cases.append(reader_case(reader, f"{how} {kind}", count))
        samples = await interleave(cases, plan)
    return [line for kind in VENDORS for line in _lines(samples, kind)]


def _lines(samples: Samples, kind: str) -> list[Measured]:
    label = vendor.LABELS[kind]
    return [
        Measured(
            what=f"{label}: CPU per delta beyond the bridge alone",
            values=samples.differences(f"server {kind}", f"bridge {kind}"),
            unit="µs",
            goal=at_most(40.0),
        ),
        Measured(what=f"{label}: CPU per delta, whole server", values=samples[f"server {kind}"], unit="µs"),
        Measured(what=f"{label}: CPU per delta, bridge alone", values=samples[f"bridge {kind}"], unit="µs"),
        Measured(what=f"{label}: CPU per delta, bare SDK", values=samples[f"sdk {kind}"], unit="µs"),
        Measured(
            what=f"{label}: whole server over bare SDK",
            values=samples.ratios(f"server {kind}", f"sdk {kind}"),
        ),
    ]


BENCH = Bench(
    title="5,000 unpaced text deltas, from the vendor's socket to the client's WebSocket",
    method="""
        A fake vendor in a process of its own sends 5,000 words, one event each, as fast as they are
        taken. A whole Jupyter server runs the turn for a client in another process, which gets every
        word; its CPU time, from the message to the end of the turn and with all commits, is compared
        with that of a process that only reads the same stream through the bridge, and of one that
        reads it with the vendor's SDK.
    """,
    run=measure,
)
