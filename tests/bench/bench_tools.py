"""Tool calls of one step, all at once and each durable, beside the agents that people would use instead."""

from __future__ import annotations

import asyncio
import contextlib
import statistics
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from pathlib import Path

from jupyter_chatd.events import Change
from jupyter_chatd.messages import Role

from . import engine
from .harness import Bench, Case, Goal, Measured, Plan, Samples, at_least, at_most, interleave
from .machine import commit_time, scratch
from .peers import PEERS, Peer, PeerProcess, running

SLEEP = 0.05  # seconds that the tool takes
GOALS = {1: 1.05, 10: 1.07, 100: 1.15}
"""Wall time of the tool phase over `SLEEP`, by the number of calls."""
MORE_ROUNDS = 3
DISK_COMMITS = 3  # start, results, rows: what a disk may add


async def nap() -> None:
    """What the tool does."""
    await asyncio.sleep(SLEEP)


class PhaseClock:
    """Notes when a step's calls were stored and when their results were: the tool phase."""

    def __init__(self) -> None:
        self._began = 0.0
        self.phase = 0.0
        """Seconds of the newest tool phase."""

    def hear(self, change: Change) -> None:
        """Listen to the store."""
        now = asyncio.get_running_loop().time()
        if any(row.tool_calls for row in change.inserted):
            self._began = now
        elif any(row.role is Role.TOOL for row in change.inserted):
            self.phase = now - self._began


@dataclass(frozen=True, slots=True)
class Place:
    """Our engine on one file system."""

    name: str
    engine: engine.Engine
    clock: PhaseClock

    def case(self, calls: int) -> Case:
        """A turn with one step of *calls* calls and one without."""

        async def run() -> dict[str, float]:
            model = engine.InstantModel(steps=1, calls=calls)
            await self.engine.create(model)
            return {
                f"{self.name} phase {calls}": self.clock.phase / SLEEP,
                f"{self.name} between {calls}": model.between / SLEEP,
            }

        return run


def peer_case(peer: PeerProcess, calls: int) -> Case:
    """The same turn by a peer, in memory."""

    async def run() -> dict[str, float]:
        measured = await peer.ask("parallel", n=calls)
        return {f"{peer.peer.name} {calls}": measured["between_s"] / SLEEP}

    return run


async def measure(plan: Plan) -> Sequence[Measured]:
    peers = () if plan.is_quick else PEERS
    async with contextlib.AsyncExitStack() as stack:
        memory, disk = (stack.enter_context(scratch(on_disk=on_disk)) for on_disk in (False, True))
        commit_s = commit_time(disk)
        places = [
            await stack.enter_async_context(_place(name, folder))
            for name, folder in (("memory", memory), ("disk", disk))
        ]
        processes = await stack.enter_async_context(running(peers))
        cases = [
            *(place.case(calls) for calls in GOALS for place in places),
            *(peer_case(process, calls) for calls in GOALS for process in processes),
        ]
        samples = await interleave(cases, plan.times(MORE_ROUNDS))
    return [
        *(_phase(samples, calls, "memory", at_most(bound)) for calls, bound in GOALS.items()),
        *(_phase(samples, calls, "disk", _disk_goal(bound, commit_s)) for calls, bound in GOALS.items()),
        *(_beside(samples, peer, calls) for peer in peers for calls in GOALS),
    ]


@contextlib.asynccontextmanager
async def _place(name: str, folder: Path) -> AsyncGenerator[Place, None]:
    async with engine.running(folder, tools=[engine.FunctionTool(nap)]) as running_engine:
        clock = PhaseClock()
        running_engine.runtime.store.listen(clock.hear)
        yield Place(name, running_engine, clock)


def _disk_goal(bound: float, commit_s: float) -> Goal:
    return at_most(bound + DISK_COMMITS * commit_s / SLEEP)


def _phase(samples: Samples, calls: int, place: str, goal: Goal) -> Measured:
    return Measured(
        what=f"{calls} calls, tool phase, database {'on tmpfs' if place == 'memory' else 'on disk'}",
        values=samples[f"{place} phase {calls}"],
        goal=goal,
    )


def _beside(samples: Samples, peer: Peer, calls: int) -> Measured:
    what = f"{calls} calls, {peer.label} over ours"
    theirs, ours, around = f"{peer.name} {calls}", f"memory phase {calls}", f"memory between {calls}"
    if theirs not in samples:
        return Measured(what=what, note="peer not installed")
    medians = [statistics.median(samples[name]) for name in (theirs, ours, around)]
    return Measured(
        what=what,
        values=samples.ratios(theirs, ours),
        goal=at_least(1.0),
        note="theirs {:.3f}, ours {:.3f}, {:.3f} with the commits of the model's steps".format(*medians),
    )


BENCH = Bench(
    title="N tool calls of 50 ms in one step: wall time / 50 ms",
    method="""
        A turn of the real engine with a model that answers at once: one step with N calls of an async tool
        that sleeps 50 ms, then a text. The tool phase begins when the step's calls are durable and announced
        and ends when the rows of their results are: three commits at least (starts, results, rows). On a
        disk the goal is raised by three of its measured commits. The peers keep everything in memory; their
        time is from the end of the model's first answer to its second call, in which ours has two more
        commits (the answer, the next attempt): the last number in brackets.
    """,
    run=measure,
)
