"""Request bodies: what is accepted, and what each refusal says."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import json_values

from jupyter_chatd.api import requests
from jupyter_chatd.api.requests import (
    Approvals,
    BuildCreate,
    CallRef,
    CreateChat,
    DesktopActions,
    EditMessage,
    Interrupt,
    McpServerCreate,
    McpServerPatch,
    ModelConfigCreate,
    ModelConfigPatch,
    ModelCost,
    ModelOptions,
    NewToolResult,
    NoFields,
    PatchChat,
    PolicyPatch,
    ProviderCreate,
    ProviderPatch,
    PutSystemPrompt,
    PutUserPrompt,
    SendMessage,
    StopRecording,
    ToolResults,
    Trust,
    WorkspaceCreate,
)
from jupyter_chatd.errors import InvalidInputError
from jupyter_chatd.messages import CallKey, ClientTool
from jupyter_chatd.wire import MAX_BODY_BYTES, MAX_DEPTH, dump_value, parse_body

HELLO = [{"type": "text", "text": "hello"}]
ALL = (
    Approvals,
    BuildCreate,
    CreateChat,
    DesktopActions,
    EditMessage,
    Interrupt,
    McpServerCreate,
    McpServerPatch,
    ModelConfigCreate,
    ModelConfigPatch,
    NoFields,
    PatchChat,
    PolicyPatch,
    ProviderCreate,
    ProviderPatch,
    PutSystemPrompt,
    PutUserPrompt,
    SendMessage,
    StopRecording,
    ToolResults,
    Trust,
    WorkspaceCreate,
)


def _parse(cls: type[Any], **body: Any) -> Any:
    return parse_body(json.dumps(body).encode(), cls)


def _refusal(raw: bytes, cls: type[Any]) -> InvalidInputError:
    with pytest.raises(InvalidInputError) as caught:
        parse_body(raw, cls)
    return caught.value


def test_a_full_create_request() -> None:
    schema = {"type": "object", "properties": {"x": {"type": "integer", "default": None}}}
    tools = [{"name": "f", "description": "d", "input_schema": schema}, {"name": "g-2_"}]
    body = _parse(
        CreateChat,
        content=HELLO,
        title="  My\nchat ",
        workspace_id="w",
        model="openai:gpt",
        labels={"team": "a:b"},
        plan_mode="plan",
        approval_mode="ask",
        mcp_server_ids=["m1", "m2"],
        client_type="ui",
        reasoning_effort="high",
        client_tools=tools,
    )
    assert body == CreateChat(
        content=HELLO,
        title="My chat",
        workspace_id="w",
        model="openai:gpt",
        labels={"team": "a:b"},
        plan_mode="plan",
        approval_mode="ask",
        mcp_server_ids=("m1", "m2"),
        client_type="ui",
        reasoning_effort="high",
        client_tools=(
            ClientTool(name="f", description="d", input_schema=schema),
            ClientTool(name="g-2_", input_schema={"type": "object", "properties": {}}),
        ),
    )


def test_defaults() -> None:
    assert _parse(SendMessage, content=[]).busy_behavior == "queue"
    assert (
        _parse(ModelConfigCreate, provider="openai", model="gpt", context_limit=1000).compression_threshold
        == 70
    )
    assert _parse(PatchChat) == PatchChat()


def test_an_empty_body_is_an_empty_object() -> None:
    assert parse_body(b"", Interrupt) == Interrupt(queue="keep")
    assert _refusal(b"", EditMessage).detail == "content: This field is required."


def test_null_is_as_if_left_out() -> None:
    assert _parse(PatchChat, title=None, archived=None, plan_mode=None) == PatchChat()


def test_empty_values_of_a_patch_are_not_left_out() -> None:
    patch = _parse(PatchChat, labels={}, pin_order=0, plan_mode="", archived=False, mcp_server_ids=[])
    assert (patch.labels, patch.pin_order, patch.plan_mode, patch.archived) == ({}, 0, "", False)
    assert patch.mcp_server_ids == ()
    assert _parse(ProviderPatch, api_key="", base_url="") == ProviderPatch(api_key="", base_url="")


def test_results_and_claims_name_calls_as_the_store_does() -> None:
    ref = {"message_id": 5, "call_index": 1}
    body = _parse(ToolResults, client="kernel-1", claim=[ref], results=[{**ref, "result": {"a": [1.5]}}])
    assert body == ToolResults(
        client="kernel-1",
        claim=(CallRef(message_id=5, call_index=1),),
        results=(NewToolResult(message_id=5, call_index=1, result={"a": [1.5]}),),
    )
    assert body.results[0].key == body.claim[0].key == CallKey(message_id=5, index=1)
    assert _parse(Approvals, **ref, decision="deny").key == CallKey(message_id=5, index=1)


def test_options_of_a_model_become_the_column() -> None:
    options = {
        "temperature": 1,
        "cost": {"input_price_per_million_tokens": 2.5},
        "provider_options": {"x": None},
    }
    body = _parse(ModelConfigPatch, options=options)
    assert body.options == ModelOptions(
        temperature=1.0, cost=ModelCost(input_price_per_million_tokens=2.5), provider_options={"x": None}
    )
    assert json.loads(dump_value(body.options)) == options


def test_keys_do_not_show_in_logs_of_a_request() -> None:
    assert "sk-1" not in repr(_parse(ProviderCreate, provider="openai", api_key="sk-1"))
    assert "sk-1" not in repr(_parse(ProviderPatch, api_key="sk-1"))


@pytest.mark.parametrize(
    ("raw", "detail"),
    [
        (b"{", "Expected a JSON object: EOF while parsing"),
        (b"[]", "Expected a JSON object, came an array."),
        (b'"x"', "Expected a JSON object, came a string."),
        (b"null", "Expected a JSON object, came null."),
        (b'{"content":[]}x', "trailing characters"),
        (b'{"content":["\xff"]}', "byte 13 is not UTF-8"),
        (b'{"content":["\\ud83d"]}', "must be one of a pair"),
        (b'{"content":["\\ude00x"]}', "must be one of a pair"),
        (b'{"content":' + b"[" * 300 + b"]" * 300 + b"}", "recursion limit"),
        (b'{"content":[' + b"9" * 5000 + b"]}", "number out of range"),
        (b" " * (MAX_BODY_BYTES + 1), f"at most {MAX_BODY_BYTES} bytes, came {MAX_BODY_BYTES + 1}"),
    ],
)
def test_a_body_that_is_no_json_object_is_refused_with_a_reason(raw: bytes, detail: str) -> None:
    error = _refusal(raw, EditMessage)
    assert str(error) == "The request body cannot be used."
    assert detail in str(error.detail)


def test_a_whole_character_written_as_a_pair_of_escapes_is_fine() -> None:
    assert parse_body(b'{"content":["\\ud83d\\ude00\\u0000"]}', EditMessage).content == ["😀\0"]


REF = {"message_id": 1, "call_index": 0}
REFUSED: list[tuple[type[Any], dict[str, Any], str, str]] = [
    (CreateChat, {}, "content", "This field is required."),
    (CreateChat, {"content": "hi"}, "content", "came a string"),
    (CreateChat, {"content": [], "contnt": 1}, "contnt", "Unknown field. Known are: content, title,"),
    (CreateChat, {"content": [], "title": " \0 "}, "title", "not blank"),
    (CreateChat, {"content": [], "title": "x" * 501}, "title", "at most 500 characters, came 501"),
    (
        CreateChat,
        {"content": [], "labels": {str(n): "" for n in range(51)}},
        "labels",
        "at most 50 labels, came 51",
    ),
    (CreateChat, {"content": [], "labels": {"a": 5}}, "labels.a", "came a number"),
    (CreateChat, {"content": [], "labels": {"a:b": "c"}}, "labels", "without a colon"),
    (CreateChat, {"content": [], "labels": {"a": "c" * 257}}, "labels", "at most 256"),
    (CreateChat, {"content": [], "model": " "}, "model", "1 to 200 characters"),
    (CreateChat, {"content": [], "plan_mode": "yes"}, "plan_mode", "'plan'; came 'yes'."),
    (CreateChat, {"content": [], "client_type": "robot"}, "client_type", "came 'robot'"),
    (CreateChat, {"content": [], "mcp_server_ids": "m"}, "mcp_server_ids", "came a string"),
    (CreateChat, {"content": [], "client_tools": [{"name": "a b"}]}, "client_tools[0]", "letters, digits"),
    (CreateChat, {"content": [], "client_tools": [{}]}, "client_tools[0].name", "This field is required."),
    (
        CreateChat,
        {"content": [], "client_tools": [{"name": "a", "x": 1}]},
        "client_tools[0].x",
        "leave it out",
    ),
    (CreateChat, {"content": [], "client_tools": [{"name": "a"}] * 2}, "client_tools", "a comes twice"),
    (
        CreateChat,
        {"content": [], "client_tools": [{"name": "a", "input_schema": {"type": "string"}}]},
        "client_tools[0]",
        "JSON Schema of an object",
    ),
    (
        SendMessage,
        {"content": [], "busy_behavior": "shout"},
        "busy_behavior",
        "'queue' or 'interrupt'; came 'shout'.",
    ),
    (SendMessage, {"content": [], "reasoning_effort": 5}, "reasoning_effort", "came '5'"),
    (PatchChat, {"archived": "true"}, "archived", "came a string"),
    (PatchChat, {"archived": 1}, "archived", "came a number"),
    (PatchChat, {"pin_order": -1}, "pin_order", "greater than or equal to 0"),
    (PatchChat, {"pin_order": 1.5}, "pin_order", "came a number"),
    (Interrupt, {"queue": None}, "queue", "'keep' or 'drop'"),
    (ToolResults, {"client": "", "results": []}, "client", "not blank"),
    (
        ToolResults,
        {"client": "k", "claim": [{"message_id": 2**63, "call_index": 0}]},
        "claim[0].message_id",
        "less",
    ),
    (ToolResults, {"client": "k", "results": [REF]}, "results[0].result", "This field is required."),
    (
        ToolResults,
        {"client": "k", "results": [{**REF, "result": float("nan")}]},
        "results[0].result",
        "finite",
    ),
    (
        ToolResults,
        {"client": "k", "results": [{**REF, "result": [float("inf")]}]},
        "results[0].result",
        "finite",
    ),
    (Approvals, {**REF, "decision": "maybe"}, "decision", "'allow' or 'deny'"),
    (Approvals, {**REF, "message_id": "1", "decision": "deny"}, "message_id", "came a string"),
    (ProviderCreate, {"provider": "Open AI"}, "provider", "pattern"),
    (ProviderCreate, {"provider": "openai", "base_url": "ftp://x"}, "base_url", "https://host/v1"),
    (ProviderCreate, {"provider": "openai", "base_url": "https://u:p@x"}, "base_url", "without user"),
    (ProviderCreate, {"provider": "openai", "base_url": "https://[x"}, "base_url", "https://host/v1"),
    (ProviderPatch, {"api_key": "a\nb"}, "api_key", "printable"),
    (
        ModelConfigCreate,
        {"provider": "openai", "model": "m", "context_limit": 0},
        "context_limit",
        "greater than 0",
    ),
    (ModelConfigPatch, {"compression_threshold": 101}, "compression_threshold", "less than or equal to 100"),
    (ModelConfigPatch, {"options": {"heat": 1}}, "options.heat", "leave it out"),
    (
        ModelConfigPatch,
        {"options": {"cost": {"input_price_per_million_tokens": -1}}},
        "options.cost",
        "greater",
    ),
]


@pytest.mark.parametrize(("cls", "body", "field", "detail"), REFUSED)
def test_a_wrong_field_is_named_with_what_it_must_be(
    cls: type[Any], body: dict[str, Any], field: str, detail: str
) -> None:
    error = _refusal(json.dumps(body).encode(), cls)
    assert str(error) == "Invalid request."
    (problem,) = error.problems
    assert problem.field.startswith(field)
    assert detail in problem.detail
    assert error.detail == f"{problem.field}: {problem.detail}"


def test_a_number_that_overflows_is_refused_in_free_json() -> None:
    raw = b'{"client":"k","results":[{"message_id":1,"call_index":0,"result":1e999}]}'
    assert "finite" in str(_refusal(raw, ToolResults).detail)


def test_free_json_may_be_nested_only_so_far() -> None:
    def body(depth: int) -> bytes:
        result = b"[" * depth + b"]" * depth
        return b'{"client":"k","results":[{"message_id":1,"call_index":0,"result":' + result + b"}]}"

    assert parse_body(body(MAX_DEPTH), ToolResults).client == "k"
    assert f"at most {MAX_DEPTH} levels" in str(_refusal(body(MAX_DEPTH + 1), ToolResults).detail)


def test_all_wrong_fields_are_named_up_to_a_limit() -> None:
    error = _refusal(b'{"title":5,"archived":"x"}', PatchChat)
    assert [problem.field for problem in error.problems] == ["title", "archived"]
    many = json.dumps({"labels": {str(n): n for n in range(40)}}).encode()
    assert len(_refusal(many, PatchChat).problems) == 20


def test_a_wrong_key_is_not_repeated_in_the_refusal() -> None:
    error = _refusal(b'{"api_key":"sk secret"}', ProviderPatch)
    assert "secret" not in f"{error} {error.detail} {error.problems}"


def test_of_a_key_that_comes_twice_the_last_one_counts() -> None:
    assert parse_body(b'{"queue":"keep","queue":"drop"}', Interrupt) == Interrupt(queue="drop")


def _request_or_detail(raw: bytes, cls: type[Any]) -> Any:
    try:
        return parse_body(raw, cls)
    except InvalidInputError as error:
        return error.detail


@given(st.sampled_from(ALL), st.data())
@settings(deadline=None)
def test_any_object_is_either_read_or_refused(cls: type[Any], data: st.DataObject) -> None:
    names = [field.name for field in fields(cls)] or ["unknown"]
    body = data.draw(st.dictionaries(st.sampled_from(names), json_values))
    assert isinstance(_request_or_detail(json.dumps(body).encode(), cls), (cls, str))


@given(st.sampled_from(ALL), st.binary() | json_values.map(json.dumps).map(str.encode))
@settings(deadline=None)
def test_any_bytes_are_either_read_or_refused(cls: type[Any], raw: bytes) -> None:
    assert isinstance(_request_or_detail(raw, cls), (cls, str))


def test_all_requests_are_in_the_table() -> None:
    parts = {CallRef, NewToolResult, ModelCost, ModelOptions}
    defined = {
        thing for thing in vars(requests).values() if getattr(thing, "__module__", "") == requests.__name__
    }
    assert {thing for thing in defined if isinstance(thing, type)} == {*ALL, *parts}
