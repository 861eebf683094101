"""Keyboard and mouse of one connection. What is held is let go of on every path, cancelled ones included."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Generator, Iterable, Sequence

from . import keys
from .actions import Button
from .errors import TextNotTakenError
from .geometry import Point
from .rfb import Connection, messages

HELD = 0.012  # seconds a button is down, and up between clicks: with none three clicks are no triple click
DRAG_STEP = 0.005  # seconds
DRAG_STEPS = 8  # between two points of a path: programs take a single jump for no drag
PASTE_LIMIT = 2.0  # seconds for a program to ask for the text
_PASTE_QUIET = 0.05  # seconds
_CHUNK = 100  # characters between two looks whether the server keeps up

_MASKS: dict[Button, int] = {"left": 1, "middle": 2, "right": 4}
_UP, _DOWN, _LEFT, _RIGHT = 8, 16, 32, 64
_PIECES = re.compile(r"\r\n|[\r\n\t]|[^\r\n\t]+")
_CONTROLS = {"\n": keys.RETURN, "\r": keys.RETURN, "\r\n": keys.RETURN, "\t": keys.TAB}


class Keyboard:
    """Presses keys, and remembers which are down."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._down: list[int] = []

    def reset(self) -> None:
        """Let go of the keys that a connection that broke may have left down."""
        self._release(keys.MODIFIERS)

    async def press(self, names: str) -> None:
        """Press a combination and leave it down."""
        self._press(keys.combination(names))
        await self._connection.barrier()

    async def release(self, names: str) -> None:
        """Let go of a combination, the last key first."""
        self._release(reversed(keys.combination(names)))
        await self._connection.barrier()

    @contextlib.contextmanager
    def holding(self, names: str) -> Generator[None]:
        """Hold a combination for the length of a `with`; none when it is empty."""
        numbers = keys.combination(names) if names else ()
        fresh = [number for number in numbers if number not in self._down]
        try:
            self._press(fresh)
            yield
        finally:
            self._release(reversed(fresh))

    async def tap(self, names: str, repeat: int = 1) -> None:
        """Press a combination and let go of it."""
        for _ in range(repeat):
            with self.holding(names):
                pass
            await self._connection.barrier()

    async def type(self, text: str) -> None:
        """Write *text*: ASCII by keys, a line's piece with other characters by pasting.

        Why: more than about 19 symbols that the keyboard does not have are lost when typed.

        Raises:
            TextNotTakenError: no window wanted to paste.
        """
        for piece in _PIECES.findall(text):
            if piece in _CONTROLS:
                self._tap(_CONTROLS[piece])
            elif piece.isascii():
                await self._type_ascii(piece)
            else:
                await self._paste(piece)
        await self._connection.barrier()

    def release_all(self) -> None:
        """Let go of every key that we pressed."""
        self._release(reversed(tuple(self._down)))

    async def _type_ascii(self, text: str) -> None:
        for start in range(0, len(text), _CHUNK):
            for character in text[start : start + _CHUNK]:
                self._tap(ord(character))
            await self._connection.barrier()

    async def _paste(self, text: str) -> None:
        clipboard = self._connection.clipboard
        if not clipboard.is_supported:
            raise TextNotTakenError(
                "This desktop's server has no clipboard for text beyond ASCII; type ASCII, or write a file."
            )
        taken = clipboard.offer(text)
        await self._connection.barrier()
        try:
            async with asyncio.timeout(PASTE_LIMIT):
                await self.tap("shift+Insert")
                await taken
        except TimeoutError:
            raise TextNotTakenError(
                f"No window asked for the pasted text within {PASTE_LIMIT:g} s. "
                "Click where it shall go, then type it again."
            ) from None
        # A program that watches the clipboard has asked before it pastes: what comes next must not overtake.
        await self._connection.settle(quiet_s=_PASTE_QUIET, limit_s=PASTE_LIMIT)

    def _tap(self, number: int) -> None:
        self._connection.post(messages.key(number, is_down=True) + messages.key(number, is_down=False))

    def _press(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            self._connection.post(messages.key(number, is_down=True))
            self._down.append(number)

    def _release(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            if number in self._down:
                self._down.remove(number)
            if self._connection.is_open:
                self._connection.post(messages.key(number, is_down=False))


class Mouse:
    """Moves, clicks and drags, and remembers where the pointer is and which buttons are down."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._at = Point(x=connection.size.width // 2, y=connection.size.height // 2)
        self._buttons = 0

    @property
    def at(self) -> Point:
        """Where the pointer is, as far as is known: see `note`."""
        return self._connection.pointer or self._at

    def note(self, at: Point) -> None:
        """Take note that a person moved the pointer: the server does not tell."""
        self._connection.forget_pointer()
        self._at = at

    async def move(self, to: Point | None) -> None:
        """Move to a point; `None` stays."""
        if to is not None:
            self._point(to)
            await self._connection.barrier()

    async def press(self, button: Button, at: Point | None) -> None:
        """Press a button and leave it down."""
        await self.move(at)
        self._set(self._buttons | _MASKS[button])
        await self._connection.barrier()

    async def release(self, button: Button, at: Point | None) -> None:
        """Let go of a button."""
        await self.move(at)
        self._set(self._buttons & ~_MASKS[button])
        await self._connection.barrier()

    async def click(self, button: Button, at: Point | None, count: int) -> None:
        """Click *count* times."""
        await self.move(at)
        for number in range(count):
            if number:
                await asyncio.sleep(HELD)
            with self._pressed(_MASKS[button]):
                await asyncio.sleep(HELD)
        await self._connection.barrier()

    async def drag(self, button: Button, path: Sequence[Point]) -> None:
        """Press a button at the path's first point and let go of it at the last."""
        start, *rest = path if len(path) > 1 else (self.at, *path)
        await self.move(start)
        with self._pressed(_MASKS[button]):
            await asyncio.sleep(HELD)
            for point in rest:
                await self._glide(point)
            await asyncio.sleep(HELD)
        await self._connection.barrier()

    async def scroll(self, at: Point | None, *, right: int, down: int) -> None:
        """Turn the wheel by notches."""
        await self.move(at)
        for mask, notches in (
            (_DOWN if down > 0 else _UP, abs(down)),
            (_RIGHT if right > 0 else _LEFT, abs(right)),
        ):
            for _ in range(notches):
                with self._pressed(mask):
                    pass
                await self._connection.barrier()

    def release_all(self) -> None:
        """Let go of every button that we pressed."""
        if self._buttons:
            self._set(0)

    async def _glide(self, to: Point) -> None:
        start = self._at
        for step in range(1, DRAG_STEPS + 1):
            self._point(
                Point(
                    x=start.x + round((to.x - start.x) * step / DRAG_STEPS),
                    y=start.y + round((to.y - start.y) * step / DRAG_STEPS),
                )
            )
            await asyncio.sleep(DRAG_STEP)

    @contextlib.contextmanager
    def _pressed(self, mask: int) -> Generator[None]:
        self._set(self._buttons | mask)
        try:
            yield
        finally:
            self._set(self._buttons & ~mask)

    def _point(self, to: Point) -> None:
        self._at = to
        self._connection.forget_pointer()
        self._connection.post(messages.pointer(self._buttons, to))

    def _set(self, buttons: int) -> None:
        self._buttons = buttons
        if self._connection.is_open:
            self._connection.post(messages.pointer(buttons, self.at))
