"""Messages and the queue: read, send, edit, delete, promote, interrupt."""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path

from fakes.steps import Hang, say

from .client import PATIENCE, Api, Json, text_part
from .conftest import Serve

SLOW = "count to 10000"
"""Keeps the demo model busy for about 40 s."""


def texts(rows: list[Json]) -> list[str]:
    """The texts of messages, of the queue or of the history."""
    return [part["text"] for row in rows for part in row["content"] if part["type"] == "text"]


async def queue(api: Api, chat_id: str) -> list[Json]:
    return (await api.get(f"/{chat_id}/messages"))["queued_messages"]


async def running(api: Api, text: str = SLOW) -> str:
    """A chat whose model is in the middle of its answer."""
    chat_id = await api.create_id(text)
    async with api.follow(chat_id) as stream:
        await stream.part("text")
    return chat_id


# Reading


async def four_turns(api: Api) -> tuple[str, list[int]]:
    """A chat of eight messages, and their ids."""
    chat_id = (await api.finished("say 0"))["id"]
    for number in range(1, 4):
        await api.send(chat_id, f"say {number}")
        await api.settle(chat_id)
    return chat_id, [row["id"] for row in await api.messages(chat_id)]


async def test_messages_are_paged_from_the_newest(api: Api) -> None:
    chat_id, ids = await four_turns(api)
    assert len(ids) == 8

    async def page(**query: object) -> tuple[list[int], bool]:
        reply = await api.get(f"/{chat_id}/messages", **query)
        return [row["id"] for row in reply["messages"]], reply["has_more"]

    assert await page() == (ids[::-1], False)
    assert await page(limit=3) == (ids[:-4:-1], True)
    assert await page(limit=3, before_id=ids[5]) == (ids[4:1:-1], True)
    assert await page(limit=8, before_id=ids[5]) == (ids[4::-1], False)
    assert await page(limit=3, after_id=ids[5]) == (ids[6:], False)
    assert await page(limit=3, after_id=0) == (ids[:3], True)
    assert await page(before_id=ids[5], after_id=ids[1]) == (ids[4:1:-1], False)


async def test_a_bad_page_says_what_was_expected(api: Api) -> None:
    chat_id = (await api.finished())["id"]
    for query, told in (
        ([("limit", "201")], "limit: expected a whole number from 1 to 200"),
        ([("before_id", "x")], "before_id: expected a whole number"),
        ([("after_id", "-1")], "after_id: expected a whole number"),
        ([("before_id", "4"), ("after_id", "4")], "after_id: must be below before_id"),
    ):
        reply = await api.call("GET", f"/{chat_id}/messages", params=query)
        assert (query, reply.status) == (query, 400)
        assert told in reply.json["detail"]


# Sending


async def test_an_idle_chat_takes_a_message_at_once(api: Api) -> None:
    chat_id = (await api.finished())["id"]
    sent = await api.send(chat_id, "say more")
    assert sent.keys() == {"queued", "message"}
    assert (sent["queued"], texts([sent["message"]])) == (False, ["say more"])
    await api.settle(chat_id)
    assert texts(await api.messages(chat_id)) == ["say hello", "hello", "say more", "more"]


async def test_a_busy_chat_queues_and_answers_one_message_after_the_other(api: Api) -> None:
    chat_id = await api.create_id("run `sleep 0.3`")
    for text in ("say one", "say two"):
        sent = await api.send(chat_id, text)
        assert sent.keys() == {"queued", "queued_message"}
        assert sent["queued"]
        assert sent["queued_message"].keys() == {"id", "chat_id", "content", "created_at", "created_by"}
    assert texts(await queue(api, chat_id)) == ["say one", "say two"]
    await api.settle(chat_id)
    assert texts(await api.messages(chat_id))[-4:] == ["say one", "one", "say two", "two"]
    assert await queue(api, chat_id) == []


async def test_a_client_knows_its_messages_again_whatever_the_queue_did(api: Api) -> None:
    chat_id = await api.create_id("run `sleep 4`", client_message_id="page/1")
    queued = [await api.send(chat_id, f"say {n}", client_message_id=f"page/{n}") for n in (2, 3)]
    await api.delete(f"/{chat_id}/queue/{queued[0]['queued_message']['id']}")
    await api.settle(chat_id)
    said = [row for row in await api.messages(chat_id) if row["role"] == "user"]
    assert [row.get("client_message_id") for row in said] == ["page/1", "page/3"]
    number = said[-1]["id"]
    for body, expected in (({"client_message_id": "other/1"}, "other/1"), ({}, None)):
        text = {"content": [text_part("say 4")]}
        edited = (await api.patch(f"/{chat_id}/messages/{number}", {**text, **body}))["message"]
        assert edited.get("client_message_id") == expected
        number = edited["id"]


async def test_interrupting_with_a_message_keeps_what_was_streamed(api: Api) -> None:
    chat_id = await running(api)
    assert (await api.send(chat_id, "say more", busy_behavior="interrupt"))["queued"]
    await api.settle(chat_id)
    _, cut, *rest = await api.messages(chat_id)
    assert cut["stop_reason"] == "interrupted"
    assert texts([cut])[0].startswith("1 2")
    assert texts(rest) == ["say more", "more"]


async def test_the_queue_takes_twenty_messages(api: Api) -> None:
    chat_id = await running(api)
    for number in range(20):
        await api.send(chat_id, f"say {number}")
    problem = await api.send(chat_id, "say too much", status=429)
    assert "holds 20 messages, which is the maximum" in problem["message"]
    assert len(await queue(api, chat_id)) == 20


async def test_a_message_may_choose_the_model_with_which_the_chat_goes_on(api: Api, openai: Serve) -> None:
    chat_id = (await api.finished())["id"]
    async with openai([[say("from the vendor")]]) as vendor:
        await api.send(chat_id, "hi", model="openai:fake-model", reasoning_effort="high")
        await api.settle(chat_id)
        body = vendor.generations[0].json
    assert (body["model"], body["reasoning_effort"]) == ("fake-model", "high")
    answer = (await api.messages(chat_id))[-1]
    assert (answer["model"], texts([answer])) == ("openai:fake-model", ["from the vendor"])
    assert (await api.get(f"/{chat_id}"))["model"] == "openai:fake-model"


async def test_an_unknown_model_is_refused_before_anything_is_stored(api: Api) -> None:
    chat_id = (await api.finished())["id"]
    for field in ({"model": "nobody:nothing"}, {"model_config_id": "nothing"}):
        await api.send(chat_id, "hi", status=400, **field)
        await api.post("", {"content": [text_part("hi")], **field}, status=400)
    assert len(await api.messages(chat_id)) == 2
    assert len(await api.get()) == 1


# Editing


async def test_an_edit_replaces_the_message_and_what_followed(api: Api) -> None:
    chat_id, ids = await four_turns(api)
    edited = await api.patch(f"/{chat_id}/messages/{ids[2]}", {"content": [text_part("say changed")]})
    assert edited.keys() == {"message", "dropped"}
    assert edited["message"]["id"] > ids[-1]
    assert edited["message"]["created_by"] == "local"
    await api.settle(chat_id)
    assert texts(await api.messages(chat_id)) == ["say 0", "0", "say changed", "changed"]


async def test_an_edit_stops_the_turn_and_gives_the_queue_back(api: Api) -> None:
    chat_id = await running(api)
    await api.send(chat_id, "say queued")
    first = (await api.messages(chat_id))[0]["id"]
    edited = await api.patch(f"/{chat_id}/messages/{first}", {"content": [text_part("say less")]})
    assert texts(edited["dropped"]) == ["say queued"]
    await api.settle(chat_id)
    assert texts(await api.messages(chat_id)) == ["say less", "less"]


async def test_only_user_messages_of_this_chat_can_be_edited(api: Api) -> None:
    chat_id, other = (await api.finished())["id"], (await api.finished())["id"]
    user, answer = await api.messages(chat_id)
    body = {"content": [text_part("say x")]}
    problem = await api.patch(f"/{chat_id}/messages/{answer['id']}", body, status=400)
    assert problem["detail"] == f"Message {answer['id']} has the role assistant."
    await api.patch(f"/{other}/messages/{user['id']}", body, status=404)
    await api.patch(f"/{chat_id}/messages/999", body, status=404)
    # The system prompt is a message too, which clients never see.
    await api.patch(f"/{chat_id}/messages/{user['id'] - 1}", body, status=400)


async def test_an_id_that_is_no_number_is_refused(api: Api) -> None:
    chat_id = (await api.finished())["id"]
    for number in ("0", "-1", "x", "1.5", "9" * 30, "٣"):
        for method, path, body in (
            ("PATCH", f"/messages/{number}", {"content": [text_part("x")]}),
            ("DELETE", f"/queue/{number}", None),
            ("POST", f"/queue/{number}/promote", {}),
        ):
            reply = await api.call(method, f"/{chat_id}{path}", body)
            assert (method, path, reply.status) == (method, path, 400)
            assert "Expected a positive whole number, came" in reply.json["detail"]


# The queue


async def test_a_queued_message_can_be_deleted_twice(api: Api) -> None:
    chat_id = await running(api)
    ids = [(await api.send(chat_id, f"say {n}"))["queued_message"]["id"] for n in range(2)]
    for _ in range(2):
        await api.delete(f"/{chat_id}/queue/{ids[0]}")
    assert texts(await queue(api, chat_id)) == ["say 1"]
    idle = (await api.finished())["id"]
    await api.delete(f"/{idle}/queue/{ids[1]}")
    assert texts(await queue(api, chat_id)) == ["say 1"]


async def test_a_promoted_message_comes_next(api: Api) -> None:
    chat_id = await running(api)
    ids = [(await api.send(chat_id, f"say {n}"))["queued_message"]["id"] for n in range(3)]
    promoted = await api.post(f"/{chat_id}/queue/{ids[2]}/promote")
    assert (promoted["queued"], promoted["queued_message"]["id"]) == (True, ids[2])
    await api.settle(chat_id)
    assert texts(await api.messages(chat_id))[2:] == ["say 2", "2", "say 0", "0", "say 1", "1"]


async def test_promoting_after_an_error_begins_a_turn(api: Api, openai: Serve) -> None:
    async with openai([[say("busy"), Hang()]], models=["fake-model"]):
        chat_id = await api.create_id(model="openai:fake-model")
        async with api.follow(chat_id) as stream:
            await stream.part("text")
        queued = await api.send(chat_id, "say it", model="openai:no-such-model")
        later = await api.send(chat_id, "say more", model="demo:demo")
        await api.post(f"/{chat_id}/interrupt")
        assert (await api.settle(chat_id))["status"] == "error"
    assert await queue(api, chat_id) == [later["queued_message"]]
    assert queued["queued"]
    promoted = await api.post(f"/{chat_id}/queue/{later['queued_message']['id']}/promote")
    assert (promoted["queued"], texts([promoted["message"]])) == (False, ["say more"])
    assert (await api.settle(chat_id))["status"] == "waiting"


async def test_promoting_what_is_not_queued_is_404(api: Api) -> None:
    chat_id, other = await running(api), (await api.finished())["id"]
    queued = (await api.send(chat_id, "say x"))["queued_message"]["id"]
    for path in (f"/{chat_id}/queue/{queued + 1}", f"/{other}/queue/{queued}"):
        problem = await api.post(f"{path}/promote", status=404)
        assert "was not found in this chat" in problem["message"]


# Interrupting


async def test_interrupting_an_idle_chat_changes_nothing(api: Api) -> None:
    before = await api.finished()
    stopped = await api.post(f"/{before['id']}/interrupt")
    assert {**stopped, "commands": before["commands"]} == {**before, "dropped": []}  # only GET tells of them
    assert await api.get(f"/{before['id']}") == before


async def test_an_interrupt_keeps_the_queue_unless_told_otherwise(api: Api) -> None:
    chat_id = await running(api)
    await api.send(chat_id, "say next")
    stopped = await api.post(f"/{chat_id}/interrupt")
    assert (stopped["status"], stopped["dropped"]) == ("interrupting", [])
    await api.settle(chat_id)
    assert texts(await api.messages(chat_id))[2:] == ["say next", "next"]


async def test_stop_gives_the_queued_texts_back(api: Api) -> None:
    chat_id = await running(api)
    await api.send(chat_id, "say next")
    stopped = await api.post(f"/{chat_id}/interrupt", {"queue": "drop"})
    assert texts(stopped["dropped"]) == ["say next"]
    await api.settle(chat_id)
    assert (len(await api.messages(chat_id)), await queue(api, chat_id)) == (2, [])


async def test_an_interrupted_command_ends_with_its_children(api: Api) -> None:
    pause = f"30.{os.getpid()}"
    chat_id = await api.create_id(f"run `sleep {pause} & echo begun; wait` with timeout 60s")
    async with api.follow(chat_id) as stream:
        await stream.part("tool-result")
        async with asyncio.timeout(PATIENCE):
            while not sleeps(pause):  # noqa: ASYNC110 - it says that it has begun a moment before it has
                await asyncio.sleep(0.01)
        await api.post(f"/{chat_id}/interrupt")
        await stream.status("waiting")
    assert not sleeps(pause)
    (result,) = await api.results(chat_id)
    assert result["result"]["success"] is False
    assert "was interrupted" in result["result"]["error"]


def sleeps(seconds: str) -> bool:
    """Whether somebody sleeps for that long; in a sandbox a process has another id than here."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # gone meanwhile
            if path.read_bytes().split(b"\0")[:2] == [b"sleep", seconds.encode()]:
                return True
    return False


async def test_a_stop_reaches_the_vendor(api: Api, openai: Serve) -> None:
    async with openai([[say("busy"), Hang()]]) as vendor:
        chat_id = await api.create_id("hi", model="openai:fake-model")
        async with api.follow(chat_id) as stream:
            await stream.part("text")
        await api.post(f"/{chat_id}/interrupt")
        await api.settle(chat_id)
        (request,) = vendor.generations
        await request.done.wait()
        assert request.aborted
    assert texts(await api.messages(chat_id)) == ["hi", "busy"]
