"""A server's tools as the model is told of them: names, descriptions, schemas.

What a server says is untrusted, and one tool that a vendor refuses would end every turn of the chat.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from ..messages import JsonObject
from ..providers.protocol import ToolDefinition
from ..tools.text import clip_text
from ..wire.jsontext import clean_json, dump_json
from .config import McpServerConfig

SEPARATOR = "__"
NAME_CHARACTERS = 64
"""Of a tool's whole name; what every vendor takes."""
DESCRIPTION_BYTES = 8 * 1024
SCHEMA_BYTES = 64 * 1024
"""Of a tool's schema as JSON; a tool with a larger one is left out."""

INTENT = "model_intent"
_INTENT_SCHEMA = {
    "type": "string",
    "description": "What this call is for, as a short phrase for the user, such as 'Looking up open issues'.",
}

_REFUSED_AT_ROOT = frozenset({"$schema", "allOf", "anyOf", "enum", "not", "oneOf"})
"""Keywords that vendors refuse, or do not need, at the root of a tool's schema."""

_UNUSUAL = re.compile(r"[^A-Za-z0-9_-]")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerTool:
    """A tool as its server lists it."""

    name: str
    description: str = ""
    input_schema: JsonObject = field(default_factory=dict[str, Any])
    is_read_only: bool = False
    """The server says that it changes nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedTool:
    """A tool as the model is told of it."""

    config: McpServerConfig
    tool: ServerTool
    definition: ToolDefinition
    has_intent: bool
    """Its calls carry `model_intent`, which the server must not see."""


def offered_tools(servers: Iterable[tuple[McpServerConfig, Sequence[ServerTool]]]) -> tuple[OfferedTool, ...]:
    """Return the tools of all servers by name, then by config id; of several with one name, the first."""
    offers = [
        _offer(config, tool)
        for config, tools in servers
        for tool in tools
        if config.offers(tool.name) and _is_fit(tool)
    ]
    offers.sort(key=lambda offer: (offer.definition.name, offer.config.id, offer.tool.name))
    by_name: dict[str, OfferedTool] = {}
    for offer in offers:
        by_name.setdefault(offer.definition.name, offer)
    return tuple(by_name.values())


def full_name(slug: str, tool: str) -> str:
    """Return `slug__tool`; what vendors refuse becomes `_`, and the end of a name that is too long a hash."""
    name = _UNUSUAL.sub("_", f"{slug}{SEPARATOR}{tool}")
    if len(name) <= NAME_CHARACTERS:
        return name
    digest = hashlib.sha256(tool.encode("utf-8", "replace")).hexdigest()[:8]
    return f"{name[: NAME_CHARACTERS - 9]}_{digest}"


def without_intent(args: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments that the server gets."""
    return {name: value for name, value in args.items() if name != INTENT}


def _offer(config: McpServerConfig, tool: ServerTool) -> OfferedTool:
    schema = _schema(tool.input_schema)
    has_intent = config.model_intent and INTENT not in schema["properties"]
    definition = ToolDefinition(
        name=full_name(config.slug, tool.name),
        description=_description(config, tool),
        input_schema=_with_intent(schema) if has_intent else schema,
    )
    return OfferedTool(config=config, tool=tool, definition=definition, has_intent=has_intent)


def _is_fit(tool: ServerTool) -> bool:
    return bool(tool.name) and len(dump_json(clean_json(tool.input_schema)).encode()) <= SCHEMA_BYTES


def _description(config: McpServerConfig, tool: ServerTool) -> str:
    said = clip_text(_visible(tool.description).strip(), DESCRIPTION_BYTES)
    return said or f"The tool {_visible(tool.name)} of {_visible(config.label)}."


def _schema(schema: JsonObject) -> dict[str, Any]:
    """Return the schema of an object, in words that vendors take."""
    root = {key: value for key, value in _shown(clean_json(schema)).items() if key not in _REFUSED_AT_ROOT}
    properties = root.get("properties")
    return {**root, "type": "object", "properties": properties if isinstance(properties, dict) else {}}


def _with_intent(schema: dict[str, Any]) -> dict[str, Any]:
    required = schema.get("required")
    names = cast("list[Any]", required) if isinstance(required, list) else []
    return {
        **schema,
        "properties": {INTENT: _INTENT_SCHEMA, **schema["properties"]},
        "required": [INTENT, *names],
    }


def _shown(value: Any) -> Any:
    """Return a schema whose descriptions hold no invisible characters."""
    if isinstance(value, list):
        return [_shown(item) for item in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    items = cast("dict[str, Any]", value).items()
    return {
        key: _visible(item) if key == "description" and isinstance(item, str) else _shown(item)
        for key, item in items
    }


def _visible(text: str) -> str:
    """Return *text* without controls and invisible characters, in which instructions can be hidden."""
    return "".join(char for char in text if char.isprintable() or char in "\n\t")
