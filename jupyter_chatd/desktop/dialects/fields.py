"""Reading the fields of an action strictly: what is missing, of another type or unknown is an error."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias, TypeVar, cast

from ..actions import Action
from ..errors import ActionError
from ..geometry import Point, Region

NOTCH = 120  # pixels: what browsers scroll for one notch of the wheel
MOST_NUMBER = 1_000_000
"""Larger coordinates are no coordinates."""

_STEPS: dict[str, tuple[int, int]] = {"up": (0, -1), "down": (0, 1), "left": (-1, 0), "right": (1, 0)}

T = TypeVar("T")


class Fields:
    """The fields of one action. Those that were not read when `end` is called are unknown ones."""

    def __init__(self, values: object, what: str = "an action") -> None:
        """Take decoded JSON.

        Raises:
            ActionError: it is no object.
        """
        if not isinstance(values, Mapping):
            raise ActionError(f"Expected {what} as an object, came {_kind(values)}.")
        self._values = cast("Mapping[str, object]", values)
        self._read: set[str] = set()

    def has(self, name: str) -> bool:
        """Whether a field came, and is not null."""
        return self._values.get(name) is not None

    def value(self, name: str) -> object:
        """Return a field as it came."""
        self._read.add(name)
        return self._values.get(name)

    def skip(self, *names: str) -> None:
        """Take note of fields that say nothing to us."""
        self._read.update(names)

    def text(self, name: str, default: str | None = None) -> str:
        """Return a string."""
        return self._get(name, default, "a string", lambda value: value if isinstance(value, str) else None)

    def boolean(self, name: str, default: bool | None = None) -> bool:
        """Return true or false."""
        return self._get(
            name, default, "true or false", lambda value: value if isinstance(value, bool) else None
        )

    def integer(self, name: str, default: int | None = None) -> int:
        """Return a whole number."""
        return self._get(name, default, "a whole number", _whole)

    def number(self, name: str, default: float | None = None) -> float:
        """Return a number."""
        return self._get(name, default, "a number", _number)

    def texts(self, name: str, default: Sequence[str] | None = None) -> Sequence[str]:
        """Return an array of strings."""
        return self._get(name, default, "an array of strings", _texts)

    def point(self, name: str) -> Point:
        """Return an array [x, y]."""
        return self._get(name, None, "an array [x, y] of whole numbers", _pair)

    def find_point(self, name: str) -> Point | None:
        """Return an array [x, y], `None` when there is none."""
        self._read.add(name)
        return self.point(name) if self.has(name) else None

    def points(self, name: str, kind: str, read: Callable[[object], Point | None]) -> tuple[Point, ...]:
        """Return an array of points, each of which *read* reads."""

        def read_all(value: object) -> tuple[Point, ...] | None:
            if not isinstance(value, Sequence) or isinstance(value, str):
                return None
            points = [read(each) for each in cast("Sequence[object]", value)]
            return None if None in points else tuple(point for point in points if point is not None)

        return self._get(name, None, f"an array of points, each {kind}", read_all)

    def xy(self, x: str = "x", y: str = "y") -> Point:
        """Return the point that two fields hold."""
        return Point(x=self.integer(x), y=self.integer(y))

    def region(self, name: str) -> Region:
        """Return an array [x0, y0, x1, y1], whose second corner is just outside."""
        x0, y0, x1, y1 = self._get(name, None, "an array [x0, y0, x1, y1] of whole numbers", _four)
        return Region.between(Point(x=x0, y=y0), Point(x=x1, y=y1))

    def choice(self, name: str, known: Mapping[str, T], default: str | None = None) -> T:
        """Return what *known* has for a string."""
        text = self.text(name, default)
        if text not in known:
            raise ActionError(f"Expected {name} to be one of {', '.join(known)}, came {text[:40]!r}.")
        return known[text]

    def notches(self, name: str, amount: int) -> tuple[int, int]:
        """Return how far to scroll to the right and down, *amount* notches into the direction of a field."""
        right, down = self.choice(name, _STEPS)
        return right * amount, down * amount

    def end(self) -> None:
        """Refuse fields that nobody read.

        Raises:
            ActionError: there is one.
        """
        if unknown := sorted(name for name in set(self._values) - self._read if self.has(name)):
            known = ", ".join(sorted(self._read)) or "none"
            raise ActionError(f"Unknown field {str(unknown[0])[:40]!r}; this action has {known}.")

    def _get(self, name: str, default: T | None, kind: str, read: Callable[[object], T | None]) -> T:
        self._read.add(name)
        value = self._values.get(name)
        if value is None and default is not None:
            return default
        result = None if value is None else read(value)
        if result is None:
            came = f"came {_kind(value)}" if value is not None else "which is missing"
            raise ActionError(f"Expected {name}: {kind}, {came}.")
        return result


Reader: TypeAlias = Callable[[Fields], Action | tuple[Action, ...]]
"""Reads the fields of one kind of action."""


def read_with(readers: Mapping[str, Reader], name: str, fields: Fields) -> tuple[Action, ...]:
    """Return what the action *name* is.

    Raises:
        ActionError: there is no such action, or a field is not as it must be.
    """
    if name not in readers:
        raise ActionError(f"There is no action {name[:40]!r}. Expected one of {', '.join(readers)}.")
    action = readers[name](fields)
    fields.end()
    return action if isinstance(action, tuple) else (action,)


def notches_of(pixels: float) -> int:
    """Return how many notches of the wheel *pixels* are; at least one, unless it is 0."""
    if not pixels:
        return 0
    return round(math.copysign(max(round(abs(pixels) / NOTCH), 1), pixels))


def read_xy(value: object) -> Point | None:
    """Return the point of an object with `x` and `y`, or of a pair."""
    if isinstance(value, Mapping):
        fields = Fields(cast("object", value))
        point = fields.xy()
        fields.end()
        return point
    return _pair(value)


def _whole(value: object) -> int | None:
    number = _number(value)
    return int(number) if number is not None and number == int(number) else None


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) <= MOST_NUMBER else None  # false for NaN as well


def _texts(value: object) -> list[str] | None:
    if not isinstance(value, list):
        return None
    items = cast("list[object]", value)
    texts = [item for item in items if isinstance(item, str)]
    return texts if len(texts) == len(items) else None


def _pair(value: object) -> Point | None:
    numbers = _wholes(value, 2)
    return Point(x=numbers[0], y=numbers[1]) if numbers else None


def _four(value: object) -> tuple[int, ...] | None:
    return _wholes(value, 4)


def _wholes(value: object, count: int) -> tuple[int, ...] | None:
    if not isinstance(value, list | tuple):
        return None
    items = cast("Sequence[object]", value)
    numbers = tuple(number for number in map(_whole, items) if number is not None)
    return numbers if len(numbers) == len(items) == count else None


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return f"the number {value:g}"
        case str():
            return "a string"
        case Mapping():
            return "an object"
        case _:
            return "an array"
