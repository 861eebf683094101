"""`/{chat}/children`, and a family as others see it, over HTTP."""

from __future__ import annotations

import pytest

from .client import Api, Event

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


# On the parent's stream


async def test_the_parents_stream_tells_how_its_subagents_stand(api: Api) -> None:
    parent_id = await api.create_id(DELEGATE)
    async with api.follow(parent_id) as stream:
        await stream.status("waiting")
        last = await stream.until(lambda event: event["type"] == "children" and all_ended(event))
    children = await api.get(f"/{parent_id}/children")
    assert [(one["id"], one["type"], one["title"]) for one in last["children"]] == [
        (children[0]["id"], "general", "say one"),
        (children[1]["id"], "explore", "say two"),
    ]
    assert all(one["last_error"] is None and one["has_unread"] for one in last["children"])


async def test_who_follows_later_is_told_what_they_used(api: Api) -> None:
    parent = await api.finished(DELEGATE)
    usage = await api.get(f"/{parent['id']}/usage")
    async with api.follow_events(parent["id"]) as stream:
        event = await stream.until(lambda event: event["type"] == "children")
    assert event["usage"] == {name: usage[name] for name in event["usage"]}
    by_chat = {one["chat_id"]: one["message_count"] for one in usage["by_chat"]}
    assert {one["id"]: one["usage"]["message_count"] for one in event["children"]} == {
        chat_id: count for chat_id, count in by_chat.items() if chat_id != parent["id"]
    }


async def test_reading_a_subagent_is_told_on_its_parents_stream(api: Api) -> None:
    parent = await api.finished(DELEGATE)
    (child, _) = await api.get(f"/{parent['id']}/children")
    assert child["has_unread"]
    async with api.follow(parent["id"]) as stream:
        await api.settle(child["id"])
        await stream.until(
            lambda event: event["type"] == "children" and not event["children"][0]["has_unread"]
        )


async def test_a_subagents_own_stream_tells_of_no_subagents(api: Api) -> None:
    parent = await api.finished(DELEGATE)
    (child, _) = await api.get(f"/{parent['id']}/children")
    async with api.follow(child["id"]) as stream:
        await stream.status("waiting")
        assert "children" not in {event["type"] for event in stream.events}


def all_ended(event: Event) -> bool:
    return [one["status"] for one in event["children"]] == ["waiting", "waiting"]
