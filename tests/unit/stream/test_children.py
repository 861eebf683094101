"""What a chat's followers are told of its subagents: at once, in order, never a flood."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable

import pytest

from jupyter_chatd.errors import StoreError
from jupyter_chatd.events import ChildrenEvent, ChildState
from jupyter_chatd.messages import Chat, ChatStatus, ErrorDetail, NewMessage, Role, TextPart, Usage
from jupyter_chatd.store import Claim, Store, families, reads
from jupyter_chatd.store.conversation import CreateChat
from jupyter_chatd.store.work import Acquire, CommitStep, FinishError, FinishTurn
from jupyter_chatd.stream import Cursor, Feeds, Subscription

from .puppet import WORKER, Puppet, user

pytestmark = pytest.mark.anyio

SOON = 30.0  # seconds


class Family:
    """The children of a puppet. The test plays their worker."""

    def __init__(self, parent: Puppet) -> None:
        self.parent = parent
        self.store = parent.store

    async def spawn(self, title: str = "Count", *, mode: str | None = None) -> str:
        """Make a child, which waits for a worker."""
        chat = Chat(
            id=str(uuid.uuid4()),
            owner_id="local",
            title=title,
            status=ChatStatus.RUNNING,
            archived=False,
            model="scripted:model",
            created_at=0.0,
            updated_at=0.0,
            parent_chat_id=self.parent.id,
            root_chat_id=self.parent.id,
            mode=mode,
        )
        claim = await self.parent.claim()
        return (await self.store.apply(CreateChat(chat=chat, rows=(user("Count."),), parent=claim))).id

    async def claim(self, child_id: str, store: Store | None = None) -> Claim:
        """Take the child."""
        store = store or self.store
        runners = tuple(uuid.uuid4().hex for _ in range(100))
        await store.apply(Acquire(worker_id=WORKER, runner_ids=runners))
        chat = await store.read(lambda conn: reads.get_chat(conn, child_id))
        assert chat.runner_id is not None
        return Claim(chat_id=child_id, runner_id=chat.runner_id, history_version=chat.history_version)

    async def say(self, child_id: str, text: str = "7.", *, store: Store | None = None) -> None:
        """Let the child say something that cost a cent."""
        row = NewMessage(
            role=Role.ASSISTANT,
            parts=(TextPart(text=text),),
            model="scripted:model",
            usage=Usage(input_tokens=3, output_tokens=2),
            total_cost_micros=10_000,
        )
        claim = await self.claim(child_id, store)
        await (store or self.store).apply(CommitStep(claim=claim, rows=(row,)))

    async def finish(self, child_id: str, *, store: Store | None = None) -> None:
        await (store or self.store).apply(FinishTurn(claim=await self.claim(child_id, store)))

    async def fail(self, child_id: str) -> None:
        error = ErrorDetail(message="No key.")
        await self.store.apply(FinishError(claim=await self.claim(child_id), error=error))


@pytest.fixture
def family(puppet: Puppet) -> Family:
    return Family(puppet)


async def told(subscription: Subscription, *, within_s: float = SOON) -> ChildrenEvent:
    """The next event about subagents."""
    async with asyncio.timeout(within_s):
        async for frame in subscription:
            for event in frame.events:
                if isinstance(event, ChildrenEvent):
                    return event
    raise AssertionError("the subscription has ended")


async def told_when(subscription: Subscription, status: str) -> ChildrenEvent:
    """The first event by which all subagents have that status."""
    while True:
        event = await told(subscription)
        if all(child.status == status for child in event.children):
            return event


def waiting_events(subscription: Subscription) -> list[ChildrenEvent]:
    frames = [frame for frame, _ in subscription._frames or ()]
    return [event for frame in frames for event in frame.events if isinstance(event, ChildrenEvent)]


async def events_until(
    subscription: Subscription, is_last: Callable[[ChildrenEvent], bool]
) -> list[ChildrenEvent]:
    """What is there once the newest is the last one."""
    async with asyncio.timeout(SOON):
        while not ((events := waiting_events(subscription)) and is_last(events[-1])):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    return events


async def test_a_subscriber_begins_with_how_the_subagents_stand(feeds: Feeds, family: Family) -> None:
    one = await family.spawn("Count")
    two = await family.spawn("Look", mode="explore")
    await family.say(one)
    await family.fail(two)
    event = await told(await feeds.subscribe(family.parent.id, Cursor()))
    spent = event.usage
    assert (spent.message_count, spent.total_cost_micros, spent.total_input_tokens) == (1, 10_000, 3)
    assert event.children == (
        ChildState(id=one, type="general", title="Count", status="running", has_unread=True, usage=spent),
        ChildState(
            id=two, type="explore", title="Look", status="error", last_error=ErrorDetail(message="No key.")
        ),
    )


async def test_they_are_told_before_the_queue_that_ends_a_snapshot(feeds: Feeds, family: Family) -> None:
    await family.spawn()
    subscription = await feeds.subscribe(family.parent.id, Cursor())
    async for frame in subscription:
        assert [event.type for event in frame.events][:2] == ["status", "children"]
        return


async def test_every_change_of_one_is_told(feeds: Feeds, family: Family) -> None:
    subscription = await feeds.subscribe(family.parent.id, Cursor())
    child = await family.spawn()
    assert [one.status for one in (await told(subscription)).children] == ["pending"]
    await family.say(child)
    assert (await told_when(subscription, "running")).children[0].id == child
    await family.finish(child)
    last = await told_when(subscription, "waiting")
    assert (last.children[0].usage.message_count, last.usage.total_cost_micros) == (1, 10_000)


async def test_what_the_chat_itself_used_is_in_the_sum(feeds: Feeds, family: Family) -> None:
    child = await family.spawn()
    subscription = await feeds.subscribe(family.parent.id, Cursor())
    await told(subscription)
    row = NewMessage(role=Role.ASSISTANT, parts=(), model="scripted:model", total_cost_micros=5)
    await family.store.apply(CommitStep(claim=await family.parent.claim(), rows=(row,)))
    event = await told(subscription)
    assert event.usage.total_cost_micros == 5
    assert (event.children[0].id, event.children[0].usage.message_count) == (child, 0)


async def test_reading_a_subagent_is_told(feeds: Feeds, family: Family) -> None:
    child = await family.spawn()
    await family.say(child)
    subscription = await feeds.subscribe(family.parent.id, Cursor())
    assert (await told(subscription)).children[0].has_unread
    await family.store.mark_read(child)
    assert not (await told(subscription)).children[0].has_unread


async def test_many_changes_make_few_events_and_the_last_one_counts(feeds: Feeds, family: Family) -> None:
    subscription = await feeds.subscribe(family.parent.id, Cursor())
    children = [await family.spawn(f"Child {number}") for number in range(5)]
    begun = asyncio.get_running_loop().time()
    for _ in range(40):
        for child in children:
            await family.say(child)
    for child in children:
        await family.finish(child)
    events = await events_until(
        subscription, lambda event: [child.status for child in event.children] == ["waiting"] * 5
    )
    took_s = asyncio.get_running_loop().time() - begun
    assert len(events) <= took_s * 10 + 2
    assert events[-1].usage.message_count == 200


async def test_nothing_is_told_twice(feeds: Feeds, family: Family) -> None:
    child = await family.spawn()
    subscription = await feeds.subscribe(family.parent.id, Cursor())
    before = await told(subscription)
    await family.claim(child)
    assert (await told_when(subscription, "running")) != before
    feeds._feeds[family.parent.id].hear_of_children()
    with pytest.raises(TimeoutError):
        await told(subscription, within_s=0.3)


async def test_chats_without_subagents_are_not_told_of_any(feeds: Feeds, puppet: Puppet) -> None:
    subscription = await feeds.subscribe(puppet.id, Cursor())
    await puppet.begin()
    await puppet.commit()
    with pytest.raises(TimeoutError):
        await told(subscription, within_s=0.3)


async def test_nobody_follows_and_nothing_is_read(
    feeds: Feeds, family: Family, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("read without need")

    monkeypatch.setattr(families, "find_standing", refuse)
    child = await family.spawn()
    await family.say(child)
    assert len(feeds) == 0


async def test_another_servers_changes_are_told(feeds: Feeds, family: Family) -> None:
    """They are found by polling, like all else that others commit."""
    child = await family.spawn()
    subscription = await feeds.subscribe(family.parent.id, Cursor())
    async with Store(family.store.path) as elsewhere:
        await family.say(child, store=elsewhere)
        await family.finish(child, store=elsewhere)
    assert (await told_when(subscription, "waiting")).usage.total_cost_micros == 10_000


async def test_subscribers_during_a_storm_all_end_with_the_truth(feeds: Feeds, family: Family) -> None:
    child = await family.spawn()
    await family.say(child)

    async def storm() -> None:
        for _ in range(30):
            await family.say(child)

    async def join(after_s: float) -> Subscription:
        await asyncio.sleep(after_s)
        return await feeds.subscribe(family.parent.id, Cursor())

    raging = asyncio.create_task(storm())
    subscriptions = await asyncio.gather(*(join(n * 0.005) for n in range(10)))
    await raging
    for subscription in subscriptions:
        events = await events_until(subscription, lambda event: event.usage.message_count == 31)
        counts = [event.usage.message_count for event in events]
        assert (counts, counts[-1]) == (sorted(counts), 31)


async def test_who_cannot_be_told_is_closed_and_comes_again(
    feeds: Feeds, family: Family, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise StoreError("The disk is gone.")

    subscription = await feeds.subscribe(family.parent.id, Cursor())
    monkeypatch.setattr(families, "find_standing", broken)
    await family.spawn()
    with pytest.raises(AssertionError, match="has ended"):
        await told(subscription)
    assert len(feeds) == 0
