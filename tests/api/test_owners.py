"""Several users on one server: each has chats of their own, and the others' do not exist."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from .client import PATIENCE, Api, text_part
from .users import USER_HEADER, HeaderUsers


@pytest.fixture
def server_settings() -> dict[str, Any]:
    return {"identity_provider_class": HeaderUsers}


@pytest.fixture
def ada(api: Api) -> Api:
    return api.with_headers(**{USER_HEADER: "ada"})


@pytest.fixture
def bob(api: Api) -> Api:
    return api.with_headers(**{USER_HEADER: "bob"})


async def test_chats_and_messages_carry_the_users_name(ada: Api) -> None:
    chat = await ada.finished()
    assert chat["owner_id"] == "ada"
    sent = await ada.send(chat["id"], "say more")
    assert sent["message"]["created_by"] == "ada"


async def test_nobody_can_write_in_anothers_name(ada: Api) -> None:
    chat_id = (await ada.finished())["id"]
    for name in ("created_by", "owner_id"):
        for path in ("", f"/{chat_id}/messages"):
            problem = await ada.post(path, {"content": [text_part("x")], name: "bob"}, status=400)
            assert problem["detail"].startswith(f"{name}: Unknown field.")


async def test_another_users_chat_is_as_if_it_were_not_there(ada: Api, bob: Api) -> None:
    chat_id = await ada.create_id("count to 10000")
    queued = (await ada.send(chat_id, "say queued"))["queued_message"]["id"]
    message = (await ada.messages(chat_id))[0]["id"]
    before = await ada.get(f"/{chat_id}/messages", after_id=0)
    content, key = {"content": [text_part("x")]}, {"message_id": message, "call_index": 0}
    for method, path, body in (
        ("GET", "", None),
        ("PATCH", "", {"title": "mine"}),
        ("PATCH", "", {"archived": True}),
        ("GET", "/messages", None),
        ("POST", "/messages", content),
        ("PATCH", f"/messages/{message}", content),
        ("DELETE", f"/queue/{queued}", None),
        ("POST", f"/queue/{queued}/promote", {}),
        ("POST", "/interrupt", {}),
        ("POST", "/tool-results", {"client": "c", "claim": [key]}),
        ("POST", "/approvals", {**key, "decision": "allow"}),
        ("GET", "/stream", None),
    ):
        reply = await bob.call(method, f"/{chat_id}{path}", body)
        assert (method, path, reply.status) == (method, path, 404)
        assert reply.json["message"] == f"Chat {chat_id} was not found."
    assert (await bob.refused(f"/{chat_id}/stream")).status == 404
    assert await bob.get() == []
    assert (await bob.call("GET", params=[("after_id", chat_id)])).status == 400
    assert await bob.get("", q="queued", archived="all") == []
    assert await ada.get(f"/{chat_id}/messages", after_id=0) == before


async def test_a_watcher_hears_of_the_own_chats_only(ada: Api, bob: Api) -> None:
    async with bob.socket("/watch") as socket, asyncio.timeout(PATIENCE):
        assert await socket.read_message() == '{"type":"ping"}'
        await ada.finished()
        mine = await bob.create_id()
        message = json.loads(str(await socket.read_message()))
    assert (message["data"]["kind"], message["data"]["chat"]["id"]) == ("created", mine)


async def test_a_caller_without_a_name_is_refused(api: Api) -> None:
    assert (await api.call("GET")).status == 403
