"""What a tool gives back, in the stored form (spec/chatd.md §1.6, "tool result normalisation")."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import asdict

from ..messages import JsonObject, JsonValue
from ..wire.jsontext import clean_json, load_json
from ..workspace.protocol import Truncation
from .protocol import ToolOutput
from .text import printable


def json_output(result: Mapping[str, JsonValue]) -> ToolOutput:
    """A result object; fields that are `None` are left out."""
    return ToolOutput(result=clean_json({key: value for key, value in result.items() if value is not None}))


def text_output(text: str | None) -> ToolOutput:
    """A result from text: stored as it is when it is JSON, else as `{"output": text}`; `None` gives `{}`."""
    if text is None:
        return ToolOutput(result={})
    try:
        value = load_json(text)
    except ValueError:
        value = {"output": printable(text)}
    return ToolOutput(result=clean_json(value))


def media_output(data: bytes, *, mime_type: str, text: str = "") -> ToolOutput:
    """A picture or other media, with a text for models that cannot see it."""
    encoded = base64.b64encode(data).decode("ascii")
    return ToolOutput(
        result={"data": encoded, "mime_type": mime_type, "text": printable(text)}, is_media=True
    )


def exit_error(exit_code: int | None) -> str | None:
    """Say how a command failed; `None` when it did not."""
    if exit_code == 0:
        return None
    if exit_code is None or exit_code < 0:
        return "The command was ended by a signal."
    return f"The command ended with exit code {exit_code}."


def truncation_fields(truncation: Truncation | None) -> JsonObject | None:
    """What an output buffer left out, as the model reads it."""
    return None if truncation is None else asdict(truncation)
