"""What users do: send, edit, queue, interrupt, compact. Every step is compared with the model as well."""

from __future__ import annotations

import pytest

from jupyter_chatd.errors import ConflictError, InvalidInputError, NotFoundError, QueueFullError
from jupyter_chatd.messages import ActionKind, ChatStatus, Role, TurnOptions, Visibility
from jupyter_chatd.store import State
from jupyter_chatd.store.actions import EnterAction
from jupyter_chatd.store.conversation import (
    BusyBehavior,
    ClearContext,
    CreateChat,
    DeleteQueued,
    EditMessage,
    ImportChat,
    InterruptChat,
    PromoteQueued,
    RequestCompaction,
    SendMessage,
    SetArchived,
)
from jupyter_chatd.store.work import (
    Abandon,
    Acquire,
    CommitStep,
    FinishError,
    FinishInterruption,
    FinishTurn,
    RecordRetry,
)

from . import build
from .lockstep import Lockstep
from .scenes import WORKER, add_queue_row, ask_model, begin, fill_queue, reach

pytestmark = pytest.mark.anyio


def said(both: Lockstep) -> list[str]:
    """The visible texts, oldest first."""
    return [row.text for row in both.record().visible]


def waiting(both: Lockstep) -> list[str]:
    return ["".join(part.text for part in queued.parts) for queued in both.record().queue]  # type: ignore[union-attr]


async def test_new_chat_runs_and_belongs_to_nobody(both: Lockstep) -> None:
    made = await both.do(CreateChat(chat=build.chat(), rows=(build.user("hi"),)))
    assert (made.status, made.worker_id, made.snapshot_version, made.history_version) == (
        "running",
        None,
        1,
        1,
    )


async def test_id_can_be_used_once(both: Lockstep) -> None:
    await reach(both, State.W)
    with pytest.raises(ConflictError, match="Create is not possible"):
        await both.do(CreateChat(chat=build.chat(), rows=()))


# The queue


async def test_promoted_message_keeps_author_options_and_content(both: Lockstep) -> None:
    """Rule 3."""
    await reach(both, State.R0)
    options = TurnOptions(
        model="demo:other", reasoning_effort="high", plan_mode="plan", mcp_server_ids=("m",)
    )
    await both.do(SendMessage(chat_id="c", message=build.user("later", by="bob", options=options)))
    await both.do(FinishTurn(claim=both.claim()))
    row = both.record().visible[-1]
    assert (row.text, row.created_by, row.turn_options, row.model) == ("later", "bob", options, "demo:other")
    assert both.chat().model == "demo:other"


async def test_queue_is_first_in_first_out_one_per_turn(both: Lockstep) -> None:
    await reach(both, State.R1, queued=3)
    await both.do(FinishTurn(claim=both.claim()))
    assert (said(both), waiting(both)) == (["hello", "queued 0"], ["queued 1", "queued 2"])


async def test_sending_after_an_error_keeps_the_order_of_the_queue(both: Lockstep) -> None:
    await reach(both, State.E1)
    sent = await both.do(SendMessage(chat_id="c", message=build.user("newest")))
    assert sent.queued
    assert (said(both), waiting(both)) == (["hello", "queued 0"], ["newest"])


async def test_promoting_out_of_turn_moves_to_the_head(both: Lockstep) -> None:
    await reach(both, State.R1, queued=3)
    last = both.record().queue[-1]
    await both.do(PromoteQueued(chat_id="c", queued_id=last.id))
    assert waiting(both) == ["queued 2", "queued 0", "queued 1"]
    await both.do(FinishInterruption(claim=both.claim()))
    assert (said(both)[-1], waiting(both)) == ("queued 2", ["queued 0", "queued 1"])


async def test_promoting_the_head_is_no_change_of_the_queue(both: Lockstep) -> None:
    await reach(both, State.R1)
    version = both.chat().queue_version
    await both.do(PromoteQueued(chat_id="c", queued_id=both.record().queue[0].id))
    assert (both.chat().queue_version, both.changes[0].queue) == (version, None)


async def test_promoting_what_is_not_there_is_not_found(both: Lockstep) -> None:
    await reach(both, State.R1)
    with pytest.raises(NotFoundError, match="Queued message 77"):
        await both.do(PromoteQueued(chat_id="c", queued_id=77))


async def test_queued_message_of_another_chat_is_not_found(both: Lockstep) -> None:
    await reach(both, State.R1)
    await reach(both, State.R1, chat_id="d")
    other = both.record("d").queue[0].id
    with pytest.raises(NotFoundError):
        await both.do(PromoteQueued(chat_id="c", queued_id=other))
    assert await both.do(DeleteQueued(chat_id="c", queued_id=other)) is None


async def test_full_queue_takes_no_more_and_says_how_many_it_holds(both: Lockstep) -> None:
    await reach(both, State.R1, queued=20)
    with pytest.raises(QueueFullError, match="20") as caught:
        await both.do(SendMessage(chat_id="c", message=build.user(), busy=BusyBehavior.INTERRUPT))
    assert caught.value.limit == 20
    assert both.record().state == "R1"


# Interrupting


async def test_partial_answer_comes_before_the_message_that_interrupted_it(both: Lockstep) -> None:
    """Rule 4."""
    await reach(both, State.R0)
    await both.do(SendMessage(chat_id="c", message=build.user("stop!"), busy=BusyBehavior.INTERRUPT))
    await both.do(FinishInterruption(claim=both.claim(), partial=(build.assistant("half a"),)))
    assert said(both) == ["hello", "half a", "stop!"]
    assert both.record().state == "R0"


async def test_stop_button_gets_the_texts_back(both: Lockstep) -> None:
    await reach(both, State.R1, queued=2)
    stopped = await both.do(InterruptChat(chat_id="c", drop_queue=True))
    assert [queued.parts[0].text for queued in stopped.dropped] == ["queued 0", "queued 1"]
    assert (stopped.chat.status, waiting(both)) == ("interrupting", [])


async def test_interrupting_what_waits_for_a_client_keeps_the_queue_going(both: Lockstep) -> None:
    await reach(both, State.A1, queued=2)
    await both.do(InterruptChat(chat_id="c"))
    assert (both.record().state, waiting(both)) == ("R1", ["queued 1"])
    assert said(both)[-1] == "queued 0"


@pytest.mark.parametrize("state", [State.W, State.E0, State.E1, State.I0, State.I1])
async def test_nothing_to_stop_is_no_error(both: Lockstep, state: State) -> None:
    await reach(both, state)
    before = both.chat()
    stopped = await both.do(InterruptChat(chat_id="c", drop_queue=True))
    assert (stopped.chat, stopped.dropped) == (before, ())


# Errors


async def test_leaving_an_error_clears_it_but_the_archive_keeps_it(both: Lockstep) -> None:
    """Rule 2."""
    await reach(both, State.E0)
    await both.do(SetArchived(chat_id="c", archived=True))
    await both.do(SetArchived(chat_id="c", archived=False))
    assert both.chat().last_error == build.FAILED
    await both.do(SendMessage(chat_id="c", message=build.user("again")))
    assert both.chat().last_error is None


async def test_retry_state_ends_with_the_next_attempt_the_next_row_and_the_turn(both: Lockstep) -> None:
    await begin(both)
    for end in (
        CommitStep(claim=both.claim(), rows=(build.assistant("a", "execute"),)),
        None,
    ):
        await both.do(RecordRetry(claim=both.claim(), retry=build.retry()))
        assert both.changes[0].retry_set
        await both.do(end or FinishTurn(claim=both.claim()))
        assert both.chat().retry_state is None


# Editing


async def test_edit_deletes_softly_and_starts_over_with_a_new_id(both: Lockstep) -> None:
    await reach(both, State.W)
    first = both.record().visible[0]
    edited = await both.do(
        EditMessage(chat_id="c", message_id=first.id, message=build.user("other", by="bob"))
    )
    assert said(both) == ["other"]
    assert [row.deleted for row in both.record().rows] == [True, True, False]
    assert edited.message.id > max(row.id for row in both.record().rows[:-1])
    assert edited.message.created_by == "bob"
    assert (both.record().state, both.chat().generation_attempt) == ("R0", 0)


async def test_edit_tells_subscribers_the_history_that_remains(both: Lockstep) -> None:
    await reach(both, State.W)
    await both.do(SendMessage(chat_id="c", message=build.user("second")))
    second = both.record().visible[-1]
    await both.do(EditMessage(chat_id="c", message_id=second.id, message=build.user("2nd")))
    (change,) = both.changes
    assert change.history is not None
    assert [row.text for row in change.history] == ["hello", "answer", "2nd"]
    assert [row.text for row in change.inserted] == ["2nd"]


async def test_edit_hands_back_what_was_queued(both: Lockstep) -> None:
    await reach(both, State.R1, queued=2)
    edited = await both.do(EditMessage(chat_id="c", message_id=1, message=build.user("else")))
    assert [queued.parts[0].text for queued in edited.dropped] == ["queued 0", "queued 1"]
    assert both.changes[0].queue == ()


async def test_edit_keeps_visibility_and_options_unless_it_brings_its_own(both: Lockstep) -> None:
    options = TurnOptions(model="demo:other", reasoning_effort="low")
    await both.do(CreateChat(chat=build.chat(), rows=(build.user(options=options),)))
    await both.do(EditMessage(chat_id="c", message_id=1, message=build.user("same options")))
    assert both.record().visible[-1].turn_options == options
    fresh = TurnOptions(model="demo:third")
    newest = both.record().visible[-1].id
    await both.do(EditMessage(chat_id="c", message_id=newest, message=build.user("new", options=fresh)))
    assert (both.record().visible[-1].turn_options, both.chat().model) == (fresh, "demo:third")


async def test_only_messages_of_users_can_be_edited(both: Lockstep) -> None:
    await reach(both, State.W)
    answer = both.record().visible[-1]
    with pytest.raises(InvalidInputError, match="Only user messages"):
        await both.do(EditMessage(chat_id="c", message_id=answer.id, message=build.user()))


async def test_message_of_another_chat_and_deleted_message_are_not_found(both: Lockstep) -> None:
    await reach(both, State.W)
    await reach(both, State.W, chat_id="d")
    foreign = both.record("d").visible[0].id
    for message_id in (foreign, 999):
        with pytest.raises(NotFoundError, match=f"Message {message_id} was not found"):
            await both.do(EditMessage(chat_id="c", message_id=message_id, message=build.user()))
    await both.do(EditMessage(chat_id="c", message_id=1, message=build.user()))
    with pytest.raises(NotFoundError):
        await both.do(EditMessage(chat_id="c", message_id=1, message=build.user()))


async def test_late_work_on_an_edited_history_is_stale(both: Lockstep) -> None:
    await reach(both, State.R0)
    old = both.claim()
    await both.do(EditMessage(chat_id="c", message_id=1, message=build.user("else")))
    outcome = (await both.together([CommitStep(claim=old, rows=(build.assistant(),))], {}))[0]
    assert "came after its claim had ended" in str(outcome)


# Compaction


async def test_nothing_to_compact_is_a_conflict(both: Lockstep) -> None:
    await reach(both, State.E0)
    with pytest.raises(ConflictError) as caught:
        await both.do(RequestCompaction(chat_id="c"))
    assert "nothing to compact" in (caught.value.detail or "").lower()


async def test_compaction_is_asked_for_once_per_answer(both: Lockstep) -> None:
    await reach(both, State.W)
    await both.do(RequestCompaction(chat_id="c"))
    await both.do(Acquire(worker_id=WORKER, runner_ids=("r2",)))
    row = build.summary("so far", both.record().answered)
    await both.do(CommitStep(claim=both.claim(), rows=(row,), compacted=True))
    assert both.chat().compaction_requested_at is None
    await both.do(FinishTurn(claim=both.claim()))
    with pytest.raises(ConflictError):
        await both.do(RequestCompaction(chat_id="c"))


ENDS_A_REQUEST = {
    "FinishTurn": lambda both: FinishTurn(claim=both.claim()),
    "FinishError": lambda both: FinishError(claim=both.claim(), error=build.FAILED),
    "Interrupt": lambda _: InterruptChat(chat_id="c"),
    "EditMessage": lambda _: EditMessage(chat_id="c", message_id=1, message=build.user()),
    "PromoteQueued": lambda both: PromoteQueued(chat_id="c", queued_id=both.record().queue[0].id),
}
CARRIES_A_REQUEST = {
    "Abandon": lambda both: Abandon(chat_id="c", runner_id=both.chat().runner_id),
    "Acquire": lambda _: Acquire(worker_id="w2", runner_ids=("r3",), dead_workers=frozenset({WORKER})),
    "queueing": lambda _: SendMessage(chat_id="c", message=build.user("more")),
}


@pytest.mark.parametrize("name", [*ENDS_A_REQUEST, *CARRIES_A_REQUEST])
async def test_what_ends_a_request_for_compaction_and_what_carries_it(both: Lockstep, name: str) -> None:
    await reach(both, State.W)
    await both.do(RequestCompaction(chat_id="c"))
    await both.do(Acquire(worker_id=WORKER, runner_ids=("r2",)))
    await fill_queue(both)
    asked = both.chat().compaction_requested_at
    await both.do((ENDS_A_REQUEST | CARRIES_A_REQUEST)[name](both))
    assert asked is not None
    assert both.chat().compaction_requested_at == (None if name in ENDS_A_REQUEST else asked)


async def test_clearing_the_context_keeps_what_is_unanswered(both: Lockstep) -> None:
    await reach(both, State.W)
    await both.do(SendMessage(chat_id="c", message=build.user("unanswered")))
    await both.do(Acquire(worker_id=WORKER, runner_ids=("r2",)))
    await both.do(FinishError(claim=both.claim(), error=build.FAILED))
    marker = await both.do(ClearContext(chat_id="c"))
    kept = [row.text for row in both.record().visible if row.id > marker.covers_until and not row.compressed]
    assert kept == ["unanswered"]
    assert (marker.visibility, marker.compressed, marker.created_by) == (Visibility.MODEL, True, None)
    assert both.record().state == "W"


async def test_clearing_again_never_uncovers_what_was_covered(both: Lockstep) -> None:
    """An imported summary covers user rows too, and no answer follows it."""
    rows = (build.user("old"), build.summary("so far", None))
    await both.do(ImportChat(chat=build.chat(), rows=rows))
    covered = both.record().covered
    markers = [await both.do(ClearContext(chat_id="c")) for _ in range(2)]
    assert [marker.covers_until for marker in markers] == [covered, covered] == [1, 1]


# Repair


@pytest.mark.parametrize("archived", [False, True])
async def test_reconcile_explains_itself_and_keeps_the_queue(both: Lockstep, archived: bool) -> None:
    await reach(both, State.XW if archived else State.W)
    await add_queue_row(both, "c")
    chat = await both.do(build.reconcile())
    assert (chat.status, chat.archived) == (ChatStatus.ERROR, archived)
    assert "impossible state" in chat.last_error.message
    assert len(both.record().queue) == 1


async def test_reconcile_leaves_possible_chats_alone(both: Lockstep) -> None:
    await reach(both, State.R1)
    before = both.chat()
    assert await both.do(build.reconcile()) == before


async def test_question_left_open_is_closed_by_a_message_that_interrupts(both: Lockstep) -> None:
    """Rule 1."""
    await begin(both)
    (key,) = await ask_model(both)
    await both.do(EnterAction(claim=both.claim(), asks=(build.ask(key, ActionKind.QUESTION),)))
    await both.do(SendMessage(chat_id="c", message=build.user("never mind"), busy=BusyBehavior.INTERRUPT))
    assert [row.role for row in both.record().visible][-2:] == [Role.TOOL, Role.USER]
