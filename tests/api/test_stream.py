"""Following one chat: frames, cursors, the two transports, slow clients."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from fakes.steps import Hang, Refuse, call, say, think

from jupyter_chatd.api import socket as socket_module
from jupyter_chatd.api import sockets as sockets_module
from jupyter_chatd.api import stream as stream_module
from jupyter_chatd.extension import JupyterChatd

from .client import PATIENCE, Api, eventually, text_part
from .conftest import Serve
from .screen import Screen

TRANSPORTS = pytest.mark.parametrize("transport", ["websocket", "sse"])


def following(api: Api, transport: str) -> Any:
    return api.follow if transport == "websocket" else api.follow_events


@TRANSPORTS
async def test_a_turn_is_told_from_its_first_word_to_its_end(api: Api, openai: Serve, transport: str) -> None:
    answers = [
        [think("Let me see."), say("I will look."), call("execute", {"command": "echo one; echo two"})],
        [say("Both lines are there.")],
    ]
    async with openai(answers):
        chat_id = await api.create_id("look", model="openai:fake-model")
        async with following(api, transport)(chat_id) as stream:
            await stream.status("waiting")
    assert {event["chat_id"] for event in stream.events} == {chat_id}
    screen = Screen()
    screen.take(stream.events)
    assert list(screen.messages.values()) == await api.messages(chat_id)
    assert (screen.live, screen.queue, screen.status) == ({}, [], "waiting")
    first, tools, second = screen.episodes
    assert [first[1], tools[1], second[1]] == [1, 0, 1]
    assert [part["type"] for part in screen.episodes[first].values()] == ["reasoning", "text", "tool-call"]
    (result,) = screen.episodes[tools].values()
    assert result["result"]["output"] == "one\ntwo\n"
    assert next(iter(screen.episodes[second].values()))["text"] == "Both lines are there."


async def test_a_snapshot_begins_with_the_status_and_ends_with_the_queue(api: Api) -> None:
    chat_id = (await api.finished())["id"]
    async with api.follow(chat_id) as stream:
        frame = await stream.frame()
    assert frame.keys() == {"type", "data"}
    assert [event["type"] for event in frame["data"]] == ["status", "message", "message", "queue_update"]
    assert frame["data"][0] == {"type": "status", "chat_id": chat_id, "status": {"status": "waiting"}}
    assert frame["data"][-1] == {"type": "queue_update", "chat_id": chat_id, "queued_messages": []}


async def test_a_cursor_leaves_out_what_the_client_has(api: Api) -> None:
    chat_id = (await api.finished())["id"]
    user, answer = await api.messages(chat_id)
    for after, expected in ((user["id"], [answer]), (answer["id"], [])):
        async with api.follow(chat_id, after_id=str(after)) as stream:
            data = (await stream.frame())["data"]
        assert [event["message"] for event in data if event["type"] == "message"] == expected


async def test_a_cursor_that_was_edited_away_starts_over(api: Api) -> None:
    chat_id = (await api.finished())["id"]
    user, answer = await api.messages(chat_id)
    await api.patch(f"/{chat_id}/messages/{user['id']}", {"content": [text_part("say new")]})
    await api.settle(chat_id)
    async with api.follow(chat_id, after_id=str(answer["id"])) as stream:
        data = (await stream.frame())["data"]
    assert data[0] == {"type": "history_reset", "chat_id": chat_id}
    rows = [event["message"] for event in data if event["type"] == "message"]
    assert rows == await api.messages(chat_id)


@TRANSPORTS
async def test_a_client_resumes_inside_an_answer(api: Api, openai: Serve, transport: str) -> None:
    async with openai([[say("one two three"), Hang()]]):
        chat_id = await api.create_id("hi", model="openai:fake-model")
        async with api.follow(chat_id) as stream:
            part = await stream.part("text")
        cursor = {"after_id": str((await api.messages(chat_id))[-1]["id"])}
        cursor["episode"] = f"{part['history_version']}.{part['attempt']}.{part['seq']}"
        async with following(api, transport)(chat_id, **cursor) as again:
            rest = ""
            while part["part"]["text"] + rest != "one two three":
                events = await again.more()
                assert not [event for event in events if event["type"] in ("message", "preview_reset")]
                rest += "".join(event["message_part"]["part"]["text"] for event in events if is_part(event))


def is_part(event: Any) -> bool:
    return event["type"] == "message_part"


BAD_CURSORS: list[tuple[dict[str, str], str]] = [
    ({"after_id": "x"}, "after_id: expected a whole number from 0 to 10^18, came 'x'"),
    ({"after_id": "-1"}, "after_id: expected"),
    ({"after_id": "9" * 30}, "after_id: expected"),
    ({"after_id": "1.5"}, "after_id: expected"),
    ({"episode": "1.2"}, "episode: expected history_version.attempt.seq, came '1.2'"),
    ({"episode": "1.2.3.4"}, "episode: expected history_version.attempt.seq"),
    ({"episode": "1.x.3"}, "episode: expected a whole number"),
    ({"episode": "..."}, "episode: expected history_version.attempt.seq"),
]


async def test_a_bad_cursor_is_refused_before_the_stream_begins(api: Api) -> None:
    chat_id = (await api.finished())["id"]
    for cursor, told in BAD_CURSORS:
        plain = await api.call("GET", f"/{chat_id}/stream", params=list(cursor.items()))
        refused = await api.refused(f"/{chat_id}/stream", **cursor)
        assert (cursor, plain.status, refused.status) == (cursor, 400, 400)
        assert plain.json == refused.json
        assert plain.json["message"] == "Invalid stream cursor."
        assert told in plain.json["detail"]


async def test_an_episode_of_the_past_or_the_future_starts_the_preview_over(api: Api, openai: Serve) -> None:
    async with openai([[say("one"), Hang()]]):
        chat_id = await api.create_id("hi", model="openai:fake-model")
        async with api.follow(chat_id) as stream:
            part = await stream.part("text")
        for cursor in ("0.1.5", "99.1.5", f"{part['history_version']}.{part['attempt']}.99"):
            async with api.follow(chat_id, episode=cursor) as again:
                await again.part("text")
            assert [event["type"] for event in again.events][-2:] == ["preview_reset", "message_part"]


async def test_a_stream_of_no_chat_is_refused(api: Api) -> None:
    for path in ("/00000000-0000-0000-0000-000000000000/stream", "/x/stream"):
        refused = await api.refused(path)
        assert (refused.status, (await api.call("GET", path)).status) == (404, 404)
        assert "was not found" in refused.json["message"]


async def test_watching_needs_a_websocket(api: Api) -> None:
    reply = await api.call("GET", "/watch")
    assert reply.status == 400
    assert reply.json == {"message": "Expected a WebSocket: a request with the header Upgrade: websocket."}


# Transports


async def test_server_sent_events_carry_the_cursor_as_their_id(api: Api) -> None:
    chat_id = (await api.finished())["id"]
    ids = [row["id"] for row in await api.messages(chat_id)]
    async with api.follow_events(chat_id) as stream:
        frame = await stream.frame()
        assert frame["id"] == str(ids[-1])
        await api.post(f"/{chat_id}/interrupt")
    browser = api.with_headers(Last_Event_ID=str(ids[0]))
    async with browser.follow_events(chat_id) as stream:
        data = (await stream.frame())["data"]
    assert [event["message"]["id"] for event in data if event["type"] == "message"] == ids[1:]


async def test_an_event_stream_is_not_cached_or_buffered(api: Api) -> None:
    chat_id = (await api.finished())["id"]
    async with api.follow_events(chat_id) as stream:
        await stream.frame()
    assert stream.headers["content-type"] == "text/event-stream"
    assert stream.headers["cache-control"] == "no-store"
    assert stream.headers["x-accel-buffering"] == "no"


@TRANSPORTS
async def test_pings_keep_a_silent_stream_open(
    api: Api, monkeypatch: pytest.MonkeyPatch, transport: str
) -> None:
    chat_id = (await api.finished())["id"]
    for module in (sockets_module, stream_module):
        monkeypatch.setattr(module, "PING_S", 0.02)
    async with following(api, transport)(chat_id) as stream:
        assert (await stream.frame())["type"] == "data"
        assert [await stream.frame() for _ in range(2)] == [{"type": "ping"}] * 2


async def test_all_sockets_share_one_task_that_pings(api: Api) -> None:
    chat_id = (await api.finished())["id"]
    async with api.follow(chat_id) as one, api.follow(chat_id) as two, api.socket("/watch"):
        await one.frame()
        await two.frame()
        assert [task.get_name() for task in asyncio.all_tasks()].count("chatd-ping") == 1


async def test_a_client_that_answers_pings_stays(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets_module, "PING_S", 0.2)
    monkeypatch.setattr(socket_module, "PONG_S", 0.5)
    chat_id = (await api.finished())["id"]
    async with api.follow(chat_id) as stream:
        assert (await stream.frame())["type"] == "data"
        assert [await stream.frame() for _ in range(6)] == [{"type": "ping"}] * 6


async def test_a_client_that_answers_no_ping_is_closed(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets_module, "PING_S", 0.02)
    monkeypatch.setattr(socket_module, "PONG_S", 0.04)
    chat_id = (await api.finished())["id"]
    address = urlsplit(f"{api.url}/{chat_id}/stream")
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    wanted = {
        "Host": address.netloc,
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
        **api.headers,
    }
    lines = [f"GET {address.path} HTTP/1.1", *(f"{name}: {value}" for name, value in wanted.items())]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    async with asyncio.timeout(PATIENCE):
        await reader.readuntil(b"no answer to a ping")
    writer.close()
    await writer.wait_closed()


async def test_a_client_that_had_gone_before_its_stream_began_is_forgotten(
    api: Api, chatd: JupyterChatd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets_module, "PING_S", 0.02)
    chat_id = (await api.finished())["id"]
    async with api.follow(chat_id) as stream:
        await stream.frame()
        (handler,) = chatd._running.sockets._open
        handler.ws_connection = None  # what tornado does then
        await eventually(lambda: len(chatd._running.sockets) == 0)
        await eventually(lambda: "chatd-socket" not in {task.get_name() for task in asyncio.all_tasks()})


async def test_what_a_client_writes_closes_the_stream(api: Api) -> None:
    chat_id = (await api.finished())["id"]
    for path in (f"/{chat_id}/stream", "/watch"):
        async with api.socket(path) as socket:
            await socket.write_message('{"type": "hello"}')
            while await socket.read_message() is not None:
                pass
        assert (socket.close_code, socket.close_reason) == (1003, "this stream is read only")


async def test_a_client_that_went_away_is_forgotten(api: Api, chatd: JupyterChatd) -> None:
    chat_id = (await api.finished())["id"]
    feeds = chatd._running.runtime.feeds
    async with api.follow(chat_id) as one, api.follow_events(chat_id) as two:
        await one.frame()
        await two.frame()
        assert len(feeds) == 1
    await eventually(lambda: len(feeds) == 0)
    serving = {"chatd-socket", "chatd-ping"}
    await eventually(lambda: serving.isdisjoint(task.get_name() for task in asyncio.all_tasks()))


async def test_a_client_that_does_not_read_is_closed_and_resumes(api: Api, openai: Serve) -> None:
    async with openai([[say("busy"), Hang()]]):
        chat_id = await api.create_id("hi", model="openai:fake-model")
        async with api.socket(f"/{chat_id}/stream") as lazy:
            for _ in range(9):  # each tells the whole queue: 45 MB together
                await api.send(chat_id, "x" * 1_000_000)
            while await lazy.read_message() is not None:
                pass
        assert (lazy.close_code, lazy.close_reason) == (1013, "too slow: resume from your cursor")
    async with api.follow_events(chat_id) as stream:
        event = await stream.until(lambda event: event["type"] == "queue_update")
    assert len(event["queued_messages"]) == 9


def damage(data_dir: Path, sql: str) -> None:
    """Change the database behind the server's back."""
    database = sqlite3.connect(data_dir / "jupyter_chatd" / "chats.db")
    with database:
        database.execute(sql)
    database.close()


async def test_a_chat_that_cannot_be_read_ends_the_stream_with_an_error(api: Api, jp_data_dir: Path) -> None:
    chat_id = (await api.finished())["id"]
    damage(jp_data_dir, "UPDATE messages SET content_version = 9")
    async with api.follow(chat_id) as stream:
        frame = await stream.frame()
    assert frame["type"] == "error"
    assert "content version 9 is unknown" in frame["data"]["message"]
    for path in ("/stream", "/messages"):
        reply = await api.call("GET", f"/{chat_id}{path}")
        assert (reply.status, reply.json) == (500, frame["data"])


async def test_a_damaged_database_is_an_error_in_the_log_and_in_json(
    api: Api, jp_data_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    chat_id = (await api.finished())["id"]
    damage(jp_data_dir, "DROP TABLE queued_messages")
    async with api.follow(chat_id) as stream:
        frame = await stream.frame()
        end = await stream.frame()
    assert (frame["data"]["message"], end["type"]) == (
        "The stream broke off. The server's log says why.",
        "end",
    )
    for path in ("/stream", "/messages"):
        reply = await api.call("GET", f"/{chat_id}{path}")
        assert (reply.status, reply.json) == (500, {"message": "Internal Server Error"})
    assert caplog.text.count("no such table: queued_messages") >= 3


# What is not in the history


async def test_a_retry_is_told_and_void_once_it_succeeds(api: Api, openai: Serve) -> None:
    overloaded = Refuse(status=503, headers={"Retry-After": "0.3"})
    async with openai([[overloaded], [say("now it works")]]):
        chat_id = await api.create_id("hi", model="openai:fake-model")
        async with api.follow(chat_id) as stream:
            retry = (await stream.until(lambda event: event["type"] == "retry"))["retry"]
            async with api.follow(chat_id) as late:
                await late.until(lambda event: event["type"] == "retry")
            await stream.status("waiting")
    assert retry.keys() >= {"attempt", "delay_ms", "error", "retrying_at", "kind", "status_code"}
    assert (retry["attempt"], retry["status_code"]) == (1, 503)
    screen = Screen()
    screen.take(stream.events)
    assert screen.retry is None
    assert (await api.messages(chat_id))[-1]["content"] == [text_part("now it works")]


async def test_an_error_is_told_with_the_status(api: Api) -> None:
    chat_id = await api.create_id("hi", model="openai:gone")
    async with api.follow(chat_id) as stream:
        await stream.status("error")
        error = (await stream.until(lambda event: event["type"] == "error"))["error"]
    assert error == (await api.get(f"/{chat_id}"))["last_error"]
    async with api.follow(chat_id) as late:
        data = (await late.frame())["data"]
    assert [event["type"] for event in data] == ["status", "message", "queue_update", "error"]
