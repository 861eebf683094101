"""Many chats that stream at once from a model that costs nothing: what our streaming takes of the server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from . import server
from .harness import Bench, Measured, Plan, Samples, at_most, percentile
from .machine import scratch

CHATS = 100
RATE = 50  # deltas per second and chat
WINDOW = 4.0  # seconds over which each value is taken
SETTLE = 2.0  # seconds until all chats stream


async def watch(running: server.Server, *, windows: int, window_s: float) -> Samples:
    """Look at the server while it streams: the lateness of its loop, and its share of a core."""
    samples = Samples()
    for _ in range(windows):
        await running.start_heartbeat()
        cpu, began = running.cpu, time.perf_counter()
        await asyncio.sleep(window_s)
        share = (running.cpu - cpu) / (time.perf_counter() - began)
        late = await running.stop_heartbeat()
        samples.add({"p99": percentile(late, 99) * 1000, "max": max(late) * 1000, "share": share})
    return samples


async def stream_all(running: server.Server, *, model: str, chats: int, words: int) -> Streamed:
    """Let that many chats stream an answer each, with one subscriber each."""

    async def one() -> tuple[int, float]:
        subscriber = await running.follow(await running.create(f"count {words}", model=model))
        began = time.perf_counter()
        answer = await subscriber.until_rest()
        subscriber.close()
        return answer.lost, words / (time.perf_counter() - began)

    told = await asyncio.gather(*(one() for _ in range(chats)))
    return Streamed(lost=sum(lost for lost, _ in told), rate=sum(rate for _, rate in told))


@dataclass(frozen=True, slots=True, kw_only=True)
class Streamed:
    """What all subscribers were told together."""

    lost: int
    """Deltas that never came."""
    rate: float
    """Deltas per second: less than was offered when the machine did not keep up."""


async def measure(plan: Plan) -> Sequence[Measured]:
    chats, window_s = plan.size(CHATS, 3), WINDOW if not plan.is_quick else 0.3
    words = int(RATE * (2 * SETTLE + plan.rounds * (window_s + 0.5)))
    with scratch() as folder:
        async with server.running(folder) as (running, _):
            streaming = asyncio.create_task(
                stream_all(running, model="bench:scripted", chats=chats, words=words)
            )
            await asyncio.sleep(SETTLE)
            samples = await watch(running, windows=plan.rounds, window_s=window_s)
            streamed = await streaming
    return [
        Measured(
            what="event-loop lag, 99th percentile", values=samples["p99"], unit="ms", goal=at_most(10.0)
        ),
        Measured(what="share of a core", values=samples["share"], unit="", goal=at_most(0.5)),
        Measured(what="event-loop lag, longest", values=samples["max"], unit="ms"),
        Measured(what="deltas lost", values=(streamed.lost,), unit=""),
        Measured(what="deltas delivered", values=(streamed.rate,), unit="/s"),
    ]


BENCH = Bench(
    title="100 chats × 50 deltas/s from the scripted provider, one subscriber each",
    method=f"""
        A Jupyter server whose model is the scripted provider: it sends a word every 20 ms at no cost
        of its own. 100 clients in another process follow one chat each over WebSockets. While all of
        them stream, a task on the server's loop that sleeps 1 ms over and over notes its lateness;
        each value is of {WINDOW:g} s.
    """,
    run=measure,
)
