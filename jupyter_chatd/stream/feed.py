"""One chat's fan-out: durable events from commits, live parts from the runner, encoded once for everybody.

The first part goes out at once; what follows within `FRAME_S` is merged into the next frame. A frame per
delta costs twice the CPU, and merging at 16 ms merges nothing (measured; DESIGN §3).
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from ..errors import ChatdError
from ..events import ChildrenEvent, Episode, MessagePartEvent, PreviewResetEvent, StreamEvent
from ..messages import Part, Role
from ..store import Store, families, reads
from .episode import EpisodeBuffer
from .frame import Frame, frames
from .snapshot import children_event, snapshot_events
from .subscription import Cursor, Subscription

FRAME_S = 0.04  # seconds between frames while parts keep coming
CHILDREN_S = 0.1  # seconds between two looks at subagents while they keep changing

Spawn: TypeAlias = Callable[[Coroutine[Any, Any, None]], None]

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Follower:
    """A subscription, and up to where it was told."""

    feed: Feed
    last_id: int
    """The newest durable message told."""
    version: int = 0
    """Every commit up to this `snapshot_version` was told."""
    wanted: int = 0
    """The newest `snapshot_version` heard of: other processes' commits are heard of, not told."""
    held: list[tuple[int, Frame | None]] | None = field(default_factory=list[tuple[int, Frame | None]])
    """Commits, by version, that came while a snapshot was being read; `None` when none is."""
    children: ChildrenEvent | None = None
    """How the subagents stand, as it was told; `None` while there are none."""
    children_at: int = 0
    """Every change of a subagent up to this change number was told."""
    subscription: Subscription = field(init=False)

    def __post_init__(self) -> None:
        self.subscription = Subscription(self.leave)

    def leave(self) -> None:
        """Be told no more."""
        self.feed.leave(self)

    def offer(self, version: int, frame: Frame | None) -> bool:
        """Tell the commit of that version, once; false when one before it was missed."""
        if self.held is not None:
            self.held.append((version, frame))
        elif version == self.version + 1:
            self._tell(version, frame)
        elif version > self.version:
            self.held = [(version, frame)]
            return False
        return True

    def take(self, view: reads.Snapshot, standing: families.Standing | None) -> bool:
        """Tell a snapshot and the commits held meanwhile; false when a newer one must be read."""
        self.version = view.chat.snapshot_version
        if standing is not None:
            self.children, self.children_at = children_event(view.chat.id, standing), standing.change_id
        for frame in frames(snapshot_events(view, self.children)):
            self.subscription.push_snapshot(frame)
        self.last_id = max((row.id for row in view.messages), default=self.last_id)
        self.held = [(version, frame) for version, frame in self.held or () if version > self.version]
        newest = max(self.wanted, *(version for version, _ in self.held), self.version)
        if newest - self.version > len({version for version, _ in self.held}):
            return False
        for version, frame in self.held:
            self._tell(version, frame)
        return True

    def offer_children(self, children_at: int, event: ChildrenEvent, frame: Frame) -> bool:
        """Tell how the subagents stand, unless that is known; false while a snapshot is being read."""
        if self.held is not None:
            return False
        if children_at >= self.children_at and event != self.children:
            self.children, self.children_at = event, children_at
            self.subscription.push(frame)
        return True

    def _tell(self, version: int, frame: Frame | None) -> None:
        self.version = version
        if frame is not None:
            self.subscription.push(frame)
            self.last_id = frame.last_id or self.last_id


class LiveEpisode:
    """One answer as it is made. What comes after its end, or after another one has begun, is dropped."""

    def __init__(self, feed: Feed, buffer: EpisodeBuffer) -> None:
        self._feed = feed
        self._buffer = buffer

    def publish(self, role: Role, part: Part, index: int) -> None:
        """Tell the next piece of block *index*."""
        self._feed.publish(self._buffer, role, part, index)

    def end(self) -> None:
        """Nothing more comes. Subscribers forget the parts, unless a commit has superseded them."""
        self._feed.end(self._buffer)


class Feed:
    """The subscribers of one chat and its running episode. Lives while there is one or the other.

    Args:
        chat_id: The chat.
        store: Where snapshots come from.
        spawn: Runs a coroutine in a task that the owner of the feed keeps.
        on_idle: Called when there is neither subscriber nor episode any more.
    """

    __slots__ = (
        "_are_children_watched",
        "_buffer",
        "_children_changed",
        "_followers",
        "_on_idle",
        "_reset",
        "_spawn",
        "_store",
        "_timer",
        "_told",
        "chat_id",
    )

    def __init__(self, chat_id: str, *, store: Store, spawn: Spawn, on_idle: Callable[[Feed], None]) -> None:
        self.chat_id = chat_id
        self._store = store
        self._spawn = spawn
        self._on_idle = on_idle
        self._followers: set[Follower] = set()
        self._buffer: EpisodeBuffer | None = None
        self._told = 0
        """The sequence number up to which the episode's parts were sent."""
        self._reset: Episode | None = None
        """An episode whose beginning, or end, must be told before anything else."""
        self._timer: asyncio.TimerHandle | None = None
        self._children_changed = False
        """They were not looked at since."""
        self._are_children_watched = False
        """A task looks at them while they change."""

    @property
    def is_followed(self) -> bool:
        """Whether it has subscribers."""
        return bool(self._followers)

    @property
    def idle(self) -> bool:
        """Nobody follows it and nothing runs."""
        return not self._followers and self._buffer is None

    def close(self) -> None:
        """End all subscriptions, after what is pending."""
        self._flush()
        self._stop_timer()
        for follower in tuple(self._followers):
            follower.subscription.close()

    # The running episode

    def begin(self, episode: Episode) -> LiveEpisode:
        """A new answer begins: subscribers forget the live parts that they show."""
        self._flush()
        buffer = self._buffer = EpisodeBuffer(episode)
        self._told, self._reset = 0, episode
        self._flush_if_due()
        return LiveEpisode(self, buffer)

    def publish(self, buffer: EpisodeBuffer, role: Role, part: Part, index: int) -> None:
        """Add a piece to the running episode."""
        if buffer is self._buffer:
            buffer.add(role, part, index=index)
            self._flush_if_due()

    def end(self, buffer: EpisodeBuffer) -> None:
        """The answer breaks off: its parts are void."""
        if buffer is self._buffer:
            self._flush()
            self._buffer, self._reset = None, buffer.episode
            self._flush()
            self._check_idle()

    def _flush_if_due(self) -> None:
        if self._timer is None and self._followers:
            self._flush()

    def _flush(self) -> None:
        """Send what is pending of the episode as one frame."""
        self._stop_timer()
        events = self._pending() if self._followers else None
        if events and self.tell(Frame(events)):
            self._timer = asyncio.get_running_loop().call_later(FRAME_S, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._flush()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _pending(self) -> list[StreamEvent]:
        events: list[StreamEvent] = []
        if self._reset is not None:
            events.append(self._reset_event(self._reset))
            self._reset = None
        if self._buffer is not None:
            events += self._parts_since(self._buffer, self._told)
            self._told = self._buffer.seq
        return events

    def _parts_since(self, buffer: EpisodeBuffer, seq: int) -> list[StreamEvent]:
        return [MessagePartEvent(chat_id=self.chat_id, message_part=live) for live in buffer.since(seq)]

    def _reset_event(self, episode: Episode) -> PreviewResetEvent:
        return PreviewResetEvent(
            chat_id=self.chat_id, history_version=episode.history_version, attempt=episode.attempt
        )

    def tell(self, frame: Frame) -> bool:
        """Send what is not stored; whether anybody got it. Who waits for a snapshot does not."""
        ready = [follower for follower in self._followers if follower.held is None]
        for follower in ready:
            follower.subscription.push(frame)
        return bool(ready)

    # Commits

    def tell_commit(self, version: int, events: Sequence[StreamEvent], *, supersedes: bool) -> None:
        """Send what this process committed; with *supersedes*, the running episode is part of it."""
        self._flush()
        if supersedes:
            self._buffer = None
        frame = Frame(events) if events else None
        for follower in tuple(self._followers):
            if not follower.offer(version, frame):
                self._spawn(self._catch_up(follower))
        self._check_idle()

    def hear_of(self, version: int) -> None:
        """Another process has committed."""
        for follower in self._followers:
            follower.wanted = max(follower.wanted, version)
            if follower.held is None and version > follower.version:
                follower.held = []
                self._spawn(self._catch_up(follower))

    # Subagents

    def hear_of_usage(self) -> None:
        """The chat itself used something: those who know of subagents are told the family's sum."""
        if any(follower.children is not None for follower in self._followers):
            self.hear_of_children()

    def hear_of_children(self) -> None:
        """A subagent has changed: who follows is told at once, then at most every `CHILDREN_S`."""
        self._children_changed = True
        if self._followers and not self._are_children_watched:
            self._are_children_watched = True
            self._spawn(self._watch_children())

    async def _watch_children(self) -> None:
        try:
            while self._children_changed and self._followers:
                self._children_changed = False
                await self._tell_children()
                await asyncio.sleep(CHILDREN_S)
        except (ChatdError, sqlite3.Error) as error:
            log.warning(
                "Subscribers of chat %s are closed: no subagents can be read: %r", self.chat_id, error
            )
            self.close()
        finally:
            self._are_children_watched = False

    async def _tell_children(self) -> None:
        standing = await self._store.read(lambda conn: families.find_standing(conn, self.chat_id))
        if standing is None:
            return
        event = children_event(self.chat_id, standing)
        frame = Frame([event])
        for follower in tuple(self._followers):
            if not follower.offer_children(standing.change_id, event, frame):
                self._children_changed = True  # its snapshot may be older: look once more

    # Subscribers

    async def subscribe(self, cursor: Cursor) -> Subscription:
        """Follow from a cursor: first what is missing, then everything as it happens.

        Raises:
            ChatNotFoundError: no such chat.
        """
        follower = Follower(self, last_id=cursor.after_id)
        self._followers.add(follower)
        try:
            await self._synchronise(follower, cursor)
        except BaseException:
            follower.subscription.close()
            raise
        return follower.subscription

    def leave(self, follower: Follower) -> None:
        """Tell it no more."""
        self._followers.discard(follower)
        self._check_idle()

    def _check_idle(self) -> None:
        if self.idle:
            self._stop_timer()
            self._on_idle(self)

    async def _catch_up(self, follower: Follower) -> None:
        """Tell what another process committed; when that fails the subscriber is closed and comes again."""
        try:
            await self._synchronise(follower, None)
        except (ChatdError, sqlite3.Error) as error:
            log.warning("A subscriber of chat %s is closed: the chat cannot be read: %r", self.chat_id, error)
            follower.subscription.close()

    async def _synchronise(self, follower: Follower, cursor: Cursor | None) -> None:
        """Read snapshots until nothing is missing, then go on with the running episode."""
        while not follower.subscription.closed:
            view, standing = await self._store.read(lambda conn: self._read(conn, follower.last_id))
            if follower.take(view, standing):
                self._flush()
                for frame in frames(self._preview(cursor, view.chat.history_version)):
                    follower.subscription.push_snapshot(frame)
                follower.held = None
                return

    def _read(
        self, conn: sqlite3.Connection, after_id: int
    ) -> tuple[reads.Snapshot, families.Standing | None]:
        return reads.snapshot(conn, self.chat_id, after_id=after_id), families.find_standing(
            conn, self.chat_id
        )

    def _preview(self, cursor: Cursor | None, history_version: int) -> list[StreamEvent]:
        """Return the running episode from where the subscriber is in it; without a cursor, from its start.

        One of an older history is over: the commit that supersedes it is stored, but not yet announced.
        """
        buffer = self._buffer
        if buffer is None or buffer.episode.history_version < history_version:
            shows_parts = cursor is None or cursor.episode is not None
            return (
                [self._reset_event(Episode(history_version=history_version, attempt=0))]
                if shows_parts
                else []
            )
        if cursor is not None and cursor.episode == buffer.episode and 0 < cursor.seq <= buffer.seq:
            return self._parts_since(buffer, cursor.seq)
        return [self._reset_event(buffer.episode), *self._parts_since(buffer, 0)]
