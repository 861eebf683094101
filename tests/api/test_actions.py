"""What only a client can do: run its own tools, and approve."""

from __future__ import annotations

from typing import Any

import pytest

from jupyter_chatd.extension import JupyterChatd
from jupyter_chatd.messages import ActionKind, CallKey
from jupyter_chatd.store import Claim
from jupyter_chatd.store.actions import Ask, EnterAction

from .client import Api, Json

TOOLS = [
    {"name": "ask_kernel", "description": "Asks a kernel."},
    {"name": "other", "description": "Another."},
]

DOT = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
"""A PNG of one pixel."""
PICTURE = {"data": DOT, "mime_type": "image/png"}
MESSAGE = {"content": [{"type": "text", "text": "say hi"}]}


async def waiting(api: Api, text: str = 'call ask_kernel with {"x": 1}') -> tuple[str, list[Json]]:
    """A chat that waits for its client, and what for."""
    chat_id = await api.create_id(text, client_tools=TOOLS)
    async with api.follow(chat_id) as stream:
        await stream.status("requires_action")
        event = await stream.until(lambda event: event["type"] == "action_required")
    return chat_id, event["action_required"]["actions"]


def key_of(action: Json) -> Json:
    return {"message_id": action["message_id"], "call_index": action["call_index"]}


def results(action: Json, value: Any, *, client: str = "kernel", **fields: Any) -> Json:
    return {"client": client, "results": [{**key_of(action), "result": value, **fields}]}


async def test_the_stream_says_what_a_client_has_to_do(api: Api) -> None:
    _, (action,) = await waiting(api)
    assert action == {
        "kind": "client_tool",
        "message_id": action["message_id"],
        "call_index": 1,
        "tool_call_id": action["tool_call_id"],
        "tool_name": "ask_kernel",
        "args": {"x": 1},
        "deadline_at": action["deadline_at"],
    }


async def test_the_turn_goes_on_with_the_clients_result(api: Api) -> None:
    chat_id, (action,) = await waiting(api)
    chat = await api.post(f"/{chat_id}/tool-results", results(action, {"answer": [1, None, "é"]}))
    assert chat["status"] in ("pending", "running")
    await api.settle(chat_id)
    (result,) = await api.results(chat_id)
    assert (result["result"], result["tool_name"]) == ({"answer": [1, None, "é"]}, "ask_kernel")
    assert '"answer"' in (await api.messages(chat_id))[-1]["content"][0]["text"]


async def test_the_turn_waits_for_every_call_of_the_step(api: Api) -> None:
    chat_id, (one, two) = await waiting(api, "call ask_kernel and call other")
    assert (await api.post(f"/{chat_id}/tool-results", results(two, 2)))["status"] == "requires_action"
    await api.post(f"/{chat_id}/tool-results", results(one, "no", is_error=True))
    await api.settle(chat_id)
    assert [part["tool_name"] for part in await api.results(chat_id)] == ["ask_kernel", "other"]
    assert (await api.results(chat_id))[0]["is_error"]


async def test_the_first_client_to_claim_a_call_runs_it(api: Api) -> None:
    chat_id, (action,) = await waiting(api)
    path, claim = f"/{chat_id}/tool-results", {"claim": [key_of(action)]}
    assert (await api.post(path, {"client": "a", **claim}))["status"] == "requires_action"
    await api.post(path, {"client": "a", **claim})
    problem = await api.post(path, {"client": "b", **claim}, status=409)
    assert problem == {
        "message": "Another client runs this call.",
        "state": "A0",
        "transition": "ClaimAction",
    }
    assert (await api.post(path, results(action, 1, client="b"), status=409))[
        "transition"
    ] == "CompleteAction"
    await api.post(path, results(action, 1, client="a"))
    assert (await api.settle(chat_id))["status"] == "waiting"


async def test_of_several_claims_all_are_made_or_none(api: Api) -> None:
    chat_id, (one, two) = await waiting(api, "call ask_kernel and call other")
    path = f"/{chat_id}/tool-results"
    await api.post(path, {"client": "b", "claim": [key_of(two)]})
    await api.post(path, {"client": "a", "claim": [key_of(one), key_of(two)]}, status=409)
    await api.post(path, {"client": "b", "claim": [key_of(one), key_of(two)]})


async def test_claiming_and_answering_may_be_one_request(api: Api) -> None:
    chat_id, (action,) = await waiting(api)
    both = {**results(action, 1), "claim": [key_of(action)]}
    assert (await api.post(f"/{chat_id}/tool-results", both))["status"] != "requires_action"


async def test_the_same_result_again_changes_nothing_and_another_is_refused(api: Api) -> None:
    chat_id, (action,) = await waiting(api)
    path = f"/{chat_id}/tool-results"
    await api.post(path, results(action, {"a": 1, "b": 2}))
    await api.settle(chat_id)
    before = await api.get(f"/{chat_id}")
    again = await api.post(path, results(action, {"b": 2, "a": 1}))
    assert {**again, "commands": before["commands"]} == before  # only GET tells how commands run
    problem = await api.post(path, results(action, {"a": 2}), status=409)
    assert problem["message"] == "This call has another result already."
    assert (await api.post(path, {"client": "a", "claim": [key_of(action)]}, status=409))["state"] == "W"
    assert await api.get(f"/{chat_id}") == before


async def test_calls_that_are_nobodys_are_404(api: Api) -> None:
    chat_id, (action,) = await waiting(api)
    other = (await api.finished())["id"]
    for key in ({"message_id": 999, "call_index": 0}, {**key_of(action), "call_index": 7}):
        await api.post(f"/{chat_id}/tool-results", {"client": "a", "claim": [key]}, status=404)
        await api.post(f"/{chat_id}/approvals", {**key, "decision": "allow"}, status=404)
    await api.post(f"/{other}/tool-results", {"client": "a", "claim": [key_of(action)]}, status=404)
    await api.post(f"/{other}/tool-results", results(action, 1), status=404)


async def test_one_bad_result_among_good_ones_stores_nothing(api: Api) -> None:
    chat_id, (one, _) = await waiting(api, "call ask_kernel and call other")
    good = results(one, 1)
    bad = {**good, "results": [*good["results"], {"message_id": 999, "call_index": 0, "result": 2}]}
    await api.post(f"/{chat_id}/tool-results", bad, status=404)
    twice = {**good, "results": good["results"] * 2}
    await api.post(f"/{chat_id}/tool-results", twice, status=400)
    async with api.follow(chat_id) as stream:
        event = await stream.until(lambda event: event["type"] == "action_required")
    assert len(event["action_required"]["actions"]) == 2


@pytest.mark.parametrize(
    "body, field",
    [
        ({"client": "a"}, None),
        ({"client": "a", "claim": [{"message_id": 0, "call_index": 0}]}, "claim[0].message_id"),
        ({"client": "a", "results": [{"message_id": 1, "call_index": 0}]}, "results[0].result"),
        ({"claim": []}, "client"),
    ],
)
async def test_a_malformed_answer_names_the_field(api: Api, body: Json, field: str | None) -> None:
    chat_id = (await api.finished())["id"]
    problem = await api.post(f"/{chat_id}/tool-results", body, status=400)
    assert [found["field"] for found in problem.get("validations", [])] == ([field] if field else [])
    assert problem["detail"]


@pytest.mark.parametrize("settings", [{"action_timeout": 1.0, "acquire_tick": 0.1}])
async def test_a_client_that_never_comes_does_not_stop_the_chat(api: Api) -> None:
    chat_id, (action,) = await waiting(api)
    async with api.follow(chat_id) as stream:
        await stream.status("waiting")
    (result,) = await api.results(chat_id)
    assert result["is_error"]
    await api.post(f"/{chat_id}/tool-results", results(action, 1), status=409)


async def test_an_interrupt_ends_the_waiting(api: Api) -> None:
    chat_id, _ = await waiting(api)
    assert (await api.post(f"/{chat_id}/interrupt"))["status"] == "waiting"
    (result,) = await api.results(chat_id)
    assert result["is_error"]


async def test_client_tools_can_be_brought_anew(api: Api) -> None:
    chat_id = (await api.finished())["id"]
    await api.patch(f"/{chat_id}", {"client_tools": [TOOLS[1]]}, status=204)
    await api.send(chat_id, "call other")
    assert (await api.settle(chat_id))["status"] == "requires_action"


async def test_who_sends_adds_its_tools_to_those_of_others(api: Api) -> None:
    one, other = TOOLS
    chat_id = (await api.finished(client_tools=[one]))["id"]
    await api.send(chat_id, "call other and call ask_kernel", client_tools=[other, other | {"name": "third"}])
    assert (await api.settle(chat_id))["status"] == "requires_action"
    async with api.follow(chat_id) as stream:
        event = await stream.until(lambda event: event["type"] == "action_required")
    assert [a["tool_name"] for a in event["action_required"]["actions"]] == ["other", "ask_kernel"]
    many = [{"name": f"tool_{number}"} for number in range(126)]
    problem = await api.post(f"/{chat_id}/messages", {**MESSAGE, "client_tools": many}, status=400)
    assert "at most 128 client_tools, came 129" in problem["message"]


async def test_pictures_of_a_client_are_media(api: Api) -> None:
    chat_id, (action,) = await waiting(api)
    pictures = {"data": DOT, "mime_type": "image/png", "text": "A dot.", "more": [PICTURE]}
    await api.post(f"/{chat_id}/tool-results", results(action, pictures, is_media=True))
    await api.settle(chat_id)
    (result,) = await api.results(chat_id)
    assert (result["result"], result["is_media"]) == (pictures, True)


@pytest.mark.parametrize(
    ("result", "problem"),
    [
        ("picture", "an object with data and mime_type"),
        ({**PICTURE, "mime_type": "image/svg+xml"}, "a mime_type of image/png, image/jpeg"),
        ({**PICTURE, "mime_type": "image/gif"}, "Expected the data of image/gif, came image/png."),
        ({**PICTURE, "data": "é"}, "in base64"),
        ({**PICTURE, "more": PICTURE}, "an array of pictures"),
        ({**PICTURE, "more": [PICTURE] * 10}, "at most 10 pictures, came 11"),
        ({**PICTURE, "more": [{**PICTURE, "data": ""}]}, "Expected the data of image/png"),
    ],
)
async def test_media_that_are_no_pictures_are_refused(api: Api, result: object, problem: str) -> None:
    body = {
        "client": "a",
        "results": [{"message_id": 1, "call_index": 0, "result": result, "is_media": True}],
    }
    refusal = await api.post(f"/{await api.create_id('say hi')}/tool-results", body, status=400)
    assert problem in refusal["detail"]


# Approvals


async def asking(api: Api, chatd: JupyterChatd) -> tuple[str, Json]:
    """A chat that waits for an approval, and the key of the call. No built-in tool asks for one yet."""
    chat_id = await api.create_id("run `sleep 30` with timeout 60s")
    async with api.follow(chat_id) as stream:
        row = await stream.message("assistant")
        await stream.until(lambda event: event["type"] == "preview_reset" and stream.events[-1] is event)
    index, call = next((i, part) for i, part in enumerate(row["content"]) if part["type"] == "tool-call")
    service = chatd._running.runtime.service
    chat = await service.get(chat_id, owner_id="local")
    assert chat.runner_id is not None
    claim = Claim(
        chat_id=chat_id, runner_id=chat.runner_id, history_version=chat.history_version, status=chat.status
    )
    ask = Ask(
        key=CallKey(message_id=row["id"], index=index),
        tool_call_id=call["tool_call_id"],
        tool_name="execute",
        args_json=None,
        kind=ActionKind.APPROVAL,
    )
    await service.store.apply(EnterAction(claim=claim, asks=(ask,)))
    return chat_id, {"message_id": row["id"], "call_index": index}


async def test_a_call_is_allowed_or_denied_once(api: Api, chatd: JupyterChatd) -> None:
    chat_id, key = await asking(api, chatd)
    path = f"/{chat_id}/approvals"
    assert (await api.get(f"/{chat_id}"))["status"] == "requires_action"
    await api.post(f"/{chat_id}/tool-results", {"client": "a", "results": [{**key, "result": 1}]}, status=400)
    await api.post(path, {**key, "decision": "deny"})
    await api.post(path, {**key, "decision": "deny"})
    problem = await api.post(path, {**key, "decision": "allow"}, status=409)
    assert problem["message"] == "This call was denied already."
    await api.settle(chat_id)
    (result,) = await api.results(chat_id)
    assert (result["is_error"], "denied" in result["result"]["error"]) == (True, True)


async def test_a_decision_is_one_of_two_words(api: Api) -> None:
    chat_id, (action,) = await waiting(api)
    problem = await api.post(f"/{chat_id}/approvals", {**key_of(action), "decision": "maybe"}, status=400)
    assert "'allow' or 'deny'" in problem["detail"]
    problem = await api.post(f"/{chat_id}/approvals", {**key_of(action), "decision": "allow"}, status=400)
    assert problem["message"] == "This call does not ask for an approval."
