"""What the model still reads of a long chat: `/compact` and `/clear`, as routes and as messages."""

from __future__ import annotations

import pytest
from fakes.openai_server import FakeOpenAI
from fakes.steps import Hang, Refuse, Spend, call, say
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


# On the wire: what vendors insist on, and how they refuse


ASKED = [call("execute", {"command": "echo 42"})]
TOO_LONG = {
    "anthropic": Refuse(status=400, message="prompt is too long: 208310 tokens > 200000 maximum"),
    "openai": Refuse(
        status=400,
        message="This model's maximum context length is 128000 tokens. However, your messages resulted in "
        "130001 tokens.",
        code="context_length_exceeded",
    ),
}
LIMITS = {"anthropic": 200_000, "openai": 128_000}


@pytest.fixture
def vendors(openai: Serve, anthropic: Serve) -> dict[str, Serve]:
    return {"openai": openai, "anthropic": anthropic}


@pytest.mark.parametrize("vendor", ["openai", "anthropic"])
async def test_a_summary_is_asked_for_with_the_tools_told_and_forbidden(
    api: Api, vendors: dict[str, Serve], vendor: str
) -> None:
    async with vendors[vendor]([ASKED, [say("42")], [say("it was 42")]]) as server:
        chat = await api.finished("what is it?", model=f"{vendor}:fake-model")
        await api.post(f"/{chat['id']}/compact")
        assert (await api.settle(chat["id"]))["last_error"] is None
        first, _, summary = (request.json for request in server.generations)
    assert summary["tools"] == first["tools"]
    assert summary["tool_choice"] == ({"type": "none"} if vendor == "anthropic" else "none")


@pytest.mark.parametrize("vendor", ["openai", "anthropic"])
async def test_a_prompt_that_is_too_long_is_compacted_and_the_turn_goes_on(
    api: Api, vendors: dict[str, Serve], vendor: str
) -> None:
    answers = [ASKED, [TOO_LONG[vendor]], [say("it was 42")], [say("42")]]
    async with vendors[vendor](answers) as server:
        chat = await api.finished("what is it?", model=f"{vendor}:fake-model")
        assert len(server.generations) == 4
    assert (chat["status"], chat["last_error"]) == ("waiting", None)
    messages = await api.messages(chat["id"])
    assert messages[-1]["content"] == [text_part("42")]
    assert messages[-1]["usage"]["context_limit"] == LIMITS[vendor]
    assert ("tool-result", "chat_summarized") in tools_shown(messages)


async def test_a_model_config_says_when_and_by_whom_a_chat_is_compacted(api: Api, openai: Serve) -> None:
    summaries = FakeOpenAI([[say("a summary")]], models=["small"])
    answers = [[*ASKED, Spend(input_tokens=60)], [say("42")]]
    async with openai(answers, models=["large"]), summaries as small:
        await api.post("/providers", {"provider": "mine", "base_url": small.base_url}, status=201)
        config = {"provider": "openai", "model": "large", "context_limit": 100, "compression_threshold": 60}
        options = {"compaction_model": "mine:small"}
        made = await api.post("/model-configs", {**config, "options": options}, status=201)
        assert made["options"] == options
        chat = await api.finished("what is it?", model_config_id=made["id"])
        assert chat["last_error"] is None
        assert len(small.generations) == 1
    (result,) = [part for part in await api.results(chat["id"]) if part["tool_name"] == "chat_summarized"]
    assert result["result"] == {
        "summary": "a summary",
        "source": "automatic",
        "threshold_percent": 60,
        "usage_percent": 60.0,
        "context_tokens": 60,
        "context_limit_tokens": 100,
    }


@pytest.mark.parametrize("settings", [{"compaction_timeout": 1.0}])
async def test_a_vendor_that_does_not_summarise_in_time_is_not_waited_for(api: Api, openai: Serve) -> None:
    async with openai([[say("noted")], [Hang()], [say("still here")]]):
        chat_id = await talked(api)
        await api.post(f"/{chat_id}/compact")
        error = (await api.settle(chat_id))["last_error"]
        assert error["message"] == (
            "The chat could not be compacted. The model did not summarise the conversation within 1 seconds."
        )
        await api.send(chat_id, "and now?")
        assert (await api.settle(chat_id))["status"] == "waiting"
