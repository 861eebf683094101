"""Our own spelling, the one to use where no vendor has another: one object for each class of `actions`.

`{"action": "click", "at": [10, 20], "button": "right", "count": 1, "held": "ctrl"}`
"""

from __future__ import annotations

from ..actions import (
    BUTTONS,
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
from .fields import Fields, Reader, read_with, read_xy


def parse_neutral(value: object) -> Action:
    """Return the action that decoded JSON describes.

    Raises:
        ActionError: it describes none.
    """
    fields = Fields(value)
    (action,) = read_with(_READERS, fields.text("action"), fields)
    return action


def _button(fields: Fields) -> Button:
    return fields.choice("button", {button: button for button in BUTTONS}, "left")


def _click(fields: Fields) -> Click:
    return Click(
        at=fields.find_point("at"),
        button=_button(fields),
        count=fields.integer("count", 1),
        held=fields.text("held", ""),
    )


def _scroll(fields: Fields) -> Scroll:
    return Scroll(
        at=fields.find_point("at"),
        right=fields.integer("right", 0),
        down=fields.integer("down", 0),
        held=fields.text("held", ""),
    )


def _drag(fields: Fields) -> Drag:
    path = fields.points("path", "[x, y] of whole numbers", read_xy)
    return Drag(path=path, button=_button(fields), held=fields.text("held", ""))


def _screenshot(fields: Fields) -> Screenshot:
    fields.skip("region")
    return Screenshot(region=fields.region("region") if fields.has("region") else None)


_READERS: dict[str, Reader] = {
    "screenshot": _screenshot,
    "cursor": lambda fields: Cursor(),
    "move": lambda fields: Move(at=fields.point("at")),
    "click": _click,
    "press": lambda fields: Press(at=fields.find_point("at"), button=_button(fields)),
    "release": lambda fields: Release(at=fields.find_point("at"), button=_button(fields)),
    "drag": _drag,
    "scroll": _scroll,
    "key": lambda fields: Key(keys=fields.text("keys"), repeat=fields.integer("repeat", 1)),
    "key_down": lambda fields: KeyDown(keys=fields.text("keys")),
    "key_up": lambda fields: KeyUp(keys=fields.text("keys")),
    "hold": lambda fields: Hold(keys=fields.text("keys"), seconds=fields.number("seconds")),
    "type": lambda fields: Type(text=fields.text("text")),
    "wait": lambda fields: Wait(seconds=fields.number("seconds")),
}
