"""Every vendor's way to say an action, and what is wrong with it."""

from __future__ import annotations

from typing import Any

import pytest

from jupyter_chatd.desktop.actions import (
    Action,
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
from jupyter_chatd.desktop.dialects import (
    parse_anthropic,
    parse_gemini,
    parse_neutral,
    parse_openai,
    parse_original,
)
from jupyter_chatd.desktop.errors import ActionError
from jupyter_chatd.desktop.geometry import Point, Region, Size

SCREEN = Size(width=1280, height=800)
AT = Point(x=10, y=20)


def point(x: int, y: int) -> Point:
    return Point(x=x, y=y)


@pytest.mark.parametrize(
    "said, expected",
    [
        ({"action": "screenshot"}, Screenshot()),
        (
            {"action": "screenshot", "region": [0, 0, 10, 5]},
            Screenshot(region=Region(x=0, y=0, width=10, height=5)),
        ),
        ({"action": "cursor"}, Cursor()),
        ({"action": "move", "at": [0, 0]}, Move(at=point(0, 0))),
        ({"action": "click"}, Click()),
        (
            {"action": "click", "at": [10, 20], "button": "right", "count": 2, "held": "ctrl+shift"},
            Click(at=AT, button="right", count=2, held="ctrl+shift"),
        ),
        ({"action": "press", "at": [10, 20]}, Press(at=AT)),
        ({"action": "release", "button": "middle"}, Release(button="middle")),
        ({"action": "drag", "path": [[0, 0], [10, 20]]}, Drag(path=(point(0, 0), AT))),
        ({"action": "scroll", "at": [10, 20], "down": -2, "right": 1}, Scroll(at=AT, down=-2, right=1)),
        ({"action": "key", "keys": "ctrl+c", "repeat": 2}, Key(keys="ctrl+c", repeat=2)),
        ({"action": "key_down", "keys": "shift"}, KeyDown(keys="shift")),
        ({"action": "key_up", "keys": "shift"}, KeyUp(keys="shift")),
        ({"action": "hold", "keys": "a", "seconds": 0.5}, Hold(keys="a", seconds=0.5)),
        ({"action": "type", "text": "hé"}, Type(text="hé")),
        ({"action": "wait", "seconds": 2}, Wait(seconds=2)),
    ],
)
def test_neutral(said: dict[str, Any], expected: Action) -> None:
    assert parse_neutral(said) == expected


@pytest.mark.parametrize(
    "said, message",
    [
        (None, "Expected an action as an object, came null"),
        ([], "came an array"),
        ({}, "Expected action: a string, which is missing"),
        ({"action": "clik"}, "There is no action 'clik'. Expected one of screenshot, cursor, move, click"),
        ({"action": "move"}, r"Expected at: an array \[x, y\] of whole numbers, which is missing"),
        ({"action": "move", "at": [1]}, "came an array"),
        ({"action": "move", "at": ["1", "2"]}, "came an array"),
        ({"action": "move", "at": [1, True]}, "came an array"),
        ({"action": "move", "at": [1.5, 2]}, "came an array"),
        ({"action": "move", "at": [float("nan"), 2]}, "came an array"),
        ({"action": "move", "at": [1e300, 2]}, "came an array"),
        ({"action": "move", "at": "1,2"}, "came a string"),
        ({"action": "click", "buton": "right"}, "Unknown field 'buton'; this action has action, at, button"),
        (
            {"action": "click", "button": "wheel"},
            "Expected button to be one of left, middle, right, came 'wheel'",
        ),
        ({"action": "click", "count": "2"}, "Expected count: a whole number, came a string"),
        ({"action": "type", "text": 5}, "Expected text: a string, came the number 5"),
        ({"action": "key", "keys": "Retrun"}, "There is no key 'Retrun'"),
        ({"action": "drag", "path": [[0, 0], 5]}, "an array of points"),
        ({"action": "screenshot", "region": [5, 5, 1, 1]}, "upper left to its lower right"),
        ({"action": "wait", "seconds": True}, "Expected seconds: a number, came true"),
        ({"action": "wait", "seconds": 5000}, "a time in seconds from 0 to 100"),
    ],
)
def test_what_neutral_refuses(said: object, message: str) -> None:
    with pytest.raises(ActionError, match=message):
        parse_neutral(said)


@pytest.mark.parametrize(
    "said, expected",
    [
        ({"action": "screenshot"}, [Screenshot()]),
        (
            {"action": "zoom", "region": [0, 0, 640, 400]},
            [Screenshot(region=Region(x=0, y=0, width=640, height=400))],
        ),
        ({"action": "cursor_position"}, [Cursor()]),
        ({"action": "mouse_move", "coordinate": [0, 0]}, [Move(at=point(0, 0))]),
        ({"action": "left_click"}, [Click()]),
        ({"action": "left_click", "coordinate": [0, 0]}, [Click(at=point(0, 0))]),
        ({"action": "left_click", "coordinate": [10, 20], "text": "ctrl"}, [Click(at=AT, held="ctrl")]),
        ({"action": "right_click", "coordinate": [10, 20]}, [Click(at=AT, button="right")]),
        ({"action": "middle_click", "coordinate": [10, 20]}, [Click(at=AT, button="middle")]),
        ({"action": "double_click", "coordinate": [10, 20]}, [Click(at=AT, count=2)]),
        ({"action": "triple_click", "coordinate": [10, 20]}, [Click(at=AT, count=3)]),
        ({"action": "left_mouse_down"}, [Press()]),
        ({"action": "left_mouse_up"}, [Release()]),
        ({"action": "left_click_drag", "coordinate": [10, 20]}, [Drag(path=(AT,))]),
        (
            {"action": "left_click_drag", "start_coordinate": [0, 0], "coordinate": [10, 20]},
            [Drag(path=(point(0, 0), AT))],
        ),
        (
            {
                "action": "scroll",
                "coordinate": [10, 20],
                "scroll_direction": "up",
                "scroll_amount": 5,
                "text": "shift",
            },
            [Scroll(at=AT, down=-5, held="shift")],
        ),
        ({"action": "scroll", "coordinate": [10, 20], "scroll_direction": "right"}, [Scroll(at=AT, right=3)]),
        ({"action": "key", "text": "ctrl+s"}, [Key(keys="ctrl+s")]),
        ({"action": "key", "text": "Tab Tab Return"}, [Key(keys="Tab"), Key(keys="Tab"), Key(keys="Return")]),
        ({"action": "key", "text": "Down", "repeat": 4}, [Key(keys="Down", repeat=4)]),
        ({"action": "hold_key", "text": "w", "duration": 2}, [Hold(keys="w", seconds=2)]),
        ({"action": "type", "text": "hello"}, [Type(text="hello")]),
        ({"action": "wait", "duration": 2.5}, [Wait(seconds=2.5)]),
    ],
)
def test_anthropic(said: dict[str, Any], expected: list[Action]) -> None:
    assert list(parse_anthropic(said)) == expected
    member = {name: value for name, value in said.items() if name != "action"}
    assert list(parse_anthropic(member, member=said["action"])) == expected


@pytest.mark.parametrize(
    "said, message",
    [
        ({"action": "fly"}, "There is no action 'fly'"),
        ({"action": "left_click", "coordinate": [1, 2, 3]}, "Expected coordinate"),
        (
            {"action": "scroll", "scroll_direction": "sideways"},
            "one of up, down, left, right, came 'sideways'",
        ),
        ({"action": "hold_key", "text": "w"}, "Expected duration: a number, which is missing"),
        ({"action": "hold_key", "text": "w", "duration": 1000}, "a time in seconds from 0 to 100, came 1000"),
        ({"action": "key", "text": "ctrl+nope"}, "There is no key 'nope'"),
        ({"action": "key", "text": "  "}, "came blanks"),
        ({"action": "type"}, "Expected text: a string, which is missing"),
    ],
)
def test_what_anthropic_refuses(said: dict[str, Any], message: str) -> None:
    with pytest.raises(ActionError, match=message):
        parse_anthropic(said)


@pytest.mark.parametrize(
    "said, expected",
    [
        ({"type": "screenshot"}, [Screenshot()]),
        ({"type": "move", "x": 10, "y": 20}, [Move(at=AT)]),
        ({"type": "click", "x": 10, "y": 20, "button": "left"}, [Click(at=AT)]),
        ({"type": "click", "x": 10, "y": 20, "button": "wheel"}, [Click(at=AT, button="middle")]),
        (
            {"type": "click", "x": 10, "y": 20, "button": "right", "keys": ["CTRL"]},
            [Click(at=AT, button="right", held="CTRL")],
        ),
        ({"type": "click", "x": 10, "y": 20, "button": "back"}, [Move(at=AT), Key(keys="alt+Left")]),
        ({"type": "click", "x": 10, "y": 20, "button": "forward"}, [Move(at=AT), Key(keys="alt+Right")]),
        ({"type": "double_click", "x": 10, "y": 20, "keys": None}, [Click(at=AT, count=2)]),
        ({"type": "drag", "path": [{"x": 0, "y": 0}, {"x": 10, "y": 20}]}, [Drag(path=(point(0, 0), AT))]),
        ({"type": "scroll", "x": 10, "y": 20, "scroll_x": 0, "scroll_y": 600}, [Scroll(at=AT, down=5)]),
        (
            {"type": "scroll", "x": 10, "y": 20, "scroll_x": -5, "scroll_y": -240},
            [Scroll(at=AT, right=-1, down=-2)],
        ),
        ({"type": "keypress", "keys": ["CTRL", "SHIFT", "T"]}, [Key(keys="CTRL+SHIFT+T")]),
        ({"type": "keypress", "keys": ["CTRL", "+"]}, [Key(keys="CTRL+plus")]),
        ({"type": "keypress", "keys": ["ARROWLEFT"]}, [Key(keys="ARROWLEFT")]),
        ({"type": "type", "text": "hi"}, [Type(text="hi")]),
        ({"type": "wait"}, [Wait(seconds=2)]),
    ],
)
def test_openai(said: dict[str, Any], expected: list[Action]) -> None:
    assert list(parse_openai(said)) == expected


@pytest.mark.parametrize(
    "said, message",
    [
        ({"type": "teleport"}, "There is no action 'teleport'"),
        ({"type": "click", "x": 10}, "Expected y: a whole number, which is missing"),
        ({"type": "click", "x": 10, "y": 20, "button": "side"}, "Expected button to be one of"),
        ({"type": "drag", "path": [{"x": 1, "y": 2}]}, "a path of two points or more, came 1"),
        ({"type": "keypress", "keys": []}, "Expected keys"),
        ({"type": "keypress", "keys": ["CTRL", "HYPERSPACE"]}, "There is no key 'HYPERSPACE'"),
    ],
)
def test_what_openai_refuses(said: dict[str, Any], message: str) -> None:
    with pytest.raises(ActionError, match=message):
        parse_openai(said)


@pytest.mark.parametrize(
    "name, args, expected",
    [
        ("take_screenshot", {}, [Screenshot()]),
        ("click_at", {"x": 500, "y": 500}, [Click(at=point(640, 400))]),
        ("click", {"x": 0, "y": 0, "intent": "open"}, [Click(at=point(0, 0))]),
        ("click", {"x": 999, "y": 999}, [Click(at=point(1278, 799))]),
        ("right_click", {"x": 0, "y": 0}, [Click(at=point(0, 0), button="right")]),
        ("triple_click", {"x": 0, "y": 0}, [Click(at=point(0, 0), count=3)]),
        ("hover_at", {"x": 500, "y": 500}, [Move(at=point(640, 400))]),
        ("mouse_down", {"x": 500, "y": 500}, [Press(at=point(640, 400))]),
        (
            "drag_and_drop",
            {"x": 0, "y": 0, "destination_x": 500, "destination_y": 500},
            [Drag(path=(point(0, 0), point(640, 400)))],
        ),
        (
            "drag_and_drop",
            {"start_x": 0, "start_y": 0, "end_x": 500, "end_y": 500, "intent": "move it"},
            [Drag(path=(point(0, 0), point(640, 400)))],
        ),
        ("scroll_at", {"x": 500, "y": 500, "direction": "down"}, [Scroll(at=point(640, 400), down=5)]),
        (
            "scroll",
            {"x": 500, "y": 500, "direction": "left", "magnitude": 10},
            [Scroll(at=point(640, 400), right=-1)],
        ),
        ("scroll", {"x": 500, "y": 500, "direction": "up"}, [Scroll(at=point(640, 400), down=-2)]),
        (
            "scroll",
            {"x": 500, "y": 500, "direction": "right", "magnitude_in_pixels": 500},
            [Scroll(at=point(640, 400), right=4)],
        ),
        (
            "scroll",
            {"x": 500, "y": 500, "direction": "down", "magnitude_in_wheel_clicks": 4},
            [Scroll(at=point(640, 400), down=4)],
        ),
        ("scroll_document", {"direction": "up"}, [Scroll(at=point(640, 400), down=-5)]),
        ("key_combination", {"keys": "control+c"}, [Key(keys="control+c")]),
        ("hotkey", {"keys": ["ctrl", "c"]}, [Key(keys="ctrl+c")]),
        ("press_key", {"key": "enter"}, [Key(keys="enter")]),
        ("type", {"text": "a", "press_enter": True}, [Type(text="a"), Key(keys="Return")]),
        (
            "type_text_at",
            {"x": 500, "y": 500, "text": "a"},
            [
                Click(at=point(640, 400)),
                Key(keys="ctrl+a"),
                Key(keys="BackSpace"),
                Type(text="a"),
                Key(keys="Return"),
            ],
        ),
        (
            "type_text_at",
            {"x": 500, "y": 500, "text": "a", "press_enter": False, "clear_before_typing": False},
            [Click(at=point(640, 400)), Type(text="a")],
        ),
        ("wait_5_seconds", {"safety_decision": {"decision": "regular"}}, [Wait(seconds=5)]),
        ("wait", {"seconds": 3}, [Wait(seconds=3)]),
        ("go_back", {}, [Key(keys="alt+Left")]),
    ],
)
def test_gemini(name: str, args: dict[str, Any], expected: list[Action]) -> None:
    assert list(parse_gemini(name, args, SCREEN)) == expected


@pytest.mark.parametrize(
    "name, args, message",
    [
        ("navigate", {"url": "http://localhost"}, "There is no action 'navigate'"),
        ("click", {"x": 1000, "y": 0}, "Expected x and y from 0 to 999"),
        ("click", {"x": 1, "y": 2, "z": 3}, "Unknown field 'z'"),
        ("scroll", {"x": 1, "y": 2, "direction": "in"}, "one of up, down, left, right"),
    ],
)
def test_what_gemini_refuses(name: str, args: dict[str, Any], message: str) -> None:
    with pytest.raises(ActionError, match=message):
        parse_gemini(name, args, SCREEN)


def test_the_original_says_milliseconds_and_has_defaults() -> None:
    assert parse_original({"action": "hold_key", "text": "a"}).actions == (Hold(keys="a", seconds=1),)
    assert parse_original({"action": "hold_key", "text": "a", "duration": 250}).actions == (
        Hold(keys="a", seconds=0.25),
    )
    assert parse_original({"action": "scroll", "coordinate": [0, 0]}).actions == (
        Scroll(at=point(0, 0), down=3),
    )


def test_the_original_tells_the_size_that_it_means() -> None:
    request = parse_original(
        {"action": "left_click", "coordinate": [0, 0], "scaled_width": 640, "scaled_height": 360}
    )
    assert request.told == Size(width=640, height=360)
    assert request.actions == (Click(at=point(0, 0)),)
    assert parse_original({"action": "screenshot"}).told is None


@pytest.mark.parametrize(
    "said",
    [
        {"action": "screenshot", "scaled_width": 640},
        {"action": "screenshot", "scaled_width": 0, "scaled_height": 0},
        {"action": "key"},
        {"action": "nope"},
        {"action": "left_click", "x": 5},
    ],
)
def test_what_the_original_refuses(said: dict[str, Any]) -> None:
    with pytest.raises(ActionError):
        parse_original(said)
