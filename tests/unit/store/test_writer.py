"""The writer: one thread, commits that are shared, failures that are not."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from jupyter_chatd.errors import ConflictError
from jupyter_chatd.events import Change
from jupyter_chatd.store import State, Store, reads
from jupyter_chatd.store.conversation import CreateChat, InterruptChat, SendMessage, SetArchived
from jupyter_chatd.store.work import FinishTurn

from . import build
from .lockstep import Lockstep, Poison, Probe, held_writer, put_database
from .scenes import reach

pytestmark = pytest.mark.anyio


@pytest.fixture
async def probed(path: Path, anyio_backend: str) -> AsyncIterator[tuple[Store, Probe]]:
    """A store, and what counts its commits."""
    put_database(path)
    probe = Probe()
    async with Store(path, probe=probe) as store:
        probe.connection = await store.write(lambda conn: conn)
        probe.arm({})
        yield store, probe


def creating(number: int) -> CreateChat:
    return CreateChat(chat=build.chat(f"c{number:03}"), rows=(build.user(f"text {number}"),))


# Sharing


async def test_callers_of_the_same_moment_share_a_commit(probed: tuple[Store, Probe]) -> None:
    """50 at once: the first may go alone, the others gather while it is synced.

    On a busy machine a sync may be over before all have come; a commit for each would be 50.
    """
    store, probe = probed
    await asyncio.gather(*(store.apply(creating(number)) for number in range(50)))
    assert probe.points.count("begin") == 50
    assert probe.points.count("commit") <= 25


async def test_what_queued_up_during_a_commit_is_the_next_one(probed: tuple[Store, Probe]) -> None:
    store, probe = probed
    async with held_writer(store) as go:
        waiting = [asyncio.ensure_future(store.apply(creating(number))) for number in range(30)]
        await asyncio.sleep(0)
        probe.arm({}, skip=2)
        go.set()
        await asyncio.gather(*waiting)
    assert probe.points.count("commit") == 1


async def test_nobody_waits_for_others_to_come(store: Store) -> None:
    """No gathering delay: a lone write takes a commit, not a tick. The quickest tells: a delay is in each."""
    took: list[float] = []
    for number in range(10):
        began = time.perf_counter()
        await store.apply(creating(number))
        took.append(time.perf_counter() - began)
    assert min(took) < 0.2


async def test_changes_are_announced_in_commit_order_before_their_callers_wake(store: Store) -> None:
    heard: list[str] = []
    store.listen(lambda change: heard.append(change.chat.id))

    async def create(number: int) -> tuple[str, bool]:
        chat = await store.apply(creating(number))
        return chat.id, chat.id in heard

    made = await asyncio.gather(*(create(number) for number in range(40)))
    assert made == [(f"c{number:03}", True) for number in range(40)]
    assert heard == [chat_id for chat_id, _ in made]


# Failing


async def test_refused_transition_leaves_its_neighbours_alone(both: Lockstep) -> None:
    await reach(both, State.R0)
    jobs = [
        SendMessage(chat_id="c", message=build.user("a")),
        SetArchived(chat_id="c", archived=True),
        Poison(is_disk_full=False),
        SendMessage(chat_id="c", message=build.user("b")),
    ]
    outcomes = await both.together(jobs, {})
    assert [type(outcome).__name__ for outcome in outcomes] == [
        "Sent",
        "ConflictError",
        "InjectedError",
        "Sent",
    ]


async def test_lost_transaction_is_run_again_one_by_one(both: Lockstep) -> None:
    await reach(both, State.R0)
    jobs = [
        SendMessage(chat_id="c", message=build.user("a")),
        Poison(is_disk_full=True),
        SendMessage(chat_id="c", message=build.user("b")),
    ]
    outcomes = await both.together(jobs, {})
    assert [type(outcome).__name__ for outcome in outcomes] == ["Sent", "OperationalError", "Sent"]
    assert both.probe.points == []
    assert len(both.record().queue) == 2


async def test_refusal_of_the_lost_transaction_does_not_stick(both: Lockstep) -> None:
    """First the interruption makes the turn's end stale; then its own commit fails, and the turn ends."""
    await reach(both, State.R0)
    jobs = [InterruptChat(chat_id="c"), FinishTurn(claim=both.claim())]
    first_commit, commit_of_the_interruption = 4, 7
    outcomes = await both.together(jobs, {first_commit: False, commit_of_the_interruption: True})
    assert [type(outcome).__name__ for outcome in outcomes] == ["OperationalError", "Committed"]
    assert both.record().state == "W"


async def test_ids_are_not_used_again_after_a_rollback(both: Lockstep) -> None:
    """Rule 4. Whoever saw an id, in a log or a trace, never finds another message under it."""
    await reach(both, State.W)
    newest = both.record().rows[-1].id
    sending = SendMessage(chat_id="c", message=build.user("lost"))
    await both.together([sending], {2: True})
    sent = await both.do(sending)
    assert sent.message.id == newest + 2


async def test_full_disk_fails_the_callers_and_nothing_else(probed: tuple[Store, Probe]) -> None:
    """SQLite's own error, made with its page limit."""
    store, probe = probed
    conn = probe.connection
    assert conn is not None
    await store.apply(creating(0))
    (pages,) = conn.execute("PRAGMA page_count").fetchone()
    conn.execute(f"PRAGMA max_page_count = {pages + 20}")
    big = CreateChat(chat=build.chat("big"), rows=(build.user("x" * 500_000),))
    async with held_writer(store) as go:
        waiting = [asyncio.ensure_future(store.apply(job)) for job in (creating(1), big, creating(2))]
        await asyncio.sleep(0)
        go.set()
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    conn.execute("PRAGMA max_page_count = 1073741823")
    assert [type(outcome).__name__ for outcome in outcomes] == ["Chat", "OperationalError", "Chat"]
    assert str(outcomes[1]) == "database or disk is full"
    await store.apply(big)
    chats = await store.read(
        lambda conn: [row["id"] for row in conn.execute("SELECT id FROM chats ORDER BY id")]
    )
    assert chats == ["big", "c000", "c001", "c002"]


async def test_observer_that_fails_disturbs_nobody(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    heard: list[Change] = []

    def fail(_change: Change) -> None:
        raise RuntimeError("no")

    store.listen(fail)
    store.listen(heard.append)
    with caplog.at_level(logging.ERROR):
        await store.apply(creating(1))
    assert [change.chat.id for change in heard] == ["c001"]
    assert "A listener failed on a change of chat c001" in caplog.text


async def test_observer_that_left_hears_no_more(store: Store) -> None:
    heard: list[Change] = []
    leave = store.listen(heard.append)
    leave()
    leave()
    await store.apply(creating(1))
    assert heard == []


# Waiting and leaving


async def test_cancelled_caller_does_not_undo_the_write(store: Store) -> None:
    async with held_writer(store) as go:
        caller = asyncio.ensure_future(store.apply(creating(1)))
        await asyncio.sleep(0)
        caller.cancel()
        go.set()
    await asyncio.gather(caller, return_exceptions=True)
    assert caller.cancelled()
    await store.write(lambda _conn: None)  # comes after it in the queue
    assert (await store.read(lambda conn: reads.get_chat(conn, "c001"))).id == "c001"


async def test_reads_do_not_wait_for_the_writer(store: Store) -> None:
    await store.apply(creating(1))
    async with held_writer(store) as go:
        pending = asyncio.ensure_future(store.apply(InterruptChat(chat_id="c001")))
        async with asyncio.timeout(10):
            chat = await store.read(lambda conn: reads.get_chat(conn, "c001"))
        assert chat.status == "running"
        assert not pending.done()
        go.set()
        await pending


async def test_loop_runs_while_the_writer_works(store: Store) -> None:
    """A loop that waited for the writer would come when that has given up."""
    async with held_writer(store) as go:
        writing = asyncio.ensure_future(store.apply(creating(1)))
        for _ in range(100):
            await asyncio.sleep(0)
        assert not writing.done()
        go.set()
        await writing


async def test_closing_finishes_what_is_queued(path: Path) -> None:
    store = Store(path)
    await store.open()
    heard: list[str] = []
    store.listen(lambda change: heard.append(change.chat.id))
    async with held_writer(store) as go:
        waiting = [asyncio.ensure_future(store.apply(creating(number))) for number in range(5)]
        closing = asyncio.ensure_future(store.close())
        await asyncio.sleep(0.05)
        assert not closing.done()
        go.set()
    await closing
    assert [chat.id for chat in await asyncio.gather(*waiting)] == heard
    assert len(heard) == 5


async def test_closed_store_refuses_and_leaves_no_thread(path: Path) -> None:
    before = set(threading.enumerate())
    async with Store(path) as store:
        await store.apply(creating(1))
        await store.read(lambda conn: reads.get_chat(conn, "c001"))
    await store.close()
    started = {thread.name for thread in set(threading.enumerate()) - before}
    assert not [name for name in started if name.startswith("chatd")]
    with pytest.raises(RuntimeError, match="closed"):
        await store.apply(creating(2))


async def test_store_that_is_not_open_says_so(path: Path) -> None:
    with pytest.raises(RuntimeError, match="not open"):
        await Store(path).apply(creating(1))


async def test_error_inside_a_write_of_settings_is_the_callers(store: Store) -> None:
    def write(conn: sqlite3.Connection) -> None:
        conn.execute("UPDATE counters SET value = 77")
        raise ConflictError("no", state="W", transition="x")

    with pytest.raises(ConflictError):
        await store.write(write)
    value: Callable[[sqlite3.Connection], int] = reads.last_change_id
    assert await store.read(value) == 0
