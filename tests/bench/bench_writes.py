"""Acknowledged messages per second with many chats writing, beside SQLite without anything around it."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
import uuid
from collections.abc import AsyncGenerator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from jupyter_chatd.messages import Chat, NewMessage, Role
from jupyter_chatd.store import Claim, Store
from jupyter_chatd.store.conversation import CreateChat
from jupyter_chatd.store.work import Acquire, CommitStep

from . import engine
from .harness import Bench, Case, Measured, Plan, Samples, at_least, at_most, interleave, percentile
from .machine import commit_time, scratch

CHATS = 100
MESSAGES = 50  # written by each chat
BATCH = 50  # rows in one commit of bare SQLite
FSYNC = 0.0025  # seconds that the injected fsync takes
SINGLE = 200  # rows committed one by one

ROW = NewMessage(role=Role.ASSISTANT, parts=engine.said(engine.TEXT), model=engine.MODEL)


class Commits:
    """Counts the writer's commits, and makes each take longer if asked."""

    def __init__(self, fsync_s: float) -> None:
        self.count = 0
        self._fsync_s = fsync_s

    def probe(self, point: str) -> None:
        """The writer's seam."""
        if point == "commit":
            self.count += 1
            time.sleep(self._fsync_s)


@dataclass(slots=True)
class Writers:
    """Chats that run, each with somebody who writes into it as soon as the last row was acknowledged."""

    store: Store
    claims: list[Claim]

    async def write(self, messages: int) -> list[float]:
        """Write that many rows into every chat; return how long each acknowledgement took, in seconds."""
        waits: list[float] = []
        await asyncio.gather(*(self._write(claim, messages, waits) for claim in self.claims))
        return waits

    async def _write(self, claim: Claim, messages: int, waits: list[float]) -> None:
        for _ in range(messages):
            began = time.perf_counter()
            committed = await self.store.apply(CommitStep(claim=claim, rows=(ROW,)))
            waits.append(time.perf_counter() - began)
            claim = replace(claim, history_version=committed.chat.history_version)


@contextlib.asynccontextmanager
async def writers(path: Path, commits: Commits, *, chats: int) -> AsyncGenerator[Writers, None]:
    """New chats in the file, running, with claims on them."""
    async with Store(path, probe=commits.probe) as store:
        await asyncio.gather(
            *(store.apply(CreateChat(chat=engine.new_chat(), rows=())) for _ in range(chats))
        )
        ids = tuple(uuid.uuid4().hex for _ in range(chats))
        taken = await store.apply(Acquire(worker_id="bench", runner_ids=ids))
        yield Writers(store, [_claim(chat) for chat in taken])


def _claim(chat: Chat) -> Claim:
    return Claim(chat_id=chat.id, runner_id=chat.runner_id or "", history_version=chat.history_version)


def our_case(path: Path, name: str, plan: Plan, *, fsync_s: float = 0.0) -> Case:
    """All chats write at once through the store."""

    async def run() -> dict[str, float]:
        commits = Commits(fsync_s)
        chats, messages = plan.size(CHATS, 5), plan.size(MESSAGES, 2)
        async with writers(path, commits, chats=chats) as busy:
            before, began = commits.count, time.perf_counter()
            waits = await busy.write(messages)
            seconds = time.perf_counter() - began
        return {
            f"{name} rate": len(waits) / seconds,
            f"{name} per commit": len(waits) / (commits.count - before),
            f"{name} p99": percentile(waits, 99) * 1000,
        }

    return run


def bare_case(path: Path, name: str, rows: int, *, batch: int, fsync_s: float = 0.0) -> Case:
    """The same rows written by a loop around SQLite: the message, its search entry, its chat, its sums."""

    async def run() -> dict[str, float]:
        with closing(sqlite3.connect(path, isolation_level=None)) as conn:
            conn.execute("PRAGMA synchronous = FULL")
            chats = [chat_id for (chat_id,) in conn.execute("SELECT id FROM chats LIMIT ?", (CHATS,))]
            began = time.perf_counter()
            for start in range(0, rows, batch):
                conn.execute("BEGIN IMMEDIATE")
                for number in range(start, min(start + batch, rows)):
                    _insert(conn, chats[number % len(chats)], number)
                time.sleep(fsync_s)  # noqa: ASYNC251 - stands for a blocking call
                conn.execute("COMMIT")
            return {f"{name} rate": rows / (time.perf_counter() - began)}

    return run


_ADD_TO_SUMS = """
INSERT INTO usage (
    chat_id, day, model, owner_id, root_chat_id, priced_message_count, unpriced_message_count,
    total_cost_micros, input_tokens, output_tokens, reasoning_tokens, cache_read_tokens,
    cache_creation_tokens, runtime_ms
) VALUES (?, date(?, 'unixepoch'), ?, ?, ?, 0, 1, 0, 0, 0, 0, 0, 0, 0)
ON CONFLICT DO UPDATE SET unpriced_message_count = unpriced_message_count + 1
"""


def _insert(conn: sqlite3.Connection, chat_id: str, number: int) -> None:
    content = f'[{{"type":"text","text":"{engine.TEXT}"}}]'
    cursor = conn.execute(
        "INSERT INTO messages (chat_id, created_at, role, content, content_version, model, revision)"
        " VALUES (?, ?, 'assistant', ?, 1, ?, ?)",
        (chat_id, time.time(), content, engine.MODEL, number),
    )
    conn.execute("INSERT INTO message_search (rowid, text) VALUES (?, ?)", (cursor.lastrowid, engine.TEXT))
    conn.execute(
        "UPDATE chats SET snapshot_version = ?1, history_version = ?1, change_id = ?1, updated_at = ?2"
        " WHERE id = ?3",
        (number, time.time(), chat_id),
    )
    conn.execute(_ADD_TO_SUMS, (chat_id, time.time(), engine.MODEL, engine.OWNER, chat_id))


async def measure(plan: Plan) -> Sequence[Measured]:
    rows = plan.size(CHATS * MESSAGES, 10)
    with scratch() as folder:
        commit_ms = commit_time(folder) * 1000
        path = folder / "chats.db"
        async with writers(path, Commits(0.0), chats=plan.size(CHATS, 5)):
            pass  # the chats that bare SQLite writes into
        cases = [
            our_case(path, "ours", plan),
            bare_case(path, "bare", rows, batch=BATCH),
            our_case(path, "slow ours", plan, fsync_s=FSYNC),
            bare_case(path, "slow bare", plan.size(SINGLE, 5), batch=1, fsync_s=FSYNC),
        ]
        samples = await interleave(cases, plan)
    return _lines(samples, commit_ms)


def _lines(samples: Samples, commit_ms: float) -> list[Measured]:
    slow = f"with a fsync of {FSYNC * 1000:g} ms"
    return [
        Measured(
            what=f"over bare SQLite in batches of {BATCH}",
            values=samples.ratios("ours rate", "bare rate"),
            goal=at_least(0.6),
        ),
        Measured(
            what="acknowledged per commit", values=samples["ours per commit"], goal=at_least(20), unit=""
        ),
        Measured(
            what="99th percentile of the wait for an acknowledgement",
            values=samples["ours p99"],
            unit="ms",
            goal=at_most(3 * commit_ms + 15),
            note=f"a small commit takes {commit_ms:.2f} ms",
        ),
        Measured(
            what=f"{slow}: over one row per commit of bare SQLite",
            values=samples.ratios("slow ours rate", "slow bare rate"),
            goal=at_least(20),
        ),
        Measured(what="ours", values=samples["ours rate"], unit="/s"),
        Measured(what=f"bare SQLite in batches of {BATCH}", values=samples["bare rate"], unit="/s"),
        Measured(what=f"{slow}: ours", values=samples["slow ours rate"], unit="/s"),
        Measured(
            what=f"{slow}: bare SQLite, one row per commit", values=samples["slow bare rate"], unit="/s"
        ),
    ]


BENCH = Bench(
    title="Acknowledged messages per second, 100 chats writing at once",
    method="""
        100 running chats, each of which stores an assistant message of 200 characters as soon as the
        one before was acknowledged, through the store with all its checks and announcements. Bare
        SQLite is a loop that writes the same rows (message, search entry, chat, sums of usage) into the
        same file.
        Both commit with `synchronous = FULL`. The injected fsync is a sleep before each commit.
    """,
    run=measure,
)
