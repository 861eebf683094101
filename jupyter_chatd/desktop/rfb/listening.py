"""What a server says, read message by message. Whatever it claims is checked before it is believed."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable

from ..geometry import Point, Region
from ..pixels import BYTES_PER_PIXEL
from .clipboard import Clipboard
from .handshake import check_size
from .messages import Encoding, ServerMessage
from .screen import Screen

_MOST_CUT_TEXT = 16 * 1024 * 1024  # bytes; it is skipped, and more than this is no clipboard


class ProtocolError(Exception):
    """The server said something that RFB does not know, or that cannot be."""


class Listener:
    """Reads one connection until it ends; lives as long as that."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        *,
        screen: Screen,
        clipboard: Clipboard,
        on_update: Callable[[], None],
        on_fence: Callable[[int, bytes], None],
    ) -> None:
        self._reader = reader
        self._screen = screen
        self._clipboard = clipboard
        self._on_update = on_update
        self._on_fence = on_fence

    async def listen(self) -> None:
        """Read for ever.

        Raises:
            ProtocolError, DesktopStartError: the server does not speak RFB as it must.
            asyncio.IncompleteReadError, OSError: the connection has ended.
        """
        while True:
            await self._read_message((await self._reader.readexactly(1))[0])

    async def _read_message(self, kind: int) -> None:
        match kind:
            case ServerMessage.UPDATE:
                await self._read_update()
            case ServerMessage.COLOUR_MAP:
                (count,) = await self._read(">xxxH")
                await self._skip(6 * count)
            case ServerMessage.BELL | ServerMessage.END_OF_CONTINUOUS_UPDATES:
                pass
            case ServerMessage.CUT_TEXT:
                await self._read_cut_text()
            case ServerMessage.FENCE:
                flags, length = await self._read(">xxxIB")
                self._on_fence(flags, await self._reader.readexactly(length))
            case _:
                raise ProtocolError(f"Expected an RFB message of a server, came type {kind}.")

    async def _read_update(self) -> None:
        (count,) = await self._read(">xH")
        for _ in range(count):
            x, y, width, height, encoding = await self._read(">HHHHi")
            if encoding == Encoding.LAST_RECTANGLE:
                break
            await self._read_rectangle(Region(x=x, y=y, width=width, height=height), encoding)
        self._on_update()

    async def _read_rectangle(self, region: Region, encoding: int) -> None:
        match encoding:
            case Encoding.RAW:
                self._check(region)
                data = await self._reader.readexactly(region.size.area * BYTES_PER_PIXEL)
                self._screen.put(region, data)
            case Encoding.COPY:
                x, y = await self._read(">HH")
                source = Region(x=x, y=y, width=region.width, height=region.height)
                self._screen.copy(self._check(region), self._check(source))
            case Encoding.DESKTOP_SIZE:
                self._screen.resize(check_size(region.width, region.height))
            case Encoding.LED_STATE:
                await self._skip(1)
            case Encoding.POINTER_POSITION:
                self._screen.pointer = Point(x=region.x, y=region.y)
            case _:
                raise ProtocolError(f"Expected an encoding that was announced, came {encoding}.")

    async def _read_cut_text(self) -> None:
        (length,) = await self._read(">xxxi")
        if abs(length) > _MOST_CUT_TEXT:
            raise ProtocolError(
                f"Expected a clipboard of at most {_MOST_CUT_TEXT} bytes, came {abs(length)}."
            )
        if length >= 0:  # Latin-1, without asking
            await self._skip(length)
            return
        if length > -4:
            raise ProtocolError(f"Expected 4 bytes or more of an extended clipboard, came {-length}.")
        (flags,) = await self._read(">I")
        await self._skip(-length - 4)
        self._clipboard.receive(flags)

    def _check(self, region: Region) -> Region:
        size = self._screen.size
        if region.x + region.width > size.width or region.y + region.height > size.height:
            raise ProtocolError(f"Expected a rectangle within {size}, came {region}.")
        return region

    async def _read(self, shape: str) -> tuple[int, ...]:
        return struct.unpack(shape, await self._reader.readexactly(struct.calcsize(shape)))

    async def _skip(self, length: int) -> None:
        await self._reader.readexactly(length)
