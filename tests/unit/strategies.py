"""Hypothesis strategies for every part there is, made from the dataclasses themselves."""

from __future__ import annotations

from dataclasses import fields
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from hypothesis import strategies as st

from jupyter_chatd.messages import JsonObject, JsonValue, KnownPart, Part, UnknownPart

KNOWN_PARTS: tuple[type[KnownPart], ...] = get_args(KnownPart)
TYPE_WORDS = {part_type().type for part_type in KNOWN_PARTS}

scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
json_values: st.SearchStrategy[Any] = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
json_objects = st.dictionaries(st.text(), json_values, max_size=4)

_BY_HINT: dict[Any, st.SearchStrategy[Any]] = {
    str: st.text(),
    bool: st.booleans(),
    int: st.integers(-(2**63), 2**63 - 1),
    float: st.floats(0, 4e9),
    NoneType: st.none(),
    JsonObject: json_objects,
}


def _of_hint(hint: Any) -> st.SearchStrategy[Any]:
    if hint == JsonValue:
        return json_values
    if hint in _BY_HINT:
        return _BY_HINT[hint]
    if get_origin(hint) is Literal:
        return st.sampled_from(get_args(hint))
    return st.one_of([_of_hint(option) for option in get_args(hint)])


def parts_of(part_type: type[KnownPart]) -> st.SearchStrategy[Any]:
    """Any instance of a part, each field by its type."""
    hints = get_type_hints(part_type)
    return st.builds(part_type, **{field.name: _of_hint(hints[field.name]) for field in fields(part_type)})


def _unknown(raw: dict[str, Any], word: str) -> UnknownPart:
    return UnknownPart(raw={**raw, "type": word})


known_parts: st.SearchStrategy[Any] = st.one_of([parts_of(part_type) for part_type in KNOWN_PARTS])
unknown_parts = st.builds(_unknown, json_objects, st.text().filter(lambda word: word not in TYPE_WORDS))
parts: st.SearchStrategy[Part] = known_parts | unknown_parts
part_lists = st.lists(parts, max_size=4).map(tuple)
