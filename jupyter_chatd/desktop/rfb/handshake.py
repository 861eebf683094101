"""The first words of a connection."""

from __future__ import annotations

import asyncio
import struct

from ..errors import DesktopStartError
from ..geometry import Size
from . import messages
from .messages import NO_SECURITY, VERSION

MOST_PIXELS = 64 * 1024 * 1024
"""Of a screen: 256 MiB of pixels. A server that claims more is broken or hostile."""
_MOST_WORDS = 4096  # bytes of a refusal, and of the desktop's name


async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Size:
    """Agree on the protocol and return the size of the server's screen (RFC 6143, 7.1 to 7.3).

    Raises:
        DesktopStartError: it is no RFB 3.8 server, it wants a password, or it refuses.
        asyncio.IncompleteReadError: it closed the connection.
    """
    await _agree_on_version(reader, writer)
    await _agree_on_security(reader, writer)
    writer.write(messages.share())
    width, height, name_length = struct.unpack(">HH16xI", await reader.readexactly(24))
    size = check_size(width, height)
    await reader.readexactly(min(name_length, _MOST_WORDS))
    if name_length > _MOST_WORDS:
        raise DesktopStartError(
            f"Expected a desktop's name of at most {_MOST_WORDS} bytes, came {name_length}."
        )
    return size


def check_size(width: int, height: int) -> Size:
    """Return the size of a screen that can be kept in memory.

    Raises:
        DesktopStartError: it is empty or too large.
    """
    if not 0 < width * height <= MOST_PIXELS:
        raise DesktopStartError(f"Expected a screen of 1 to {MOST_PIXELS} pixels, came {width}x{height}.")
    return Size(width=width, height=height)


async def _agree_on_version(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    came = await reader.readexactly(len(VERSION))
    if not came.startswith(b"RFB 003.") or came < VERSION:
        raise DesktopStartError(f"Expected an RFB 3.8 server, came {came!r}. Is it another program's socket?")
    writer.write(VERSION)


async def _agree_on_security(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    count = (await reader.readexactly(1))[0]
    if count == 0:
        raise DesktopStartError(f"The RFB server refuses: {await _reason(reader)}")
    kinds = await reader.readexactly(count)
    if NO_SECURITY not in kinds:
        raise DesktopStartError(
            f"Expected an RFB server that asks for no password on its unix socket, came security types "
            f"{sorted(kinds)}. Start it with -SecurityTypes None."
        )
    writer.write(bytes([NO_SECURITY]))
    if int.from_bytes(await reader.readexactly(4)) != 0:
        raise DesktopStartError(f"The RFB server refuses: {await _reason(reader)}")


async def _reason(reader: asyncio.StreamReader) -> str:
    length = int.from_bytes(await reader.readexactly(4))
    return (await reader.readexactly(min(length, _MOST_WORDS))).decode("utf-8", "replace")
