"""What the tools for kernels give back: fields as JSON, or where code has shown pictures these with words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..messages import JsonObject, JsonValue
from ..workspace.kernels.protocol import CodeError, CodeOutput, CodeState
from .protocol import ToolOutput
from .results import json_output, truncation_fields
from .text import OUTPUT_BYTES, clip_text, printable

_MESSAGE_BYTES = 2048
_WORDS = ("output", "traceback", "error", "note")
"""Fields that are the words beside a picture, in this order."""


def code_output(output: CodeOutput, *, note: str | None = None, **fields: JsonValue) -> ToolOutput:
    """Return what code has given so far, as the model reads it.

    Args:
        output: What there is.
        note: What the model must know besides.
        fields: More fields of the result.
    """
    error = output.error if output.state is not CodeState.INTERRUPTED else None
    found: JsonObject = {
        "success": output.state is CodeState.DONE,
        "running": True if output.is_running else None,
        "output": clip_text(output.output, OUTPUT_BYTES) or None,
        "error": _error_of(output),
        "traceback": printable(error.traceback) if error is not None else None,
        "truncated": truncation_fields(output.truncated),
        "note": " ".join(filter(None, (note, _left_out(output)))) or None,
        **fields,
    }
    return _with_pictures(found, output) if output.pictures else json_output(found)


def _error_of(output: CodeOutput) -> str | None:
    match output.state:
        case CodeState.RUNNING | CodeState.DONE:
            return None
        case CodeState.FAILED:
            return "The code failed." if output.error is None else _one_line(output.error)
        case CodeState.INTERRUPTED:
            return "The code was interrupted. The kernel and its variables are still there."
        case CodeState.DIED:
            return f"The kernel is gone, and its variables with it. {printable(output.reason or '')}".strip()


def _one_line(error: CodeError) -> str:
    return clip_text(f"{error.name}: {error.message}".rstrip(": "), _MESSAGE_BYTES)


def _left_out(output: CodeOutput) -> str | None:
    count = output.pictures_left_out
    return f"{count} more pictures are left out." if count else None


def _with_pictures(fields: Mapping[str, JsonValue], output: CodeOutput) -> ToolOutput:
    """`{data, mime_type, text, more?}`: the first picture, words, and the other pictures."""
    words = "\n".join(str(fields[name]).rstrip("\n") for name in _WORDS if fields.get(name))
    first, *others = output.pictures
    more: Sequence[JsonValue] = [
        {"data": picture.data, "mime_type": picture.media_type} for picture in others
    ]
    shown: JsonObject = {
        "data": first.data,
        "mime_type": first.media_type,
        "text": words,
        **({"more": more} if more else {}),
    }
    return ToolOutput(result=shown, is_media=True)
