"""`/{chat}/children`, and a family as others see it, over HTTP."""

from __future__ import annotations

import pytest

from .client import Api

DELEGATE = """delegate "say one" and delegate exploring "say two", then wait for the subagents"""


async def test_children_are_listed_in_the_order_of_their_making(api: Api) -> None:
    parent = await api.finished(DELEGATE)
    children = await api.get(f"/{parent['id']}/children")
    assert [(one["title"], one.get("mode"), one["status"], one["parent_chat_id"]) for one in children] == [
        ("say one", None, "waiting", parent["id"]),
        ("say two", "explore", "waiting", parent["id"]),
    ]
    assert await api.get(f"/{children[0]['id']}/children") == []


async def test_the_parent_reports_what_they_said_and_its_usage_holds_theirs(api: Api) -> None:
    parent = await api.finished(DELEGATE)
    answer = (await api.messages(parent["id"]))[-1]
    text = "".join(part.get("text", "") for part in answer["content"])
    assert "“say one” reports: one" in text
    assert "“say two” reports: two" in text
    usage = await api.get(f"/{parent['id']}/usage")
    assert len(usage["by_chat"]) == 3


async def test_children_of_unknown_chats_are_not_found(api: Api) -> None:
    reply = await api.call("GET", "/00000000-0000-4000-8000-000000000000/children")
    assert reply.status == 404


@pytest.mark.parametrize(("client_type", "mode"), [("api", "auto"), ("ui", "ask"), (None, "auto")])
async def test_whether_a_new_chat_asks_follows_who_makes_it(
    api: Api, client_type: str | None, mode: str
) -> None:
    body = {"content": [{"type": "text", "text": "say hello"}], "model": "demo:demo"}
    chat = await api.post("", body | ({"client_type": client_type} if client_type else {}), status=201)
    assert chat["approval_mode"] == mode
