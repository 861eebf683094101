"""Chats and their children: spawned, stopped, archived and purged together."""

from __future__ import annotations

import pytest

from jupyter_chatd.errors import ConflictError, InvalidInputError, StaleWorkError
from jupyter_chatd.messages import CallKey, Role
from jupyter_chatd.store import State, families
from jupyter_chatd.store.conversation import (
    BusyBehavior,
    CreateChat,
    EditMessage,
    InterruptChat,
    PurgeChat,
    SendMessage,
    SetArchived,
)
from jupyter_chatd.store.work import Acquire, FinishInterruption, FinishTurn, StartTools

from . import build
from .lockstep import Lockstep
from .scenes import ask_model, begin, fill_queue, reach

pytestmark = pytest.mark.anyio


async def spawn(both: Lockstep, key: CallKey, child: str = "child", *, mode: str | None = None) -> CreateChat:
    """Make a child of `c`, by one of its calls; return the transition."""
    transition = CreateChat(
        chat=build.chat(child, parent="c", by=key, mode=mode), rows=(build.user("task"),), parent=both.claim()
    )
    await both.do(transition)
    return transition


async def parent_with_child(both: Lockstep) -> CallKey:
    """A running parent and a child that runs and has no worker yet."""
    await begin(both)
    (key,) = await ask_model(both)
    await both.do(StartTools(claim=both.claim(), calls=[build.start(key)]))
    await spawn(both, key)
    return key


async def rest(both: Lockstep, *chat_ids: str) -> None:
    """Let running chats end their turns."""
    for chat_id in chat_ids:
        if both.chat(chat_id).runner_id is None:
            await both.do(Acquire(worker_id="w", runner_ids=(f"for {chat_id}",)))
        await both.do(FinishTurn(claim=both.claim(chat_id)))


# Spawning


async def test_spawning_again_finds_the_child_that_was_made(both: Lockstep) -> None:
    """The call is repeatable: its child's id derives from it."""
    key = await parent_with_child(both)
    await both.do(SendMessage(chat_id="child", message=build.user("more")))
    again = CreateChat(chat=build.chat("child", parent="c", by=key), rows=(), parent=both.claim())
    assert await both.do(again) == both.chat("child")
    assert both.changes == []


async def test_a_family_is_at_the_desktop_while_a_chat_that_uses_it_works(both: Lockstep) -> None:
    store = both.store
    assert store is not None

    async def is_at_desktop() -> bool:
        return await store.read(lambda conn: families.is_at_desktop(conn, "c"))

    await begin(both)
    keys = await ask_model(both, calls=2)
    await both.do(StartTools(claim=both.claim(), calls=[build.start(key) for key in keys]))
    await spawn(both, keys[0])
    assert not await is_at_desktop()
    await spawn(both, keys[1], "eyes", mode="computer_use")
    assert await is_at_desktop()
    await rest(both, "child")
    assert await is_at_desktop()
    await rest(both, "eyes")
    assert not await is_at_desktop()


async def test_child_is_made_only_under_its_parents_claim(both: Lockstep) -> None:
    key = await parent_with_child(both)
    old = both.claim()
    await both.do(InterruptChat(chat_id="c"))
    late = CreateChat(chat=build.chat("late", parent="c", by=key), rows=(build.user(),), parent=old)
    with pytest.raises(StaleWorkError):
        await both.do(late)
    assert "late" not in both.database.chats


async def test_child_without_a_claim_is_a_mistake(both: Lockstep) -> None:
    await begin(both)
    assert both.store is not None
    with pytest.raises(ValueError, match="under the claim"):
        await both.store.apply(CreateChat(chat=build.chat("x", parent="c"), rows=()))


async def test_child_does_not_take_the_id_of_a_chat_of_others(both: Lockstep) -> None:
    await reach(both, State.W, chat_id="d")
    key = await parent_with_child(both)
    with pytest.raises(ConflictError):
        await spawn(both, key, child="d")


# Stopping


async def test_stopping_a_root_stops_its_children_and_drops_their_queues(both: Lockstep) -> None:
    await parent_with_child(both)
    await fill_queue(both, chat_id="child")
    await both.do(InterruptChat(chat_id="c"))
    assert (both.record("c").state, both.record("child").state) == ("I0", "I0")


async def test_stopping_a_root_stops_a_child_that_was_about_to_take_its_next_message(both: Lockstep) -> None:
    """Its parent had just told it to do something else instead."""
    await parent_with_child(both)
    await both.do(Acquire(worker_id="w", runner_ids=("for child",)))
    message = build.user("something else")
    await both.do(SendMessage(chat_id="child", message=message, busy=BusyBehavior.INTERRUPT))
    assert both.record("child").state == "I1"
    await both.do(InterruptChat(chat_id="c"))
    assert both.record("child").state == "I0"
    await both.do(FinishInterruption(claim=both.claim("child")))
    assert both.record("child").state == "W"


async def test_stopping_an_idle_root_stops_what_still_runs_below(both: Lockstep) -> None:
    await parent_with_child(both)
    await both.do(FinishTurn(claim=both.claim()))
    await both.do(InterruptChat(chat_id="c", drop_queue=True))
    assert (both.record("c").state, both.record("child").state) == ("W", "I0")
    assert [change.chat.id for change in both.changes] == ["child"]


async def test_stopping_a_child_leaves_its_parent_alone(both: Lockstep) -> None:
    await parent_with_child(both)
    await both.do(InterruptChat(chat_id="child"))
    assert both.record("c").state == "R0"


async def test_edit_stops_only_children_of_the_calls_that_it_deletes(both: Lockstep) -> None:
    await parent_with_child(both)
    await both.do(FinishTurn(claim=both.claim()))
    await both.do(SendMessage(chat_id="c", message=build.user("second turn")))
    second = both.record().visible[-1].id
    await both.do(Acquire(worker_id="w", runner_ids=("r1", "r2")))
    (key,) = await ask_model(both)
    await spawn(both, key, child="young")
    await both.do(EditMessage(chat_id="c", message_id=second, message=build.user("2nd")))
    assert (both.record("child").state, both.record("young").state) == ("R0", "I0")


async def test_edit_stops_a_child_that_was_about_to_take_its_next_message(both: Lockstep) -> None:
    await parent_with_child(both)
    await both.do(SendMessage(chat_id="child", message=build.user("instead"), busy=BusyBehavior.INTERRUPT))
    first = next(row.id for row in both.record().visible if row.role is Role.USER)
    await both.do(EditMessage(chat_id="c", message_id=first, message=build.user("1st")))
    assert both.record("child").state == "I0"


# The archive


async def test_family_is_archived_and_brought_back_as_one(both: Lockstep) -> None:
    await parent_with_child(both)
    await rest(both, "c", "child")
    changed = await both.do(SetArchived(chat_id="c", archived=True))
    assert [chat.id for chat in changed] == ["c", "child"]
    assert [change.kind for change in both.changes] == ["deleted", "deleted"]
    await both.do(SetArchived(chat_id="c", archived=False))
    assert [record.state for record in both.database.chats.values()] == ["W", "W"]
    assert [change.kind for change in both.changes] == ["created", "created"]


async def test_family_is_archived_as_a_whole_or_not_at_all(both: Lockstep) -> None:
    await parent_with_child(both)
    await rest(both, "c")
    with pytest.raises(ConflictError) as caught:
        await both.do(SetArchived(chat_id="c", archived=True))
    assert caught.value.detail == "Still busy: child. Interrupt and try again."
    assert not both.chat("c").archived


async def test_child_can_be_archived_alone_and_comes_back_with_its_parent(both: Lockstep) -> None:
    await parent_with_child(both)
    await rest(both, "c", "child")
    await both.do(SetArchived(chat_id="child", archived=True))
    await both.do(SetArchived(chat_id="c", archived=True))
    with pytest.raises(ConflictError) as caught:
        await both.do(SetArchived(chat_id="child", archived=False))
    assert "unarchive that one" in (caught.value.detail or "")
    await both.do(SetArchived(chat_id="c", archived=False))
    assert not both.chat("child").archived


@pytest.mark.parametrize("archived", [True, False])
async def test_archiving_what_is_archived_is_told_apart_from_a_conflict(
    both: Lockstep, archived: bool
) -> None:
    await reach(both, State.XW if archived else State.W)
    with pytest.raises(InvalidInputError, match="archived already" if archived else "not archived"):
        await both.do(SetArchived(chat_id="c", archived=archived))


async def test_archiving_unpins(both: Lockstep) -> None:
    await reach(both, State.W)
    await both.set_metadata("c", pin_order=1)
    await both.do(SetArchived(chat_id="c", archived=True))
    assert both.chat().pin_order == 0


# Purging


async def test_purge_removes_the_family_with_all_that_belongs_to_it(both: Lockstep) -> None:
    await reach(both, State.W, chat_id="other")
    await parent_with_child(both)
    await rest(both, "c", "child")
    await both.do(SetArchived(chat_id="c", archived=True))
    await both.do(PurgeChat(chat_id="c"))
    assert list(both.database.chats) == ["other"]
    assert both.store is not None
    counts = await both.store.read(
        lambda conn: [
            conn.execute(f"SELECT COUNT(*) FROM {table} WHERE chat_id <> 'other'").fetchone()[0]
            for table in ("messages", "queued_messages", "tool_runs")
        ]
    )
    assert counts == [0, 0, 0]


async def test_ids_of_purged_messages_are_not_used_again(both: Lockstep) -> None:
    await reach(both, State.XW)
    newest = both.record().rows[-1].id
    await both.do(PurgeChat(chat_id="c"))
    await both.reopen()
    await both.do(CreateChat(chat=build.chat("d"), rows=(build.user(),)))
    assert both.record("d").rows[0].id > newest


async def test_interrupted_child_ends_like_any_chat(both: Lockstep) -> None:
    await parent_with_child(both)
    await both.do(Acquire(worker_id="w", runner_ids=("r",)))
    await both.do(InterruptChat(chat_id="c"))
    for chat_id in ("child", "c"):
        await both.do(FinishInterruption(claim=both.claim(chat_id)))
    assert {record.state for record in both.database.chats.values()} == {"W"}
