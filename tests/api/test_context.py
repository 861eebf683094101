"""What the model still reads of a long chat: `/compact` and `/clear`, as routes and as messages."""

from __future__ import annotations

import pytest
from fakes.openai_server import FakeOpenAI
from fakes.steps import Refuse, say
from fakes.vendor import FakeVendor

from .client import Api, Json, text_part
from .conftest import Serve

MODEL = "openai:fake-model"


def told(vendor: FakeVendor) -> list[str]:
    """The texts of the newest request, without the system's."""
    messages = vendor.generations[-1].json["messages"]
    return [message["content"] for message in messages if message["role"] != "system"]


def tools_shown(messages: list[Json]) -> list[tuple[str, str]]:
    parts = [part for row in messages for part in row["content"] if "tool_name" in part]
    return [(part["type"], part["tool_name"]) for part in parts]


async def talked(api: Api) -> str:
    """A chat with one answered turn."""
    chat = await api.finished("my number is 42", model=MODEL)
    assert chat["status"] == "waiting"
    return chat["id"]


@pytest.mark.parametrize("way", ["route", "message"])
async def test_after_compacting_the_model_reads_the_summary(api: Api, openai: Serve, way: str) -> None:
    async with openai([[say("noted")], [say("the number is 42")], [say("42")]]) as vendor:
        chat_id = await talked(api)
        if way == "route":
            assert (await api.post(f"/{chat_id}/compact"))["status"] in ("pending", "running")
        else:
            assert await api.send(chat_id, " /compact ") == {"queued": False, "command": "compact"}
        assert (await api.settle(chat_id))["status"] == "waiting"
        await api.send(chat_id, "my number?")
        await api.settle(chat_id)
        assert len(vendor.generations) == 3
        summary, question = told(vendor)
    assert summary.endswith("the number is 42")
    assert question == "my number?"
    messages = await api.messages(chat_id)
    assert [row["content"] for row in messages if row["role"] == "user"] == [
        [text_part("my number is 42")],
        [text_part("my number?")],
    ]
    assert tools_shown(messages) == [("tool-call", "chat_summarized"), ("tool-result", "chat_summarized")]


@pytest.mark.parametrize("way", ["route", "message"])
async def test_after_clearing_the_model_reads_nothing_of_it(api: Api, openai: Serve, way: str) -> None:
    async with openai([[say("noted")], [say("which number?")]]) as vendor:
        chat_id = await talked(api)
        if way == "route":
            assert (await api.post(f"/{chat_id}/clear"))["status"] == "waiting"
        else:
            assert await api.send(chat_id, "/clear") == {"queued": False, "command": "clear"}
        await api.send(chat_id, "my number?")
        await api.settle(chat_id)
        assert told(vendor) == ["my number?"]
    messages = await api.messages(chat_id)
    assert [row["role"] for row in messages] == [
        "user",
        "assistant",
        "assistant",
        "tool",
        "user",
        "assistant",
    ]
    assert tools_shown(messages) == [("tool-call", "chat_cleared"), ("tool-result", "chat_cleared")]


async def test_clearing_after_a_failure_leaves_it_behind(api: Api, openai: Serve) -> None:
    async with openai([[say("noted")], [Refuse(status=400, message="no")]]):
        chat_id = await talked(api)
        await api.send(chat_id, "and?")
        assert (await api.settle(chat_id))["status"] == "error"
        chat = await api.post(f"/{chat_id}/clear")
    assert (chat["status"], chat["last_error"]) == ("waiting", None)


async def test_a_chat_that_is_busy_is_left_alone(api: Api) -> None:
    chat_id = await api.create_id("run `sleep 30`")
    for path in ("compact", "clear"):
        refusal = await api.post(f"/{chat_id}/{path}", status=409)
        assert refusal["state"] == "R0"
        assert await api.send(chat_id, f"/{path}", status=409) == refusal
    assert (await api.get(f"/{chat_id}/messages"))["queued_messages"] == []
    await api.post(f"/{chat_id}/interrupt")
    await api.settle(chat_id)


async def test_without_an_answer_there_is_nothing_to_compact(api: Api) -> None:
    chat = await api.finished()
    await api.post(f"/{chat['id']}/clear")
    refusal = await api.post(f"/{chat['id']}/compact", status=409)
    assert "nothing to compact" in refusal["detail"]
    assert (await api.get(f"/{chat['id']}"))["status"] == "waiting"


@pytest.mark.parametrize("text", ["/compact it", "what does /clear do?", "/COMPACT", "/clear\n/clear"])
async def test_only_the_bare_word_is_a_command(api: Api, text: str) -> None:
    chat = await api.finished()
    assert (await api.send(chat["id"], text))["message"]["content"] == [text_part(text)]
    await api.settle(chat["id"])


async def test_the_first_message_of_a_chat_is_no_command(api: Api) -> None:
    async with FakeOpenAI([[say("so?")]], models=["m"]) as vendor:
        await api.post("/providers", {"provider": "mine", "base_url": vendor.base_url}, status=201)
        chat = await api.finished("/clear", model="mine:m")
        assert told(vendor) == ["/clear"]
    assert chat["title"] == "/clear"


@pytest.mark.parametrize("path", ["compact", "clear"])
async def test_bad_requests(api: Api, path: str) -> None:
    chat = await api.finished()
    assert (await api.post(f"/{chat['id']}/{path}", {"now": True}, status=400))["detail"].startswith("now: ")
    await api.post(f"/00000000-0000-0000-0000-000000000000/{path}", status=404)
    assert len(await api.messages(chat["id"])) == 2
