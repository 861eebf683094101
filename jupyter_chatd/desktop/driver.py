"""Does actions on one connection, and takes pictures."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from .actions import (
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
    placed,
)
from .geometry import Point, Region, Size, declared_size, map_point
from .input import Keyboard, Mouse
from .pixels import Pixels, encode_png
from .rfb import Connection

QUIET = 0.12  # seconds without a change after which a screen has settled; a blinking cursor takes 0.5
SETTLE_LIMIT = 2.0  # seconds; an animation never settles


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture of the screen, or of a part of it."""

    png: bytes
    size: Size


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What an action gave."""

    picture: Picture | None = None
    """Only of a `Screenshot`."""
    cursor: Point | None = None
    """Only of a `Cursor`."""


class Driver:
    """One user's hands and eyes on a desktop; lives as long as its connection.

    Every method raises `DesktopLostError` once the desktop has gone. Actions must come one after another.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._keyboard = Keyboard(connection)
        self._mouse = Mouse(connection)
        self._keyboard.reset()

    @property
    def size(self) -> Size:
        """The screen's size."""
        return self._connection.size

    @property
    def is_open(self) -> bool:
        """False once the desktop has gone."""
        return self._connection.is_open

    @property
    def told(self) -> Size:
        """The size that a model is told when it asks for none: one that every vendor takes as it is."""
        return declared_size(self.size)

    async def perform(self, action: Action, *, told: Size | None = None) -> Done:
        """Do *action*, whose points and regions are pixels of a screen of size *told* (default: `told`).

        Returns when the server has worked on it, not when programs have: see `settle`.

        Raises:
            ActionError: it is outside of the screen; nothing was done.
            TextNotTakenError: text had to be pasted and no window asked for it.
        """
        told = told or self.told
        match placed(action, told, self.size):
            case Screenshot(region=region):
                return Done(picture=await self.picture(told, region=region))
            case Cursor():
                await self._connection.barrier()
                return Done(cursor=map_point(self._mouse.at, self.size, told))
            case Wait(seconds=seconds):
                await asyncio.sleep(seconds)
            case Key() | KeyDown() | KeyUp() | Hold() | Type() as input_:
                await self._use_keyboard(input_)
            case input_:
                await self._use_mouse(input_)
        return Done()

    async def settle(self, *, quiet_s: float = QUIET, limit_s: float = SETTLE_LIMIT) -> bool:
        """Wait until the screen is quiet; false when it was not within *limit_s*."""
        return await self._connection.settle(quiet_s=quiet_s, limit_s=limit_s)

    async def perform_and_see(self, action: Action, *, limit_s: float) -> bool:
        """Do *action*, and return at the first pixel that changes; false when none did within *limit_s*."""
        before = self._connection.received
        await self.perform(action)
        return await self._connection.changed(limit_s, since=before)

    async def picture(self, size: Size | None = None, *, region: Region | None = None) -> Picture:
        """Return the screen in *size* (default: its own), or a part of it as large as fits.

        *region* is in pixels of the screen itself.
        """
        pixels = await self._connection.grab()
        target = size or pixels.size
        return await asyncio.to_thread(_render, pixels, target, region)

    @property
    def pointer(self) -> Point:
        """Where the pointer is as far as is known, in pixels of the screen itself."""
        return self._mouse.at

    def note_pointer(self, at: Point) -> None:
        """Take note that a person moved the pointer, in pixels of the screen itself."""
        self._mouse.note(at)

    def release_all(self) -> None:
        """Let go of all keys and buttons that actions left down."""
        self._keyboard.release_all()
        self._mouse.release_all()

    async def close(self) -> None:
        """Let go of everything and hang up. May be called twice."""
        if self._connection.is_open:
            self.release_all()
        await self._connection.close()

    async def _use_keyboard(self, action: Key | KeyDown | KeyUp | Hold | Type) -> None:
        match action:
            case Key(keys=keys, repeat=repeat):
                await self._keyboard.tap(keys, repeat)
            case KeyDown(keys=keys):
                await self._keyboard.press(keys)
            case KeyUp(keys=keys):
                await self._keyboard.release(keys)
            case Hold(keys=keys, seconds=seconds):
                with self._keyboard.holding(keys):
                    await asyncio.sleep(seconds)
            case Type(text=text):
                await self._keyboard.type(text)

    async def _use_mouse(self, action: Move | Click | Press | Release | Drag | Scroll) -> None:
        match action:
            case Move(at=at):
                await self._mouse.move(at)
            case Press(at=at, button=button):
                await self._mouse.press(button, at)
            case Release(at=at, button=button):
                await self._mouse.release(button, at)
            case Click(at=at, button=button, count=count, held=held):
                with self._keyboard.holding(held):
                    await self._mouse.click(button, at, count)
            case Drag(path=path, button=button, held=held):
                with self._keyboard.holding(held):
                    await self._mouse.drag(button, path)
            case Scroll(at=at, right=right, down=down, held=held):
                with self._keyboard.holding(held):
                    await self._mouse.scroll(at, right=right, down=down)


def _render(pixels: Pixels, size: Size, region: Region | None) -> Picture:
    if region is not None:
        pixels = pixels.cut(region)
        size = region.size.fitted(size)
    return Picture(png=encode_png(pixels.scaled(size)), size=size)
