"""Queries: what they return, and that their cost does not grow with a chat's history."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from jupyter_chatd.errors import ChatNotFoundError
from jupyter_chatd.messages import ActionKind, CallKey, Role, TextPart, ToolCallPart, Visibility
from jupyter_chatd.store import Claim, State, Store, reads
from jupyter_chatd.store.actions import ClaimAction, EnterAction
from jupyter_chatd.store.conversation import (
    CreateChat,
    DeleteQueued,
    EditMessage,
    PurgeChat,
    SendMessage,
    SetArchived,
)
from jupyter_chatd.store.reads import ChatQuery
from jupyter_chatd.store.search import SearchQuery, search_messages
from jupyter_chatd.store.work import (
    Acquire,
    BeginAttempt,
    CommitStep,
    FinishError,
    FinishTools,
    FinishTurn,
    StartTools,
)

from . import build
from .lockstep import Lockstep
from .scenes import WORKER, add_queue_row, begin, fill_queue, open_keys, reach

pytestmark = pytest.mark.anyio


async def make(store: Store, chat_id: str = "c", *texts: str, **values: Any) -> Claim:
    """Make a running chat with these user messages; return the claim on it."""
    rows = tuple(build.user(text) for text in texts or ("hello",))
    await store.apply(CreateChat(chat=build.chat(chat_id, **values), rows=rows))
    taken = await store.apply(Acquire(worker_id="w", runner_ids=(f"r-{chat_id}",)))
    return build.claim(next(chat for chat in taken if chat.id == chat_id))


async def lengthen(store: Store, claim: Claim, steps: int) -> Claim:
    """Add that many steps with one call each to a running chat."""
    for _ in range(steps):
        done = await store.apply(CommitStep(claim=claim, rows=(build.assistant("step", "execute"),)))
        key = CallKey(message_id=done.rows[0].id, index=1)
        result = replace(build.result_row_without_key("done"), answers=key)
        done = await store.apply(CommitStep(claim=build.claim(done.chat), rows=(result,)))
        claim = build.claim(done.chat)
    return claim


# The cursor


async def test_cursor_reads_only_what_is_newer(store: Store) -> None:
    """M7: the first snapshot reads everything, what follows only rows with a greater id."""
    claim = await lengthen(store, await make(store), 3)
    everything = await store.read(lambda conn: reads.snapshot(conn, "c", after_id=0))
    last = everything.messages[-1].id
    await store.apply(CommitStep(claim=claim, rows=(build.assistant("news"),)))
    view = await store.read(lambda conn: reads.snapshot(conn, "c", after_id=last))
    assert len(everything.messages) == 7
    assert ([message.text for message in view.messages], view.reset) == (["news"], False)


async def test_cursor_searches_the_index_by_chat_and_id(store: Store) -> None:
    await make(store)
    seen: list[str] = []

    def read(conn: sqlite3.Connection) -> list[str]:
        conn.set_trace_callback(seen.append)
        reads.client_messages(conn, "c", after_id=1)
        conn.set_trace_callback(None)
        (query,) = seen
        return [row["detail"] for row in conn.execute(f"EXPLAIN QUERY PLAN {query}")]

    assert await store.read(read) == ["SEARCH messages USING INDEX messages_chat (chat_id=? AND id>?)"]


async def test_cursor_of_a_deleted_or_unknown_message_starts_over(both: Lockstep) -> None:
    await reach(both, State.W)
    answer = both.record().visible[-1].id
    await both.do(EditMessage(chat_id="c", message_id=1, message=build.user("else")))
    assert both.store is not None
    for cursor in (answer, 999):
        view = await both.store.read(lambda conn, after=cursor: reads.snapshot(conn, "c", after_id=after))
        assert (view.reset, [message.text for message in view.messages]) == (True, ["else"])


async def test_snapshot_has_queue_and_actions_but_no_rows_for_the_model_only(both: Lockstep) -> None:
    await reach(both, State.A1)
    assert both.store is not None
    view = await both.store.read(lambda conn: reads.snapshot(conn, "c", after_id=0))
    assert [message.role for message in view.messages] == [Role.USER, Role.ASSISTANT]
    assert [queued.parts for queued in view.queue] == [(TextPart(text="queued 0"),)]
    assert [action.kind for action in view.actions] == [ActionKind.CLIENT_TOOL]


async def test_unknown_chat_is_not_found_and_the_reader_can_go_on(store: Store) -> None:
    for _ in range(3):
        with pytest.raises(ChatNotFoundError):
            await store.read(lambda conn: reads.snapshot(conn, "nobody", after_id=0))


# Costs


def steps_of(conn: sqlite3.Connection, work: Callable[[], object]) -> int:
    """Count the steps of SQLite's machine that some work takes."""
    count = 0

    def tick() -> None:
        nonlocal count
        count += 1

    conn.set_progress_handler(tick, 1)
    work()
    conn.set_progress_handler(None, 1)
    return count


READS: dict[str, Callable[[sqlite3.Connection], object]] = {
    "news": lambda conn: reads.snapshot(conn, "c", after_id=_newest(conn)),
    "journal": lambda conn: reads.journal(conn, "c"),
    "first page": lambda conn: reads.client_messages_before(conn, "c", before_id=None, limit=5),
    "has work": lambda conn: reads.has_work(conn, ["w"]),
    "overdue": lambda conn: reads.overdue_actions(conn, 1.0),
    "unclaimed": reads.unclaimed_waits,
    "changes": lambda conn: reads.changes_since(conn, reads.last_change_id(conn) - 1),
}


def _newest(conn: sqlite3.Connection) -> int:
    return conn.execute("SELECT id FROM messages ORDER BY id DESC LIMIT 1").fetchone()["id"]


@pytest.mark.parametrize("name", READS)
async def test_read_costs_the_same_whatever_the_history(store: Store, name: str) -> None:
    claim = await lengthen(store, await make(store), 4)
    short = await store.read(lambda conn: steps_of(conn, lambda: READS[name](conn)))
    await lengthen(store, claim, 60)
    long = await store.read(lambda conn: steps_of(conn, lambda: READS[name](conn)))
    assert long <= short + 20


async def test_runner_reads_what_no_summary_covers(store: Store) -> None:
    system = replace(build.user(), role=Role.SYSTEM, created_by=None, visibility=Visibility.MODEL)
    await store.apply(CreateChat(chat=build.chat(), rows=(system, build.user("turn"))))
    (chat,) = await store.apply(Acquire(worker_id="w", runner_ids=("r",)))
    claim = await lengthen(store, build.claim(chat), 5)
    whole = await store.read(lambda conn: reads.runner_view(conn, "c"))
    covered = whole.history[-1].id
    done = await store.apply(
        CommitStep(claim=claim, rows=(build.summary("so far", covered),), compacted=True)
    )
    await lengthen(store, build.claim(done.chat), 1)
    view = await store.read(lambda conn: reads.runner_view(conn, "c"))
    roles = [message.role for message in view.history]
    assert roles == [Role.SYSTEM, Role.USER, Role.USER, Role.ASSISTANT, Role.TOOL]
    assert [message.text for message in view.history[1:3]] == ["turn", "so far"]
    assert view.chat.id == "c"


TRANSITIONS: dict[str, Callable[[Claim, CallKey], Any]] = {
    "BeginAttempt": lambda claim, _: BeginAttempt(claim=claim),
    "StartTools": lambda claim, key: StartTools(claim=claim, calls=[build.start(key)]),
    "FinishTools": lambda claim, key: FinishTools(claim=claim, results=[(key, build.output())]),
    "CommitStep": lambda claim, _: CommitStep(claim=claim, rows=(build.assistant(),)),
    "SendMessage": lambda claim, _: SendMessage(chat_id=claim.chat_id, message=build.user()),
    "EnterAction": lambda claim, key: EnterAction(claim=claim, asks=(build.ask(key, ActionKind.QUESTION),)),
    "FinishTurn": lambda claim, _: FinishTurn(claim=claim),
    "FinishError": lambda claim, _: FinishError(claim=claim, error=build.FAILED),
}


@pytest.mark.parametrize("name", TRANSITIONS)
async def test_transition_costs_the_same_whatever_the_history(store: Store, name: str) -> None:
    costs: list[int] = []
    for length in (4, 60):
        chat_id = f"c{length}"
        claim = await lengthen(store, await make(store, chat_id), length)
        done = await store.apply(CommitStep(claim=claim, rows=(build.assistant("s", "execute"),)))
        claim, key = build.claim(done.chat), CallKey(message_id=done.rows[0].id, index=1)
        conn = await store.write(lambda conn: conn)
        handled = _Ticks(conn)
        await store.apply(TRANSITIONS[name](claim, key))
        costs.append(handled.stop())
    assert costs[1] <= costs[0] * 1.2 + 60, "an index grows a level, never a scan"


class _Ticks:
    """Counts steps of SQLite's machine on the writer's connection."""

    def __init__(self, conn: sqlite3.Connection) -> None:
        self._conn = conn
        self._count = 0
        conn.set_progress_handler(self._tick, 1)

    def _tick(self) -> None:
        self._count += 1

    def stop(self) -> int:
        self._conn.set_progress_handler(None, 1)
        return self._count


# Lists


async def test_chats_are_listed_newest_change_first_and_by_page(path: Any) -> None:
    times: Iterator[float] = iter(range(100, 200))
    async with Store(path, clock=lambda: float(next(times))) as store:
        for name in ("a", "b", "d"):
            await store.apply(CreateChat(chat=build.chat(name), rows=(build.user(),)))
        await store.apply(SendMessage(chat_id="a", message=build.user()))
        query = ChatQuery(owner_id="ada", limit=2)
        page = await store.read(lambda conn: reads.list_chats(conn, query))
        rest = await store.read(lambda conn: reads.list_chats(conn, replace(query, after_id=page[-1].id)))
    assert [chat.id for chat in (*page, *rest)] == ["a", "d", "b"]


@pytest.mark.parametrize(
    "query, found",
    [
        ({}, "c"),
        ({"owner_id": "bob"}, ""),
        ({"archived": True}, "x"),
        ({"archived": None, "roots_only": True}, "cx"),
        ({"labels": {"team": "blue"}}, "c"),
        ({"labels": {"team": "red"}}, ""),
        ({"labels": {'odd"]key': "1"}}, "c"),
        ({"labels": {'$."team"': "blue"}}, ""),
        ({"text": "TITLE of"}, "c"),
        ({"text": "hello"}, "c"),
        ({"text": "hel"}, "c"),
        ({"text": "100%"}, ""),
        ({"text": 'AND "OR ( NEAR * \0 \ud800'}, ""),
    ],
)
async def test_chats_are_filtered(store: Store, query: dict[str, Any], found: str) -> None:
    """Odd words are words: no syntax of SQL, JSON paths or FTS5 gets through."""
    labels = {"team": "blue", 'odd"]key': "1"}
    await make(store, "c", "hello there", labels=labels, title="the title of c")
    await store.apply(FinishTurn(claim=(await make(store, "x", "bye"))))
    await store.apply(SetArchived(chat_id="x", archived=True))
    chats = await store.read(lambda conn: reads.list_chats(conn, ChatQuery(**{"owner_id": "ada", **query})))
    assert sorted(chat.id for chat in chats) == sorted(found)


async def test_chat_is_unread_from_an_answer_on_until_it_is_read(both: Lockstep) -> None:
    await begin(both)
    assert not both.chat().has_unread
    await both.do(CommitStep(claim=both.claim(), rows=(build.assistant(),)))
    assert both.changes[0].chat.has_unread
    await both.set_metadata("c", last_read_message_id=both.record().visible[-1].id)
    assert not both.chat().has_unread
    await both.do(EditMessage(chat_id="c", message_id=1, message=build.user("else")))
    assert not both.changes[0].chat.has_unread


async def test_metadata_moves_neither_the_list_nor_the_versions(both: Lockstep) -> None:
    await reach(both, State.W)
    before = both.chat()
    await both.set_metadata("c", title="new", labels={"a": "b"}, workspace_id="w", approval_mode="ask")
    after = both.chat()
    assert replace(after, title=before.title, labels={}, workspace_id=None, approval_mode="auto") == before


async def test_metadata_is_not_execution_state(store: Store) -> None:
    await make(store)
    with pytest.raises(ValueError, match=r"\['status'\] are not metadata"):
        await store.write_metadata("c", {"status": "waiting"})


# Search


async def found(store: Store, text: str) -> list[int]:
    hits = await store.read(
        lambda conn: search_messages(conn, SearchQuery(owner_id="ada", text=text, archived=None))
    )
    return sorted(hit.message_id for hit in hits)


async def test_search_forgets_what_was_edited_away_and_what_was_purged(both: Lockstep) -> None:
    await reach(both, State.W)
    assert both.store is not None
    assert await found(both.store, "hello") == [1]
    edited = await both.do(EditMessage(chat_id="c", message_id=1, message=build.user("goodbye")))
    assert (await found(both.store, "hello"), await found(both.store, "answer")) == ([], [])
    assert await found(both.store, "goodbye") == [edited.message.id]
    await both.do(Acquire(worker_id="w", runner_ids=("r",)))
    await both.do(FinishTurn(claim=both.claim()))
    await both.do(SetArchived(chat_id="c", archived=True))
    await both.do(PurgeChat(chat_id="c"))
    assert await found(both.store, "goodbye") == []


async def test_search_finds_what_people_read_and_nothing_else(store: Store) -> None:
    claim = await make(store)
    hidden = replace(build.user("secret"), visibility=Visibility.MODEL)
    call = ToolCallPart(tool_call_id="1", tool_name="execute", args={"command": "secret"})
    row = replace(build.assistant("Größe and naïveté"), parts=(TextPart(text="Größe and naïveté"), call))
    await store.apply(CommitStep(claim=claim, rows=(hidden, row)))
    assert await found(store, "secret") == []
    assert len(await found(store, "grosse naivete")) == 0
    assert len(await found(store, "GROSE") + await found(store, "größe naivete")) == 1


# What workers look for


async def test_work_to_do_is_what_nobody_alive_owns(both: Lockstep) -> None:
    assert both.store is not None
    read = both.store.read
    assert not await read(lambda conn: reads.has_work(conn))
    await both.do(CreateChat(chat=build.chat(), rows=(build.user(),)))
    assert await read(lambda conn: reads.has_work(conn))
    await both.do(Acquire(worker_id=WORKER, runner_ids=("r",)))
    assert not await read(lambda conn: reads.has_work(conn, ["another"]))
    assert await read(lambda conn: reads.has_work(conn, [WORKER]))
    assert await read(lambda conn: reads.busy_chats(conn, [WORKER])) == ("c",)


async def test_overdue_actions_are_found_by_their_deadline(both: Lockstep) -> None:
    await reach(both, State.A0)
    deadline = both.chat().action_deadline_at
    assert both.store is not None
    assert deadline is not None
    for now, expected in ((deadline - 1, ()), (deadline, ("c",))):
        assert await both.store.read(lambda conn, now=now: reads.overdue_actions(conn, now)) == expected


async def test_who_waits_for_a_client_is_found_until_one_has_claimed_a_call(both: Lockstep) -> None:
    await reach(both, State.W, chat_id="x")
    await reach(both, State.A0, calls=2)
    assert both.store is not None
    assert [wait.chat_id for wait in await both.store.read(reads.unclaimed_waits)] == ["c"]
    await both.do(ClaimAction(chat_id="c", keys=(open_keys(both)[0],), client="page"))
    assert await both.store.read(reads.unclaimed_waits) == ()


async def test_impossible_chats_are_found_at_start_up(both: Lockstep) -> None:
    await reach(both, State.W)
    await reach(both, State.XW, chat_id="x")
    for chat_id in ("c", "x"):
        await add_queue_row(both, chat_id)
    assert both.store is not None
    assert await both.store.read(reads.impossible_chats) == ("c", "x")
    for chat_id in ("c", "x"):
        await both.do(build.reconcile(chat_id))
    assert await both.store.read(reads.impossible_chats) == ()


async def test_queue_is_told_whole_also_when_it_is_empty(both: Lockstep) -> None:
    await reach(both, State.R0)
    await fill_queue(both)
    await both.do(DeleteQueued(chat_id="c", queued_id=both.record().queue[0].id))
    assert both.changes[0].queue == ()
