"""How hard a model thinks, chosen for one turn."""

from __future__ import annotations

import pytest
from fakes.responder import respond
from fakes.steps import call, say

from .client import Api
from .conftest import Serve

MODEL = "openai:fake-model"
WORDS = ["none", "minimal", "low", "medium", "high", "xhigh", "max"]


async def test_it_holds_for_its_turn_and_all_steps_of_it(api: Api, openai: Serve) -> None:
    answers = [[call("execute", {"command": "true"})], [say("done")], [say("again")], [say("last")]]
    async with openai(answers) as vendor:
        chat = await api.finished("go", model=MODEL, reasoning_effort="high")
        await api.send(chat["id"], "again")
        await api.settle(chat["id"])
        await api.send(chat["id"], "last", reasoning_effort="low")
        await api.settle(chat["id"])
        efforts = [request.json.get("reasoning_effort") for request in vendor.generations]
    assert efforts == ["high", "high", None, "low"]


async def test_the_turns_choice_goes_before_the_model_configs(api: Api, openai: Serve) -> None:
    config = {"provider": "openai", "model": "fake-model", "context_limit": 1000}
    made = await api.post("/model-configs", {**config, "options": {"reasoning_effort": "low"}}, status=201)
    async with openai(respond) as vendor:
        chat = await api.finished("say one", model_config_id=made["id"])
        await api.send(chat["id"], "say two", reasoning_effort="high")
        await api.settle(chat["id"])
        assert [request.json["reasoning_effort"] for request in vendor.generations] == ["low", "high"]


async def test_a_queued_message_keeps_its_choice(api: Api, openai: Serve) -> None:
    async with openai([[call("execute", {"command": "sleep 0.5"})], [say("done")], [say("next")]]) as vendor:
        chat_id = await api.create_id("go", model=MODEL)
        sent = await api.send(chat_id, "next", reasoning_effort="high")
        assert sent["queued"]
        async with api.follow(chat_id) as stream:
            await stream.until(
                lambda event: (
                    event["type"] == "message" and event["message"]["content"][0].get("text") == "next"
                )
            )
        await api.settle(chat_id)
        efforts = [request.json.get("reasoning_effort") for request in vendor.generations]
    assert efforts == [None, None, "high"]


@pytest.mark.parametrize("word", WORDS)
async def test_every_word_is_understood_by_every_vendor(api: Api, anthropic: Serve, word: str) -> None:
    async with anthropic(respond):
        chat = await api.finished("say hello", model="anthropic:fake-model", reasoning_effort=word)
    assert chat["last_error"] is None


@pytest.mark.parametrize("word", ["", "much", "HIGH", 3])
async def test_other_words_are_refused_with_those_that_are_known(api: Api, word: object) -> None:
    body = {"content": [{"type": "text", "text": "hi"}], "reasoning_effort": word}
    refusal = await api.post("", body, status=400)
    assert refusal["detail"].startswith("reasoning_effort: ")
    assert all(known in refusal["detail"] for known in WORDS)
