"""One chat's fan-out: order, once, merging, snapshots that race with commits."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_chatd.errors import ChatNotFoundError
from jupyter_chatd.events import (
    ErrorEvent,
    HistoryResetEvent,
    MessageEvent,
    MessagePartEvent,
    PreviewResetEvent,
    QueueUpdateEvent,
    StatusEvent,
    StreamEvent,
)
from jupyter_chatd.messages import (
    Chat,
    ChatStatus,
    ErrorDetail,
    Message,
    Part,
    ReasoningPart,
    Role,
    TextPart,
    ToolCallPart,
)
from jupyter_chatd.store import Store, families, reads
from jupyter_chatd.store.conversation import PurgeChat, SetArchived
from jupyter_chatd.stream import Cursor, Feeds, Frame, Subscription
from jupyter_chatd.stream import feed as feed_module
from jupyter_chatd.stream.feed import Feed

from .puppet import Puppet
from .viewer import Viewer

pytestmark = pytest.mark.anyio


PATIENCE = 10.0  # seconds


async def next_events(subscription: Subscription) -> tuple[StreamEvent, ...]:
    """The events of the next frame."""
    async with asyncio.timeout(PATIENCE):
        async for frame in subscription:
            return frame.events
    raise AssertionError("the subscription has ended")


async def subscribed(feeds: Feeds, puppet: Puppet) -> Subscription:
    """A subscription whose snapshot has been read."""
    subscription = await feeds.subscribe(puppet.id, Cursor())
    await next_events(subscription)
    return subscription


def parts_of(events: tuple[StreamEvent, ...]) -> list[tuple[int, Part]]:
    return [
        (event.message_part.seq, event.message_part.part)
        for event in events
        if isinstance(event, MessagePartEvent)
    ]


def text(words: str) -> TextPart:
    return TextPart(text=words)


# What a subscriber begins with


async def test_a_subscriber_begins_with_the_state_and_the_messages(feeds: Feeds, puppet: Puppet) -> None:
    await puppet.commit("Hello.")
    await puppet.send("And?")
    subscription = await feeds.subscribe(puppet.id, Cursor())
    events = await next_events(subscription)
    assert [event.type for event in events] == ["status", "message", "message", "queue_update"]
    assert isinstance(events[0], StatusEvent)
    assert events[0].status == "running"
    assert [event.message.text for event in events if isinstance(event, MessageEvent)] == ["Begin.", "Hello."]


async def test_with_a_cursor_only_what_came_after(feeds: Feeds, puppet: Puppet) -> None:
    await puppet.commit("Hello.")
    first = (await rows(puppet))[0]
    events = await next_events(await feeds.subscribe(puppet.id, Cursor(after_id=first.id)))
    assert [event.message.text for event in events if isinstance(event, MessageEvent)] == ["Hello."]


async def rows(puppet: Puppet) -> tuple[Message, ...]:
    return await puppet.store.read(lambda conn: reads.client_messages(conn, puppet.id))


@pytest.mark.parametrize("after_id", [999_999, "deleted"])
async def test_an_unknown_cursor_starts_over(feeds: Feeds, puppet: Puppet, after_id: Any) -> None:
    if after_id == "deleted":
        after_id = (await rows(puppet))[0].id
        await puppet.edit()
    events = await next_events(await feeds.subscribe(puppet.id, Cursor(after_id=after_id)))
    assert isinstance(events[0], HistoryResetEvent)
    assert len([event for event in events if isinstance(event, MessageEvent)]) == 1


async def test_an_unknown_chat_is_refused_and_forgotten(feeds: Feeds) -> None:
    with pytest.raises(ChatNotFoundError):
        await feeds.subscribe("nothing", Cursor())
    assert len(feeds) == 0


async def test_a_late_subscriber_gets_what_was_said_so_far(feeds: Feeds, puppet: Puppet) -> None:
    await puppet.begin()
    for word in ("one ", "two ", "three"):
        puppet.publish(text(word), 0)
    events = await next_events(await feeds.subscribe(puppet.id, Cursor())) + await preview(feeds, puppet)
    assert parts_of(events)[-1] == (3, text("one two three"))


async def preview(feeds: Feeds, puppet: Puppet) -> tuple[StreamEvent, ...]:
    subscription = await feeds.subscribe(puppet.id, Cursor())
    await next_events(subscription)
    return await next_events(subscription)


async def test_a_returning_subscriber_gets_the_rest_of_the_answer(feeds: Feeds, puppet: Puppet) -> None:
    await puppet.begin()
    for word in ("one ", "two ", "three"):
        puppet.publish(text(word), 0)
    chat = await puppet.chat()
    assert puppet.live is not None
    viewer = Viewer()
    subscription = await feeds.subscribe(puppet.id, Cursor())
    viewer.drain(subscription)
    assert viewer.cursor.seq == 3
    puppet.publish(text(" four"), 0)
    resumed = await feeds.subscribe(puppet.id, viewer.cursor)
    await next_events(resumed)
    assert parts_of(await next_events(resumed)) == [(4, text(" four"))]
    assert viewer.cursor.episode is not None
    assert viewer.cursor.episode.history_version == chat.history_version


async def test_a_cursor_of_an_episode_that_is_over_voids_its_parts(feeds: Feeds, puppet: Puppet) -> None:
    await puppet.begin()
    puppet.publish(text("one"), 0)
    viewer = Viewer()
    viewer.drain(await feeds.subscribe(puppet.id, Cursor()))
    puppet.break_off()
    subscription = await feeds.subscribe(puppet.id, viewer.cursor)
    viewer.drain(subscription)
    assert viewer.live == {}


# Frames


async def test_the_first_part_goes_out_at_once(
    feeds: Feeds, puppet: Puppet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "FRAME_S", 6 * PATIENCE)
    await puppet.begin()
    subscription = await subscribed(feeds, puppet)
    await next_events(subscription)  # the preview
    puppet.publish(text("one "), 0)
    assert parts_of(await next_events(subscription)) == [(1, text("one "))]


async def test_what_follows_the_first_part_is_merged_into_the_next_frame(
    feeds: Feeds, puppet: Puppet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "FRAME_S", 0.5)
    await puppet.begin()
    subscription = await subscribed(feeds, puppet)
    await next_events(subscription)  # the preview
    began = time.monotonic()
    puppet.publish(text("one "), 0)
    assert parts_of(await next_events(subscription)) == [(1, text("one "))]
    for word in ("two ", "three ", "four"):
        puppet.publish(text(word), 0)
    assert parts_of(await next_events(subscription)) == [(4, text("two three four"))]
    assert time.monotonic() - began >= 0.49


async def test_only_neighbours_of_one_block_and_kind_are_merged(feeds: Feeds, puppet: Puppet) -> None:
    await puppet.begin()
    said: list[tuple[Part, int]] = [
        (ReasoningPart(text="h"), 0),
        (ReasoningPart(text="m"), 0),
        (text("a"), 1),
        (text("b"), 2),
        (text("c"), 1),
        (ToolCallPart(tool_call_id="x", tool_name="s", args_delta="{"), 3),
        (ToolCallPart(tool_call_id="x", tool_name="s", args_delta="}"), 3),
        (ToolCallPart(tool_call_id="x", tool_name="s", args={}), 3),
    ]
    for part, index in said:
        puppet.publish(part, index)
    assert parts_of(await preview(feeds, puppet)) == [
        (2, ReasoningPart(text="hm")),
        (3, text("a")),
        (4, text("b")),
        (5, text("c")),
        (7, ToolCallPart(tool_call_id="x", tool_name="s", args_delta="{}")),
        (8, ToolCallPart(tool_call_id="x", tool_name="s", args={})),
    ]


async def test_a_commit_sends_what_is_pending_before_it(feeds: Feeds, puppet: Puppet) -> None:
    subscription = await subscribed(feeds, puppet)
    await puppet.begin()
    puppet.publish(text("one "), 0)
    puppet.publish(text("two"), 0)
    await puppet.commit("one two")
    viewer, seen = Viewer(), list[str]()
    while "message" not in seen:
        events = await next_events(subscription)
        seen += [event.type for event in events]
        parts = parts_of(events)
        for event in events:
            viewer.take(event)
        if parts:
            assert viewer.live
    assert seen[-2:] == ["message_part", "message"]
    assert viewer.live == {}


async def test_every_subscriber_gets_the_same_encoded_text(feeds: Feeds, puppet: Puppet) -> None:
    one, two = await subscribed(feeds, puppet), await subscribed(feeds, puppet)
    await puppet.send("And?")
    first = [frame async for frame in _closing(one)]
    second = [frame async for frame in _closing(two)]
    assert first
    assert all(left is right for left, right in zip(first, second, strict=True))


async def _closing(subscription: Subscription) -> AsyncIterator[Frame]:
    subscription.close()
    async for frame in subscription:
        yield frame


# What becomes of episodes


async def test_parts_after_the_commit_or_of_another_episode_are_dropped(feeds: Feeds, puppet: Puppet) -> None:
    await puppet.begin()
    old = puppet.live
    assert old is not None
    await puppet.commit("one")
    old.publish(Role.ASSISTANT, text("late"), 0)
    await puppet.begin()
    old.publish(Role.ASSISTANT, text("later"), 0)
    old.end()
    puppet.publish(text("new"), 0)
    assert parts_of(await preview(feeds, puppet)) == [(1, text("new"))]


async def test_a_broken_off_episode_is_void(feeds: Feeds, puppet: Puppet) -> None:
    subscription = await subscribed(feeds, puppet)
    await puppet.begin()
    puppet.publish(text("one"), 0)
    puppet.break_off()
    viewer = Viewer()
    viewer.drain(subscription)
    assert viewer.live == {}
    assert viewer.cursor.episode is not None


async def test_feeds_that_nobody_needs_are_forgotten(feeds: Feeds, puppet: Puppet) -> None:
    subscription = await feeds.subscribe(puppet.id, Cursor())
    await puppet.begin()
    assert len(feeds) == 1
    subscription.close()
    assert len(feeds) == 1
    puppet.publish(text("one"), 0)
    await puppet.commit("one")
    assert len(feeds) == 0
    await puppet.begin()
    puppet.break_off()
    assert len(feeds) == 0


async def test_a_purged_chat_ends_its_subscriptions(feeds: Feeds, puppet: Puppet) -> None:
    await puppet.commit()
    await puppet.finish()
    await puppet.store.apply(SetArchived(chat_id=puppet.id, archived=True))
    subscription = await subscribed(feeds, puppet)
    await puppet.store.apply(PurgeChat(chat_id=puppet.id))
    assert [frame async for frame in subscription] == []


async def test_closing_ends_all_subscriptions_twice_is_fine(feeds: Feeds, puppet: Puppet) -> None:
    subscription = await subscribed(feeds, puppet)
    await feeds.close()
    await feeds.close()
    assert [frame async for frame in subscription] == []
    assert not subscription.overrun


async def test_what_is_not_stored_can_be_told_too(feeds: Feeds, puppet: Puppet) -> None:
    subscription = await subscribed(feeds, puppet)
    error = ErrorEvent(chat_id=puppet.id, error=ErrorDetail(message="The disk is full."))
    feeds.tell(error)
    feeds.tell(ErrorEvent(chat_id="another", error=error.error))
    assert await next_events(subscription) == (error,)


# Edits, and other servers


async def test_an_edit_resets_and_tells_what_is_left(feeds: Feeds, puppet: Puppet) -> None:
    await puppet.commit("Hello.")
    await puppet.finish()
    await puppet.send("More?")
    viewer, subscription = Viewer(), await feeds.subscribe(puppet.id, Cursor())
    viewer.drain(subscription)
    await puppet.edit()
    events = await next_events(subscription)
    assert [event.type for event in events][:4] == ["history_reset", "message", "message", "message"]
    for event in events:
        viewer.take(event)
    assert [message.text for message in viewer.messages] == ["Begin.", "Hello.", "Better."]


@pytest.fixture
async def other(store: Store) -> Any:
    """A second server on the same file; commits of either are seen by the other within 10 ms."""
    store._open_writer().poll_s = 0.01
    async with Store(store.path) as opened:
        yield opened


async def until(viewer: Viewer, subscription: Subscription, is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not is_so():
            await asyncio.sleep(0.005)
            viewer.drain(subscription)


async def test_what_another_server_commits_is_told(feeds: Feeds, puppet: Puppet, other: Store) -> None:
    viewer, subscription = Viewer(), await feeds.subscribe(puppet.id, Cursor())
    await puppet.begin()
    puppet.publish(text("one"), 0)
    viewer.drain(subscription)
    await puppet.send("And?", store=other)
    await until(viewer, subscription, lambda: len(viewer.queue) == 1)
    assert viewer.live == {0: "one"}
    await puppet.interrupt(store=other)
    await until(viewer, subscription, lambda: viewer.status == "interrupting")
    await puppet.edit(store=other)
    await until(viewer, subscription, lambda: [row.text for row in viewer.messages] == ["Better."])
    assert viewer.live == {}
    assert viewer.queue == ()


async def test_an_own_commit_right_after_a_foreign_one_hides_nothing(
    feeds: Feeds, puppet: Puppet, other: Store, store: Store
) -> None:
    """Even when the foreign one could not be read: the own one's version tells that something is missing."""

    def broken(_conn: Any) -> Any:
        raise sqlite3.OperationalError("disk I/O error")

    viewer, subscription = Viewer(), await feeds.subscribe(puppet.id, Cursor())
    await puppet.claim()
    viewer.drain(subscription)
    store._open_writer().commits.read_foreign = broken  # type: ignore[method-assign]
    await puppet.send("And?", store=other)
    await puppet.commit("Hello.")
    await until(viewer, subscription, lambda: len(viewer.queue) == 1)
    assert [row.text for row in viewer.messages] == ["Begin.", "Hello."]


async def test_a_chat_that_cannot_be_read_any_more_closes_its_subscribers(
    feeds: Feeds, puppet: Puppet, store: Store
) -> None:
    subscription = await subscribed(feeds, puppet)

    async def broken(_run: Any) -> Any:
        raise ChatNotFoundError(puppet.id)

    store.read = broken  # type: ignore[method-assign]
    feeds._feeds[puppet.id].hear_of(1000)
    assert [frame async for frame in subscription] == []


# Snapshots that race with commits, every schedule


@dataclass
class Schedule:
    """A store in a bottle: commits, their announcements and reads happen when the test says."""

    version: int = 0
    """What is committed; commit number n adds message n."""
    own: list[int] = field(default_factory=list[int])
    """Commits of this process that are not announced yet, oldest first."""
    foreign: list[int] = field(default_factory=list[int])
    """Commits of another process that were not heard of yet, oldest first."""
    waiting: list[tuple[Callable[[Any], Any], asyncio.Future[Any]]] = field(default_factory=list[Any])
    """Reads that were asked for."""
    read_done: list[tuple[asyncio.Future[Any], reads.Snapshot]] = field(default_factory=list[Any])
    """Reads that were made, and whose answers are on their way."""

    async def read(self, run: Callable[[Any], Any]) -> Any:
        """`Store.read`, when the schedule lets it."""
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.waiting.append((run, answer))
        return await answer

    def view(self, after_id: int) -> reads.Snapshot:
        """What is stored now."""
        messages = tuple(message(n) for n in range(after_id + 1, self.version + 1))
        return reads.Snapshot(
            chat=chat_at(self.version), reset=False, messages=messages, queue=(), actions=()
        )


def chat_at(version: int) -> Chat:
    return Chat(
        id="chat-1",
        owner_id="local",
        title="A chat",
        status=ChatStatus.RUNNING,
        archived=False,
        model="m",
        created_at=0.0,
        updated_at=0.0,
        snapshot_version=version,
        history_version=version,
    )


def message(number: int) -> Message:
    return Message(id=number, chat_id="chat-1", role=Role.USER, parts=(), created_at=0.0)


class Race:
    """A feed over a schedule, with subscribers that join at any moment."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.schedule = Schedule()
        self.tasks: list[asyncio.Task[Any]] = []
        self.feed = Feed(
            "chat-1",
            store=self.schedule,  # type: ignore[arg-type]
            spawn=lambda work: self.tasks.append(asyncio.ensure_future(work)),
            on_idle=lambda _feed: None,
        )
        self.joined: list[asyncio.Task[Subscription]] = []
        self.after: list[int] = []
        monkeypatch.setattr(
            reads, "snapshot", lambda _conn, _chat_id, *, after_id: self.schedule.view(after_id)
        )
        monkeypatch.setattr(families, "find_standing", lambda _conn, _chat_id: None)

    async def make(self, move: str) -> None:
        """Make one move, if it is possible."""
        match move:
            case "own" | "foreign":
                self.schedule.version += 1
                (self.schedule.own if move == "own" else self.schedule.foreign).append(self.schedule.version)
            case "announce":
                self.announce()
            case "hear" if self.schedule.foreign:
                self.feed.hear_of(self.schedule.foreign.pop(0))
            case "hear":
                return
            case "join":
                self.after.append(min(self.schedule.version, 2))
                self.joined.append(
                    asyncio.ensure_future(self.feed.subscribe(Cursor(after_id=self.after[-1])))
                )
            case "read":
                for run, answer in self.schedule.waiting:
                    self.schedule.read_done.append((answer, run(None)))
                self.schedule.waiting.clear()
            case _:
                for answer, view in self.schedule.read_done:
                    answer.set_result(view)
                self.schedule.read_done.clear()
        for _ in range(3):
            await asyncio.sleep(0)

    def announce(self) -> None:
        """Tell the next own commit."""
        if self.schedule.own:
            version = self.schedule.own.pop(0)
            event = MessageEvent(chat_id="chat-1", message=message(version))
            self.feed.tell_commit(version, [event], supersedes=False)

    async def settle(self) -> None:
        """Let everything that is under way arrive."""
        for _ in range(40):
            for move in ("announce", "hear", "read", "answer"):
                await self.make(move)


races = st.lists(
    st.sampled_from(["own", "own", "foreign", "announce", "announce", "hear", "join", "read", "answer"]),
    max_size=30,
)


def test_every_commit_is_told_once_and_in_order_whatever_the_schedule() -> None:
    @settings(max_examples=200)
    @given(races)
    def play(moves: list[str]) -> None:
        with pytest.MonkeyPatch.context() as monkeypatch, asyncio.Runner() as runner:
            runner.run(race(moves, monkeypatch))

    play()


async def race(moves: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    play = Race(monkeypatch)
    for move in moves:
        await play.make(move)
    await play.settle()
    for joining, after_id in zip(play.joined, play.after, strict=True):
        viewer, subscription = Viewer(), await joining
        viewer.drain(subscription)  # asserts that ids grow
        assert [row.id for row in viewer.messages] == list(range(after_id + 1, play.schedule.version + 1))
    assert not play.schedule.waiting
    play.feed.close()


async def test_the_queue_of_a_running_turn_reaches_subscribers(feeds: Feeds, puppet: Puppet) -> None:
    subscription = await subscribed(feeds, puppet)
    await puppet.send("And?")
    (event,) = await next_events(subscription)
    assert isinstance(event, QueueUpdateEvent)
    assert [queued.parts for queued in event.queued_messages] == [(text("And?"),)]


async def test_a_beginning_answer_is_told_at_once(feeds: Feeds, puppet: Puppet) -> None:
    await puppet.claim()
    subscription = await subscribed(feeds, puppet)
    await puppet.begin()
    chat = await puppet.chat()
    assert await next_events(subscription) == (
        PreviewResetEvent(
            chat_id=puppet.id, history_version=chat.history_version, attempt=chat.generation_attempt
        ),
    )
