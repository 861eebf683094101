"""Whether a client is there that could act in a chat."""

from __future__ import annotations

import pytest

from jupyter_chatd.loop.unattended import Unattended
from jupyter_chatd.store.reads import ClientWait
from jupyter_chatd.stream import Attendance, Cursor, Feeds

from .puppet import Puppet

pytestmark = pytest.mark.anyio


async def test_who_follows_is_there_until_he_leaves(feeds: Feeds, puppet: Puppet) -> None:
    attendance = Attendance(feeds)
    assert not attendance.is_attended(puppet.id, owner_id="ada")
    subscription = await feeds.subscribe(puppet.id, Cursor())
    assert attendance.is_attended(puppet.id, owner_id="ada")
    subscription.close()
    assert not attendance.is_attended(puppet.id, owner_id="ada")


async def test_who_watches_is_there_for_all_chats_of_the_same_owner(feeds: Feeds) -> None:
    attendance = Attendance(feeds)
    with attendance.watching("ada"), attendance.watching("ada"):
        assert attendance.is_attended("c", owner_id="ada")
        assert not attendance.is_attended("c", owner_id="bob")
    assert not attendance.is_attended("c", owner_id="ada")
    assert not attendance._watchers  # on a hub many may come and go


async def test_who_asks_now_and_then_is_there_for_some_seconds(feeds: Feeds) -> None:
    now = 0.0
    attendance = Attendance(feeds, clock=lambda: now)
    attendance.note("c")
    now = 9.0
    attendance.note("d")
    assert attendance.is_attended("c", owner_id="ada")
    now = 11.0
    assert not attendance.is_attended("c", owner_id="ada")
    assert attendance.is_attended("d", owner_id="ada")


def test_a_chat_is_due_when_it_was_alone_all_the_time() -> None:
    here: set[str] = set()
    unattended = Unattended(lambda wait: wait.chat_id in here, timeout_s=30.0)
    waits = [ClientWait(chat_id=name, owner_id="ada") for name in ("a", "b")]
    assert unattended.due(waits, now=0.0) == []
    here.add("b")
    assert unattended.due(waits, now=20.0) == []
    here.clear()
    assert unattended.due(waits, now=30.0) == ["a"]
    assert unattended.due(waits[1:], now=49.0) == []
    assert unattended.due(waits[1:], now=60.0) == ["b"]
    assert unattended.due([], now=90.0) == []
