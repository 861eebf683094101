"""Content version 0, with rows as the original system wrote them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jupyter_chatd import wire
from jupyter_chatd.errors import StoreError
from jupyter_chatd.messages import (
    FilePart,
    FileReferencePart,
    Part,
    ReasoningPart,
    Role,
    SourcePart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    UnknownPart,
)

TEXT = TextPart(text="hello")


def _load(value: Any, role: Role) -> tuple[Part, ...]:
    return wire.load_parts(json.dumps(value), version=0, role=role)


def _block(kind: str, **data: Any) -> dict[str, Any]:
    return {"type": kind, "data": data}


@pytest.mark.parametrize("role", [Role.SYSTEM, Role.USER, Role.ASSISTANT])
def test_a_string_is_one_text(role: Role) -> None:
    assert _load("hello", role) == (TEXT,)


@pytest.mark.parametrize("role", [Role.SYSTEM, Role.USER])
def test_a_blank_string_is_nothing(role: Role) -> None:
    assert _load(" \n", role) == ()


@pytest.mark.parametrize("role", [Role.USER, Role.ASSISTANT])
def test_an_array_of_parts_is_read_as_parts(role: Role) -> None:
    value = [{"type": "text", "text": "hello"}, {"type": "file-reference", "file_name": "a.py"}]
    assert _load(value, role) == (TEXT, FileReferencePart(file_name="a.py"))


@pytest.mark.parametrize("role", [Role.USER, Role.ASSISTANT])
@pytest.mark.parametrize("value", [[{"text": "x"}], [{"type": ""}, {"type": 5}], []])
def test_an_array_where_nothing_has_a_type_is_nothing(value: Any, role: Role) -> None:
    assert _load(value, role) == ()


def test_the_first_element_decides_what_is_an_envelope() -> None:
    """`data` as text is a part's base64; only an object makes an envelope."""
    part = {"type": "file", "media_type": "image/png", "data": "e30="}
    assert _load([part], Role.USER) == (FilePart(media_type="image/png", data="e30="),)
    assert _load([part, _block("text", text="hello")], Role.USER)[1] == TextPart()
    assert _load([_block("text", text="hello"), part], Role.USER) == (TEXT,)


def test_envelopes_of_every_kind_become_parts() -> None:
    value = [
        _block(
            "reasoning",
            text="hmm",
            provider_metadata={"anthropic": {"type": "x", "data": {"signature": "s"}}},
        ),
        _block("text", text="hello"),
        _block(
            "tool-call",
            tool_call_id="1",
            tool_name="execute",
            input='{"command":"ls"}',
            provider_executed=False,
        ),
        _block("source", source_type="url", id="s", url="https://a", title="A"),
        _block("file", media_type="image/png", data="AAAA"),
    ]
    assert _load(value, Role.ASSISTANT) == (
        ReasoningPart(text="hmm", provider_metadata={"anthropic": {"type": "x", "data": {"signature": "s"}}}),
        TEXT,
        ToolCallPart(tool_call_id="1", tool_name="execute", args={"command": "ls"}),
        SourcePart(source_id="s", url="https://a", title="A"),
        FilePart(media_type="image/png", data="AAAA"),
    )


@pytest.mark.parametrize("arguments", ["", "{", None, 5])
def test_arguments_that_are_no_json_are_left_out(arguments: Any) -> None:
    (part,) = _load([_block("tool-call", tool_call_id="1", tool_name="f", input=arguments)], Role.ASSISTANT)
    assert part == ToolCallPart(tool_call_id="1", tool_name="f")


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (_block("text", text='{"a":1}'), {"result": {"a": 1}}),
        (_block("text", text="plain"), {"result": {"output": "plain"}}),
        (_block("text", text=""), {"result": {}}),
        (_block("error", error="no"), {"result": {"error": "no"}, "is_error": True}),
        (
            _block("media", data="AAAA", media_type="image/png"),
            {"result": {"data": "AAAA", "mime_type": "image/png", "text": ""}, "is_media": True},
        ),
        ("nonsense", {"result": {}}),
    ],
)
def test_outcomes_inside_envelopes_are_normalised(outcome: Any, expected: dict[str, Any]) -> None:
    block = _block("tool-result", tool_call_id="1", tool_name="f", result=outcome, provider_executed=True)
    assert _load([block], Role.ASSISTANT) == (
        ToolResultPart(tool_call_id="1", tool_name="f", provider_executed=True, **expected),
    )


def test_a_file_block_with_an_id_loses_its_bytes() -> None:
    value = [_block("file", media_type="image/png", data="AAAA", file_id="f1")]
    assert _load(value, Role.USER) == (FilePart(media_type="image/png", file_id="f1"),)


def test_unknown_kinds_of_blocks_are_skipped_and_unknown_parts_are_kept() -> None:
    assert _load([_block("hologram", x=1), _block("text", text="hello")], Role.ASSISTANT) == (TEXT,)
    assert _load([{"type": "hologram", "x": 1}], Role.ASSISTANT) == (
        UnknownPart(raw={"type": "hologram", "x": 1}),
    )


def test_tool_rows_are_parts_when_one_of_them_is_a_result() -> None:
    value = [{"type": "tool-result", "tool_call_id": "1", "tool_name": "f", "result": {"a": 1}}]
    assert _load(value, Role.TOOL) == (ToolResultPart(tool_call_id="1", tool_name="f", result={"a": 1}),)


def test_tool_rows_without_a_result_part_are_legacy_result_rows() -> None:
    value = [
        {"tool_call_id": "1", "tool_name": "f", "result": {"error": "no"}, "is_error": True},
        {
            "tool_call_id": "2",
            "tool_name": "g",
            "result": "x",
            "is_media": False,
            "provider_metadata": {"a": 1},
        },
    ]
    assert _load(value, Role.TOOL) == (
        ToolResultPart(tool_call_id="1", tool_name="f", result={"error": "no"}, is_error=True),
        ToolResultPart(tool_call_id="2", tool_name="g", result="x", provider_metadata={"a": 1}),
    )


@pytest.mark.parametrize(
    ("value", "role"),
    [
        ({"a": 1}, Role.USER),
        (5, Role.ASSISTANT),
        (["x"], Role.ASSISTANT),
        ([{"type": "text"}], Role.SYSTEM),
        ("x", Role.TOOL),
        ([_block("text", text="a"), 5], Role.USER),
    ],
)
def test_other_shapes_are_an_error(value: Any, role: Role) -> None:
    with pytest.raises(StoreError, match=r"content version 0\) is damaged"):
        _load(value, role)
