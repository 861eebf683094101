"""Small values kept as JSON in a column: errors, retries, turn options, client tools, usage."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from ..errors import StoreError
from .jsontext import dump_json, load_json

T = TypeVar("T")


def dump_value(value: object) -> str:
    """Return a dataclass, or a tuple of them, as JSON text; fields that are `None` are left out."""
    return dump_json(plain(value))


def load_value(cls: type[T], text: str) -> T:
    """Return the value of type *cls* that `dump_value` wrote; unknown fields are ignored.

    Raises:
        StoreError: the text does not hold a *cls*.
    """
    try:
        return adapter_of(cls).validate_python(load_json(text))
    except (ValidationError, ValueError) as error:
        raise StoreError(f"A stored {getattr(cls, '__name__', cls)} cannot be read.") from error


def plain(value: object) -> Any:
    """Return a dataclass as a dict without its `None` fields, a tuple as a list, anything else as it is."""
    if isinstance(value, tuple):
        return [plain(item) for item in cast("tuple[object, ...]", value)]
    if not is_dataclass(value):
        return value
    pairs = ((field.name, getattr(value, field.name)) for field in fields(value))
    return {name: plain(item) for name, item in pairs if item is not None}


@cache
def adapter_of(cls: Any) -> TypeAdapter[Any]:
    """Return the adapter of a type; made on first use, as that takes about a millisecond."""
    return TypeAdapter(cls)
