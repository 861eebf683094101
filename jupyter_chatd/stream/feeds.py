"""The feeds of all chats that somebody follows or that run."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from ..events import Change, Episode, StreamEvent
from ..messages import Chat, Role
from ..store import Store
from .feed import Feed, LiveEpisode
from .frame import Frame
from .snapshot import change_events
from .subscription import Cursor, Subscription

log = logging.getLogger(__name__)


class Feeds:
    """Finds a chat's feed, and makes it when it is needed. One per server; lives as long as its store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._feeds: dict[str, Feed] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._unlisten = store.listen(self._on_change)

    def __len__(self) -> int:
        """How many chats are followed or run."""
        return len(self._feeds)

    def is_followed(self, chat_id: str) -> bool:
        """Whether somebody follows the chat now."""
        feed = self._feeds.get(chat_id)
        return feed is not None and feed.is_followed

    async def close(self) -> None:
        """End all subscriptions. May be called twice."""
        self._unlisten()
        for feed in tuple(self._feeds.values()):
            feed.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def subscribe(self, chat_id: str, cursor: Cursor) -> Subscription:
        """Follow a chat from a cursor: first what is missing, then everything as it happens.

        Raises:
            ChatNotFoundError: no such chat.
        """
        return await self._feed(chat_id).subscribe(cursor)

    def begin_episode(self, chat_id: str, episode: Episode) -> LiveEpisode:
        """A new answer begins: subscribers forget the live parts that they show."""
        return self._feed(chat_id).begin(episode)

    def tell(self, event: StreamEvent) -> None:
        """Tell something that is not stored, such as an error while the database cannot be written."""
        feed = self._feeds.get(event.chat_id)
        if feed is not None:
            feed.tell(Frame([event]))

    def _on_change(self, change: Change) -> None:
        self._tell_family(change.chat)
        feed = self._feeds.get(change.chat.id)
        if feed is None:
            return
        if change.purged:
            feed.close()
        elif change.foreign:
            feed.hear_of(change.chat.snapshot_version)
        else:
            answered = any(row.role in (Role.ASSISTANT, Role.TOOL) for row in change.inserted)
            feed.tell_commit(
                change.chat.snapshot_version,
                change_events(change),
                supersedes=answered or change.history is not None,
            )
            if answered:
                feed.hear_of_usage()

    def _tell_family(self, chat: Chat) -> None:
        """Let those who follow its parent, or the root of its family, know that a subagent has changed."""
        for above in {chat.parent_chat_id, chat.root_chat_id} - {None, chat.id}:
            feed = self._feeds.get(above or "")
            if feed is not None:
                feed.hear_of_children()

    def _feed(self, chat_id: str) -> Feed:
        feed = self._feeds.get(chat_id)
        if feed is None:
            feed = self._feeds[chat_id] = Feed(
                chat_id, store=self._store, spawn=self._spawn, on_idle=self._forget
            )
        return feed

    def _forget(self, feed: Feed) -> None:
        if self._feeds.get(feed.chat_id) is feed:
            del self._feeds[feed.chat_id]

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="chatd-catch-up")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
