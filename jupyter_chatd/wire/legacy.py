"""Content version 0: rows of the original system from before all roles stored parts.

Four shapes, told apart by what they are, never by trying one parser after another: an envelope half decodes
as a part, because the key `type` coincides, and loses its text.

    a JSON string                            system, user; early assistant rows
    parts         [{"type": "text", "text": …}]
    envelopes     [{"type": "text", "data": {"text": …}}]    first element has an object as `data`
    result rows   [{"tool_call_id": …, "result": …}]         tool rows without a `tool-result` part
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from ..messages import Part, Role, TextPart
from .jsontext import load_json
from .parts import objects, read_part, read_parts

LEGACY_VERSION = 0


def read_legacy(value: object, role: Role) -> tuple[Part, ...]:
    """Return the parts of decoded version 0 content.

    Raises:
        ValueError: *value* has none of the shapes that *role* may have.
    """
    match role:
        case Role.SYSTEM:
            if not isinstance(value, str):
                raise ValueError(f"expected a string, came {type(value).__name__}")
            return _read_string(value)
        case Role.USER | Role.ASSISTANT:
            return _read_string(value) if isinstance(value, str) else _read_blocks_or_parts(value)
        case Role.TOOL:
            return _read_results(value)


def is_envelope(value: object) -> bool:
    """True for the envelope shape. No array of parts has it: a part's `data` is base64 text or absent."""
    if not isinstance(value, list) or not value:
        return False
    first = cast("list[Any]", value)[0]
    return isinstance(first, dict) and isinstance(cast("dict[str, Any]", first).get("data"), dict)


def _read_string(text: str) -> tuple[Part, ...]:
    return (TextPart(text=text),) if text.strip() else ()


def _read_blocks_or_parts(value: object) -> tuple[Part, ...]:
    if is_envelope(value):
        blocks = [_part_of_block(block) for block in objects(value)]
        return tuple(read_part(raw) for raw in blocks if raw is not None)
    parts = read_parts(value)
    return parts if any(part.type for part in parts) else ()


def _read_results(value: object) -> tuple[Part, ...]:
    rows = objects(value)
    if any(row.get("type") == "tool-result" for row in rows):
        return read_parts(value)
    return tuple(read_part({**row, "type": "tool-result"}) for row in rows)


def _part_of_block(block: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return an envelope's content as a part object; `None` for an unknown kind of block: it is skipped."""
    kind, data = block.get("type"), block.get("data")
    convert = _CONVERTERS.get(kind) if isinstance(kind, str) else None
    if convert is None or not isinstance(data, Mapping):
        return None
    return {**convert(cast("Mapping[str, Any]", data)), "type": kind}


def _same(data: Mapping[str, Any]) -> Mapping[str, Any]:
    return data


def _file(data: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: data[name] for name in data if name != "data"} if data.get("file_id") else data


def _source(data: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**data, "source_id": data.get("id", "")}


def _tool_call(data: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**data, "args": _json_or(data.get("input"), None)}


def _tool_result(data: Mapping[str, Any]) -> Mapping[str, Any]:
    outcome = _mapping(data.get("result"))
    return {**data, **_normalised(outcome.get("type"), _mapping(outcome.get("data")))}


def _normalised(kind: object, output: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return `result` and its flags as a `tool-result` part has them."""
    if kind == "error":
        return {"result": {"error": output.get("error", "")}, "is_error": True}
    if kind == "media":
        media = {"data": output.get("data", ""), "mime_type": output.get("media_type", "")}
        return {"result": {**media, "text": output.get("text", "")}, "is_media": True}
    text = output.get("text")
    return {"result": _json_or(text, {"output": text}) if text else {}}


def _mapping(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def _json_or(text: object, otherwise: Any) -> Any:
    """Return the value of JSON text, or *otherwise* when it is none."""
    if not isinstance(text, str):
        return otherwise
    try:
        return load_json(text)
    except ValueError:
        return otherwise


_CONVERTERS: Mapping[str, Callable[[Mapping[str, Any]], Mapping[str, Any]]] = {
    "text": _same,
    "reasoning": _same,
    "file": _file,
    "source": _source,
    "tool-call": _tool_call,
    "tool-result": _tool_result,
}
