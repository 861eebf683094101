"""A client that drops and resumes at random sees exactly what one that stayed sees; acceptance 6."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jupyter_chatd.messages import ChatStatus, Part, ReasoningPart, TextPart, ToolCallPart
from jupyter_chatd.store import Store, reads
from jupyter_chatd.stream import Feeds, Subscription, feed
from jupyter_chatd.stream.episode import delta_of

from .puppet import Puppet
from .viewer import Viewer

PATIENCE = 20.0  # seconds


@dataclass
class Client:
    """A viewer and its connection, if it has one."""

    viewer: Viewer = field(default_factory=Viewer)
    subscription: Subscription | None = None
    connecting: asyncio.Task[Subscription] | None = None

    def drop(self) -> None:
        """Take what has arrived, and lose the rest."""
        self.drain()
        if self.subscription is not None:
            self.subscription.close()
            self.subscription = None

    def connect(self, feeds: Feeds, chat_id: str) -> None:
        """Begin to come back; the world goes on meanwhile."""
        if self.subscription is None and self.connecting is None:
            self.connecting = asyncio.create_task(feeds.subscribe(chat_id, self.viewer.cursor))

    async def connected(self) -> None:
        """Wait until the connection stands."""
        if self.connecting is not None:
            self.subscription, self.connecting = await self.connecting, None

    def drain(self) -> None:
        """Take what has arrived."""
        if self.subscription is not None:
            self.viewer.drain(self.subscription)


deltas: st.SearchStrategy[Part] = st.one_of(
    st.builds(TextPart, text=st.sampled_from(["one ", "two ", "three "])),
    st.builds(ReasoningPart, text=st.sampled_from(["hm ", "well "])),
    st.builds(ToolCallPart, args_delta=st.sampled_from(["{", "}"]), tool_call_id=st.just("x")),
    st.builds(ToolCallPart, args=st.just({"a": 1}), tool_call_id=st.just("x")),
)
clients = st.integers(0, 2)
bursts = st.tuples(st.just("burst"), st.lists(st.tuples(deltas, st.integers(0, 2)), min_size=1, max_size=5))
moves: st.SearchStrategy[tuple[Any, ...]] = st.one_of(
    bursts,
    bursts,
    bursts,
    st.tuples(st.sampled_from(["commit", "commit", "begin", "finish", "fail", "break_off", "breathe"])),
    st.tuples(st.sampled_from(["send", "edit", "interrupt"]), st.booleans()),
    st.tuples(st.sampled_from(["come", "hop"]), clients),
    st.tuples(st.sampled_from(["come", "hop"]), clients),
    st.tuples(st.sampled_from(["drop", "arrive"]), clients),
)


class Play:
    """One chat, one client that stays, three that come and go, and a second server on the file."""

    def __init__(self, store: Store, other: Store) -> None:
        self.feeds = Feeds(store)
        self.puppet = Puppet(store, self.feeds)
        self.other = other
        self.faithful = Client()
        self.clients = [Client() for _ in range(3)]

    async def run(self, script: list[tuple[Any, ...]]) -> None:
        """Make the moves, then compare what everybody sees."""
        await self.puppet.create()
        self.faithful.connect(self.feeds, self.puppet.id)
        await self.faithful.connected()
        for move in script:
            await self.make(*move)
            self.faithful.drain()
        await self.compare()
        await self.feeds.close()

    async def make(self, name: str, *details: Any) -> None:
        """Make one move, if the chat's state lets it."""
        status = (await self.puppet.chat()).status
        match name:
            case "begin" | "burst" | "commit" | "fail" if status is not ChatStatus.RUNNING:
                return
            case "finish" if status not in (ChatStatus.RUNNING, ChatStatus.INTERRUPTING):
                return
            case "burst":
                await self.burst(*details)
            case "begin" | "commit" | "fail" | "finish":
                await getattr(self.puppet, name)()
            case "send":
                await self.puppet.send("And?", store=self.other if details[0] else None)
            case "edit" | "interrupt":
                await getattr(self.puppet, name)(store=self.other if details[0] else None)
            case "break_off":
                self.puppet.break_off()
            case "breathe":
                await asyncio.sleep(0.01)
            case _:
                await self.move_client(name, self.clients[details[0]])

    async def burst(self, pieces: list[tuple[Part, int]]) -> None:
        """Go on with the answer, or begin one."""
        if self.puppet.live is None:
            await self.puppet.begin()
        said = self.puppet.said
        for part, index in pieces:
            self.puppet.publish(part, index)
            delta, before = delta_of(part), said.get(index, "")
            said[index] = part if delta is None else (before if isinstance(before, str) else "") + delta
            await asyncio.sleep(0)

    async def move_client(self, name: str, client: Client) -> None:
        """Let a client go or come; while it comes, the world goes on."""
        if name in ("drop", "hop"):
            await client.connected()
            client.drop()
        if name in ("come", "hop"):
            client.connect(self.feeds, self.puppet.id)
            await asyncio.sleep(0)
        if name == "arrive":
            await client.connected()

    async def compare(self) -> None:
        """Everybody sees what is stored and what is being said."""
        for client in self.clients:
            await client.connected()
            client.connect(self.feeds, self.puppet.id)
            await client.connected()
        viewers = [client.viewer for client in (self.faithful, *self.clients)]
        store, chat_id = self.puppet.store, self.puppet.id
        stored = list(await store.read(lambda conn: reads.client_messages(conn, chat_id)))
        queue = await store.read(lambda conn: reads.queue(conn, chat_id))
        expected = (stored, queue, self.puppet.said)
        try:
            async with asyncio.timeout(PATIENCE):
                while any((viewer.messages, viewer.queue, viewer.live) != expected for viewer in viewers):
                    await asyncio.sleep(0.001)
                    self.faithful.drain()
                    for client in self.clients:
                        client.drain()
        except TimeoutError:
            for viewer in viewers:
                assert (viewer.messages, viewer.queue, viewer.live) == expected


@contextmanager
def two_servers(folder: Path) -> Iterator[tuple[asyncio.Runner, Store, Store]]:
    """Two stores on one file, for many plays one after the other."""
    with asyncio.Runner() as runner:
        store, other = Store(folder / "chats.db"), Store(folder / "chats.db")
        for each in (store, other):
            runner.run(each.open())
            each._open_writer().poll_s = 0.005
        yield runner, store, other
        for each in (store, other):
            runner.run(each.close())


def test_whoever_comes_back_sees_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "FRAME_S", 0.001)
    with two_servers(tmp_path) as (runner, store, other):

        @settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
        @given(st.lists(moves, min_size=5, max_size=30))
        def play(script: list[tuple[Any, ...]]) -> None:
            runner.run(Play(store, other).run(script))

        play()
