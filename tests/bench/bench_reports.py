"""How soon a parent that waits for its children is told of the end of one."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

from jupyter_chatd.providers.protocol import ModelCall
from jupyter_chatd.providers.scripted import Answer, say, wait
from jupyter_chatd.store.store import _CommitLog
from jupyter_chatd.store.transaction import Transaction
from jupyter_chatd.store.work import Committed, FinishTurn
from jupyter_chatd.subagents.tools import WaitAgent
from jupyter_chatd.tools.protocol import ToolContext, ToolOutput

from . import engine
from .family import family
from .harness import Bench, Measured, Plan, at_most, interleave, percentile
from .machine import scratch

CHILDREN = 20
FAMILIES = 5  # in each round, one after another: a hundred waits are enough for a 99th percentile
GOALS = {50: 5.0, 99: 20.0}
"""Milliseconds, by percentile."""
SETTLE = 0.05  # seconds between the last wait's beginning and the end of the children
BEGIN_LIMIT = 30.0  # seconds for a family to come so far


@dataclass(slots=True)
class Clock:
    """Notes when the last commit of each child was durable and when the call that waited for it returned."""

    committed: dict[str, float] = field(default_factory=dict[str, float])
    returned: dict[str, float] = field(default_factory=dict[str, float])
    begun: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    """Released by each wait that begins, and by each child's model."""
    _in_group: list[str] = field(default_factory=list[str])
    """Chats whose turns end with the commit that is being made."""

    def clear(self) -> None:
        """Forget the children that have ended."""
        self.committed.clear()
        self.returned.clear()

    @property
    def latencies(self) -> list[float]:
        """Seconds from the end of the COMMIT to the call's return, of each child."""
        return [returned - self.committed[chat_id] for chat_id, returned in self.returned.items()]

    @contextlib.contextmanager
    def watching(self) -> Generator[None]:
        """Watch every `FinishTurn`, the commits that make them durable, and every call of `wait_agent`."""
        finish, after_commit, run = FinishTurn.apply, _CommitLog.after_commit, WaitAgent.run

        def noted_finish(self_: FinishTurn, tx: Transaction) -> Committed:
            self._in_group.append(self_.claim.chat_id)
            return finish(self_, tx)

        def noted_commit(self_: _CommitLog, mark: object) -> None:
            self.committed.update(dict.fromkeys(self._in_group, time.perf_counter()))
            self._in_group = []
            after_commit(self_, mark)

        async def noted_run(self_: WaitAgent, args: Any, context: ToolContext) -> ToolOutput:
            self.begun.release()
            output = await run(self_, args, context)
            self.returned[args["chat_id"]] = time.perf_counter()
            return output

        with (
            patch.object(FinishTurn, "apply", noted_finish),
            patch.object(_CommitLog, "after_commit", noted_commit),
            patch.object(WaitAgent, "run", noted_run),
        ):
            yield


async def one_family(running: engine.Engine, clock: Clock, children: int) -> None:
    """Let a family's children all end at once, while their parent waits for each of them."""
    may_end = asyncio.Event()

    def child(_call: ModelCall) -> Answer:
        clock.begun.release()
        return [wait(may_end), say("Report.")]

    turn = asyncio.create_task(running.create(family(children, child)), name="bench-family")
    async with asyncio.timeout(BEGIN_LIMIT):
        for _ in range(2 * children):
            await clock.begun.acquire()
    await asyncio.sleep(SETTLE)
    may_end.set()
    await turn


async def measure(plan: Plan) -> Sequence[Measured]:
    children, families = plan.size(CHILDREN, 3), plan.size(FAMILIES, 1)
    clock = Clock()
    with scratch() as folder, clock.watching():
        async with engine.running(folder) as running:

            async def run() -> dict[str, float]:
                clock.clear()
                for _ in range(families):
                    await one_family(running, clock, children)
                late = [seconds * 1000 for seconds in clock.latencies]
                assert len(late) == children * families
                return {f"p{percent}": percentile(late, percent) for percent in GOALS}

            samples = await interleave([run], plan)
    return [
        Measured(
            what=f"{children} children at once, {percent}th percentile",
            values=samples[f"p{percent}"],
            unit="ms",
            goal=at_most(bound),
        )
        for percent, bound in GOALS.items()
    ]


BENCH = Bench(
    title="A child's last commit to the return of the parent's wait_agent",
    method=f"""
        The real engine on the disk. A scripted parent spawns {CHILDREN} children in one step and waits for
        each of them in the next; once all wait, the models of all children are let go on at the same
        moment. Each wait's time is from the moment when the COMMIT that ends the child's turn has returned,
        on the writer's thread, to the return of the tool, before that result is journalled. A round is
        {FAMILIES} families one after another: {CHILDREN * FAMILIES} waits.
    """,
    run=measure,
)
