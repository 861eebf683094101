"""What model calls used: summed as they are stored, never given back."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jupyter_chatd.messages import CallKey, Chat, NewMessage, Usage
from jupyter_chatd.store import Store
from jupyter_chatd.store.conversation import CreateChat, EditMessage, ImportChat, PurgeChat, SetArchived
from jupyter_chatd.store.reads import get_chat
from jupyter_chatd.store.usage import PaidCall, count_call
from jupyter_chatd.store.usage_report import chat_usage, owner_usage
from jupyter_chatd.store.work import Acquire, CommitStep, FinishTurn
from jupyter_chatd.usage import ChatTotals, DayTotals, ModelTotals, UsageSummary

from . import build
from .lockstep import held_writer

pytestmark = pytest.mark.anyio

DAY = 86_400.0
NEWS_YEAR = 1_767_225_600.0  # 2026-01-01 in UTC seconds


def answer(cost: int | None = 1000, *, model: str = "openai:big", **tokens: int) -> NewMessage:
    """An answer that cost so many millionths of a dollar and took 5 ms."""
    usage = Usage(**({"input_tokens": 10, "output_tokens": 4} | tokens))
    return replace(build.assistant(), model=model, usage=usage, total_cost_micros=cost, runtime_ms=5)


class Ledger:
    """A store in which chats are answered as days pass."""

    def __init__(self, path: Path) -> None:
        self.day = 0
        self.store = Store(path, clock=lambda: NEWS_YEAR + self.day * DAY)

    async def chat(self, chat_id: str) -> Chat:
        return await self.store.read(lambda conn: get_chat(conn, chat_id))

    async def begin(self, chat_id: str = "c", *, parent: str | None = None) -> None:
        by = CallKey(message_id=1, index=0) if parent else None
        claim = build.claim(await self.chat(parent)) if parent else None
        chat = build.chat(chat_id, parent=parent, by=by)
        await self.store.apply(CreateChat(chat=chat, rows=(build.user(),), parent=claim))
        await self.store.apply(Acquire(worker_id="w", runner_ids=(f"runner-{chat_id}",)))

    async def say(self, *rows: NewMessage, chat_id: str = "c") -> None:
        claim = build.claim(await self.chat(chat_id))
        await self.store.apply(CommitStep(claim=claim, rows=rows))

    async def finish(self, chat_id: str = "c") -> None:
        await self.store.apply(FinishTurn(claim=build.claim(await self.chat(chat_id))))

    async def of_chat(self, chat_id: str = "c") -> UsageSummary:
        return await self.store.read(lambda conn: chat_usage(conn, chat_id))

    async def of_days(self, first: str, last: str, *, owner: str = "ada") -> UsageSummary:
        return await self.store.read(lambda conn: owner_usage(conn, owner, first_day=first, last_day=last))


@pytest.fixture
async def ledger(path: Path, anyio_backend: str) -> AsyncIterator[Ledger]:
    made = Ledger(path)
    async with made.store:
        yield made


async def test_a_chat_without_a_call_cost_nothing(ledger: Ledger) -> None:
    await ledger.begin()
    assert await ledger.of_chat() == UsageSummary()


async def test_calls_are_summed_and_taken_apart_by_model_chat_and_day(ledger: Ledger) -> None:
    await ledger.begin()
    await ledger.say(answer(1000, reasoning_tokens=2, cache_read_tokens=7, cache_creation_tokens=3))
    ledger.day = 1
    await ledger.say(answer(10), answer(500, model="anthropic:small:8b"))
    first = {
        "message_count": 1,
        "priced_message_count": 1,
        "total_input_tokens": 10,
        "total_output_tokens": 4,
    }
    first |= {"total_runtime_ms": 5}
    cached = {"total_reasoning_tokens": 2, "total_cache_read_tokens": 7, "total_cache_creation_tokens": 3}
    twice = {name: 2 * value for name, value in first.items()}
    whole: dict[str, Any] = {name: 3 * value for name, value in first.items()}
    whole |= cached | {"total_cost_micros": 1510}
    assert await ledger.of_chat() == UsageSummary(
        **whole,
        by_model=(
            ModelTotals(provider="openai", model="big", **twice | cached, total_cost_micros=1010),
            ModelTotals(provider="anthropic", model="small:8b", **first, total_cost_micros=500),
        ),
        by_chat=(ChatTotals(chat_id="c", root_chat_id="c", chat_title="chat c", **whole),),
        by_day=(
            DayTotals(day="2026-01-01", **first | cached, total_cost_micros=1000),
            DayTotals(day="2026-01-02", **twice, total_cost_micros=510),
        ),
    )


async def test_an_unknown_price_is_not_zero(ledger: Ledger) -> None:
    await ledger.begin()
    await ledger.say(answer(None))
    summary = await ledger.of_chat()
    assert (summary.total_cost_micros, summary.priced_message_count, summary.unpriced_message_count) == (
        None,
        0,
        1,
    )
    await ledger.say(answer(30, model="openai:known"))
    summary = await ledger.of_chat()
    assert (summary.total_cost_micros, summary.priced_message_count, summary.unpriced_message_count) == (
        30,
        1,
        1,
    )
    assert [row.total_cost_micros for row in summary.by_model] == [30, None]


async def test_a_free_model_costs_zero(ledger: Ledger) -> None:
    await ledger.begin()
    await ledger.say(answer(0))
    assert (await ledger.of_chat()).total_cost_micros == 0


async def test_only_calls_of_models_count(ledger: Ledger) -> None:
    """What the user writes, what tools answer and a note of our own cost nothing."""
    await ledger.begin()
    await ledger.say(replace(build.assistant("a note"), model=None, usage=None))
    assert await ledger.of_chat() == UsageSummary()


async def test_an_edit_gives_nothing_back(ledger: Ledger) -> None:
    await ledger.begin()
    await ledger.say(answer())
    await ledger.finish()
    before = await ledger.of_chat()
    await ledger.store.apply(EditMessage(chat_id="c", message_id=1, message=build.user("again")))
    assert await ledger.of_chat() == before
    assert before.total_cost_micros == 1000


async def test_a_deleted_chat_stays_in_the_sums_without_its_title(ledger: Ledger) -> None:
    await ledger.begin()
    await ledger.say(answer())
    await ledger.finish()
    await ledger.store.apply(SetArchived(chat_id="c", archived=True))
    await ledger.store.apply(PurgeChat(chat_id="c"))
    summary = await ledger.of_days("2026-01-01", "2026-01-01")
    assert summary.total_cost_micros == 1000
    assert [(row.chat_id, row.chat_title) for row in summary.by_chat] == [("c", None)]


async def test_a_chat_that_comes_back_is_not_counted_twice(ledger: Ledger) -> None:
    rows = (build.user(), answer())
    await ledger.store.apply(ImportChat(chat=build.chat(), rows=rows))
    assert (await ledger.of_chat()).total_cost_micros == 1000
    await ledger.store.apply(SetArchived(chat_id="c", archived=True))
    await ledger.store.apply(PurgeChat(chat_id="c"))
    await ledger.store.apply(ImportChat(chat=build.chat(), rows=rows))
    assert (await ledger.of_chat()).total_cost_micros == 1000


async def test_a_chat_that_comes_back_in_the_commit_that_counts_it_is_not_counted_twice(
    ledger: Ledger,
) -> None:
    await ledger.begin()
    chat = await ledger.chat("c")
    claim = build.claim(chat)
    jobs = [
        CommitStep(claim=claim, rows=(answer(),)),
        FinishTurn(claim=replace(claim, history_version=chat.snapshot_version + 1)),
        SetArchived(chat_id="c", archived=True),
        PurgeChat(chat_id="c"),
        ImportChat(chat=build.chat(), rows=(build.user(), answer())),
    ]
    async with held_writer(ledger.store) as go:
        running = [asyncio.ensure_future(ledger.store.apply(job)) for job in jobs]
        await asyncio.sleep(0)
        go.set()
    await asyncio.gather(*running)
    assert (await ledger.of_chat()).total_cost_micros == 1000


async def test_an_answer_counts_once_when_its_commit_is_made_again(ledger: Ledger) -> None:
    """Half of a write is undone with all that shares its commit; the others run again."""
    await ledger.begin()

    def write_half(conn: sqlite3.Connection) -> None:
        conn.execute("UPDATE chats SET title = 'half'")
        raise RuntimeError("the other half")

    step = CommitStep(claim=build.claim(await ledger.chat("c")), rows=(answer(),))
    async with held_writer(ledger.store) as go:
        running = [
            asyncio.ensure_future(job) for job in (ledger.store.apply(step), ledger.store.write(write_half))
        ]
        await asyncio.sleep(0)
        go.set()
    _, failed = await asyncio.gather(*running, return_exceptions=True)
    assert isinstance(failed, RuntimeError)
    summary = await ledger.of_chat()
    assert (summary.total_cost_micros, summary.priced_message_count) == (1000, 1)


async def test_a_chat_answers_for_its_children_and_a_child_for_itself(ledger: Ledger) -> None:
    await ledger.begin("root")
    await ledger.begin("child", parent="root")
    await ledger.say(answer(1), chat_id="root")
    await ledger.say(answer(20), chat_id="child")
    whole = await ledger.of_chat("root")
    assert (whole.total_cost_micros, [row.chat_id for row in whole.by_chat]) == (21, ["child", "root"])
    assert {row.root_chat_id for row in whole.by_chat} == {"root"}
    assert (await ledger.of_chat("child")).total_cost_micros == 20


async def test_days_are_counted_from_the_first_to_the_last(ledger: Ledger) -> None:
    await ledger.begin()
    for ledger.day, cost in enumerate((1, 20, 300, 4000)):
        await ledger.say(answer(cost))
    assert (await ledger.of_days("2026-01-02", "2026-01-03")).total_cost_micros == 320
    assert (await ledger.of_days("2026-01-05", "2026-02-03")) == UsageSummary()


async def test_an_owner_sees_no_costs_of_others(ledger: Ledger) -> None:
    await ledger.begin()
    await ledger.say(answer())
    assert await ledger.of_days("2026-01-01", "2026-12-31", owner="bob") == UsageSummary()


async def test_a_call_that_left_no_message_counts(ledger: Ledger) -> None:
    """A title, or a summary that came to nothing."""
    await ledger.begin()
    chat = await ledger.chat("c")
    call = PaidCall(model="openai:mini", usage=Usage(input_tokens=2), cost_micros=7)
    await ledger.store.write(lambda conn: count_call(conn, chat, call, now=NEWS_YEAR))
    summary = await ledger.of_chat()
    assert (summary.total_cost_micros, summary.total_input_tokens, summary.message_count) == (7, 2, 1)


async def test_what_older_releases_stored_is_summed_when_they_are_upgraded(path: Path) -> None:
    """By the migration, to the same sums as if it had been counted from the beginning."""
    ledger = Ledger(path)
    async with ledger.store:
        await ledger.begin("root")
        await ledger.begin("child", parent="root")
        await ledger.say(answer(None), answer(5, reasoning_tokens=1), chat_id="root")
        ledger.day = 3
        await ledger.say(replace(answer(70), usage=None), chat_id="child")
        await ledger.say(replace(build.assistant("a note"), model=None, usage=None), chat_id="child")
        expected = await ledger.of_chat("root")
    forget_usage(path)
    again = Ledger(path)
    async with again.store:
        assert await again.of_chat("root") == expected
    assert expected.message_count == 3


def forget_usage(path: Path) -> None:
    """Leave the file as a release without sums would."""
    conn = sqlite3.connect(path)
    conn.execute("DROP TABLE usage")
    conn.execute("DELETE FROM _sqlite_migrations WHERE name LIKE '%\\_usage' ESCAPE '\\'")
    conn.commit()
    conn.close()


async def test_no_question_reads_messages_or_rows_of_others(ledger: Ledger) -> None:
    plans = await ledger.store.read(_plans)
    assert len(plans) > 5
    assert not [line for line in plans if line.startswith("SCAN") or "messages" in line]


def _plans(conn: sqlite3.Connection) -> list[str]:
    """How SQLite goes about all queries of both questions."""
    asked: list[str] = []
    conn.set_trace_callback(asked.append)
    chat_usage(conn, "c")
    owner_usage(conn, "ada", first_day="2026-01-01", last_day="2026-01-31")
    conn.set_trace_callback(None)
    queries = [sql for sql in asked if sql.startswith("SELECT")]
    return [row["detail"] for sql in queries for row in conn.execute(f"EXPLAIN QUERY PLAN {sql}")]
