"""What clients may put into a message: text, files they uploaded, references to lines of a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, cast

from ..errors import FieldProblem, InvalidInputError
from ..messages import FilePart, FileReferencePart, Part, TextPart
from .requests import came, invalid

FindFile: TypeAlias = Callable[[str], FilePart | None]
"""Returns the part of a stored file that the caller may use, by its id; `None` when there is none."""

_MAX_LINE = 2**63 - 1
_FIELDS = {
    "text": ("type", "text"),
    "file": ("type", "file_id"),
    "file-reference": ("type", "file_name", "start_line", "end_line", "content"),
}


class _BadFieldError(Exception):
    def __init__(self, name: str, detail: str) -> None:
        super().__init__(detail)
        self.name = name
        self.detail = detail


def parse_input_parts(
    value: object, *, path: str = "content", find_file: FindFile | None = None
) -> tuple[Part, ...]:
    """Return the parts that a client sends as the content of a message.

    Args:
        value: Decoded JSON.
        path: Where it stands in the request, for errors.
        find_file: Looks up files; without it none can be attached.

    Raises:
        InvalidInputError: there is no part, or one is not as it must be; `problems` name `path[index].field`.
    """
    if not isinstance(value, list):
        raise _content_error(path, f"Expected an array of parts, came {came(value)}.")
    items = cast("list[object]", value)
    if not items:
        raise _content_error(path, "Content is required: send at least one part, such as a text.")
    parts: list[Part] = []
    problems: list[FieldProblem] = []
    for index, item in enumerate(items):
        try:
            parts.append(_read_part(item, find_file))
        except _BadFieldError as bad:
            field = f"{path}[{index}].{bad.name}".removesuffix(".")
            problems.append(FieldProblem(field=field, detail=bad.detail))
    if problems:
        raise invalid("Invalid input part.", problems)
    return tuple(parts)


def _content_error(path: str, detail: str) -> InvalidInputError:
    return invalid("Content is required.", [FieldProblem(field=path, detail=detail)])


def _read_part(item: object, find_file: FindFile | None) -> Part:
    if not isinstance(item, Mapping):
        raise _BadFieldError("", f"Expected an object with a type, came {came(item)}.")
    raw = cast("Mapping[str, Any]", item)
    kind = _text(raw, "type").strip().lower()
    if kind not in _FIELDS:
        raise _BadFieldError("type", f"Expected text, file or file-reference, came {kind[:40]!r}.")
    for name in raw:
        if name not in _FIELDS[kind]:
            known = ", ".join(_FIELDS[kind])
            raise _BadFieldError(name, f"Unknown field. A {kind} part has: {known}.")
    match kind:
        case "text":
            return TextPart(text=_filled(raw, "text"))
        case "file":
            return _file(_filled(raw, "file_id"), find_file)
        case _:
            return _file_reference(raw)


def _file(file_id: str, find_file: FindFile | None) -> FilePart:
    part = find_file(file_id) if find_file else None
    if part is None:
        raise _BadFieldError("file_id", "There is no such file. Upload it first, then send the id it got.")
    return part


def _file_reference(raw: Mapping[str, Any]) -> FileReferencePart:
    return FileReferencePart(
        file_name=_filled(raw, "file_name"),
        start_line=_line(raw, "start_line"),
        end_line=_line(raw, "end_line"),
        content=None if raw.get("content") is None else _text(raw, "content"),
    )


def _filled(raw: Mapping[str, Any], name: str) -> str:
    text = _text(raw, name).strip()
    if not text:
        raise _BadFieldError(name, "Expected text that is not blank.")
    return text


def _text(raw: Mapping[str, Any], name: str) -> str:
    value = raw.get(name)
    if not isinstance(value, str):
        raise _BadFieldError(name, f"Expected a string, came {came(value) if name in raw else 'nothing'}.")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _BadFieldError(name, "Expected whole characters; a lone surrogate cannot be stored.") from None
    return value


def _line(raw: Mapping[str, Any], name: str) -> int | None:
    value = raw.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise _BadFieldError(name, f"Expected a whole number, came {came(value)}.")
    if abs(value) > _MAX_LINE:
        raise _BadFieldError(name, f"Expected a line number of at most {_MAX_LINE}.")
    return value
