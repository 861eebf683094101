"""JSON text, and text that UTF-8 can hold."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn, cast

from pydantic_core import to_json

MAX_DEPTH = 100
"""Deepest nesting of a value that comes in, in arrays and objects; whatever carries it adds a few levels."""

TOO_DEEP = "[nested too deeply]"
"""Stands for what lies below `MAX_DEPTH` in the output of a tool or a model."""


def dump_json(value: object) -> str:
    """Return *value* as compact JSON text. A number that is not finite becomes `null`, as in JavaScript.

    Raises:
        ValueError: *value* holds a lone surrogate, is nested more than 250 levels deep, or is no JSON value.
    """
    return to_json(value, inf_nan_mode="null", fallback=_as_builtin).decode()


def load_json(text: str | bytes) -> Any:
    """Return the value that JSON text stands for.

    Raises:
        ValueError: it is not JSON. `NaN` and `Infinity` are not.
    """
    try:
        return _DECODE(text if isinstance(text, str) else text.decode())
    except RecursionError:
        raise ValueError("the JSON text is nested too deeply") from None


def clean_text(text: str) -> str:
    """Return *text* as UTF-8 can hold it: halves that belong together joined, others replaced by U+FFFD."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def clean_json(value: Any, *, depth: int = MAX_DEPTH) -> Any:
    """Return a copy of *value* that can be stored and sent, for what tools and models give.

    Texts and keys pass `clean_text`, numbers that are not finite become `None`, and `TOO_DEEP` stands for
    arrays and objects below *depth* levels.
    """
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if not isinstance(value, (Mapping, Sequence)):
        return value
    if depth == 0:
        return TOO_DEEP
    if isinstance(value, Mapping):
        items = cast("Mapping[Any, Any]", value).items()
        return {clean_text(str(key)): clean_json(item, depth=depth - 1) for key, item in items}
    return [clean_json(item, depth=depth - 1) for item in cast("Sequence[Any]", value)]


def _as_builtin(value: object) -> object:
    """Serve `dump_json` with mappings and sequences that are neither `dict` nor `list`."""
    if isinstance(value, Mapping):
        return dict(cast("Mapping[str, Any]", value))
    if isinstance(value, Sequence):
        return list(cast("Sequence[Any]", value))
    raise ValueError(f"{type(value).__name__} has no JSON form")


def _refuse_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")


# Not `pydantic_core.from_json`: that stops at 200 levels, fewer than `dump_json` writes.
_DECODE = json.JSONDecoder(parse_constant=_refuse_constant).decode
