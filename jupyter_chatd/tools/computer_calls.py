"""Reading calls of the `computer` tool: in our own spelling, or in that of a vendor's computer tool.

A call in a vendor's spelling is stored as `{"dialect": …, "name": …, "input": …}` (`providers/computer.py`):
`input` is what the vendor sent, word for word, and `name` the function that it called where it has several.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from ..desktop.actions import Action
from ..desktop.dialects import parse_anthropic, parse_gemini, parse_neutral, parse_openai
from ..desktop.errors import ActionError
from ..desktop.geometry import Size
from ..messages import JsonObject, JsonValue

MOST_ACTIONS = 100
"""Actions of one call."""

NEUTRAL_SCHEMA: JsonObject = {
    "type": "object",
    "properties": {
        "action": {
            "type": "string",
            "enum": [
                "screenshot",
                "click",
                "type",
                "key",
                "scroll",
                "move",
                "drag",
                "wait",
                "press",
                "release",
                "key_down",
                "key_up",
                "hold",
                "cursor",
            ],
            "description": "What to do. press and release are of the mouse, hold is of keys for a time.",
        },
        "at": {
            "type": "array",
            "items": {"type": "integer"},
            "description": "[x, y] in pixels, for click, move, scroll, press, release. "
            "Without it: where the pointer is.",
        },
        "button": {"type": "string", "enum": ["left", "middle", "right"]},
        "count": {"type": "integer", "description": "Clicks, 1 to 3."},
        "held": {"type": "string", "description": "Keys held during click, drag or scroll, such as ctrl."},
        "path": {
            "type": "array",
            "items": {"type": "array", "items": {"type": "integer"}},
            "description": "Points [x, y] of a drag, in order.",
        },
        "right": {"type": "integer", "description": "Notches to scroll to the right; negative: left."},
        "down": {"type": "integer", "description": "Notches to scroll down; negative: up."},
        "keys": {"type": "string", "description": "Such as Return, ctrl+s, alt+F4."},
        "repeat": {"type": "integer", "description": "How often to press the keys."},
        "text": {"type": "string", "description": "What to type. A newline is the Return key."},
        "seconds": {"type": "number", "description": "For wait and hold."},
        "region": {
            "type": "array",
            "items": {"type": "integer"},
            "description": "[x0, y0, x1, y1]: a screenshot of only this part, enlarged.",
        },
    },
    "required": ["action"],
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ComputerCall:
    """What a call asks for."""

    actions: Sequence[Action]
    name: str
    """What was asked for, in its own words."""
    shows_screen: bool = True
    """Whether the screen is to be shown afterwards, whatever the actions are."""


def parse_call(args: JsonValue, screen: Size) -> ComputerCall:
    """Return what a call asks for, in pixels of *screen*.

    Raises:
        ActionError: there is no such action, or a field is not as it must be.
    """
    if not isinstance(args, Mapping):
        raise ActionError('Expected an object with an action, such as {"action": "screenshot"}.')
    if "dialect" not in args:
        return ComputerCall(actions=(parse_neutral(args),), name=str(args.get("action")))
    reader = _READERS.get(str(args["dialect"]))
    if reader is None:
        raise ActionError(f"Expected the dialect to be one of {', '.join(_READERS)}.")
    return reader(args.get("name"), args.get("input"), screen)


def _anthropic(_name: object, value: object, _screen: Size) -> ComputerCall:
    return ComputerCall(actions=parse_anthropic(value), name=_field(value, "action"))


def _toolset(name: object, value: object, _screen: Size) -> ComputerCall:
    actions = parse_anthropic(value, member=str(name))
    # Its models ask for a screenshot where they want one; their batches would fill up with pictures.
    return ComputerCall(actions=actions, name=str(name), shows_screen=False)


def _gemini(name: object, value: object, screen: Size) -> ComputerCall:
    return ComputerCall(actions=parse_gemini(str(name), value, screen), name=str(name))


def _openai(_name: object, value: object, _screen: Size) -> ComputerCall:
    listed = value.get("actions") if isinstance(value, Mapping) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    if not isinstance(listed, list):
        raise ActionError("Expected actions: an array of objects.")
    given = cast("list[object]", listed)
    if len(given) > MOST_ACTIONS:
        raise ActionError(f"Expected at most {MOST_ACTIONS} actions, came {len(given)}.")
    actions = [action for each in given for action in parse_openai(each)]
    return ComputerCall(actions=actions, name=", ".join(_field(each, "type") for each in given))


def _field(value: object, name: str) -> str:
    return str(cast("Mapping[str, Any]", value).get(name)) if isinstance(value, Mapping) else ""


_READERS: Mapping[str, Callable[[object, object, Size], ComputerCall]] = {
    "anthropic": _anthropic,
    "anthropic_toolset": _toolset,
    "openai": _openai,
    "gemini": _gemini,
}
