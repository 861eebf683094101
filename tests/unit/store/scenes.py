"""Ways to bring a chat into a state, through transitions only."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import replace

from jupyter_chatd.messages import ActionKind, CallKey, Role
from jupyter_chatd.store import State
from jupyter_chatd.store.actions import EnterAction
from jupyter_chatd.store.conversation import CreateChat, InterruptChat, SendMessage, SetArchived
from jupyter_chatd.store.work import Acquire, CommitStep, FinishError, FinishTurn

from . import build
from .lockstep import Lockstep

WORKER, RUNNER = "worker-1", "runner-1"


async def reach(
    both: Lockstep,
    state: State,
    *,
    queued: int = 1,
    calls: int = 1,
    kind: ActionKind = ActionKind.CLIENT_TOOL,
    chat_id: str = "c",
) -> None:
    """Make a chat in this state.

    Args:
        both: Where.
        state: R and I are owned. `IMPOSSIBLE` is idle with a queue, which only raw SQL can make.
        queued: How many messages wait, in states with a queue.
        calls: How many calls clients are asked for, in states that wait for them.
        kind: What clients are asked for.
        chat_id: The chat's id.
    """
    match state:
        case State.N:
            return
        case State.IMPOSSIBLE:
            await reach(both, State.W, chat_id=chat_id)
            await add_queue_row(both, chat_id)
        case State.XW | State.XE0 | State.XE1:
            await reach(both, State(state[1:]), queued=queued, chat_id=chat_id)
            await both.do(SetArchived(chat_id=chat_id, archived=True))
        case _:
            await begin(both, chat_id)
            if state.endswith("1"):
                await fill_queue(both, queued, chat_id)
            await _leave_running(both, state[0], calls, kind, chat_id)
    assert both.record(chat_id).state == state


async def begin(both: Lockstep, chat_id: str = "c") -> None:
    """Make a chat that a worker has begun to drive."""
    await both.do(CreateChat(chat=build.chat(chat_id), rows=(build.user(),)))
    await both.do(Acquire(worker_id=WORKER, runner_ids=(f"{RUNNER}-{chat_id}",)))


async def fill_queue(both: Lockstep, count: int = 1, chat_id: str = "c") -> None:
    for number in range(count):
        await both.do(SendMessage(chat_id=chat_id, message=build.user(f"queued {number}")))


async def _leave_running(both: Lockstep, letter: str, calls: int, kind: ActionKind, chat_id: str) -> None:
    match letter:
        case "W":
            await both.do(CommitStep(claim=both.claim(chat_id), rows=(build.assistant(),)))
            await both.do(FinishTurn(claim=both.claim(chat_id)))
        case "E":
            await both.do(FinishError(claim=both.claim(chat_id), error=build.FAILED))
        case "I":
            await both.do(InterruptChat(chat_id=chat_id))
        case "A":
            keys = await ask_model(both, calls, chat_id)
            asks = build.asks(keys, kind)
            deadline = both.now + 50 if kind is ActionKind.CLIENT_TOOL else None
            await both.do(EnterAction(claim=both.claim(chat_id), asks=asks, deadline_at=deadline))
        case _:
            assert letter == "R"


async def ask_model(both: Lockstep, calls: int = 1, chat_id: str = "c") -> Sequence[CallKey]:
    """Commit an answer with that many calls; return their keys."""
    row = build.assistant("let me see", *["execute"] * calls)
    await both.do(CommitStep(claim=both.claim(chat_id), rows=(row,)))
    return open_keys(both, chat_id)


def open_keys(both: Lockstep, chat_id: str = "c") -> Sequence[CallKey]:
    return [key for key, _ in both.record(chat_id).open_calls]


def closing_texts(both: Lockstep, chat_id: str = "c") -> list[object]:
    """What the newest tool rows say."""
    rows = [row for row in both.record(chat_id).visible if row.role is Role.TOOL]
    return [part.result for row in rows for part in row.parts]  # type: ignore[union-attr]


async def add_queue_row(both: Lockstep, chat_id: str) -> None:
    """Write past the state machine, and tell the model."""
    assert both.store is not None

    def insert(conn: sqlite3.Connection) -> None:
        conn.execute(
            "INSERT INTO queued_messages"
            " (chat_id, position, created_at, created_by, content, content_version)"
            " VALUES (?, 1, 1, 'ada', '[]', 1)",
            (chat_id,),
        )

    await both.store.write(insert)
    record = both.record(chat_id)
    queued_id = both.database.last_queued_id + 1
    queue = (build.queued_row(queued_id, chat_id),)
    chats = {**both.database.chats, chat_id: replace(record, queue=queue)}
    both.database = replace(both.database, chats=chats, last_queued_id=queued_id)
    both.compare()
