"""Anthropic's computer tools: `computer_20241022`, `_20250124`, `_20251124` and the toolset of 2026-08.

The toolset makes each action a tool of its own; its name is given as `action` here. Times are seconds, the
wheel is in notches, `text` of a mouse's action names keys to hold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..actions import (
    Action,
    Button,
    Click,
    Cursor,
    Drag,
    Hold,
    Key,
    KeyDown,
    KeyUp,
    Move,
    Press,
    Release,
    Screenshot,
    Scroll,
    Type,
    Wait,
)
from ..errors import ActionError
from .fields import Fields, Reader, read_with

SCROLL_AMOUNT = 3  # notches, when the model names none


def parse_anthropic(value: object, *, member: str | None = None) -> tuple[Action, ...]:
    """Return what a call asks for.

    Args:
        value: The call's decoded input.
        member: Of the toolset: the tool that was called.

    Raises:
        ActionError: there is no such action, or a field is not as it must be.
    """
    fields = Fields(value)
    return read_with(_READERS, member or fields.text("action"), fields)


def _clicker(button: Button, count: int = 1) -> Callable[[Fields], Action]:
    def read(fields: Fields) -> Click:
        held = fields.text("text", "")
        return Click(at=fields.find_point("coordinate"), button=button, count=count, held=held)

    return read


def _drag(fields: Fields) -> Drag:
    start, end = fields.find_point("start_coordinate"), fields.point("coordinate")
    return Drag(path=(start, end) if start else (end,), held=fields.text("text", ""))


def _scroll(fields: Fields) -> Scroll:
    right, down = fields.notches("scroll_direction", fields.integer("scroll_amount", SCROLL_AMOUNT))
    return Scroll(at=fields.find_point("coordinate"), right=right, down=down, held=fields.text("text", ""))


def _key(fields: Fields) -> tuple[Action, ...]:
    """Blanks part combinations that are pressed one after another, as xdotool's arguments are."""
    text, repeat = fields.text("text"), fields.integer("repeat", 1)
    if text == " ":
        return (Key(keys="space", repeat=repeat),)
    if not text.split():
        raise ActionError(
            "Expected text: keys such as Return or ctrl+s, came blanks. The space key is space."
        )
    return tuple(Key(keys=keys) for keys in text.split()) if repeat == 1 else (Key(keys=text, repeat=repeat),)


_READERS: Mapping[str, Reader] = {
    "screenshot": lambda fields: Screenshot(),
    "zoom": lambda fields: Screenshot(region=fields.region("region")),
    "cursor_position": lambda fields: Cursor(),
    "mouse_move": lambda fields: Move(at=fields.point("coordinate")),
    "left_click": _clicker("left"),
    "right_click": _clicker("right"),
    "middle_click": _clicker("middle"),
    "double_click": _clicker("left", 2),
    "triple_click": _clicker("left", 3),
    "left_mouse_down": lambda fields: Press(at=fields.find_point("coordinate")),
    "left_mouse_up": lambda fields: Release(at=fields.find_point("coordinate")),
    "left_click_drag": _drag,
    "scroll": _scroll,
    "key": _key,
    "key_down": lambda fields: KeyDown(keys=fields.text("text")),
    "key_up": lambda fields: KeyUp(keys=fields.text("text")),
    "hold_key": lambda fields: Hold(keys=fields.text("text"), seconds=fields.number("duration")),
    "type": lambda fields: Type(text=fields.text("text")),
    "wait": lambda fields: Wait(seconds=fields.number("duration", 1)),
}
