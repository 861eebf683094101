"""OpenAI's `computer` and `computer_use_preview`: pixels to scroll by, keys to hold beside each action."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..actions import Action, Button, Click, Drag, Key, Move, Screenshot, Scroll, Type, Wait
from ..errors import ActionError
from .fields import Fields, Reader, notches_of, read_with, read_xy

WAIT = 2.0  # seconds: the action names no time
_BUTTONS: Mapping[str, Button] = {"left": "left", "right": "right", "wheel": "middle", "middle": "middle"}
_HISTORY = {"back": "alt+Left", "forward": "alt+Right"}
"""RFB has no such buttons; programs with a history have these keys."""


def parse_openai(value: object) -> tuple[Action, ...]:
    """Return what one action asks for.

    Raises:
        ActionError: there is no such action, or a field is not as it must be.
    """
    fields = Fields(value)
    return read_with(_READERS, fields.text("type"), fields)


def _held(fields: Fields) -> str:
    return join_keys(fields.texts("keys", ()))


def join_keys(names: Sequence[str]) -> str:
    """Return a list of keys as a combination."""
    return "+".join("plus" if name == "+" else name for name in names)


def _click(fields: Fields) -> tuple[Action, ...]:
    at, held = fields.xy(), _held(fields)
    if (name := fields.text("button", "left")) in _HISTORY:
        return (Move(at=at), Key(keys=_HISTORY[name]))
    return (Click(at=at, button=fields.choice("button", _BUTTONS, "left"), held=held),)


def _keypress(fields: Fields) -> Key:
    return Key(keys=join_keys(fields.texts("keys")))


def _drag(fields: Fields) -> Drag:
    path = fields.points("path", "an object of x and y", read_xy)
    if len(path) < 2:
        raise ActionError(f"Expected a path of two points or more, came {len(path)}.")
    return Drag(path=path, held=_held(fields))


def _scroll(fields: Fields) -> Scroll:
    return Scroll(
        at=fields.xy(),
        right=notches_of(fields.number("scroll_x", 0)),
        down=notches_of(fields.number("scroll_y", 0)),
        held=_held(fields),
    )


def _move(fields: Fields) -> Move:
    _held(fields)  # keys that are held while moving: nothing listens to them
    return Move(at=fields.xy())


_READERS: Mapping[str, Reader] = {
    "screenshot": lambda fields: Screenshot(),
    "move": _move,
    "click": _click,
    "double_click": lambda fields: Click(at=fields.xy(), count=2, held=_held(fields)),
    "drag": _drag,
    "scroll": _scroll,
    "keypress": _keypress,
    "type": lambda fields: Type(text=fields.text("text")),
    "wait": lambda fields: Wait(seconds=WAIT),
}
