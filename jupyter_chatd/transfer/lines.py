"""The format of an export: JSON Lines, each an object with a `type`. Described in docs/export.md.

    export                       which format, which version
    chat                         a chat, its parent before it
      file …                     what it holds
      message …                  its history, numbered from 1
    end                          how many there were: without it the export is cut off

A change that a reader of version 1 would not understand, a new field too, is a new version.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from typing import Any, Literal, TypeAlias, cast

from .. import wire
from ..errors import InvalidInputError
from ..messages import Role, StopReason, TurnOptions, Usage, Visibility

FORMAT = "jupyter_chatd"
VERSION = 1


class UnreadableExportError(InvalidInputError):
    """A file is not an export, or one that cannot be used; the message names the file and the line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The first line."""

    type: Literal["export"] = "export"
    format: str
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRef:
    """A tool call: the number of its message, and the index among that message's parts."""

    message: int
    index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatLine:
    """A chat. Times are RFC 3339."""

    type: Literal["chat"] = "chat"
    id: str
    title: str
    model: str
    created_at: str
    archived: bool = False
    parent_chat_id: str | None = None
    spawned_by: CallRef | None = None
    """The parent's call that made this child."""
    mode: Literal["computer_use", "explore"] | None = None
    plan_mode: Literal["plan"] | None = None
    approval_mode: Literal["auto", "ask"] = "auto"
    labels: dict[str, str] = field(default_factory=dict[str, str])
    client_type: Literal["ui", "api"] = "api"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileLine:
    """A file that the chat before it holds."""

    type: Literal["file"] = "file"
    id: str
    name: str = ""
    media_type: str
    size_bytes: int
    sha256: str
    created_at: str
    data: str | None = None
    """Base64; absent when the export was made without files, or the bytes were gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageLine:
    """A message of the chat before it."""

    type: Literal["message"] = "message"
    number: int
    """1, 2, … within the chat."""
    role: Role
    created_at: str
    content_version: int
    content: Any
    created_by: str | None = None
    visibility: Visibility = Visibility.BOTH
    model: str | None = None
    usage: Usage | None = None
    compressed: bool = False
    covers_until: int | None = None
    """On a summary: the number of the last message that it replaces."""
    total_cost_micros: int | None = None
    runtime_ms: int | None = None
    provider_response_id: str | None = None
    stop_reason: StopReason | None = None
    turn_options: TurnOptions | None = None
    answers: CallRef | None = None
    """On a tool message: the call that it answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndLine:
    """The last line."""

    type: Literal["end"] = "end"
    chats: int
    files: int
    messages: int


Line: TypeAlias = Header | ChatLine | FileLine | MessageLine | EndLine

_TYPES: dict[str, type[Line]] = {
    "chat": ChatLine,
    "file": FileLine,
    "message": MessageLine,
    "end": EndLine,
}
_TYPE_FIRST = re.compile(rb'\s*\{\s*"type"\s*:\s*"([a-z]+)"\s*[,}]')


def dump_line(line: Line) -> str:
    """Return a line as JSON text without a line break; fields at their default are left out."""
    values: dict[str, Any] = {"type": line.type}
    for each in fields(line):
        value = getattr(line, each.name)
        if value is not None and value != each.default and value != {}:
            values[each.name] = wire.plain(value)
    return wire.dump_json(values)


def header_of(raw: bytes) -> Header | None:
    """Return the first line of an export; `None` when it begins like something else.

    Raises:
        InvalidInputError: a newer release made it.
    """
    try:
        value = wire.load_json(raw)
    except ValueError:
        return None
    values = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    if (values.get("type"), values.get("format")) != ("export", FORMAT):
        return None
    version = values.get("version")
    if version != VERSION:
        raise InvalidInputError(
            f"It has format version {str(version)[:40]}; this release reads version {VERSION}. "
            "Upgrade jupyter_chatd to import what a newer release exported."
        )
    return Header(format=FORMAT, version=VERSION)


def load_line(raw: bytes) -> Line:
    """Return what a line after the first holds.

    Raises:
        InvalidInputError: it is none of the lines that the format has; `detail` says what is wrong.
    """
    word = _type_of(raw)
    if word not in _TYPES:
        raise InvalidInputError(
            "This is no line of an export.",
            detail=f"Expected type to be one of {', '.join(_TYPES)}, came {word[:40]!r}.",
        )
    return wire.parse_object(raw, _TYPES[word])


def _type_of(raw: bytes) -> str:
    found = _TYPE_FIRST.match(raw)
    if found:
        return found[1].decode()
    try:
        value = wire.load_json(raw)
    except ValueError as error:
        raise InvalidInputError("This is no JSON.", detail=f"Expected a JSON object: {error}.") from None
    return str(cast("dict[str, Any]", value).get("type")) if isinstance(value, dict) else "no object"
