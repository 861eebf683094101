"""A model that cannot be called: the chat says what to do, and the next message works once that is done."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from fakes.openai_server import FakeOpenAI
from fakes.responder import respond
from fakes.steps import Break, Drop, Hang, Refuse, call, say

from .client import Api, Json, text_part
from .conftest import KEY, Serve

MODEL = "openai:fake-model"


@pytest.fixture
def settings() -> dict[str, Any]:
    return {"retry_first_delay": 0.05, "attempt_limit": 4}


async def failed(api: Api, model: str = MODEL) -> tuple[str, Json]:
    """A chat whose turn ended in an error, and the error."""
    chat = await api.finished("hi", model=model)
    assert chat["status"] == "error"
    return chat["id"], chat["last_error"]


async def works_again(api: Api, chat_id: str, **fields: Json) -> None:
    """The next message gets an answer, which stands after all that was said before."""
    await api.send(chat_id, "say it works", **fields)
    chat = await api.settle(chat_id)
    assert (chat["status"], chat["last_error"]) == ("waiting", None)
    assert (await api.messages(chat_id))[-1]["role"] == "assistant"


async def test_a_missing_key(api: Api, openai: Serve) -> None:
    chat_id, error = await failed(api)
    assert error == {
        "message": "There is no API key for OpenAI. Set one: OPENAI_API_KEY in the server's environment, "
        "or the provider settings.",
        "kind": "auth",
        "provider": "openai",
        "retryable": False,
    }
    async with openai(respond):
        await works_again(api, chat_id)


async def test_a_wrong_key(api: Api, openai: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    async with openai(respond, api_key="the right key".replace(" ", "-")):
        chat_id, error = await failed(api)
        assert (error["kind"], error["status_code"], error["retryable"]) == ("auth", 401, False)
        assert error["message"].endswith(
            "did not accept the API key. Check the key: OPENAI_API_KEY in the server's environment, "
            "or the provider settings."
        )
        monkeypatch.setenv("OPENAI_API_KEY", "the-right-key")
        await works_again(api, chat_id)


async def test_an_unknown_model(api: Api, openai: Serve) -> None:
    async with openai(respond, models=["large"]) as vendor:
        chat_id, error = await failed(api)
        assert (error["kind"], error["status_code"]) == ("config", 404)
        assert "does not know the model fake-model" in error["message"]
        assert "Choose a model that it offers" in error["message"]
        await works_again(api, chat_id, model="openai:large")
        assert [request.json["model"] for request in vendor.generations] == ["fake-model", "large"]


async def test_an_endpoint_that_is_down(api: Api, openai: Serve) -> None:
    async with openai(respond) as vendor:
        port = vendor.port
    chat_id, error = await failed(api)
    assert (error["kind"], error["retryable"]) == ("config", False)
    assert error["message"].endswith(
        f"could not be reached. Start the server there, or correct the base URL http://127.0.0.1:{port}/v1."
    )
    async with openai(respond, port=port):
        await works_again(api, chat_id)


async def test_a_wrong_address(api: Api, openai: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    async with openai(respond) as vendor:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{vendor.origin}/elsewhere")
        chat_id, error = await failed(api)
        assert "base URL" in error["message"]
        monkeypatch.setenv("OPENAI_BASE_URL", vendor.base_url)
        await works_again(api, chat_id)


async def test_a_spent_quota(api: Api, openai: Serve) -> None:
    refuse = Refuse(status=429, message="You exceeded your current quota", code="insufficient_quota")
    async with openai([[refuse], [say("thanks")]]):
        chat_id, error = await failed(api)
        assert error["kind"] == "usage_limit"
        assert "Check its plan and billing" in error["message"]
        await works_again(api, chat_id)


TRANSIENT = {
    "limited": [Refuse(status=429, headers={"Retry-After": "1"})],
    "failing": [Refuse(status=500)],
    "bad gateway": [Refuse(status=502)],
    "broken": [say("half an ans"), Break()],
    "dropped": [say("half an ans"), Drop()],
}


@pytest.mark.parametrize("trouble", TRANSIENT)
async def test_passing_trouble_is_tried_again(api: Api, openai: Serve, trouble: str) -> None:
    async with openai([TRANSIENT[trouble], [say("an answer")]]):
        chat_id = await api.create_id("hi", model=MODEL)
        async with api.follow(chat_id) as stream:
            retry = (await stream.until(lambda event: event["type"] == "retry"))["retry"]
            await stream.status("waiting")
    assert retry["error"]
    assert retry["delay_ms"] == (1000 if trouble == "limited" else 50)
    # Of the attempt that broke off nothing is left.
    assert [row["content"] for row in await api.messages(chat_id)] == [
        [text_part("hi")],
        [text_part("an answer")],
    ]


async def test_an_overloaded_anthropic_is_tried_again(api: Api, anthropic: Serve) -> None:
    async with anthropic([[Refuse(status=529)], [say("half"), Break()], [say("an answer")]]):
        chat = await api.finished("hi", model="anthropic:fake-model")
    assert chat["status"] == "waiting"
    assert (await api.messages(chat["id"]))[-1]["content"] == [text_part("an answer")]


async def test_trouble_that_does_not_pass_ends_the_turn(api: Api, openai: Serve) -> None:
    async with openai([[Refuse(status=503, message="come back later")]] * 4 + [[say("back")]]) as vendor:
        chat_id, error = await failed(api)
        assert len(vendor.generations) == 4
        assert "The model failed in 4 attempts." in error["message"]
        assert "Send a message to try again." in error["message"]
        await works_again(api, chat_id)


async def test_a_retry_can_be_interrupted(api: Api, openai: Serve) -> None:
    refuse = Refuse(status=429, headers={"Retry-After": "60"})
    async with openai([[refuse], [say("back")]]):
        chat_id = await api.create_id("hi", model=MODEL)
        async with api.follow(chat_id) as stream:
            await stream.until(lambda event: event["type"] == "retry")
        await api.post(f"/{chat_id}/interrupt")
        assert (await api.settle(chat_id))["status"] == "waiting"
        await works_again(api, chat_id)


@pytest.mark.parametrize(
    "settings", [{"first_part_timeout": 2.0, "silence_timeout": 1.0, "attempt_limit": 2}]
)
async def test_a_vendor_that_says_nothing_is_not_waited_for_for_ever(api: Api, openai: Serve) -> None:
    async with openai([[say("warm")], [Hang()], [say("half"), Hang()], [say("back")]]):
        await api.finished("hi", model=MODEL)  # everything is imported now
        chat_id, error = await failed(api)
        assert "went silent in the middle of its answer" in error["message"]
        await works_again(api, chat_id)


async def test_an_error_between_steps_keeps_the_steps(api: Api, openai: Serve) -> None:
    answers = [[call("execute", {"command": "echo done"})], [Refuse(status=400, message="no")], [say("ok")]]
    async with openai(answers) as vendor:
        chat_id, error = await failed(api)
        assert error["kind"] == "config"
        assert [row["role"] for row in await api.messages(chat_id)] == ["user", "assistant", "tool"]
        await works_again(api, chat_id)
        roles = [message["role"] for message in vendor.generations[-1].json["messages"]]
    assert roles[-4:] == ["user", "assistant", "tool", "user"]


LOGGERS = ("jupyter_chatd", "ServerApp", "tornado", "asyncio", "py.warnings")
"""Whose lines end up in a server's log, even with --debug."""


async def test_neither_texts_nor_keys_are_logged(
    api: Api, openai: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = "the-pumpkin-is-in-the-cellar"
    answers = [
        [Refuse(status=500, message=secret)],
        [say(secret), call("execute", {"command": f"echo {secret}; exit 3"}), call(secret, {})],
        [Refuse(status=400, message=f"{secret} {KEY}")],
    ]
    async with openai(answers):
        chat = await api.finished(secret, model=MODEL, title=secret)
        assert (chat["status"], len(await api.results(chat["id"]))) == ("error", 2)
        await api.post("", {"content": [text_part(secret)], secret: 1}, status=400)
        await api.call("POST", "", raw=f'{{"content": "{secret}'.encode())
    lines = [record.getMessage() for record in caplog.records if record.name.startswith(LOGGERS)]
    assert any(f"Model call 1 of chat {chat['id']} failed" in line for line in lines)
    assert not [line for line in lines if secret in line or KEY in line]


async def test_a_chat_through_a_stored_provider_recovers_too(api: Api) -> None:
    async with FakeOpenAI(respond, models=["m"], api_key="right") as vendor:
        body = {"provider": "mine", "base_url": vendor.base_url, "api_key": "wrong"}
        provider = await api.post("/providers", body, status=201)
        chat_id, error = await failed(api, "mine:m")
        assert error["message"].endswith("did not accept the API key. Check the key: the provider settings.")
        await api.patch(f"/providers/{provider['id']}", {"api_key": "right"})
        await works_again(api, chat_id)
        await api.delete(f"/providers/{provider['id']}")
        await api.send(chat_id, "hi again")
        assert (await api.settle(chat_id))["status"] == "error"
