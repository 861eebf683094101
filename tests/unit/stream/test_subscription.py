"""What a subscriber holds: frames in order, an end, and what becomes of a slow one."""

from __future__ import annotations

import asyncio
import json
import weakref

import pytest

from jupyter_chatd.events import ErrorEvent, MessageEvent, StatusEvent
from jupyter_chatd.messages import ErrorDetail, Message, Role
from jupyter_chatd.stream import Cursor, Feeds, Frame, Subscription, subscription
from jupyter_chatd.stream.frame import BATCH, frames

from .puppet import Puppet
from .viewer import Viewer

pytestmark = pytest.mark.anyio


def frame(text: str = "waiting") -> Frame:
    return Frame([StatusEvent(chat_id="c", status=text)])


def message(number: int) -> MessageEvent:
    row = Message(id=number, chat_id="c", role=Role.USER, parts=(), created_at=0.0)
    return MessageEvent(chat_id="c", message=row)


async def test_frames_come_in_order_until_it_is_closed() -> None:
    closed: list[str] = []
    held = Subscription(lambda: closed.append("closed"))
    sent = [frame(str(number)) for number in range(3)]
    for each in sent:
        held.push(each)
    held.close()
    held.close()
    held.push(frame("late"))
    assert [each async for each in held] == sent
    assert closed == ["closed"]
    assert not held.overrun


async def test_a_reader_waits_for_the_next_frame() -> None:
    held = Subscription(lambda: None)
    got: list[Frame] = []

    async def read() -> None:
        async for each in held:
            got.append(each)

    reading = asyncio.create_task(read())
    await asyncio.sleep(0)
    sent = frame()
    held.push(sent)
    await asyncio.sleep(0)
    assert got == [sent]
    held.close()
    await reading


async def test_a_slow_subscriber_is_closed_and_comes_again(
    feeds: Feeds, puppet: Puppet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscription, "BACKLOG", 5_000)
    viewer, slow = Viewer(), await feeds.subscribe(puppet.id, Cursor())
    viewer.drain(slow)
    for number in range(40):
        await puppet.commit(f"Answer {number}.")
    assert slow.overrun
    assert [each async for each in slow] == []

    again = await feeds.subscribe(puppet.id, viewer.cursor)
    viewer.drain(again)
    assert [row.text for row in viewer.messages[1:]] == [f"Answer {number}." for number in range(40)]


async def test_a_long_history_is_no_backlog(
    feeds: Feeds, puppet: Puppet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else whoever opens a long chat would be closed before the first frame."""
    for number in range(20):
        await puppet.commit(f"Answer {number}.")
    monkeypatch.setattr(subscription, "BACKLOG", 1_000)
    viewer, late = Viewer(), await feeds.subscribe(puppet.id, Cursor())
    viewer.drain(late)
    assert len(viewer.messages) == 21


async def test_one_frame_is_taken_however_big() -> None:
    held = Subscription(lambda: None)
    huge = Frame([ErrorEvent(chat_id="c", error=ErrorDetail(message="x" * (subscription.BACKLOG + 1)))])
    held.push(huge)
    assert not held.overrun
    held.push(frame())
    assert held.overrun


async def test_what_was_read_counts_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscription, "BACKLOG", 3 * len(frame().text))
    held = Subscription(lambda: None)
    reading = aiter(held)
    for _ in range(10):
        held.push(frame())
        held.push(frame())
        await anext(reading)
        await anext(reading)
    assert not held.overrun


async def test_an_empty_one_keeps_nothing() -> None:
    """Streams are idle most of the time, and there may be a thousand."""
    held = Subscription(lambda: None)
    told = weakref.ref(sent := frame())
    held.push(sent)
    del sent

    async def read() -> None:
        async for each in held:
            del each

    reading = asyncio.create_task(read())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert told() is None
    held.close()
    await reading


def test_a_frame_is_the_data_envelope() -> None:
    made = Frame([StatusEvent(chat_id="c", status="waiting"), message(7), message(9)])
    envelope = json.loads(made.text)
    assert envelope["type"] == "data"
    assert [event["type"] for event in envelope["data"]] == ["status", "message", "message"]
    assert made.last_id == 9
    assert frame().last_id is None


def test_a_snapshot_is_cut_into_frames() -> None:
    events = [message(number) for number in range(2 * BATCH + 1)]
    cut = list(frames(events))
    assert [len(each.events) for each in cut] == [BATCH, BATCH, 1]
    assert [event for each in cut for event in each.events] == events
