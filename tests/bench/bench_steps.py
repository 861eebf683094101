"""Our time per step at the provider seam, in short and long chats, beside langgraph; and what is stored."""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
import statistics
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from jupyter_chatd.runtime import DATABASE

from . import engine
from .harness import Bench, Case, Measured, Plan, Samples, at_least, at_most, interleave
from .machine import scratch
from .peers import LANGGRAPH, PeerProcess, running

SHORT, LONG = 10, 5000  # messages of history
STEPS = 50  # of each measured turn
UNCOUNTED = 5  # steps at the beginning of a turn, among which the history is read
THREAD = 1000  # steps of one long turn, ours and langgraph's
MEGABYTE = 1e6


async def look() -> None:
    """What the tool does: nothing."""


def turn_case(running_engine: engine.Engine, messages: int) -> Case:
    """A turn of some steps in a chat with *messages* messages."""

    async def run() -> dict[str, float]:
        chat_id = await engine.import_chat(running_engine.runtime.store, messages=messages)
        model = engine.InstantModel(steps=STEPS)
        await running_engine.send(chat_id, model)
        return {f"step at {messages}": statistics.mean(_steps(model)[UNCOUNTED:])}

    return run


def _steps(model: engine.InstantModel) -> list[float]:
    """Return the seconds of each step, from one model call to the next."""
    return [after - before for before, after in itertools.pairwise(model.called)]


def thread_case(steps: int) -> Case:
    """One turn of *steps* steps from an empty database, and what it leaves there."""

    async def run() -> dict[str, float]:
        with scratch(on_disk=False) as folder:
            async with engine.running(folder, tools=[engine.FunctionTool(look)]) as running_engine:
                sizes = [stored_bytes(folder)]
                for half in (steps // 2, steps):
                    model = engine.InstantModel(steps=half)
                    await running_engine.create(model)
                    sizes.append(stored_bytes(folder))
            first, second = sizes[1] - sizes[0], sizes[2] - sizes[1]
            return {
                "our step": statistics.mean(_steps(model)),
                "our bytes": second,
                "growth": (second / steps) / (first / (steps // 2)),
            }

    return run


def stored_bytes(folder: Path) -> int:
    """Return the size of the database, all in the file."""
    path = folder / "data" / DATABASE
    with closing(sqlite3.connect(path, isolation_level=None)) as conn:
        conn.execute("PRAGMA wal_checkpoint(PASSIVE)")
        (pages,), (page_size,) = (
            conn.execute(f"PRAGMA {name}").fetchone() for name in ("page_count", "page_size")
        )
    return pages * page_size


def peer_case(peer: PeerProcess, steps: int) -> Case:
    """The same turn by langgraph with its SQLite saver."""

    async def run() -> dict[str, float]:
        with scratch(on_disk=False) as folder:
            measured = await peer.ask("sequential", steps=steps, file=str(folder / "thread.db"))
        return {"their step": measured["step_s"], "their bytes": measured["bytes"]}

    return run


async def measure(plan: Plan) -> Sequence[Measured]:
    long, thread = plan.size(LONG, 100), plan.size(THREAD, 20)
    async with contextlib.AsyncExitStack() as stack:
        folder = stack.enter_context(scratch())
        ours = await stack.enter_async_context(engine.running(folder, tools=[engine.FunctionTool(look)]))
        turns = await interleave([turn_case(ours, SHORT), turn_case(ours, long)], plan)
    async with running(() if plan.is_quick else (LANGGRAPH,)) as peers:
        cases = [thread_case(thread), *(peer_case(peer, thread) for peer in peers)]
        threads = await interleave(cases, plan, warm_up=False)
    lines = [*_turn_lines(turns, long), *_thread_lines(threads, thread)]
    return lines if plan.is_quick else [*lines, _beside(threads), *_their_lines(threads, thread)]


def _turn_lines(samples: Samples, long: int) -> list[Measured]:
    return [
        Measured(
            what=f"step at {long:,} messages over step at {SHORT}",
            values=samples.ratios(f"step at {long}", f"step at {SHORT}"),
            goal=at_most(1.3),
        ),
        *(
            Measured(
                what=f"step at {count:,} messages, on disk",
                values=samples.scaled(f"step at {count}", 1000),
                unit="ms",
            )
            for count in (SHORT, long)
        ),
    ]


def _thread_lines(samples: Samples, steps: int) -> list[Measured]:
    growth = Measured(
        what=f"database growth per step, {steps:,} steps over {steps // 2:,}",
        values=samples["growth"],
        goal=at_most(1.1),
    )
    ours = Measured(
        what=f"step, mean of {steps:,} in one turn, on tmpfs",
        values=samples.scaled("our step", 1000),
        unit="ms",
    )
    stored = Measured(
        what=f"database after {steps:,} steps",
        values=samples.scaled("our bytes", 1 / MEGABYTE),
        unit="MB",
        note=f"text alone: {2 * steps * len(engine.TEXT) / MEGABYTE:g} MB",
    )
    return [ours, growth, stored]


def _beside(samples: Samples) -> Measured:
    what = f"step of {LANGGRAPH.label} with its SQLite saver over ours"
    if "their step" not in samples:
        return Measured(what=what, note="peer not installed")
    return Measured(what=what, values=samples.ratios("their step", "our step"), goal=at_least(5.0))


def _their_lines(samples: Samples, steps: int) -> list[Measured]:
    if "their step" not in samples:
        return []
    return [
        Measured(
            what=f"langgraph: step, mean of {steps:,}", values=samples.scaled("their step", 1000), unit="ms"
        ),
        Measured(
            what=f"langgraph: database after {steps:,} steps",
            values=samples.scaled("their bytes", 1 / MEGABYTE),
            unit="MB",
        ),
    ]


BENCH = Bench(
    title="Our time per step at the provider seam, durable, compaction off",
    method=f"""
        A model that answers at once with 200 characters and one call of a tool that gives 200
        characters at once; a step lasts from one model call to the next, with its commits. Short and
        long histories run in turn on one file on the disk, {STEPS} steps each, of which the first
        {UNCOUNTED} do not count. The long turns, ours and langgraph's (its own defaults, in one
        thread of its SQLite saver), begin with an empty file on a tmpfs.
    """,
    run=measure,
)
