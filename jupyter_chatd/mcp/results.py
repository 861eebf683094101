"""What a server gives back, in the stored form. It is untrusted: bounded, cleaned, and secrets hidden."""

from __future__ import annotations

import binascii
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from ..tools.protocol import ToolOutput, error_output
from ..tools.results import text_output
from ..tools.text import OUTPUT_BYTES, clip_text
from ..wire.jsontext import clean_json, dump_json
from .redact import Redactor

if TYPE_CHECKING:
    from mcp.types import CallToolResult, ContentBlock

IMAGE_BYTES = 3_750_000
"""Of an image; as base64 that is the 5 MB that vendors take."""

_Image: TypeAlias = tuple[str, str]
"""Base64, and what it is."""

_MAGIC: Mapping[str, tuple[bytes, ...]] = {
    "image/png": (b"\x89PNG\r\n\x1a\n",),
    "image/jpeg": (b"\xff\xd8\xff",),
    "image/gif": (b"GIF87a", b"GIF89a"),
}


def result_output(result: CallToolResult, redactor: Redactor) -> ToolOutput:
    """Return what the model reads of a result.

    Text comes first: a server that gives structured content repeats it there. A result carries one image;
    of others, of sound and of files there is a line that says so.
    """
    texts: list[str] = []
    image: _Image | None = None
    for block in result.content:
        found = _image(block) if image is None and not result.is_error else None
        if found is not None:
            image = found
        else:
            texts.append(_as_text(block))
    if not result.content and result.structured_content is not None:
        texts.append(dump_json(clean_json(result.structured_content)))
    return _output(texts, image, redactor, is_error=result.is_error)


def _output(texts: Sequence[str], image: _Image | None, redactor: Redactor, *, is_error: bool) -> ToolOutput:
    text = clip_text(redactor.hide(_ends("\n".join(texts))), OUTPUT_BYTES)
    if is_error:
        return error_output(text or "The tool failed and did not say why.")
    if image is not None:
        data, mime_type = image
        return ToolOutput(result={"data": data, "mime_type": mime_type, "text": text}, is_media=True)
    return text_output(text or None)


def _ends(text: str) -> str:
    """Drop from the middle of a huge text what is cut anyway, before anything costly is done with it."""
    return text if len(text) <= 4 * OUTPUT_BYTES else text[: 2 * OUTPUT_BYTES] + text[-2 * OUTPUT_BYTES :]


def _as_text(block: ContentBlock) -> str:
    match block.type:
        case "text":
            return block.text
        case "image" | "audio":
            return f"[{block.mime_type}, {len(block.data) * 3 // 4} bytes, which cannot be shown here]"
        case "resource_link":
            return f"[resource {block.uri}: {block.title or block.name}]"
        case "resource":
            return _resource_text(block.resource)


def _resource_text(resource: object) -> str:
    uri, text = getattr(resource, "uri", ""), getattr(resource, "text", None)
    if isinstance(text, str):
        return f"[resource {uri}]\n{text}"
    blob = str(getattr(resource, "blob", ""))
    return f"[resource {uri}, {len(blob) * 3 // 4} bytes, which cannot be shown here]"


def _image(block: ContentBlock) -> _Image | None:
    """Return an image with what it really is; `None` for what a model could not be shown.

    A vendor refuses an image that is not what it is called, and then every later turn with it.
    """
    if block.type != "image" or len(block.data) * 3 // 4 > IMAGE_BYTES:
        return None
    encoded = "".join(block.data.split())
    try:
        data = binascii.a2b_base64(encoded, strict_mode=True)
    except (binascii.Error, ValueError):
        return None
    mime_type = _sniff(data)
    return None if mime_type is None else (encoded, mime_type)


def _sniff(data: bytes) -> str | None:
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for kind, starts in _MAGIC.items() if data.startswith(starts)), None)
