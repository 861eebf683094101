from __future__ import annotations

import math
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import json_values

from jupyter_chatd import wire

any_text = st.text(alphabet=st.characters())
"""Lone surrogates included."""

anything: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | any_text,
    lambda inner: (
        st.lists(inner, max_size=3) | st.tuples(inner, inner) | st.dictionaries(any_text, inner, max_size=3)
    ),
    max_leaves=8,
)


def _nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@given(json_values)
@settings(deadline=None)
def test_json_survives_dump_and_load(value: Any) -> None:
    assert wire.load_json(wire.dump_json(value)) == value


def test_json_text_is_compact_and_keeps_characters() -> None:
    assert wire.dump_json({"a": ["é", "\0", 1.0]}) == '{"a":["é","\\u0000",1.0]}'


def test_mappings_and_sequences_of_other_types_can_be_dumped() -> None:
    assert wire.dump_json(MappingProxyType({"a": (range(2),)})) == '{"a":[[0,1]]}'


def test_numbers_that_are_not_finite_are_dumped_as_null() -> None:
    assert wire.dump_json([math.nan, math.inf, {"a": -math.inf}]) == '[null,null,{"a":null}]'


def test_what_is_no_json_cannot_be_dumped() -> None:
    with pytest.raises(ValueError, match="object has no JSON form"):
        wire.dump_json([object()])
    with pytest.raises(ValueError, match="surrogates"):
        wire.dump_json("\ud800")


@pytest.mark.parametrize("text", ["", "{", "NaN", "[-Infinity]", "nul", '"\x01"'])
def test_what_is_no_json_cannot_be_loaded(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        wire.load_json(text)


def test_endless_nesting_is_a_value_error_too() -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        wire.load_json("[" * 100_000)


@given(anything)
@settings(deadline=None)
def test_whatever_a_tool_or_a_model_gives_can_be_stored_once_it_is_cleaned(value: Any) -> None:
    clean = wire.clean_json(value)
    assert wire.load_json(wire.dump_json(clean)) == clean
    assert wire.clean_json(clean) == clean


@given(any_text)
def test_clean_text_replaces_only_what_utf8_cannot_hold(text: str) -> None:
    clean = wire.clean_text(text)
    assert clean.encode().decode() == clean
    if not any("\ud800" <= character <= "\udfff" for character in text):
        assert clean == text


def test_halves_of_a_character_are_joined_and_single_ones_marked() -> None:
    assert wire.clean_text("\ud83d\ude00 \ud83d!") == "😀 \ufffd!"


def test_clean_json_replaces_what_json_cannot_spell() -> None:
    value = {"\udc00": (math.nan, math.inf, "\ud800", 1)}
    assert wire.clean_json(value) == {"\ufffd": [None, None, "\ufffd", 1]}


def test_clean_json_cuts_what_is_nested_too_deeply() -> None:
    assert wire.clean_json(_nested(wire.MAX_DEPTH)) == _nested(wire.MAX_DEPTH)
    assert "[nested too deeply]" in wire.dump_json(wire.clean_json(_nested(wire.MAX_DEPTH + 1)))


@given(anything.map(wire.clean_json))
@settings(deadline=None)
def test_nul_encoding_round_trips_and_leaves_no_nul(value: Any) -> None:
    encoded = wire.encode_nul(value)
    assert "\\u0000" not in wire.dump_json(encoded).replace("\\\\", "")
    assert wire.decode_nul(encoded) == value


@given(st.text(alphabet="a\0\ue000\ue001"))
def test_nul_encoding_round_trips_where_its_own_marks_occur(text: str) -> None:
    encoded = wire.encode_nul({text: [text]})
    assert "\\u0000" not in wire.dump_json(encoded)
    assert wire.decode_nul(encoded) == {text: [text]}


def test_an_unpaired_mark_is_left_alone() -> None:
    assert wire.decode_nul("\ue000x\ue001") == "\ue000x\ue001"
    assert wire.encode_nul("\0\ue000") == "\ue000\ue001\ue000\ue000"


@given(st.integers(0, 4_000_000_000_000_000))
def test_times_survive_to_the_microsecond(microseconds: int) -> None:
    spelled = wire.rfc3339(microseconds / 1e6)
    assert wire.rfc3339(wire.utc_seconds(spelled)) == spelled


def test_times_are_spelled_in_utc_and_read_in_any_zone() -> None:
    assert wire.rfc3339(1763700000.5) == "2025-11-21T04:40:00.500000Z"
    assert wire.utc_seconds("2025-11-21T05:40:00.123456789+01:00") == 1763700000.123456
    assert wire.utc_seconds("2025-11-21T04:40:00") == 1763700000.0
