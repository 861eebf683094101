"""What workers do: take chats, fence their work, journal tools."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jupyter_chatd.errors import StaleWorkError
from jupyter_chatd.messages import ChatStatus, Usage
from jupyter_chatd.store import State
from jupyter_chatd.store.conversation import CreateChat, InterruptChat, SendMessage
from jupyter_chatd.store.work import (
    Abandon,
    Acquire,
    BeginAttempt,
    CommitStep,
    FinishError,
    FinishInterruption,
    FinishTools,
    FinishTurn,
    RecordRetry,
    StartTools,
)

from . import build
from .lockstep import Lockstep
from .scenes import WORKER, ask_model, begin, closing_texts, reach

pytestmark = pytest.mark.anyio


def acquiring(count: int = 1, worker: str = "w2", *, dead: str | None = None) -> Acquire:
    return Acquire(
        worker_id=worker,
        runner_ids=tuple(f"{worker}-{number}" for number in range(count)),
        dead_workers=frozenset({dead} if dead else ()),
    )


# Taking


async def test_chats_are_taken_oldest_change_first_up_to_the_limit(both: Lockstep) -> None:
    for name in ("a", "b", "d"):
        await both.do(CreateChat(chat=build.chat(name), rows=(build.user(),)))
    await both.do(SendMessage(chat_id="a", message=build.user("more")))
    taken = await both.do(acquiring(2))
    assert [(chat.id, chat.worker_id, chat.runner_id) for chat in taken] == [
        ("b", "w2", "w2-0"),
        ("d", "w2", "w2-1"),
    ]


async def test_owned_chats_are_left_to_their_owner_while_it_lives(both: Lockstep) -> None:
    await reach(both, State.R0)
    await reach(both, State.I0, chat_id="d")
    assert await both.do(acquiring(5)) == ()
    taken = await both.do(acquiring(5, dead=WORKER))
    assert [(chat.id, chat.status) for chat in taken] == [("c", "running"), ("d", "interrupting")]


async def test_idle_and_waiting_chats_are_not_taken(both: Lockstep) -> None:
    for state in (State.W, State.E0, State.A0, State.XW):
        await reach(both, state, chat_id=state.value)
    assert await both.do(acquiring(9, dead=WORKER)) == ()


async def test_taking_and_giving_up_count_as_changes_but_not_of_history(both: Lockstep) -> None:
    await begin(both)
    before = both.chat()
    await both.do(Abandon(chat_id="c", runner_id=before.runner_id or ""))
    assert [change.status_changed for change in both.changes] == [True]
    await both.do(acquiring())
    after = both.chat()
    assert after.snapshot_version == before.snapshot_version + 2
    assert (after.history_version, after.queue_version, after.updated_at) == (
        before.history_version,
        before.queue_version,
        before.updated_at,
    )


async def test_only_the_runner_itself_gives_up(both: Lockstep) -> None:
    await begin(both)
    with pytest.raises(StaleWorkError):
        await both.do(Abandon(chat_id="c", runner_id="somebody"))


# Fencing


async def test_every_work_of_a_lost_lease_is_refused(both: Lockstep) -> None:
    await begin(both)
    (key,) = await ask_model(both)
    old = both.claim()
    await both.do(acquiring(dead=WORKER))
    late = (
        BeginAttempt(claim=old),
        RecordRetry(claim=old, retry=build.retry()),
        CommitStep(claim=old, rows=(build.assistant(),)),
        StartTools(claim=old, calls=[build.start(key)]),
        FinishTools(claim=old, results=[(key, build.output())]),
        FinishTurn(claim=old),
        FinishError(claim=old, error=build.FAILED),
        FinishInterruption(claim=replace(old, status=ChatStatus.INTERRUPTING)),
    )
    for work in late:
        with pytest.raises(StaleWorkError):
            await both.do(work)


async def test_work_of_a_running_turn_is_refused_once_the_user_stopped_it(both: Lockstep) -> None:
    await begin(both)
    old = both.claim()
    await both.do(InterruptChat(chat_id="c"))
    with pytest.raises(StaleWorkError):
        await both.do(CommitStep(claim=old, rows=(build.assistant(),)))


async def test_queueing_does_not_disturb_the_work(both: Lockstep) -> None:
    await begin(both)
    old = both.claim()
    await both.do(SendMessage(chat_id="c", message=build.user("later")))
    await both.do(CommitStep(claim=old, rows=(build.assistant(),)))


async def test_results_carry_the_versions_for_the_next_claim(both: Lockstep) -> None:
    """A runner goes on from what its commits return, without reading the chat."""
    await begin(both)
    chat = await both.do(BeginAttempt(claim=both.claim()))
    assert chat.generation_attempt == 1
    committed = await both.do(CommitStep(claim=build.claim(chat), rows=(build.assistant("a", "execute"),)))
    assert (committed.chat.generation_attempt, committed.chat.history_version) == (
        0,
        committed.rows[0].revision,
    )
    await both.do(FinishTurn(claim=build.claim(committed.chat)))


# The journal


async def test_finished_tool_keeps_its_first_result(both: Lockstep) -> None:
    await begin(both)
    (key,) = await ask_model(both)
    await both.do(StartTools(claim=both.claim(), calls=[build.start(key)]))
    await both.do(FinishTools(claim=both.claim(), results=[(key, build.output("1"))]))
    await both.do(FinishTools(claim=both.claim(), results=[(key, build.output("2"))]))
    await both.do(StartTools(claim=both.claim(), calls=[build.start(key)]))
    run = both.record().journal[key]
    assert run.result == build.output("1")
    assert run.started_at is not None
    assert run.finished_at == run.started_at + 1


async def test_journal_changes_no_history(both: Lockstep) -> None:
    await begin(both)
    (key,) = await ask_model(both)
    old = both.claim()
    await both.do(StartTools(claim=old, calls=[build.start(key)]))
    await both.do(FinishTools(claim=old, results=[(key, build.output())]))
    assert both.claim() == old


async def test_tool_that_ended_survives_the_process_that_ran_it(both: Lockstep) -> None:
    await begin(both)
    (key,) = await ask_model(both)
    await both.do(StartTools(claim=both.claim(), calls=[build.start(key)]))
    await both.do(FinishTools(claim=both.claim(), results=[(key, build.output("kept"))]))
    await both.crash()
    await both.do(acquiring(dead=WORKER))
    await both.do(FinishTurn(claim=both.claim()))
    assert closing_texts(both) == [{"output": "kept"}]


# Values


async def test_tokens_of_zero_are_stored_as_unknown(both: Lockstep) -> None:
    await begin(both)
    row = replace(build.assistant(), usage=Usage(input_tokens=5, output_tokens=0))
    assert both.store is not None
    committed = await both.store.apply(CommitStep(claim=both.claim(), rows=(row,)))
    assert committed.rows[0].usage == Usage(input_tokens=5)
    stored = await both.store.read(
        lambda conn: conn.execute("SELECT output_tokens FROM messages ORDER BY id DESC LIMIT 1").fetchone()
    )
    assert stored["output_tokens"] is None


async def test_error_keeps_the_queue_until_the_user_acts(both: Lockstep) -> None:
    await reach(both, State.R1, queued=2)
    chat = await both.do(FinishError(claim=both.claim(), error=build.FAILED))
    assert (chat.last_error, chat.worker_id, len(both.record().queue)) == (build.FAILED, None, 2)
    assert both.changes[0].error_set
