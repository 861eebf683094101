"""What the fake desktop shows and remembers: one sheet that takes text and spots."""

from __future__ import annotations

from dataclasses import dataclass

from .. import keys
from ..geometry import Point, Region, Size
from ..rfb.screen import Screen

_PAPER, _INK, _SPOT, _POINTER = (
    bytes.fromhex(colour) for colour in ("40342e00", "f4efec00", "6a61bf00", "70ea9a00")
)
"""Blue, green, red, nothing."""
_CELL = Size(width=8, height=16)
_BACKSPACE = 0xFF08
_SHIFTS = frozenset((keys.SHIFT, keys.SHIFT + 1))
_OTHER_MODIFIERS = frozenset((0xFFE3, 0xFFE4, 0xFFE9, 0xFFEA, 0xFFEB, 0xFFEC))


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyInput:
    """A key went down or up."""

    keysym: int
    is_down: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PointerInput:
    """The pointer moved, or buttons changed."""

    buttons: int
    at: Point


class Canvas:
    """Takes input, draws it, and keeps it."""

    def __init__(self, size: Size) -> None:
        self.screen = Screen(size)
        """Its pixels."""
        self.inputs: list[KeyInput | PointerInput] = []
        """All that came, in order."""
        self.text = ""
        """What was typed and pasted."""
        self.down: set[int] = set()
        """Keys that are down."""
        self.buttons = 0
        self.pointer = Point(x=size.width // 2, y=size.height // 2)
        self._cell = 0
        self._fill(Region.all_of(size), _PAPER)

    def press(self, keysym: int, *, is_down: bool) -> bool:
        """Take a key; true when it asks for the clipboard."""
        self.inputs.append(KeyInput(keysym=keysym, is_down=is_down))
        if not is_down:
            self.down.discard(keysym)
            return False
        self.down.add(keysym)
        if keysym == keys.INSERT and self.down & _SHIFTS:
            return True
        if not self.down & _OTHER_MODIFIERS:
            self._type(keysym)
        return False

    def point(self, buttons: int, at: Point) -> None:
        """Take the pointer: a button that goes down leaves a spot, the pointer itself a trace."""
        self.inputs.append(PointerInput(buttons=buttons, at=at))
        is_click = bool(buttons & ~self.buttons)
        self.buttons, self.pointer = buttons, at
        self._fill(self._around(at, 6 if is_click else 1), _SPOT if is_click else _POINTER)

    def write(self, text: str) -> None:
        """Take text at the place where the last one ended."""
        self.text += text
        for character in text:
            self._draw(character)

    def _type(self, keysym: int) -> None:
        if keysym == keys.RETURN:
            self.write("\n")
        elif keysym == keys.TAB:
            self.write("\t")
        elif keysym == _BACKSPACE:
            self.text = self.text[:-1]
        elif 0x20 <= keysym < 0x100:
            self.write(chr(keysym))
        elif keysym >> 24 == 1:
            self.write(chr(keysym & 0xFFFFFF))

    def _draw(self, character: str) -> None:
        """Draw a cell whose pattern is the character's number."""
        columns = max(self.screen.size.width // _CELL.width, 1)
        rows = max(self.screen.size.height // _CELL.height, 1)
        if character == "\n":
            self._cell += columns - self._cell % columns
            return
        row, column = divmod(self._cell % (columns * rows), columns)
        for bit in range(21):
            if ord(character) >> bit & 1:
                x, y = column * _CELL.width + bit % 3 * 2, row * _CELL.height + bit // 3 * 2
                self._fill(self._around(Point(x=x + 1, y=y + 1), 1), _INK)
        self._cell += 1

    def _around(self, at: Point, reach: int) -> Region:
        size = self.screen.size
        x, y = max(at.x - reach, 0), max(at.y - reach, 0)
        return Region(
            x=x,
            y=y,
            width=min(at.x + reach, size.width) - x or 1,
            height=min(at.y + reach, size.height) - y or 1,
        )

    def _fill(self, region: Region, colour: bytes) -> None:
        self.screen.put(region, colour * region.size.area)
