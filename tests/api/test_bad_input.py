"""Requests that are not as they should be: refused with what was expected, and nothing stored by halves."""

from __future__ import annotations

import json
from typing import Any

from fakes.steps import call, say

from jupyter_chatd.wire import MAX_BODY_BYTES, MAX_DEPTH

from .client import Api, text_part
from .conftest import Serve

HI = {"content": [text_part("hi")]}


def nested(levels: int) -> bytes:
    return b'{"content": ' + b"[" * levels + b"]" * levels + b"}"


MALFORMED: list[tuple[bytes, str]] = [
    (b"", "content: This field is required."),
    (b"{", "Expected a JSON object: EOF while parsing"),
    (b"hello", "Expected a JSON object: expected value"),
    (b"[1]", "Expected a JSON object, came an array."),
    (b"null", "Expected a JSON object, came null."),
    (b'"\xff"', "Expected JSON in UTF-8; byte 1 is not UTF-8."),
    (b'{"content": [{"type": "text", "text": "a\\ud800"}]}', "half a character cannot be stored"),
    (nested(300), "recursion limit exceeded"),
    (b'{"content": [], "x": 1' + b"0" * 5000 + b"}", "number out of range"),
    (b'{"content": "hi"}', "content: Input should be a valid array; came a string."),
    (b'{"content": []}', "content: Content is required"),
    (b'{"content": [7]}', "content[0]: Expected an object with a type, came a number."),
    (b'{"content": [{"text": "hi"}]}', "content[0].type: Expected a string, came nothing."),
    (b'{"content": [{"type": "image"}]}', "content[0].type: Expected text, file or file-reference"),
    (b'{"content": [{"type": "text", "text": " "}]}', "content[0].text: Expected text that is not blank."),
    (b'{"content": [{"type": "text", "text": 7}]}', "content[0].text: Expected a string, came a number."),
    (b'{"content": [{"type": "file", "file_id": "x"}]}', "content[0].file_id: There is no such file."),
    (b'{"content": [{"type": "text", "text": "a", "b": 1}]}', "content[0].b: Unknown field."),
    (
        b'{"content": [{"type": "file-reference", "file_name": "a", "start_line": 1' + b"0" * 30 + b"}]}",
        "content[0].start_line: Expected a line number of at most",
    ),
]


async def test_a_malformed_message_is_refused_whole(api: Api) -> None:
    chat_id = (await api.finished())["id"]
    before = await api.messages(chat_id)
    paths = [("POST", ""), ("POST", f"/{chat_id}/messages")]
    paths += [("PATCH", f"/{chat_id}/messages/{before[0]['id']}")]
    for raw, told in MALFORMED:
        for method, path in paths:
            reply = await api.call(method, path, raw=raw)
            assert (raw, reply.status, reply.headers["Content-Type"]) == (raw, 400, "application/json")
            assert told in reply.json["detail"]
    assert await api.messages(chat_id) == before
    assert [chat["id"] for chat in await api.get()] == [chat_id]


async def test_all_problems_are_named_with_their_place(api: Api) -> None:
    content = [text_part("fine"), {"type": "text"}, {"type": "file-reference", "file_name": " "}]
    problem = await api.post("", {"content": content}, status=400)
    assert problem["message"] == "Invalid input part."
    assert [found["field"] for found in problem["validations"]] == ["content[1].text", "content[2].file_name"]
    assert problem["detail"] == "content[1].text: Expected a string, came nothing."


BAD_FIELDS: list[tuple[str, Any, str]] = [
    ("title", " \n", "title: Expected a title that is not blank."),
    ("title", "x" * 501, "title: Expected at most 500 characters, came 501."),
    ("title", 5, "title: Input should be a valid string; came a number."),
    ("labels", {"a": 1}, "labels.a: Input should be a valid string"),
    ("labels", {f"k{n}": "v" for n in range(51)}, "labels: Expected at most 50 labels, came 51."),
    ("labels", {"a:b": "v"}, "labels: Expected keys of 1 to 64 characters without a colon"),
    ("client_type", "robot", "client_type: Input should be 'ui' or 'api'"),
    ("approval_mode", "never", "approval_mode: Input should be 'auto' or 'ask'"),
    ("client_tools", [{"name": "a b"}], "client_tools[0]: Expected a name of 1 to 64 letters"),
    ("client_tools", [{"name": "a"}, {"name": "a"}], "client_tools: Expected tools with different names"),
    ("unknown", 1, "unknown: Unknown field. Known are: content, title"),
    ("model", "", "model: Expected 1 to 200 characters"),
    ("reasoning_effort", "much", "reasoning_effort:"),
]


async def test_a_bad_field_of_a_new_chat_is_named(api: Api) -> None:
    for field, value, told in BAD_FIELDS:
        problem = await api.post("", {**HI, field: value}, status=400)
        assert problem["detail"].startswith(told)
    assert await api.get() == []


async def test_a_bad_patch_changes_nothing(api: Api) -> None:
    before = await api.finished()
    for bad in ({"title": ""}, {"archived": "yes"}, {"pin_order": -1}, {"pin_order": 2**40}):
        await api.patch(f"/{before['id']}", {"labels": {"a": "b"}, **bad}, status=400)
    assert await api.get(f"/{before['id']}") == before


async def test_five_megabytes_are_refused_in_words(api: Api) -> None:
    chat_id = (await api.finished())["id"]
    body = {"content": [text_part("x" * 5_000_000)]}
    size = len(json.dumps(body))
    problem = await api.post(f"/{chat_id}/messages", body, status=400)
    assert problem["detail"] == (
        f"Expected at most {MAX_BODY_BYTES} bytes, came {size}. Put long text into a file instead."
    )
    assert len(await api.messages(chat_id)) == 2


async def test_a_body_just_small_enough_arrives(api: Api, openai: Serve) -> None:
    text = "x" * (MAX_BODY_BYTES - 200)
    async with openai([[say("long")]]) as vendor:
        chat = await api.finished(text, model="openai:fake-model")
        assert chat["status"] == "waiting"
        assert vendor.generations[0].json["messages"][-1]["content"] == text
    async with api.follow(chat["id"]) as stream:
        assert (await stream.message("user"))["content"] == [text_part(text)]


async def test_nul_and_every_other_character_pass_unchanged(api: Api, openai: Serve) -> None:
    text = "a\0b\x01\x7f\u2028\ufeff\ue000\ue001\ufffd\U0001f600\U0010ffff"
    async with openai([[say("ok")]]) as vendor:
        chat = await api.finished(text, model="openai:fake-model", title=f"t {text}")
        said = vendor.generations[0].json["messages"][-1]["content"]
    assert (await api.messages(chat["id"]))[0]["content"] == [text_part(text)]
    assert said == text
    assert chat["title"].startswith("t a")
    assert "\0" not in chat["title"]


async def test_deep_results_are_taken_up_to_the_limit(api: Api) -> None:
    tools = [{"name": "deep"}]
    chat_id = await api.create_id("call deep", client_tools=tools)
    async with api.follow(chat_id) as stream:
        event = await stream.until(lambda event: event["type"] == "action_required")
    (action,) = event["action_required"]["actions"]
    key = {"message_id": action["message_id"], "call_index": action["call_index"]}

    def body(levels: int) -> bytes:
        result = "[" * levels + "]" * levels
        given = json.dumps({"client": "a", "results": [{**key, "result": "HERE"}]})
        return given.replace('"HERE"', result).encode()

    for levels in (MAX_DEPTH + 1, 10_000):
        reply = await api.call("POST", f"/{chat_id}/tool-results", raw=body(levels))
        assert reply.status == 400
    not_finite = body(0).replace(b'"result": ', b'"result": 1e999')
    assert (await api.call("POST", f"/{chat_id}/tool-results", raw=not_finite)).status == 400
    reply = await api.call("POST", f"/{chat_id}/tool-results", raw=body(MAX_DEPTH))
    assert reply.status == 200
    assert (await api.settle(chat_id))["status"] == "waiting"


async def test_bytes_of_a_tool_that_are_no_text_reach_the_model_replaced(api: Api, openai: Serve) -> None:
    command = r"printf 'a\377b\000c\355\240\200d'"
    async with openai([[call("execute", {"command": command})], [say("seen")]]) as vendor:
        chat = await api.finished("go", model="openai:fake-model")
        told = json.loads(vendor.generations[1].json["messages"][-1]["content"])
    assert chat["status"] == "waiting"
    (result,) = await api.results(chat["id"])
    assert told["output"] == result["result"]["output"]
    assert told["output"].startswith("a\ufffdb")
    assert told["output"].endswith("d")


async def test_a_models_half_characters_and_wild_arguments_do_no_harm(api: Api, openai: Serve) -> None:
    answers = [[say("half \ud83d"), call("execute", {"command": "echo \udc00"})], [say("done")]]
    async with openai(answers):
        chat = await api.finished("go", model="openai:fake-model")
    assert chat["status"] == "waiting"
    first = (await api.messages(chat["id"]))[1]["content"][0]
    assert first["text"] == "half \ufffd"


async def test_a_query_that_is_not_utf8_is_refused(api: Api) -> None:
    reply = await api._fetch(
        "api/experimental/chats",
        params={"q": b"\xff"},
        headers=dict(api.headers),
        raise_error=False,
    )
    assert reply.code == 400
