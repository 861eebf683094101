"""An action that exists can be done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from jupyter_chatd.desktop.actions import (
    LONGEST_TEXT,
    Action,
    Click,
    Drag,
    Hold,
    Key,
    Move,
    Screenshot,
    Scroll,
    Type,
    Wait,
    placed,
)
from jupyter_chatd.desktop.errors import ActionError
from jupyter_chatd.desktop.geometry import Point, Region, Size

TOLD, NATIVE = Size(width=1280, height=720), Size(width=1920, height=1080)


def point(x: int, y: int) -> Point:
    return Point(x=x, y=y)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: Click(count=4), "a count of clicks from 1 to 3, came 4"),
        (lambda: Click(count=0), "a count of clicks"),
        (lambda: Click(held="ctrl+nope"), "There is no key 'nope'"),
        (lambda: Click(button="back"), "There is no button 'back'"),  # type: ignore[arg-type]
        (lambda: Drag(path=()), "a path's number of points"),
        (lambda: Scroll(down=201), "a number of notches from -200 to 200, came 201"),
        (lambda: Key(keys="Retrun"), "There is no key 'Retrun'"),
        (lambda: Key(keys="a", repeat=101), "a number of repeats from 1 to 100"),
        (lambda: Hold(keys="a", seconds=101), "a time in seconds from 0 to 100"),
        (lambda: Wait(seconds=float("nan")), "a time in seconds"),
        (lambda: Wait(seconds=-1), "a time in seconds from 0 to 100, came -1"),
        (lambda: Type(text="x" * 1_000_000), "at most 50000 characters to type, came 1000000"),
        (lambda: Type(text="a\x03"), r"came the control character U\+0003"),
        (lambda: Type(text="a\x1b[31m"), r"came the control character U\+001B"),
        (lambda: Type(text="\x00"), r"U\+0000"),
        (lambda: Type(text="\x9b"), r"U\+009B"),
        (lambda: Type(text="\ud83d"), r"half a character, U\+D83D"),
    ],
)
def test_what_cannot_be_done_is_refused(make: Callable[[], Action], message: str) -> None:
    with pytest.raises(ActionError, match=message):
        make()


def test_text_may_be_long_and_of_any_script() -> None:
    for text in ("x" * LONGEST_TEXT, "a\tb\nc\r\nd", "é日本😀", ""):
        assert Type(text=text).text == text


@pytest.mark.parametrize(
    "action, expected",
    [
        (Move(at=point(0, 0)), Move(at=point(0, 0))),
        (Move(at=point(1279, 719)), Move(at=point(1919, 1079))),
        (Click(at=point(640, 360), count=2), Click(at=point(960, 540), count=2)),
        (Click(), Click()),
        (Drag(path=(point(0, 0), point(100, 100))), Drag(path=(point(0, 0), point(150, 150)))),
        (Scroll(at=point(2, 4), down=3), Scroll(at=point(3, 6), down=3)),
        (
            Screenshot(region=Region(x=0, y=0, width=640, height=360)),
            Screenshot(region=Region(x=0, y=0, width=960, height=540)),
        ),
        (Type(text="x"), Type(text="x")),
    ],
)
def test_points_are_mapped_to_the_real_screen(action: Action, expected: Action) -> None:
    assert placed(action, TOLD, NATIVE) == expected


@pytest.mark.parametrize(
    "action",
    [
        Move(at=point(1280, 0)),
        Click(at=point(0, -1)),
        Drag(path=(point(0, 0), point(0, 720))),
        Screenshot(region=Region(x=1200, y=0, width=100, height=1)),
    ],
)
def test_points_outside_of_the_screen_are_refused(action: Any) -> None:
    with pytest.raises(ActionError, match="Expected"):
        placed(action, TOLD, NATIVE)
