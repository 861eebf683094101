"""Request bodies: bytes to a dataclass, or an error that names each field, what it must be and what came."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, TypeVar, cast

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from ..errors import FieldProblem, InvalidInputError
from .jsontext import MAX_DEPTH
from .values import adapter_of

MAX_BODY_BYTES = 4 * 1024 * 1024
"""Longest body. What a message holds must also fit the 4 MiB that clients read as one frame of the stream."""

MAX_PROBLEMS = 20
"""Most problems that one error names."""

T = TypeVar("T")


def parse_body(raw: bytes, cls: type[T]) -> T:
    """Return the request of dataclass *cls* that a body holds; an empty body counts as `{}`.

    Types are taken strictly and unknown fields are refused. Of a key that comes twice, the last one counts.

    Raises:
        InvalidInputError: the body is too long, is not JSON in UTF-8, or does not fit *cls*.
    """
    if len(raw) > MAX_BODY_BYTES:
        raise _unusable(
            f"Expected at most {MAX_BODY_BYTES} bytes, came {len(raw)}. Put long text into a file instead."
        )
    return parse_object(raw or b"{}", cls)


def parse_object(raw: bytes, cls: type[T]) -> T:
    """Return the dataclass *cls* that JSON text holds; types are strict, unknown fields are refused.

    Raises:
        InvalidInputError: it is not JSON in UTF-8, or does not fit *cls*.
    """
    try:
        return adapter_of(cls).validate_json(raw, strict=True, extra="forbid")
    except ValidationError as error:
        raise _translate(error, raw, cls) from None


def check_free_json(value: Any) -> Any:
    """Return *value*, the content of a field that may hold any JSON, when it can be stored and sent.

    Raises:
        ValueError: it is nested too deeply or holds a number that JSON cannot spell.
    """
    _check(value, MAX_DEPTH)
    return value


def came(value: object) -> str:
    """Name what kind of JSON value came, without its content."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case Mapping():
            return "an object"
        case _:
            return "an array"


def invalid(message: str, problems: Sequence[FieldProblem]) -> InvalidInputError:
    """Return the error for *problems*, the first of which becomes the detail."""
    first = problems[0]
    return InvalidInputError(
        message, detail=f"{first.field}: {first.detail}", problems=tuple(problems[:MAX_PROBLEMS])
    )


def _check(value: object, depth: int) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("Expected finite numbers; send null for NaN and Infinity.")
    if not isinstance(value, (dict, list)):
        return
    if depth == 0:
        raise ValueError(f"Expected at most {MAX_DEPTH} levels of arrays and objects; flatten the value.")
    items = cast("dict[str, Any]", value).values() if isinstance(value, dict) else cast("list[Any]", value)
    for item in items:
        _check(item, depth - 1)


def _unusable(detail: str) -> InvalidInputError:
    return InvalidInputError("The request body cannot be used.", detail=detail)


def _translate(error: ValidationError, raw: bytes, cls: type) -> InvalidInputError:
    details = error.errors(include_url=False)
    if details[0]["type"] == "json_invalid":
        return _unusable(_syntax_problem(details[0], raw))
    if not details[0]["loc"]:
        return _unusable(f"Expected a JSON object, came {came(details[0]['input'])}.")
    return invalid("Invalid request.", [_problem(detail, cls) for detail in details])


def _syntax_problem(detail: ErrorDetails, raw: bytes) -> str:
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        return f"Expected JSON in UTF-8; byte {error.start} is not UTF-8. Encode the body as UTF-8."
    reason = str(detail.get("ctx", {}).get("error", "it is not JSON"))
    if "hex escape" in reason:
        reason += " (a \\ud800-\\udfff escape must be one of a pair: half a character cannot be stored)"
    return f"Expected a JSON object: {reason}."


def _problem(detail: ErrorDetails, cls: type) -> FieldProblem:
    return FieldProblem(field=_path(detail["loc"]), detail=_explain(detail, cls))


def _path(loc: tuple[int | str, ...]) -> str:
    """Return `("results", 0, "call_index")` as `results[0].call_index`."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in loc).removeprefix(".")


def _explain(detail: ErrorDetails, cls: type) -> str:
    match detail["type"]:
        case "missing":
            return "This field is required."
        case "unexpected_keyword_argument" if len(detail["loc"]) == 1:
            return f"Unknown field. Known are: {', '.join(_names(cls))}."
        case "unexpected_keyword_argument":
            return "Unknown field; leave it out."
        case "value_error":
            return str(detail.get("ctx", {}).get("error"))
        case "literal_error":
            return f"{detail['msg']}; came {str(detail['input'])[:40]!r}."
        case _:
            return f"{detail['msg']}; came {came(detail['input'])}."


def _names(cls: type) -> list[str]:
    return [field.name for field in fields(cls)]
