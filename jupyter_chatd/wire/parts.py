"""One part and its JSON object.

The dataclasses of `messages.py` are the definition: their fields are the keys, and a field at its default is
left out. Points in time are an exception: clients, and rows of the original system, spell them in RFC 3339.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any, TypeAlias, cast, get_args

from pydantic import ValidationError

from ..messages import KnownPart, Part, UnknownPart
from .times import with_seconds
from .values import adapter_of

_log = logging.getLogger(__name__)

FieldDefaults: TypeAlias = tuple[tuple[str, Any], ...]
"""Names of fields with their defaults."""

PART_TYPES: dict[str, type[KnownPart]] = {part_type().type: part_type for part_type in get_args(KnownPart)}
"""Every part that this release knows, by its type word."""

TIME_FIELDS = ("created_at", "completed_at")


def field_defaults(part_type: type[KnownPart]) -> FieldDefaults:
    """Return the fields of a part but for its type."""
    return tuple((field.name, field.default) for field in fields(part_type) if field.name != "type")


def pick(part: KnownPart, wanted: FieldDefaults) -> dict[str, Any]:
    """Return the type and those of the *wanted* fields that are not empty."""
    picked: dict[str, Any] = {"type": part.type}
    for name, default in wanted:
        value = getattr(part, name)
        if value != default:
            picked[name] = value
    return picked


_STORED = {part_type: field_defaults(part_type) for part_type in PART_TYPES.values()}


def stored_part(part: Part) -> Mapping[str, Any]:
    """Return the object that the database keeps, internal fields included."""
    return part.raw if isinstance(part, UnknownPart) else pick(part, _STORED[type(part)])


def read_part(raw: Mapping[str, Any]) -> Part:
    """Return the part that an object stands for, whether it comes from a row or from our server.

    Unknown fields are ignored. So is a known one whose value has the wrong type (vendor metadata that is no
    object, say), but with a warning: one bad field must not make a chat unreadable.
    """
    word = raw.get("type")
    part_type = PART_TYPES.get(word) if isinstance(word, str) else None
    if part_type is None:
        return UnknownPart(raw=raw)
    adapter = adapter_of(part_type)
    raw = with_seconds(raw, TIME_FIELDS)
    try:
        return adapter.validate_python(raw)
    except ValidationError as error:
        unreadable = {str(problem["loc"][0]) for problem in error.errors()}
        _log.warning("Ignored unreadable fields of a %s part: %s", word, ", ".join(sorted(unreadable)))
        return adapter.validate_python({name: raw[name] for name in raw if name not in unreadable})


def read_parts(value: object) -> tuple[Part, ...]:
    """Return the parts of a decoded JSON array.

    Raises:
        ValueError: it is not an array of objects.
    """
    return tuple(map(read_part, objects(value)))


def objects(value: object) -> Iterable[Mapping[str, Any]]:
    """Return *value* as what it must be, a list of objects; raise ValueError otherwise."""
    if not isinstance(value, list):
        raise ValueError(f"expected an array, came {type(value).__name__}")
    items = cast("list[Any]", value)
    if not all(isinstance(item, Mapping) for item in items):
        raise ValueError("expected an array of objects, came an array with other things in it")
    return items
