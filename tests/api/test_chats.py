"""Creating, listing, reading and changing chats."""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from typing import Any

import pytest

from .client import Api, text_part

UNKNOWN = str(uuid.UUID(int=0))
RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


async def test_a_new_chat_has_the_shape_of_the_original(api: Api) -> None:
    chat = await api.create("say hello to the world of chats, please")
    assert RFC3339.fullmatch(chat["created_at"])
    assert chat == {
        "id": chat["id"],
        "owner_id": "local",
        "root_chat_id": chat["id"],
        "title": "say hello to the world of…",
        "status": "pending",
        "last_error": None,
        "model": "demo:demo",
        "created_at": chat["created_at"],
        "updated_at": chat["created_at"],
        "archived": False,
        "approval_mode": "auto",
        "mcp_server_ids": [],
        "labels": {},
        "pin_order": 0,
        "has_unread": False,
        "client_type": "api",
        "snapshot_version": chat["snapshot_version"],
        "history_version": chat["history_version"],
    }


async def test_a_turn_ends_with_the_models_answer(api: Api) -> None:
    chat = await api.finished("say hello")
    assert (chat["status"], chat["last_error"]) == ("waiting", None)
    user, answer = await api.messages(chat["id"])
    assert user == {
        "id": user["id"],
        "chat_id": chat["id"],
        "role": "user",
        "content": [{"type": "text", "text": "say hello"}],
        "created_at": chat["created_at"],
        "created_by": "local",
    }
    assert (answer["role"], answer["content"]) == ("assistant", [{"type": "text", "text": "hello"}])
    assert (answer["model"], answer["stop_reason"]) == ("demo:demo", "end")
    assert "created_by" not in answer
    assert answer["usage"]["output_tokens"] > 0


async def test_a_chat_keeps_what_it_was_created_with(api: Api) -> None:
    given = {
        "title": "  A\ntitle ",
        "labels": {"team": "blue"},
        "client_type": "ui",
        "approval_mode": "ask",
        "plan_mode": "plan",
        "mcp_server_ids": ["one"],
    }
    chat = await api.create("say hello", **given)
    assert {name: chat[name] for name in given} == {**given, "title": "A title"}


async def test_system_prompts_do_not_reach_clients(api: Api) -> None:
    chat = await api.finished()
    assert {row["role"] for row in await api.messages(chat["id"])} == {"user", "assistant"}


# Listing


@pytest.fixture
def listed(api: Api) -> Any:
    """Returns the titles of a listing."""

    async def titles(**query: object) -> list[str]:
        return [chat["title"] for chat in await api.get("", **query)]

    return titles


async def make(api: Api, titles: Sequence[str], **fields: Any) -> list[str]:
    """Create finished chats, the last one changed last."""
    return [(await api.finished(f"say {title}", title=title, **fields))["id"] for title in titles]


async def test_the_list_begins_with_the_newest_change(api: Api, listed: Any) -> None:
    first, *_ = await make(api, ["one", "two", "three"])
    assert await listed() == ["three", "two", "one"]
    await api.send(first, "say more")
    await api.settle(first)
    assert await listed() == ["one", "three", "two"]


async def test_the_list_is_paged_by_number_and_by_cursor(api: Api, listed: Any) -> None:
    _, two, _ = await make(api, ["one", "two", "three"])
    assert await listed(limit=2) == ["three", "two"]
    assert await listed(limit=2, offset=2) == ["one"]
    assert await listed(after_id=two) == ["one"]


async def test_changing_metadata_does_not_move_a_chat(api: Api, listed: Any) -> None:
    one, _ = await make(api, ["one", "two"])
    await api.patch(f"/{one}", {"title": "changed", "pin_order": 3}, status=204)
    assert await listed() == ["two", "changed"]


async def test_the_list_is_filtered_by_labels(api: Api, listed: Any) -> None:
    await make(api, ["blue"], labels={"team": "blue", "kind": "a:b"})
    await make(api, ["red"], labels={"team": "red"})
    assert await listed(label="team:blue") == ["blue"]
    assert await listed(label="kind:a:b") == ["blue"]
    both = await api.call("GET", params=[("label", "team:red"), ("label", "kind:a:b")])
    assert both.json == []


async def test_the_list_is_searched_by_title_and_text(api: Api, listed: Any) -> None:
    await api.finished("say strawberries are red", title="fruit")
    await api.finished("say 100% of it", title="other")
    assert await listed(q="strawberries") == ["fruit"]
    assert await listed(q="FRUIT") == ["fruit"]
    assert await listed(q="100%") == ["other"]
    assert await listed(q='"; DROP TABLE chats') == []
    assert await listed(q="\0") == ["other", "fruit"]  # as good as blank


BAD_SEARCHES: list[tuple[dict[str, str], str]] = [
    ({"limit": "0"}, "limit: expected a whole number from 1 to 200, came '0'"),
    ({"limit": "201"}, "limit: expected a whole number from 1 to 200, came '201'"),
    ({"offset": "-1"}, "offset: expected a whole number from 0"),
    ({"offset": "9" * 30}, "offset: expected a whole number from 0"),
    ({"limit": "٣"}, "limit: expected a whole number"),
    ({"archived": "maybe"}, "archived: expected true, false or all, came 'maybe'"),
    ({"label": "team"}, "label: expected key:value, came 'team'"),
    ({"after_id": UNKNOWN}, f"after_id: expected the id of a chat of yours, came '{UNKNOWN}'"),
    ({"after_id": "x"}, "after_id: expected the id of a chat of yours, came 'x'"),
]


async def test_a_bad_search_says_what_was_expected(api: Api) -> None:
    for query, told in BAD_SEARCHES:
        reply = await api.call("GET", params=list(query.items()))
        assert (query, reply.status) == (query, 400)
        assert told in reply.json["detail"]


async def test_a_label_cannot_have_two_values(api: Api) -> None:
    reply = await api.call("GET", params=[("label", "team:red"), ("label", "team:blue")])
    assert (reply.status, reply.json["detail"]) == (400, "label: expected each key once, with one value")


# Changing


async def test_a_patch_changes_what_it_names_and_nothing_else(api: Api) -> None:
    before = await api.finished(labels={"team": "blue"}, plan_mode="plan")
    await api.patch(f"/{before['id']}", {"title": "new", "labels": {}, "plan_mode": ""}, status=204)
    after = await api.get(f"/{before['id']}")
    del before["plan_mode"]
    assert after == {**before, "title": "new", "labels": {}, "snapshot_version": after["snapshot_version"]}
    await api.patch(f"/{before['id']}", {}, status=204)
    assert await api.get(f"/{before['id']}") == after


async def test_the_model_of_a_chat_can_be_changed_to_one_that_exists(api: Api) -> None:
    chat_id = (await api.finished())["id"]
    await api.patch(f"/{chat_id}", {"model": "claude-opus-5-5"}, status=204)
    assert (await api.get(f"/{chat_id}"))["model"] == "anthropic:claude-opus-5-5"
    problem = await api.patch(f"/{chat_id}", {"model": "nobody:nothing", "title": "no"}, status=400)
    assert problem["message"] == "Unknown model."
    assert "nobody:nothing" in problem["detail"]
    assert (await api.get(f"/{chat_id}"))["title"] != "no"


# The archive


async def test_an_archived_chat_leaves_the_list_and_comes_back(api: Api, listed: Any) -> None:
    chat_id = (await api.finished("say one", title="one"))["id"]
    await api.patch(f"/{chat_id}", {"pin_order": 1}, status=204)
    await api.patch(f"/{chat_id}", {"archived": True}, status=204)
    assert (await listed(), await listed(archived="true"), await listed(archived="all")) == (
        [],
        ["one"],
        ["one"],
    )
    assert (await api.get(f"/{chat_id}"))["pin_order"] == 0
    await api.patch(f"/{chat_id}", {"archived": False}, status=204)
    assert await listed() == ["one"]


@pytest.mark.parametrize("archived", [True, False])
async def test_archiving_what_is_so_already_is_refused_whole(api: Api, archived: bool) -> None:
    chat_id = (await api.finished())["id"]
    if archived:
        await api.patch(f"/{chat_id}", {"archived": True}, status=204)
    before = await api.get(f"/{chat_id}")
    problem = await api.patch(f"/{chat_id}", {"archived": archived, "title": "by halves"}, status=400)
    assert problem == {
        "message": "The chat is archived already." if archived else "The chat is not archived."
    }
    assert await api.get(f"/{chat_id}") == before


async def test_archiving_stops_what_runs(api: Api) -> None:
    chat_id = await api.create_id("run `sleep 30` with timeout 60s")
    async with api.follow(chat_id) as stream:
        await stream.until(
            lambda event: event["type"] == "message" and event["message"]["role"] == "assistant"
        )
    await api.patch(f"/{chat_id}", {"archived": True}, status=204)
    chat = await api.get(f"/{chat_id}")
    assert (chat["archived"], chat["status"]) == (True, "waiting")
    assert (await api.messages(chat_id))[-1]["role"] == "tool"


async def test_an_archived_chat_takes_nothing(api: Api) -> None:
    chat_id = (await api.finished())["id"]
    message = (await api.messages(chat_id))[0]["id"]
    await api.patch(f"/{chat_id}", {"archived": True}, status=204)
    content = {"content": [text_part("say more")]}
    for method, path, body, transition in (
        ("POST", "/messages", content, "SendMessage(queue)"),
        ("PATCH", f"/messages/{message}", content, "EditMessage"),
        ("POST", "/interrupt", {}, "Interrupt(keep)"),
    ):
        reply = await api.call(method, f"/{chat_id}{path}", body)
        assert reply.status == 409
        assert (reply.json["state"], reply.json["transition"]) == ("XW", transition)
        assert reply.json["message"]


# What is not there


async def test_a_chat_that_is_not_there_is_404_on_every_route(api: Api) -> None:
    content = {"content": [text_part("say more")]}
    key = {"message_id": 1, "call_index": 0}
    requests = [
        ("GET", "", None),
        ("PATCH", "", {"title": "x"}),
        ("GET", "/messages", None),
        ("POST", "/messages", content),
        ("PATCH", "/messages/1", content),
        ("DELETE", "/queue/1", None),
        ("POST", "/queue/1/promote", None),
        ("POST", "/interrupt", {}),
        ("POST", "/tool-results", {"client": "c", "claim": [key]}),
        ("POST", "/approvals", {**key, "decision": "allow"}),
        ("GET", "/stream", None),
    ]
    for chat_id in (UNKNOWN, "x", UNKNOWN.replace("0", "A"), "%2e%2e", "a%20b", "🙂"):
        for method, path, body in requests:
            reply = await api.call(method, f"/{chat_id}{path}", body)
            assert (chat_id, method, path, reply.status) == (chat_id, method, path, 404)
            assert "was not found" in reply.json["message"]


async def test_an_unknown_route_is_a_404_in_json(api: Api) -> None:
    for method in ("GET", "POST", "DELETE"):
        reply = await api.call(method, f"/{UNKNOWN}/no-such-thing", {} if method == "POST" else None)
        assert (reply.status, reply.headers["Content-Type"]) == (404, "application/json")
        assert "There is no route" in reply.json["message"]


async def test_a_wrong_method_is_told_the_right_ones(api: Api) -> None:
    reply = await api.call("DELETE", f"/{UNKNOWN}/messages")
    assert (reply.status, reply.headers["Allow"]) == (405, "GET, POST")
    assert reply.json == {"message": "Expected GET, POST, came DELETE."}
    assert (await api.call("GET", f"/{UNKNOWN}/interrupt")).json == {"message": "Expected POST, came GET."}
    assert (await api.call("POST", f"/{UNKNOWN}/stream", {})).json == {"message": "Expected GET, came POST."}


async def test_a_slash_at_the_end_does_no_harm(api: Api) -> None:
    reply = await api.call("GET", "/")
    assert (reply.status, reply.headers["Location"].rstrip("?")[-6:]) == (302, "/chats")
