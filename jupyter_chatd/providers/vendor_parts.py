"""Our parts and the model library's, one against one.

Ours are the stored form. What the vendor needs back unchanged (signatures, item ids, encrypted content)
travels in `provider_metadata` under one key: the library's part as JSON, without the fields that ours have
themselves. Importing this module imports the model library: only from the worker thread that loads a
provider.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from pydantic import TypeAdapter
from pydantic_ai import messages as library

from ..messages import (
    FilePart,
    JsonObject,
    JsonValue,
    KnownPart,
    ReasoningPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from ..wire.jsontext import clean_json, clean_text
from .partial import parse_args

LOG = logging.getLogger(__name__)

METADATA_KEY: Final = "pydantic_ai"
"""The one key of `provider_metadata` that this package writes."""

ADAPTER: TypeAdapter[library.ModelResponsePart] = TypeAdapter(library.ModelResponsePart)

OWN_FIELDS = ("content", "args", "tool_name", "tool_call_id", "timestamp")
"""Library fields that our parts have themselves, or that nobody needs back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Which service an answer came from. Signed data goes back to that service only."""

    provider_name: str | None = None
    provider_url: str | None = None
    canonical_system: str | None = None
    model_name: str | None = None

    @classmethod
    def of(cls, response: Any) -> Origin:
        """Read it from a response of the library, or from a stream."""
        return cls(
            provider_name=response.provider_name,
            provider_url=response.provider_url,
            canonical_system=response.canonical_system,
            model_name=response.model_name,
        )

    def to_json(self) -> JsonObject:
        """The fields that are known."""
        return {name: getattr(self, name) for name in Origin.__slots__ if getattr(self, name) is not None}


# From the library.


def to_ours(part: library.ModelResponsePart, origin: Origin) -> KnownPart:
    """The part as it is stored."""
    metadata = _metadata(part, origin)
    match part:
        case library.TextPart():
            return TextPart(text=clean_text(part.content), provider_metadata=metadata)
        case library.ThinkingPart() | library.CompactionPart():
            # A vendor's own compaction is not asked for, but a gateway may switch it on: its summary reads
            # like reasoning.
            return ReasoningPart(text=clean_text(part.content or ""), provider_metadata=metadata)
        case library.ToolCallPart() | library.NativeToolCallPart():
            return ToolCallPart(
                tool_call_id=clean_text(part.tool_call_id),
                tool_name=clean_text(part.tool_name),
                args=_args(part.args),
                provider_executed=isinstance(part, library.NativeToolCallPart),
                provider_metadata=metadata,
            )
        case library.NativeToolReturnPart():
            return ToolResultPart(
                tool_call_id=clean_text(part.tool_call_id),
                tool_name=clean_text(part.tool_name),
                result=cast("JsonValue", clean_json(_dump(part).get("content"))),
                is_error=part.outcome != "success",
                provider_executed=True,
                provider_metadata=metadata,
            )
        case library.FilePart():
            data = base64.b64encode(part.content.data).decode()
            return FilePart(media_type=part.content.media_type, data=data, provider_metadata=metadata)
        case library.SpeechPart():
            return TextPart(text=clean_text(part.content), provider_metadata=metadata)


def _args(args: str | Mapping[str, Any] | None) -> JsonValue:
    """Parsed arguments; `None` when there are none, or when they are not JSON."""
    if args is None or isinstance(args, str):
        return parse_args(args or "")
    return cast("JsonValue", clean_json(args))


def _metadata(part: library.ModelResponsePart, origin: Origin) -> JsonObject | None:
    """What cannot be told from our fields; `None` for the ordinary part, which needs nothing."""
    if _is_plain(part):
        return None
    vendor = {key: value for key, value in _dump(part).items() if key not in OWN_FIELDS and value is not None}
    return {METADATA_KEY: {**cast("dict[str, Any]", clean_json(vendor)), "response": origin.to_json()}}


def _is_plain(part: library.ModelResponsePart) -> bool:
    match part:
        case library.TextPart():
            return not (part.id or part.provider_name or part.provider_details or part.citations)
        case library.ToolCallPart():
            return not (part.id or part.provider_name or part.provider_details or part.tool_kind)
        case _:
            return False


def _dump(part: library.ModelResponsePart) -> dict[str, Any]:
    return cast("dict[str, Any]", ADAPTER.dump_python(part, mode="json"))


# To the library.


def to_library(
    part: TextPart | ReasoningPart | ToolCallPart | ToolResultPart,
) -> library.ModelResponsePart | None:
    """The part as its vendor sent it; `None` for one that no vendor would take back.

    Metadata that cannot be read makes the part a plain one (spec/chatd.md §8.2), or drops what has no plain
    form.
    """
    vendor = vendor_metadata(part)
    if vendor and (restored := _restore(part, vendor)) is not None:
        return restored
    match part:
        case TextPart():
            return library.TextPart(content=part.text)
        case ToolCallPart(provider_executed=False):
            return library.ToolCallPart(part.tool_name, call_args(part), part.tool_call_id)
        case _:
            # Reasoning without its signature would be shown to the model as something that a user wrote.
            return None


def call_args(part: ToolCallPart) -> dict[str, Any]:
    """The arguments as every vendor wants them: an object."""
    return dict(part.args) if isinstance(part.args, Mapping) else {}


def vendor_metadata(part: Any) -> Mapping[str, Any]:
    """What this package stored about the vendor; empty when there is nothing."""
    metadata = cast("Mapping[str, Any]", part.provider_metadata or {})
    vendor = metadata.get(METADATA_KEY)
    return cast("Mapping[str, Any]", vendor) if isinstance(vendor, Mapping) else {}


def origin_of(part: Any) -> Origin | None:
    """Which service a part came from, if that was stored."""
    response = vendor_metadata(part).get("response")
    if not isinstance(response, Mapping):
        return None
    known = cast("Mapping[str, Any]", response)
    return Origin(**{name: known.get(name) for name in Origin.__slots__})


def _restore(part: Any, vendor: Mapping[str, Any]) -> library.ModelResponsePart | None:
    own: dict[str, Any]
    match part:
        case TextPart():
            own = {"content": part.text}
        case ReasoningPart():
            # An encrypted compaction has no text at all, which is not the same as an empty one.
            own = {"content": part.text or (None if vendor.get("part_kind") == "compaction" else "")}
        case ToolCallPart():
            own = {"args": call_args(part), "tool_name": part.tool_name, "tool_call_id": part.tool_call_id}
        case _:
            own = {"content": part.result, "tool_name": part.tool_name, "tool_call_id": part.tool_call_id}
    fields = {key: value for key, value in vendor.items() if key != "response"}
    try:
        return ADAPTER.validate_python({**fields, **own})
    except ValueError as problem:
        LOG.warning(
            "Vendor metadata of a %s part cannot be read and is left out: %s",
            part.type,
            type(problem).__name__,
        )
        return None
