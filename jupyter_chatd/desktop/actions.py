"""What can be done on a desktop: one neutral model for every vendor's actions.

An action that exists can be done: values check themselves, so that a wrong one is an `ActionError` before
anything happens. Points and regions are pixels of the screen as the model was told; `placed` maps them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, get_args

from .errors import ActionError
from .geometry import Point, Region, Size, check_point, check_region, map_point, map_region
from .keys import combination

Button: TypeAlias = Literal["left", "middle", "right"]
BUTTONS: tuple[Button, ...] = get_args(Button)

LONGEST_WAIT = 100.0  # seconds; what Anthropic's own implementation takes
MOST_NOTCHES = 200
MOST_REPEATS = 100
MOST_POINTS = 1000
LONGEST_TEXT = 50_000  # characters: in UTF-8 it fits TigerVNC's clipboard of 256 KiB
_TYPED_CONTROLS = frozenset("\t\n\r")


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """Move the pointer."""

    at: Point


@dataclass(frozen=True, slots=True, kw_only=True)
class Click:
    """Click once or more often, quickly."""

    at: Point | None = None
    """`None`: where the pointer is."""
    button: Button = "left"
    count: int = 1
    """1 to 3."""
    held: str = ""
    """Keys to hold meanwhile, such as `ctrl+shift`."""

    def __post_init__(self) -> None:
        _check_button(self.button)
        _check_number("a count of clicks", self.count, 1, 3)
        _check_held(self.held)


@dataclass(frozen=True, slots=True, kw_only=True)
class Press:
    """Press a button of the mouse, and leave it down."""

    at: Point | None = None
    button: Button = "left"

    def __post_init__(self) -> None:
        _check_button(self.button)


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """Let go of a button."""

    at: Point | None = None
    button: Button = "left"

    def __post_init__(self) -> None:
        _check_button(self.button)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drag:
    """Press a button, move along a path, let go."""

    path: tuple[Point, ...]
    """One point or more; with one the drag begins where the pointer is."""
    button: Button = "left"
    held: str = ""

    def __post_init__(self) -> None:
        _check_button(self.button)
        _check_number("a path's number of points", len(self.path), 1, MOST_POINTS)
        _check_held(self.held)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scroll:
    """Turn the wheel."""

    at: Point | None = None
    right: int = 0
    """Notches; negative is to the left."""
    down: int = 0
    """Notches; negative is up."""
    held: str = ""

    def __post_init__(self) -> None:
        for notches in (self.right, self.down):
            _check_number("a number of notches", notches, -MOST_NOTCHES, MOST_NOTCHES)
        _check_held(self.held)


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """Press keys together and let go of them, once or more often."""

    keys: str
    """Such as `Return` or `ctrl+shift+t`."""
    repeat: int = 1

    def __post_init__(self) -> None:
        combination(self.keys)
        _check_number("a number of repeats", self.repeat, 1, MOST_REPEATS)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyDown:
    """Press keys, and leave them down."""

    keys: str

    def __post_init__(self) -> None:
        combination(self.keys)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyUp:
    """Let go of keys."""

    keys: str

    def __post_init__(self) -> None:
        combination(self.keys)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Press keys together and let go of them after a time."""

    keys: str
    seconds: float

    def __post_init__(self) -> None:
        combination(self.keys)
        _check_number("a time in seconds", self.seconds, 0, LONGEST_WAIT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Type:
    """Write text where the focus is. A newline is Return, a tab is Tab."""

    text: str

    def __post_init__(self) -> None:
        _check_text(self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Do nothing for a while."""

    seconds: float

    def __post_init__(self) -> None:
        _check_number("a time in seconds", self.seconds, 0, LONGEST_WAIT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Screenshot:
    """Look at the screen."""

    region: Region | None = None
    """Only this part, enlarged to the size of the screen as far as its shape allows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """Tell where the pointer is."""


Action: TypeAlias = (
    Move
    | Click
    | Press
    | Release
    | Drag
    | Scroll
    | Key
    | KeyDown
    | KeyUp
    | Hold
    | Type
    | Wait
    | Screenshot
    | Cursor
)


def placed(action: Action, told: Size, native: Size) -> Action:
    """Return *action* for a screen of size *native*, when the model was told that it has the size *told*.

    Raises:
        ActionError: a point or a region is outside of the screen.
    """
    match action:
        case Drag():
            return replace(action, path=tuple(_place(point, told, native) for point in action.path))
        case Screenshot(region=Region() as region):
            return replace(action, region=map_region(check_region(region, told), told, native))
        case Move() | Click() | Press() | Release() | Scroll() if action.at is not None:
            return replace(action, at=_place(action.at, told, native))
        case _:
            return action


def _place(point: Point, told: Size, native: Size) -> Point:
    return map_point(check_point(point, told), told, native)


def _check_number(what: str, value: float, least: float, most: float) -> None:
    if not (math.isfinite(value) and least <= value <= most):
        raise ActionError(f"Expected {what} from {least:g} to {most:g}, came {value:g}.")


def _check_button(button: str) -> None:
    if button not in BUTTONS:
        raise ActionError(f"There is no button {button[:40]!r}. Expected {', '.join(BUTTONS)}.")


def _check_held(keys: str) -> None:
    if keys:
        combination(keys)


def _check_text(text: str) -> None:
    if len(text) > LONGEST_TEXT:
        raise ActionError(
            f"Expected at most {LONGEST_TEXT} characters to type, came {len(text)}. Type it in parts, "
            "or write it into a file and open that."
        )
    if bad := _find(text, lambda c: (c < " " or "\x7f" <= c <= "\x9f") and c not in _TYPED_CONTROLS):
        raise ActionError(
            f"Expected text to type, came the control character U+{ord(bad):04X}. "
            "Press its keys instead, such as ctrl+c, Escape or BackSpace."
        )
    if bad := _find(text, lambda c: "\ud800" <= c <= "\udfff"):
        raise ActionError(f"Expected text to type, came half a character, U+{ord(bad):04X}.")


def _find(text: str, is_bad: Callable[[str], bool]) -> str | None:
    return next(filter(is_bad, text), None)
