from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import KNOWN_PARTS, part_lists, parts_of, unknown_parts

from jupyter_chatd import wire
from jupyter_chatd.errors import StoreError, UnknownContentVersionError
from jupyter_chatd.messages import (
    ClientTool,
    ErrorDetail,
    KnownPart,
    Part,
    ReasoningPart,
    RetryState,
    Role,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    TurnOptions,
    UnknownPart,
    Usage,
)
from jupyter_chatd.wire.legacy import is_envelope


@given(part_lists, st.sampled_from(Role))
@settings(deadline=None)
def test_parts_of_all_types_survive_storage(parts: tuple[Part, ...], role: Role) -> None:
    assert wire.load_parts(wire.dump_parts(parts), version=1, role=role) == parts


@pytest.mark.parametrize("part_type", KNOWN_PARTS)
@given(data=st.data())
@settings(deadline=None)
def test_no_row_of_parts_looks_like_a_legacy_envelope(
    part_type: type[KnownPart], data: st.DataObject
) -> None:
    """Legacy rows are told apart by an object in `data`; so no part may ever serialise with one."""
    row = json.loads(wire.dump_parts([data.draw(parts_of(part_type))]))
    assert not isinstance(row[0].get("data"), dict)
    assert not is_envelope(row)


@given(unknown_parts)
@settings(deadline=None)
def test_a_part_of_a_newer_release_is_stored_as_it_came(part: UnknownPart) -> None:
    text = wire.dump_parts([part])
    assert json.loads(text) == [part.raw]
    assert wire.dump_parts(wire.load_parts(text, version=1, role=Role.ASSISTANT)) == text


def test_content_is_compact_and_leaves_empty_fields_out() -> None:
    parts = (TextPart(text="é\0", provider_metadata={"a": 1}), ToolCallPart(tool_call_id="1", args={}))
    assert wire.dump_parts(parts) == (
        '[{"type":"text","text":"é\\u0000","provider_metadata":{"a":1}},'
        '{"type":"tool-call","tool_call_id":"1","args":{}}]'
    )


@pytest.mark.parametrize("value", [{}, [], "", 0, False])
def test_an_empty_argument_or_result_is_not_an_absent_one(value: Any) -> None:
    parts = (ToolCallPart(args=value), ToolResultPart(result=value))
    assert wire.load_parts(wire.dump_parts(parts), version=1, role=Role.TOOL) == parts


def test_text_that_looks_like_the_nul_encoding_is_not_decoded() -> None:
    parts = (TextPart(text="\ue000\ue001"),)
    assert wire.load_parts(wire.dump_parts(parts), version=1, role=Role.USER) == parts


@pytest.mark.parametrize("content", [None, "", "null", "[]"])
@pytest.mark.parametrize("version", [0, 1])
def test_a_row_without_content_has_no_parts(content: str | None, version: int) -> None:
    role = Role.SYSTEM if version and content == "[]" else Role.USER
    assert wire.load_parts(content, version=version, role=role) == ()


@pytest.mark.parametrize("version", [-1, 2, 7])
@pytest.mark.parametrize("content", [None, "[]"])
def test_an_unknown_version_is_an_error_even_without_content(version: int, content: str | None) -> None:
    with pytest.raises(UnknownContentVersionError) as caught:
        wire.load_parts(content, version=version, role=Role.USER)
    assert caught.value.version == version


@pytest.mark.parametrize("content", ["{", '"text"', "{}", "5", '["a"]', '[{"type":"text"},null]', "NaN"])
def test_damaged_content_is_a_store_error_that_says_what_to_do(content: str) -> None:
    with pytest.raises(StoreError, match=r"user message \(content version 1\) is damaged: .* backup"):
        wire.load_parts(content, version=1, role=Role.USER)


def test_unknown_fields_are_ignored() -> None:
    content = '[{"type":"text","text":"a","mood":"new"}]'
    assert wire.load_parts(content, version=1, role=Role.USER) == (TextPart(text="a"),)


def test_times_of_the_original_system_are_read() -> None:
    content = '[{"type":"reasoning","text":"a","created_at":"2025-11-21T04:40:00.5Z","completed_at":7.5}]'
    (part,) = wire.load_parts(content, version=1, role=Role.ASSISTANT)
    assert part == ReasoningPart(text="a", created_at=1763700000.5, completed_at=7.5)


@pytest.mark.parametrize("metadata", ['"x"', "[1]", "5"])
def test_vendor_metadata_that_cannot_be_decoded_is_ignored_with_a_warning(
    metadata: str, caplog: pytest.LogCaptureFixture
) -> None:
    content = f'[{{"type":"text","text":"secret words","provider_metadata":{metadata}}}]'
    with caplog.at_level(logging.WARNING):
        parts = wire.load_parts(content, version=1, role=Role.ASSISTANT)
    assert parts == (TextPart(text="secret words"),)
    (record,) = caplog.records
    assert record.getMessage() == "Ignored unreadable fields of a text part: provider_metadata"
    assert "%s" in str(record.msg)


def test_one_unreadable_field_does_not_cost_the_others(caplog: pytest.LogCaptureFixture) -> None:
    content = '[{"type":"tool-call","tool_call_id":"1","tool_name":5,"args":{"a":1},"created_at":"soon"}]'
    (part,) = wire.load_parts(content, version=1, role=Role.ASSISTANT)
    assert part == ToolCallPart(tool_call_id="1", args={"a": 1})
    assert caplog.messages == ["Ignored unreadable fields of a tool-call part: created_at, tool_name"]


VALUES = [
    ErrorDetail(message="no key", kind="auth", provider="openai", status_code=401),
    RetryState(attempt=1, delay_ms=1000, error="busy", retrying_at=5.5),
    TurnOptions(),
    TurnOptions(model="a:b", mcp_server_ids=("x", "y")),
    Usage(input_tokens=5),
    ToolResultPart(tool_call_id="1", result={"output": "x", "exit": None}),
    (ClientTool(name="f", input_schema={"type": "object", "default": None}), ClientTool(name="g")),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_small_values_survive_their_column(value: Any) -> None:
    cls = tuple[ClientTool, ...] if isinstance(value, tuple) else type(value)
    assert wire.load_value(cls, wire.dump_value(value)) == value


def test_small_values_leave_out_what_is_none_but_not_inside_free_json() -> None:
    assert wire.dump_value(TurnOptions(model="a:b")) == '{"model":"a:b"}'
    assert '"default":null' in wire.dump_value(VALUES[-1])


def test_small_values_ignore_fields_of_a_newer_release() -> None:
    assert wire.load_value(Usage, '{"input_tokens":5,"moon_tokens":6}') == Usage(input_tokens=5)


@pytest.mark.parametrize("text", ["", "[]", '{"attempt":"x"}'])
def test_a_damaged_small_value_is_a_store_error(text: str) -> None:
    with pytest.raises(StoreError, match="RetryState cannot be read"):
        wire.load_value(RetryState, text)
