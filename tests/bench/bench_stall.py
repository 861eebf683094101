"""How long one request with a long history keeps the server's event loop from anything else."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

from . import server, vendor
from .harness import Bench, Case, Measured, Plan, at_most, interleave
from .machine import scratch

TURNS = 1000  # of history: text and one call, then its result, 200 characters each
WORDS = 20  # in the answer
IDLE = 1.0  # seconds


def request_case(running: server.Server, kind: str, chat_id: str) -> Case:
    """One turn with one model call in the long chat."""

    async def run() -> dict[str, float]:
        subscriber = await running.follow(chat_id, after_id=await running.newest_message(chat_id))
        await subscriber.until_told()
        await running.start_heartbeat()
        await running.send(chat_id, f"count {WORDS}")
        answer = await subscriber.until_rest()
        late = await running.stop_heartbeat()
        subscriber.close()
        if answer.live != answer.stored:
            raise RuntimeError(f"{answer.lost} of {WORDS} deltas were lost")
        return {kind: max(late) * 1000}

    return run


def stream_case(running: server.Server, chat_id: str) -> Case:
    """A client opens the long chat."""

    async def run() -> dict[str, float]:
        await running.start_heartbeat()
        subscriber = await running.follow(chat_id)
        await subscriber.until_told()
        late = await running.stop_heartbeat()
        subscriber.close()
        return {"stream": max(late) * 1000}

    return run


def idle_case(running: server.Server) -> Case:
    """The server at rest: what the machine itself adds."""

    async def run() -> dict[str, float]:
        await running.start_heartbeat()
        await asyncio.sleep(IDLE)
        return {"idle": max(await running.stop_heartbeat()) * 1000}

    return run


async def measure(plan: Plan) -> Sequence[Measured]:
    messages = 1 + 2 * plan.size(TURNS, 10)
    async with contextlib.AsyncExitStack() as stack:
        folder = stack.enter_context(scratch())
        urls = await stack.enter_async_context(vendor.running(vendor.KINDS))
        histories = [(model, messages) for model in vendor.MODELS.values()]
        running, chat_ids = await stack.enter_async_context(
            server.running(folder, env=vendor.environment(urls), histories=histories)
        )
        cases = [
            request_case(running, kind, chat_id)
            for kind, chat_id in zip(vendor.MODELS, chat_ids, strict=True)
        ]
        samples = await interleave([*cases, stream_case(running, chat_ids[0]), idle_case(running)], plan)
    lines = [
        Measured(
            what=f"{vendor.LABELS[kind]}: longest stall", values=samples[kind], unit="ms", goal=at_most(16.0)
        )
        for kind in vendor.MODELS
    ]
    return [
        *lines,
        Measured(what="a client opens the stream of such a chat", values=samples["stream"], unit="ms"),
        Measured(what="for comparison: the idle server, 1 s", values=samples["idle"], unit="ms"),
    ]


BENCH = Bench(
    title="Longest stall of the server's event loop by one request with 1,000 turns of history",
    method="""
        A Jupyter server whose chats hold 1,000 turns of text, call and result, 200 characters each. A
        message begins a turn with one model call to a fake vendor in another process; a task on the
        server's loop that sleeps 1 ms over and over notes its greatest lateness, from the message to
        the turn's end.
    """,
    run=measure,
)
