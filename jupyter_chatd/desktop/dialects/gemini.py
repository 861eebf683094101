"""Gemini's computer use, of before and since 3.5: points are thousandths of the screen.

How far to scroll is told in thousandths, pixels or notches, by model (providers/DECISIONS.md).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..actions import (
    Action,
    Button,
    Click,
    Drag,
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
from ..geometry import Point, Size
from .fields import Fields, Reader, notches_of, read_with
from .openai import join_keys

SCALE = 1000
MAGNITUDE = 800  # thousandths, when an older model names none
SCROLL = 300  # pixels, when a newer model names none
WHEEL_CLICKS = "magnitude_in_wheel_clicks"
_ASIDE = ("safety_decision", "intent")
"""For who decides whether to act; not part of the action."""


def parse_gemini(name: str, value: object, size: Size) -> tuple[Action, ...]:
    """Return what a call asks for, in pixels of a screen of *size*.

    Raises:
        ActionError: there is no such action, or a field is not as it must be.
    """
    fields = Fields(value)
    fields.skip(*_ASIDE)
    return read_with(_Calls(size).readers, name, fields)


class _Calls:
    """Reads calls about a screen of one size."""

    def __init__(self, size: Size) -> None:
        self._size = size
        self.readers: Mapping[str, Reader] = {
            "take_screenshot": lambda fields: Screenshot(),
            "move": lambda fields: Move(at=self._at(fields)),
            "hover_at": lambda fields: Move(at=self._at(fields)),
            "click": self._clicker("left"),
            "click_at": self._clicker("left"),
            "right_click": self._clicker("right"),
            "middle_click": self._clicker("middle"),
            "double_click": self._clicker("left", 2),
            "triple_click": self._clicker("left", 3),
            "mouse_down": lambda fields: Press(at=self._at(fields)),
            "mouse_up": lambda fields: Release(at=self._at(fields)),
            "drag_and_drop": self._drag,
            "scroll": self._scroll,
            "scroll_at": self._scroll_at,
            "scroll_document": self._scroll_document,
            "key_combination": lambda fields: Key(keys=fields.text("keys")),
            "press_key": lambda fields: Key(keys=fields.text("key")),
            "hotkey": lambda fields: Key(keys=join_keys(fields.texts("keys"))),
            "key_down": lambda fields: KeyDown(keys=fields.text("key")),
            "key_up": lambda fields: KeyUp(keys=fields.text("key")),
            "type": _type,
            "type_text_at": self._type_at,
            "wait": lambda fields: Wait(seconds=fields.number("seconds", 1)),
            "wait_5_seconds": lambda fields: Wait(seconds=5),
            "go_back": lambda fields: Key(keys="alt+Left"),
            "go_forward": lambda fields: Key(keys="alt+Right"),
        }

    def _at(self, fields: Fields, x: str = "x", y: str = "y") -> Point:
        point = fields.xy(x, y)
        if not (0 <= point.x < SCALE and 0 <= point.y < SCALE):
            raise ActionError(f"Expected {x} and {y} from 0 to {SCALE - 1}, came {point}.")
        return Point(x=point.x * self._size.width // SCALE, y=point.y * self._size.height // SCALE)

    def _clicker(self, button: Button, count: int = 1) -> Callable[[Fields], Action]:
        return lambda fields: Click(at=self._at(fields), button=button, count=count)

    def _drag(self, fields: Fields) -> Drag:
        if fields.has("start_x"):
            return Drag(path=(self._at(fields, "start_x", "start_y"), self._at(fields, "end_x", "end_y")))
        return Drag(path=(self._at(fields), self._at(fields, "destination_x", "destination_y")))

    def _scroll(self, fields: Fields) -> Scroll:
        if fields.has("magnitude"):
            return self._scroll_at(fields)
        if fields.has(WHEEL_CLICKS):
            amount = round(fields.number(WHEEL_CLICKS))
        else:
            amount = notches_of(fields.number("magnitude_in_pixels", SCROLL))
        right, down = fields.notches("direction", amount)
        return Scroll(at=self._at(fields), right=right, down=down)

    def _scroll_at(self, fields: Fields) -> Scroll:
        right, down = self._notches(fields)
        return Scroll(at=self._at(fields), right=right, down=down)

    def _scroll_document(self, fields: Fields) -> Scroll:
        right, down = self._notches(fields)
        return Scroll(at=Point(x=self._size.width // 2, y=self._size.height // 2), right=right, down=down)

    def _notches(self, fields: Fields) -> tuple[int, int]:
        right, down = fields.notches("direction", 1)
        edge = self._size.width if right else self._size.height
        amount = notches_of(fields.number("magnitude", MAGNITUDE) * edge / SCALE)
        return right * amount, down * amount

    def _type_at(self, fields: Fields) -> tuple[Action, ...]:
        actions: list[Action] = [Click(at=self._at(fields))]
        if fields.boolean("clear_before_typing", True):
            actions += [Key(keys="ctrl+a"), Key(keys="BackSpace")]
        actions.append(Type(text=fields.text("text")))
        if fields.boolean("press_enter", True):
            actions.append(Key(keys="Return"))
        return tuple(actions)


def _type(fields: Fields) -> tuple[Action, ...]:
    text = Type(text=fields.text("text"))
    return (text, Key(keys="Return")) if fields.boolean("press_enter", False) else (text,)
