"""Many chats that stream at once from a vendor over the wire: how late the loop is, and nothing lost."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

from . import server, vendor
from .bench_scripted import SETTLE, WINDOW, Streamed, stream_all, watch
from .harness import Bench, Measured, Plan, Samples, at_most
from .machine import scratch

RATE = 50  # deltas per second and chat
CHATS, MANY = 40, 100
VENDORS = ("anthropic", "openai")


async def stream_and_watch(
    running: server.Server, kind: str, *, chats: int, plan: Plan
) -> tuple[Samples, Streamed]:
    """Stream from one vendor; return what the server was like, and what the subscribers were told."""
    window_s = WINDOW if not plan.is_quick else 0.3
    words = int(RATE * (2 * SETTLE + plan.rounds * (window_s + 0.5)))
    streaming = asyncio.create_task(stream_all(running, model=vendor.MODELS[kind], chats=chats, words=words))
    await asyncio.sleep(SETTLE)
    samples = await watch(running, windows=plan.rounds, window_s=window_s)
    return samples, await streaming


async def measure(plan: Plan) -> Sequence[Measured]:
    lines: list[Measured] = []
    async with contextlib.AsyncExitStack() as stack:
        folder = stack.enter_context(scratch())
        urls = await stack.enter_async_context(vendor.running(VENDORS, pace_ms=1000 / RATE))
        running, _ = await stack.enter_async_context(server.running(folder, env=vendor.environment(urls)))
        for kind in VENDORS:  # loads the vendor's code
            await stream_all(running, model=vendor.MODELS[kind], chats=1, words=1)
        for chats in (plan.size(CHATS, 2), plan.size(MANY, 3)):
            for kind in VENDORS:
                samples, streamed = await stream_and_watch(running, kind, chats=chats, plan=plan)
                lines += _lines(
                    f"{vendor.LABELS[kind]}, {chats} chats", samples, streamed, has_goal=chats <= CHATS
                )
    return lines


def _lines(label: str, samples: Samples, streamed: Streamed, *, has_goal: bool) -> list[Measured]:
    return [
        Measured(
            what=f"{label}: event-loop lag, 99th percentile",
            values=samples["p99"],
            unit="ms",
            goal=at_most(20.0) if has_goal else None,
        ),
        Measured(what=f"{label}: deltas lost", values=(streamed.lost,), unit="", goal=at_most(0)),
        Measured(what=f"{label}: deltas delivered", values=(streamed.rate,), unit="/s"),
        Measured(what=f"{label}: share of a core", values=samples["share"], unit=""),
    ]


BENCH = Bench(
    title="40 chats × 50 deltas/s from a vendor over the wire",
    method="""
        As the row before, but the words come from fake vendors in processes of their own, one HTTP
        stream for each chat, and in a second part from 100 chats at once. Every word is counted, and
        must have come live.
    """,
    run=measure,
)
