"""Every row of the table is taken, and every state that a transition does not list refuses it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from jupyter_chatd.errors import (
    ChatdError,
    ConflictError,
    InvalidInputError,
    NotFoundError,
    StaleWorkError,
)
from jupyter_chatd.messages import ActionKind, CallKey
from jupyter_chatd.store import TABLE, State, Store
from jupyter_chatd.store.actions import (
    ActionResult,
    CancelAction,
    ClaimAction,
    CompleteAction,
    DecideApproval,
    EnterAction,
)
from jupyter_chatd.store.conversation import (
    BusyBehavior,
    ClearContext,
    CreateChat,
    DeleteQueued,
    EditMessage,
    ImportChat,
    InterruptChat,
    PromoteQueued,
    PurgeChat,
    RequestCompaction,
    SendMessage,
    SetArchived,
)
from jupyter_chatd.store.machine import Transition
from jupyter_chatd.store.work import (
    Abandon,
    Acquire,
    BeginAttempt,
    CommitStep,
    FinishError,
    FinishInterruption,
    FinishTools,
    FinishTurn,
    Reconcile,
    RecordRetry,
    StartTools,
)

from . import build
from .lockstep import Lockstep
from .scenes import RUNNER, WORKER, fill_queue, open_keys, reach

pytestmark = pytest.mark.anyio

ROWS = [
    (transition, source, target)
    for transition, sources in TABLE.items()
    for source, targets in sources.items()
    for target in sorted(targets)
]

UNREACHABLE = {
    # Outside the archive every impossible combination has a queue. The row is the specification's.
    (Transition.RECONCILE, State.IMPOSSIBLE, State.E0),
}

FENCED = {
    Transition.BEGIN_ATTEMPT,
    Transition.RECORD_RETRY,
    Transition.COMMIT_STEP,
    Transition.START_TOOLS,
    Transition.FINISH_TOOLS,
    Transition.ENTER_ACTION,
    Transition.FINISH_INTERRUPTION,
    Transition.FINISH_TURN,
    Transition.FINISH_ERROR,
}


def key(both: Lockstep) -> CallKey:
    """A call of the chat: an open one, else the first of its newest row, else none."""
    keys = open_keys(both) if "c" in both.database.chats else []
    return keys[0] if keys else CallKey(message_id=1, index=0)


def queued_id(both: Lockstep) -> int:
    queue = both.record().queue if "c" in both.database.chats else ()
    return queue[0].id if queue else 99


def claim(both: Lockstep) -> Any:
    return both.claim() if "c" in both.database.chats else build.claim(build.chat("c"))


MAKE: dict[Transition, Callable[[Lockstep], Any]] = {
    Transition.CREATE: lambda _: CreateChat(chat=build.chat("c"), rows=(build.user(),)),
    Transition.IMPORT: lambda _: ImportChat(chat=build.chat("c"), rows=(build.user(),)),
    Transition.PURGE: lambda _: PurgeChat(chat_id="c"),
    Transition.SEND_QUEUE: lambda _: SendMessage(chat_id="c", message=build.user("more")),
    Transition.SEND_INTERRUPT: lambda _: SendMessage(
        chat_id="c", message=build.user("stop"), busy=BusyBehavior.INTERRUPT
    ),
    Transition.EDIT_MESSAGE: lambda _: EditMessage(chat_id="c", message_id=1, message=build.user("else")),
    Transition.DELETE_QUEUED: lambda both: DeleteQueued(chat_id="c", queued_id=queued_id(both)),
    Transition.PROMOTE_QUEUED: lambda both: PromoteQueued(chat_id="c", queued_id=queued_id(both)),
    Transition.INTERRUPT_KEEP: lambda _: InterruptChat(chat_id="c"),
    Transition.INTERRUPT_DROP: lambda _: InterruptChat(chat_id="c", drop_queue=True),
    Transition.CLAIM_ACTION: lambda both: ClaimAction(chat_id="c", keys=(key(both),), client="kernel"),
    Transition.DECIDE_APPROVAL: lambda both: DecideApproval(
        chat_id="c", key=key(both), allow=True, decided_by="ada"
    ),
    Transition.COMPLETE_ACTION: lambda both: CompleteAction(
        chat_id="c", results=(ActionResult(key=key(both), result={"n": 1}),), client="kernel"
    ),
    Transition.REQUEST_COMPACTION: lambda _: RequestCompaction(chat_id="c"),
    Transition.CLEAR_CONTEXT: lambda _: ClearContext(chat_id="c"),
    Transition.ARCHIVE: lambda _: SetArchived(chat_id="c", archived=True),
    Transition.UNARCHIVE: lambda _: SetArchived(chat_id="c", archived=False),
    Transition.ACQUIRE: lambda _: Acquire(
        worker_id="worker-2", runner_ids=("runner-2",), dead_workers=frozenset({WORKER})
    ),
    Transition.ABANDON: lambda _: Abandon(chat_id="c", runner_id=f"{RUNNER}-c"),
    Transition.BEGIN_ATTEMPT: lambda both: BeginAttempt(claim=claim(both)),
    Transition.RECORD_RETRY: lambda both: RecordRetry(claim=claim(both), retry=build.retry()),
    Transition.COMMIT_STEP: lambda both: CommitStep(claim=claim(both), rows=(build.assistant(),)),
    Transition.START_TOOLS: lambda both: StartTools(claim=claim(both), calls=(build.start(key(both)),)),
    Transition.FINISH_TOOLS: lambda both: FinishTools(
        claim=claim(both), results=((key(both), build.output()),)
    ),
    Transition.ENTER_ACTION: lambda both: EnterAction(
        claim=claim(both), asks=(build.ask(key(both), ActionKind.QUESTION),)
    ),
    Transition.CANCEL_ACTION: lambda _: CancelAction(chat_id="c"),
    Transition.FINISH_INTERRUPTION: lambda both: FinishInterruption(
        claim=claim(both), partial=(build.assistant("half"),)
    ),
    Transition.FINISH_TURN: lambda both: FinishTurn(claim=claim(both)),
    Transition.FINISH_ERROR: lambda both: FinishError(claim=claim(both), error=build.FAILED),
    Transition.RECONCILE: lambda _: Reconcile(chat_id="c"),
}


async def reach_for(both: Lockstep, transition: Transition, source: State, target: State) -> None:
    """Reach *source* in the way from which the transition leads to *target*."""
    kind = ActionKind.CLIENT_TOOL
    if transition is Transition.DECIDE_APPROVAL:
        kind = ActionKind.APPROVAL
    if transition is Transition.SEND_QUEUE and target.startswith("R"):
        kind = ActionKind.QUESTION
    answers_one = transition in (Transition.DECIDE_APPROVAL, Transition.COMPLETE_ACTION)
    takes_one = transition in (
        Transition.DELETE_QUEUED,
        Transition.PROMOTE_QUEUED,
        Transition.INTERRUPT_KEEP,
        Transition.FINISH_INTERRUPTION,
        Transition.FINISH_TURN,
    )
    await reach(
        both,
        source,
        queued=2 if takes_one and target.endswith("1") else 1,
        calls=2 if answers_one and target.startswith("A") else 1,
        kind=kind,
    )
    if transition in (Transition.START_TOOLS, Transition.FINISH_TOOLS, Transition.ENTER_ACTION):
        await both.do(CommitStep(claim=both.claim(), rows=(build.assistant("hm", "execute"),)))
    if transition is Transition.REQUEST_COMPACTION and source is not State.W:
        await _answer_before_the_error(both, source)
    if transition is Transition.CANCEL_ACTION:
        both.now += 1000
    if transition is Transition.RECONCILE and target.startswith("X"):
        await _force_into_archive(both, keeps_queue=target.endswith("1"))


async def _answer_before_the_error(both: Lockstep, source: State) -> None:
    """From an error that came before any answer: run again, answer, fail."""
    await both.do(SendMessage(chat_id="c", message=build.user("again")))
    await both.do(Acquire(worker_id=WORKER, runner_ids=("again",)))
    await both.do(CommitStep(claim=both.claim(), rows=(build.assistant(),)))
    await both.do(FinishError(claim=both.claim(), error=build.FAILED))
    assert both.record().state == source


async def _force_into_archive(both: Lockstep, *, keeps_queue: bool) -> None:
    """Archive an impossible chat by raw SQL; without a queue, as one that runs, which the CHECKs forbid."""
    assert both.store is not None
    columns = "archived = 1" if keeps_queue else "archived = 1, status = 'running'"

    def write(conn: sqlite3.Connection) -> None:
        if not keeps_queue:
            conn.execute("DELETE FROM queued_messages")
        conn.execute(f"UPDATE chats SET {columns}")

    assert both.probe.connection is not None
    both.probe.connection.execute("PRAGMA ignore_check_constraints = ON")
    await both.store.write(write)


@pytest.mark.parametrize("transition, source, target", ROWS)
async def test_row_of_the_table_is_taken(
    both: Lockstep, transition: Transition, source: State, target: State
) -> None:
    if (transition, source, target) in UNREACHABLE:
        pytest.skip("no combination leads there")
    await reach_for(both, transition, source, target)
    job = MAKE[transition](both)
    if target.startswith("X") and transition is Transition.RECONCILE:
        await _check_reconciled(both, target)
        return
    await both.do(job)
    assert (both.record().state if "c" in both.database.chats else "N") == target


async def _check_reconciled(both: Lockstep, target: State) -> None:
    """The model knows nothing of what CHECKs forbid, so the store is looked at alone."""
    assert both.store is not None
    chat = await both.store.apply(Reconcile(chat_id="c"))
    queue = await both.store.read(lambda conn: conn.execute("SELECT id FROM queued_messages").fetchall())
    assert (chat.status, chat.archived, bool(queue)) == ("error", True, target.endswith("1"))
    assert chat.last_error is not None


def unlisted() -> Iterator[tuple[Transition, State]]:
    for transition, sources in TABLE.items():
        for state in State:
            if state not in sources:
                yield transition, state


def refusal(transition: Transition, state: State) -> type[ChatdError] | None:
    """How a transition that the state does not list ends; `None` where it is to change nothing."""
    has_queue = state.endswith("1") or state is State.IMPOSSIBLE
    if transition in FENCED:
        return ConflictError if state.startswith(("R", "I")) else StaleWorkError
    if transition in (Transition.ACQUIRE, Transition.RECONCILE) and state is not State.N:
        return None
    if transition is Transition.ACQUIRE:
        return None
    if state is State.N:
        return NotFoundError
    match transition:
        case Transition.ABANDON:
            return StaleWorkError
        case Transition.DELETE_QUEUED:
            return ConflictError if has_queue else None
        case Transition.PROMOTE_QUEUED:
            return ConflictError if has_queue else NotFoundError
        case Transition.INTERRUPT_KEEP | Transition.INTERRUPT_DROP:
            return ConflictError if state.startswith(("X", "!")) else None
        case Transition.ARCHIVE if state.startswith("X"):
            return InvalidInputError
        case Transition.UNARCHIVE:
            return InvalidInputError
        case Transition.CLAIM_ACTION | Transition.DECIDE_APPROVAL | Transition.COMPLETE_ACTION:
            return NotFoundError
        case _:
            return ConflictError


@pytest.mark.parametrize("state", list(State))
async def test_what_a_state_does_not_list_changes_nothing(both: Lockstep, state: State) -> None:
    """And a conflict names the state and the transition, which `Lockstep.do` checks."""
    await reach(both, state)
    before = both.database
    for transition, refused_in in unlisted():
        if refused_in is state:
            expected = refusal(transition, state)
            if expected is None:
                await both.do(MAKE[transition](both))
            else:
                with pytest.raises(ChatdError) as caught:
                    await both.do(MAKE[transition](both))
                assert type(caught.value) is not ChatdError
                assert isinstance(caught.value, expected), transition
            assert both.database == before, transition
            assert both.changes == [], transition


async def test_calls_of_the_past_are_no_actions_any_more(both: Lockstep) -> None:
    """Claims, results and decisions that come after the turn went on are refused, in every later state."""
    await reach(both, State.A0)
    action = key(both)
    await both.do(InterruptChat(chat_id="c"))
    late = (
        ClaimAction(chat_id="c", keys=(action,), client="kernel"),
        CompleteAction(chat_id="c", results=(ActionResult(key=action, result=1),), client="kernel"),
    )
    for job in late:
        with pytest.raises(ConflictError, match="closed"):
            await both.do(job)


async def test_a_transition_that_leaves_the_table_is_rolled_back(store: Store) -> None:
    await store.apply(CreateChat(chat=build.chat("c"), rows=(build.user(),)))

    class Rogue:
        transition = Transition.SEND_QUEUE

        def apply(self, tx: Any) -> None:
            cell = tx.cell("c")
            cell.enqueue(build.user())
            cell.set(status="requires_action")

    with pytest.raises(AssertionError, match="R0 to A1"):
        await store.apply(Rogue())
    view = await store.read(lambda conn: conn.execute("SELECT status FROM chats").fetchone()["status"])
    assert view == "running"


async def test_full_queue_is_refused_where_messages_wait(both: Lockstep) -> None:
    await reach(both, State.R0)
    job = replace(MAKE[Transition.SEND_QUEUE](both), queue_limit=2)
    await fill_queue(both, 2)
    with pytest.raises(ChatdError, match="holds 2 messages"):
        await both.do(job)
