"""Names of keys become the numbers that X knows; unknown ones are errors."""

from __future__ import annotations

import pytest

from jupyter_chatd.desktop.errors import ActionError
from jupyter_chatd.desktop.keys import combination, keysym

CTRL, SHIFT, ALT, SUPER = 0xFFE3, 0xFFE1, 0xFFE9, 0xFFEB


@pytest.mark.parametrize(
    "names, number",
    [
        (("Return", "return", "ENTER", "enter"), 0xFF0D),
        (("Page_Down", "pagedown", "PAGE DOWN", "Next", "PgDn"), 0xFF56),
        (("ArrowLeft", "LEFT", "left"), 0xFF51),
        (("CTRL", "Control_L", "control"), CTRL),
        (("cmd", "META", "super", "Win", "Super_L"), SUPER),
        (("OPTION", "alt", "Alt_L"), ALT),
        (("F1", "f1"), 0xFFBE),
        (("F12",), 0xFFC9),
        (("KP_5", "numpad5"), 0xFFB5),
        (("KP_Enter",), 0xFF8D),
        (("space", " "), 0x20),
        (("a",), 0x61),
        (("A",), 0x41),
        (("minus", "-"), 0x2D),
        (("plus", "+"), 0x2B),
        (("é",), 0xE9),
        (("日",), 0x0100_65E5),
    ],
)
def test_names_of_one_key(names: tuple[str, ...], number: int) -> None:
    assert {keysym(name) for name in names} == {number}


@pytest.mark.parametrize("name", ["", "Retrun", "F25", "ctrl-c", "\x03", "\n", "no such key"])
def test_an_unknown_key_is_an_error(name: str) -> None:
    with pytest.raises(ActionError, match="There is no key"):
        keysym(name)


def test_modifiers_come_first_as_they_are_written() -> None:
    assert combination("ctrl+c") == (CTRL, 0x63)
    assert combination("super+Left") == (SUPER, 0xFF51)


def test_a_capital_in_a_combination_is_the_key_of_its_letter() -> None:
    assert combination("CTRL+L") == (CTRL, ord("l"))
    assert combination("A") == (ord("A"),)


def test_with_shift_a_key_is_what_shift_makes_of_it() -> None:
    assert combination("ctrl+shift+k") == (CTRL, SHIFT, ord("K"))
    assert combination("shift+1") == (SHIFT, ord("!"))
    assert combination("shift+Tab") == (SHIFT, 0xFF09)


def test_the_plus_key() -> None:
    assert combination("+") == (0x2B,)
    assert combination("ctrl++") == combination("ctrl+plus") == (CTRL, 0x2B)


@pytest.mark.parametrize("names", ["", " ", "ctrl+", "+c", "ctrl++c"])
def test_a_missing_key_is_an_error(names: str) -> None:
    with pytest.raises(ActionError):
        combination(names)
