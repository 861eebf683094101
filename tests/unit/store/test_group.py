"""What transitions of one commit share, and what the writer remembers between commits."""

from __future__ import annotations

import asyncio
import sqlite3

import pytest

from jupyter_chatd.store import State, Store, group, reads
from jupyter_chatd.store.conversation import CreateChat, EditMessage, ImportChat, PurgeChat, SetArchived
from jupyter_chatd.store.work import Acquire, CommitStep, FinishTurn

from . import build
from .lockstep import Lockstep, held_writer
from .scenes import add_queue_row, reach

pytestmark = pytest.mark.anyio


async def found(store: Store) -> list[str]:
    """Return all texts that a search can find."""
    query = "SELECT text FROM message_search ORDER BY rowid"
    return await store.read(lambda conn: [row["text"] for row in conn.execute(query)])


async def test_a_step_of_a_known_chat_is_three_statements_and_its_share_of_the_commit(store: Store) -> None:
    """The message, the chat, the text: nothing is read that the writer knows."""
    await store.apply(CreateChat(chat=build.chat(), rows=(build.user(),)))
    (chat,) = await store.apply(Acquire(worker_id="w", runner_ids=("r",)))
    statements: list[str] = []
    conn = await store.write(lambda conn: conn)
    await store.apply(CommitStep(claim=build.claim(chat), rows=(build.assistant(),)))
    conn.set_trace_callback(statements.append)
    chat = await store.read(lambda conn: reads.get_chat(conn, "c"))
    await store.apply(CommitStep(claim=build.claim(chat), rows=(build.assistant("two"),)))
    conn.set_trace_callback(None)
    on_chats = [line.split()[:2] for line in statements if "chats" in line or "messages " in line]
    assert on_chats == [["INSERT", "INTO"], ["UPDATE", "chats"]]


async def test_what_one_transition_writes_the_next_of_the_same_commit_sees(both: Lockstep) -> None:
    await reach(both, State.R1)
    claim = both.claim()
    outcomes = await both.together([FinishTurn(claim=claim), FinishTurn(claim=claim)], {})
    assert [type(outcome).__name__ for outcome in outcomes] == ["Committed", "StaleWorkError"]


async def test_text_that_is_edited_away_in_the_commit_that_brings_it_is_not_found(both: Lockstep) -> None:
    await reach(both, State.R0)
    said = both.record().rows[0].id
    step = CommitStep(claim=both.claim(), rows=(build.assistant("never to be found"),))
    edit = EditMessage(chat_id="c", message_id=said, message=build.user("anew"))
    await both.together([step, edit], {})
    assert both.store is not None
    assert await found(both.store) == ["anew"]


async def test_text_that_is_purged_in_the_commit_that_brings_it_is_not_found(store: Store) -> None:
    async with held_writer(store) as go:
        jobs = [
            ImportChat(chat=build.chat(), rows=(build.user(),)),
            SetArchived(chat_id="c", archived=True),
            PurgeChat(chat_id="c"),
        ]
        running = [asyncio.ensure_future(store.apply(job)) for job in jobs]
        await asyncio.sleep(0)
        go.set()
    await asyncio.gather(*running)
    assert await found(store) == []


async def test_write_past_the_transitions_is_seen_by_the_next(both: Lockstep) -> None:
    """A queue that appeared from nowhere makes the chat impossible, known or not."""
    await reach(both, State.W)
    await add_queue_row(both, "c")
    await both.do(build.reconcile())
    assert both.record().state == "E1"


async def test_text_whose_message_a_write_deleted_is_not_found(store: Store) -> None:
    def delete(conn: sqlite3.Connection) -> None:
        conn.execute("DELETE FROM chats")

    async with held_writer(store) as go:
        created = asyncio.ensure_future(store.apply(CreateChat(chat=build.chat(), rows=(build.user(),))))
        deleted = asyncio.ensure_future(store.write(delete))
        await asyncio.sleep(0)
        go.set()
    await asyncio.gather(created, deleted)
    assert await found(store) == []


async def test_chats_that_were_forgotten_are_read_again(
    both: Lockstep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group, "KNOWN_CHATS", 2)
    for chat_id in "cde":
        await reach(both, State.R0, chat_id=chat_id)
    for chat_id in "cdedc":
        await both.do(CommitStep(claim=both.claim(chat_id), rows=(build.assistant(),)))
    assert len(both.record("c").rows) == 3


async def test_change_numbers_only_grow(store: Store) -> None:
    """Those of transitions, of metadata between them, and of a commit with both."""
    async with held_writer(store) as go:
        jobs = [
            asyncio.ensure_future(store.apply(ImportChat(chat=build.chat("a"), rows=()))),
            asyncio.ensure_future(store.apply(ImportChat(chat=build.chat("b"), rows=()))),
            asyncio.ensure_future(store.write_metadata("a", {"title": "A"})),
            asyncio.ensure_future(store.apply(ImportChat(chat=build.chat("c"), rows=()))),
        ]
        await asyncio.sleep(0)
        go.set()
    await asyncio.gather(*jobs)
    numbers = [await store.read(reads.last_change_id)]
    for title in ("B", "C"):
        await store.write_metadata("b", {"title": title})
        numbers.append(await store.read(reads.last_change_id))
        await store.apply(ImportChat(chat=build.chat(title), rows=()))
        numbers.append(await store.read(reads.last_change_id))
    assert numbers == sorted(set(numbers))
    known = await store.read(lambda conn: conn.execute("SELECT MAX(change_id) FROM chats").fetchone()[0])
    assert known == numbers[-1]
