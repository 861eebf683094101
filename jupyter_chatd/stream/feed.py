"""One chat's fan-out: durable events from commits, live parts from the runner, encoded once for all subscribers.

The first event goes out at once; what follows within `FRAME_S` is merged into the next frame. A frame per delta
costs twice the CPU, and merging at 16 ms merges nothing (measured; DESIGN §3).
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from .. import wire
from ..errors import ChatNotFoundError
from ..events import (
    ActionRequiredEvent,
    Change,
    Episode,
    ErrorEvent,
    HistoryResetEvent,
    LivePart,
    MessageEvent,
    MessagePartEvent,
    PreviewResetEvent,
    QueueUpdateEvent,
    RetryEvent,
    StatusEvent,
    StreamEvent,
)
from ..messages import Chat, ChatStatus, Message, Part, Role, Visibility
from ..store import Store, reads
from .episode import EpisodeBuffer, merge

FRAME_S = 0.04  # seconds between frames while parts keep coming
BACKLOG_BYTES = 8 * 1024 * 1024  # a subscriber this far behind is closed
BATCH = 100  # events in one frame of a snapshot

log = logging.getLogger(__name__)


def shown_status(chat: Chat) -> str:
    """The status as the API shows it: `pending` when the chat should run and nobody drives it."""
    if chat.status is ChatStatus.RUNNING and chat.worker_id is None:
        return "pending"
    return chat.status.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """What a returning subscriber has: the last durable message, and how far into which episode."""

    after_id: int = 0
    episode: Episode | None = None
    seq: int = 0


class Frame:
    """Some events, encoded once however many subscribers there are."""

    def __init__(self, events: Sequence[StreamEvent]) -> None:
        self.events = tuple(events)

    @cached_property
    def text(self) -> str:
        """The `data` envelope as JSON."""
        return wire.dump_json({"type": "data", "data": [wire.event_json(event) for event in self.events]})

    @cached_property
    def size(self) -> int:
        """Characters of `text`."""
        return len(self.text)

    @cached_property
    def last_id(self) -> int | None:
        """The newest durable message in it."""
        return max((event.message.id for event in self.events if isinstance(event, MessageEvent)), default=None)


class Subscription:
    """One subscriber's frames. Iterate it; `close` ends the iteration and may be called twice."""

    def __init__(self, on_close: Callable[[Subscription], None]) -> None:
        self._frames: deque[Frame] = deque()
        self._bytes = 0
        self._ready = asyncio.Event()
        self._on_close = on_close
        self.closed = False
        self.overrun = False
        """It was closed because it read too slowly; the client should resume by its cursor."""

    def push(self, frame: Frame) -> None:
        """Hand over a frame, or close a subscriber that is too far behind."""
        if self.closed:
            return
        self._bytes += frame.size
        if self._bytes > BACKLOG_BYTES and self._frames:
            self.overrun = True
            self.close()
            return
        self._frames.append(frame)
        self._ready.set()

    def close(self) -> None:
        """Stop delivery; frames handed over before are still iterated unless it was overrun."""
        if self.closed:
            return
        self.closed = True
        if self.overrun:
            self._frames.clear()
        self._ready.set()
        self._on_close(self)

    async def __aiter__(self) -> AsyncIterator[Frame]:
        while True:
            while self._frames:
                frame = self._frames.popleft()
                self._bytes -= frame.size
                yield frame
            if self.closed:
                return
            self._ready.clear()
            await self._ready.wait()


@dataclass(slots=True, eq=False)
class _Feed:
    """The subscribers of one chat and its running episode."""

    chat_id: str
    version: int = 0
    """snapshot_version up to which durable events have been told."""
    last_id: int = 0
    episode: EpisodeBuffer | None = None
    subscribers: set[Subscription] = field(default_factory=set[Subscription])
    pending: list[StreamEvent] = field(default_factory=list[StreamEvent])
    timer: asyncio.TimerHandle | None = None
    held: dict[object, list[tuple[int, StreamEvent]]] = field(default_factory=dict[object, list[tuple[int, StreamEvent]]])
    """Durable events, with their version, for subscribers whose snapshot is being read."""

    def emit(self, event: StreamEvent, *, urgent: bool) -> None:
        """Queue an event for all subscribers."""
        if not self.subscribers:
            return
        self.pending.append(event)
        if urgent or self.timer is None:
            self.flush()

    def flush(self) -> None:
        """Send what is pending as one frame."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        if not self.pending:
            return
        frame = Frame(tuple(_merge_events(self.pending)))
        self.pending = []
        for subscription in tuple(self.subscribers):
            subscription.push(frame)
        self.timer = asyncio.get_running_loop().call_later(FRAME_S, self._tick)

    def _tick(self) -> None:
        self.timer = None
        self.flush()

    @property
    def idle(self) -> bool:
        """Nobody follows it and nothing runs: it can be forgotten."""
        return not self.subscribers and not self.held and self.episode is None


def _merge_events(events: Sequence[StreamEvent]) -> list[StreamEvent]:
    merged: list[StreamEvent] = []
    run: list[LivePart] = []
    chat_id = events[0].chat_id
    for event in events:
        if isinstance(event, MessagePartEvent):
            run.append(event.message_part)
            continue
        merged += (MessagePartEvent(chat_id=chat_id, message_part=live) for live in merge(run))
        run = []
        merged.append(event)
    merged += (MessagePartEvent(chat_id=chat_id, message_part=live) for live in merge(run))
    return merged


class Feeds:
    """The feeds of all chats that somebody follows or that run. One per server."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._feeds: dict[str, _Feed] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._unlisten = store.listen(self._on_change)

    async def close(self) -> None:
        """End all subscriptions. May be called twice."""
        self._unlisten()
        for feed in tuple(self._feeds.values()):
            feed.flush()
            if feed.timer is not None:
                feed.timer.cancel()
            for subscription in tuple(feed.subscribers):
                subscription.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # What the runner tells

    def begin_episode(self, chat_id: str, episode: Episode) -> None:
        """A new answer begins: subscribers forget the live parts that they show."""
        feed = self._feed(chat_id)
        feed.episode = EpisodeBuffer(episode)
        reset = PreviewResetEvent(
            chat_id=chat_id, history_version=episode.history_version, attempt=episode.attempt
        )
        feed.emit(reset, urgent=False)

    def publish_part(self, chat_id: str, role: Role, part: Part, *, index: int) -> None:
        """Add a piece to the running episode; without one it is dropped, because nothing would supersede it."""
        feed = self._feeds.get(chat_id)
        if feed is None or feed.episode is None:
            return
        live = feed.episode.add(role, part, index=index)
        feed.emit(MessagePartEvent(chat_id=chat_id, message_part=live), urgent=False)

    def end_episode(self, chat_id: str) -> None:
        """The runner is gone; what it streamed will not be continued."""
        feed = self._feeds.get(chat_id)
        if feed is not None:
            feed.episode = None
            self._forget_if_idle(feed)

    # What commits tell

    def _on_change(self, change: Change) -> None:
        feed = self._feeds.get(change.chat.id)
        if feed is None:
            return
        if change.kind == "deleted" and not change.chat.archived:
            for subscription in tuple(feed.subscribers):
                subscription.close()
            return
        if change.foreign:
            if change.chat.snapshot_version > feed.version and (feed.subscribers or feed.held):
                self._spawn(self._catch_up(feed))
            return
        superseded = any(message.role in (Role.ASSISTANT, Role.TOOL) for message in change.inserted)
        if superseded or change.history is not None:
            feed.episode = None
        self._emit_durable(feed, change.chat.snapshot_version, durable_events(change))

    def _emit_durable(self, feed: _Feed, version: int, events: Sequence[StreamEvent]) -> None:
        feed.version = max(feed.version, version)
        for event in events:
            if isinstance(event, MessageEvent):
                feed.last_id = max(feed.last_id, event.message.id)
            for held in feed.held.values():
                held.append((version, event))
            feed.pending += [event] if feed.subscribers else []
        if events:
            feed.flush()
        self._forget_if_idle(feed)

    async def _catch_up(self, feed: _Feed) -> None:
        """Tell what another process changed in a chat that is followed here."""
        since, after_id = feed.version, feed.last_id
        try:
            view = await self._store.read(lambda conn: reads.snapshot(conn, feed.chat_id, after_id=after_id))
            reset = view.reset or await self._store.read(
                lambda conn: reads.deleted_since(conn, feed.chat_id, revision=since)
            )
            if reset:
                view = await self._store.read(lambda conn: reads.snapshot(conn, feed.chat_id, after_id=0))
        except ChatNotFoundError:
            return
        if view.chat.snapshot_version <= feed.version:
            return
        events: list[StreamEvent] = [HistoryResetEvent(chat_id=feed.chat_id)] if reset else []
        self._emit_durable(feed, view.chat.snapshot_version, events + snapshot_events(view))

    # What subscribers ask

    async def subscribe(self, chat_id: str, cursor: Cursor) -> Subscription:
        """Follow a chat from a cursor: first what is missing, then everything as it happens.

        Raises:
            ChatNotFoundError: no such chat.
        """
        feed = self._feed(chat_id)
        token = object()
        feed.held[token] = []
        try:
            view = await self._store.read(lambda conn: reads.snapshot(conn, chat_id, after_id=cursor.after_id))
        except BaseException:
            feed.held.pop(token)
            self._forget_if_idle(feed)
            raise
        feed.flush()
        held = feed.held.pop(token)
        events: list[StreamEvent] = [HistoryResetEvent(chat_id=chat_id)] if view.reset else []
        events += snapshot_events(view)
        events += [event for version, event in held if version > view.chat.snapshot_version]
        events += _preview(feed, cursor)
        subscription = Subscription(lambda closed: self._unsubscribe(feed, closed))
        for start in range(0, len(events), BATCH):
            subscription.push(Frame(events[start : start + BATCH]))
        feed.version = max(feed.version, view.chat.snapshot_version)
        feed.last_id = max([feed.last_id, *(message.id for message in view.messages)])
        feed.subscribers.add(subscription)
        return subscription

    def _unsubscribe(self, feed: _Feed, subscription: Subscription) -> None:
        feed.subscribers.discard(subscription)
        self._forget_if_idle(feed)

    def _feed(self, chat_id: str) -> _Feed:
        feed = self._feeds.get(chat_id)
        if feed is None:
            feed = self._feeds[chat_id] = _Feed(chat_id=chat_id)
        return feed

    def _forget_if_idle(self, feed: _Feed) -> None:
        if feed.idle and self._feeds.get(feed.chat_id) is feed:
            if feed.timer is not None:
                feed.timer.cancel()
            del self._feeds[feed.chat_id]

    def _spawn(self, work: object) -> None:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work, name="chatd-feed")  # type: ignore[arg-type]
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _preview(feed: _Feed, cursor: Cursor) -> list[StreamEvent]:
    """The running episode, from where the subscriber was in it."""
    buffer = feed.episode
    if buffer is None:
        if cursor.episode is None:
            return []
        lost = cursor.episode
        return [
            PreviewResetEvent(chat_id=feed.chat_id, history_version=lost.history_version, attempt=lost.attempt)
        ]
    seq = cursor.seq if cursor.episode == buffer.episode else 0
    events: list[StreamEvent] = []
    if seq == 0:
        key = buffer.episode
        events.append(
            PreviewResetEvent(chat_id=feed.chat_id, history_version=key.history_version, attempt=key.attempt)
        )
    events += (MessagePartEvent(chat_id=feed.chat_id, message_part=live) for live in buffer.since(seq))
    return events


def _is_for_clients(message: Message) -> bool:
    return message.visibility is not Visibility.MODEL


def durable_events(change: Change) -> list[StreamEvent]:
    """Return what a committed change means for a subscriber, in the order to tell it."""
    chat = change.chat
    events: list[StreamEvent] = []
    rows = change.inserted
    if change.history is not None:
        events.append(HistoryResetEvent(chat_id=chat.id))
        rows = change.history
    events += (MessageEvent(chat_id=chat.id, message=row) for row in rows if _is_for_clients(row))
    if change.queue is not None:
        events.append(QueueUpdateEvent(chat_id=chat.id, queued_messages=change.queue))
    if change.actions is not None:
        events.append(ActionRequiredEvent(chat_id=chat.id, actions=change.actions))
    if change.retry_set and chat.retry_state is not None:
        events.append(RetryEvent(chat_id=chat.id, retry=chat.retry_state))
    if change.error_set and chat.last_error is not None:
        events.append(ErrorEvent(chat_id=chat.id, error=chat.last_error))
    if change.status_changed:
        events.append(StatusEvent(chat_id=chat.id, status=shown_status(chat)))
    return events


def snapshot_events(view: reads.Snapshot) -> list[StreamEvent]:
    """Return a snapshot as events: state first, then the messages, then what is pending."""
    chat = view.chat
    events: list[StreamEvent] = [StatusEvent(chat_id=chat.id, status=shown_status(chat))]
    events += (MessageEvent(chat_id=chat.id, message=message) for message in view.messages)
    events.append(QueueUpdateEvent(chat_id=chat.id, queued_messages=view.queue))
    if chat.retry_state is not None:
        events.append(RetryEvent(chat_id=chat.id, retry=chat.retry_state))
    if chat.last_error is not None:
        events.append(ErrorEvent(chat_id=chat.id, error=chat.last_error))
    if view.actions:
        events.append(ActionRequiredEvent(chat_id=chat.id, actions=view.actions))
    return events
