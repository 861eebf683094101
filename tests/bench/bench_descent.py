"""Whether a chat lies below another, in a small tree and in a large one."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from jupyter_chatd.messages import Chat
from jupyter_chatd.store import Store, families
from jupyter_chatd.store.conversation import ImportChat, ImportFamily

from . import engine
from .harness import Bench, Case, Measured, Plan, at_most, interleave
from .machine import scratch

DEPTH = 100  # levels from the root down to the chat that is asked for
SMALL, LARGE = 100, 10_000  # chats below the root
CHECKS = 50  # of which each value is the median
MORE_ROUNDS = 3


def tree(size: int) -> Iterator[Chat]:
    """Yield a root, then *size* chats: a chain of DEPTH, and as many others below each chat of the chain.

    The chat that is asked for comes last.
    """
    root = above = engine.new_chat()
    yield root
    for _ in range(DEPTH):
        for _ in range(size // DEPTH - 1):
            yield _child(root, above)
        yield (above := _child(root, above))


def _child(root: Chat, parent: Chat) -> Chat:
    return replace(engine.new_chat(), parent_chat_id=parent.id, root_chat_id=root.id)


async def case(store: Store, size: int) -> Case:
    """Ask whether the lowest chat of a tree lies below its root."""
    chats = tuple(tree(size))
    await store.apply(ImportFamily(members=tuple(ImportChat(chat=chat, rows=()) for chat in chats)))
    root_id, lowest_id = chats[0].id, chats[-1].id

    async def check() -> float:
        began = time.perf_counter()
        is_below = await store.read(
            lambda conn: families.is_descendant(conn, ancestor_id=root_id, chat_id=lowest_id)
        )
        assert is_below
        return time.perf_counter() - began

    async def run() -> dict[str, float]:
        return {str(size): statistics.median([await check() for _ in range(CHECKS)]) * 1000}

    return run


async def measure(plan: Plan) -> Sequence[Measured]:
    large = plan.size(LARGE, 500)
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(scratch()))
        cases = [
            await case(await stack.enter_async_context(Store(folder / str(size) / "chats.db")), size)
            for size in (SMALL, large)
        ]
        samples = await interleave(cases, plan.times(MORE_ROUNDS))
    return [
        Measured(
            what=f"in a tree of {large:,} chats over in one of {SMALL}",
            values=samples.ratios(str(large), str(SMALL)),
            goal=at_most(1.2),
        ),
        Measured(what=f"in a tree of {SMALL}", values=samples[str(SMALL)], unit="ms"),
        Measured(what=f"in a tree of {large:,}", values=samples[str(large)], unit="ms"),
    ]


BENCH = Bench(
    title=f"Whether a chat is a descendant of another, {DEPTH} levels above",
    method=f"""
        Two files on the disk. One holds a root and a chain of {DEPTH} chats below it; in the other each chat
        of the chain has {LARGE // DEPTH - 1} more children. Asked is, through the store, whether the lowest
        chat of the chain lies below the root; each value is the median of {CHECKS}.
    """,
    run=measure,
)
