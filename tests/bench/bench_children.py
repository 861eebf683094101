"""Many children beside one: they run at the same time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from jupyter_chatd.messages import Role
from jupyter_chatd.providers.protocol import ModelCall
from jupyter_chatd.providers.scripted import Answer, call, say

from . import engine
from .family import family
from .harness import Bench, Case, Measured, Plan, at_most, interleave
from .machine import scratch

MANY = 20
NAP = 1.0  # seconds that each child's tool takes


async def nap() -> None:
    """What the tool does."""
    await asyncio.sleep(NAP)


def child(asked: ModelCall) -> Answer:
    """One step with one call, then a report."""
    return [say("Report.")] if asked.messages[-1].role is Role.TOOL else [call("tool")]


def case(running: engine.Engine, children: int) -> Case:
    """The whole turn of a parent of that many children."""

    async def run() -> dict[str, float]:
        began = time.perf_counter()
        await running.create(family(children, child))
        return {str(children): time.perf_counter() - began}

    return run


async def measure(plan: Plan) -> Sequence[Measured]:
    many = plan.size(MANY, 3)
    with scratch() as folder:
        async with engine.running(folder, tools=[engine.FunctionTool(nap)]) as running:
            samples = await interleave([case(running, 1), case(running, many)], plan)
    return [
        Measured(what=f"{many} children over one", values=samples.ratios(str(many), "1"), goal=at_most(1.3)),
        Measured(what="one child", values=samples["1"], unit="s"),
        Measured(what=f"{many} children", values=samples[str(many)], unit="s"),
    ]


BENCH = Bench(
    title=f"{MANY} children of one step each, with a tool of 1 s: wall time over that of one child",
    method="""
        The real engine on the disk, with scripted models. The parent spawns its children in one step, waits
        for each of them in the next, and says that it is done. Each child calls a tool that sleeps 1 s, then
        reports. The time is of the parent's whole turn, from its message to its rest.
    """,
    run=measure,
)
