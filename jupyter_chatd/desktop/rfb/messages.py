"""What a client says, as bytes, and the numbers of the protocol.

Section numbers are of RFC 6143; the rest is in the rfbproto document of TigerVNC.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from enum import IntEnum, IntFlag

from ..geometry import Point, Region

VERSION = b"RFB 003.008\n"
NO_SECURITY = 1


class ServerMessage(IntEnum):
    """First byte of what a server says."""

    UPDATE = 0
    COLOUR_MAP = 1
    BELL = 2
    CUT_TEXT = 3
    END_OF_CONTINUOUS_UPDATES = 150
    FENCE = 248


class Encoding(IntEnum):
    """What a rectangle of an update holds. Raw is the fastest over a unix socket."""

    RAW = 0
    COPY = 1
    DESKTOP_SIZE = -223
    LAST_RECTANGLE = -224
    LED_STATE = -261
    EXTENDED_DESKTOP_SIZE = -308
    """Not announced: who does gets the size alone where it asked for pixels, and has to ask again."""
    FENCE = -312
    POINTER_POSITION = 0x574D5666
    EXTENDED_CLIPBOARD = -0x3F5E1A32
    """0xC0A1E5CE with its sign."""


ANNOUNCED = (
    Encoding.RAW,
    Encoding.COPY,
    Encoding.DESKTOP_SIZE,
    Encoding.LAST_RECTANGLE,
    # Without it the server presses CapsLock when a capital letter comes without Shift.
    Encoding.LED_STATE,
    Encoding.FENCE,
    Encoding.POINTER_POSITION,
    Encoding.EXTENDED_CLIPBOARD,
)
"""Cursor (-239) is missing on purpose: so the server paints the pointer into the picture."""


class Fence(IntFlag):
    """Flags of a fence."""

    BLOCK_BEFORE = 1
    BLOCK_AFTER = 2
    SYNC_NEXT = 4
    REQUEST = 1 << 31


class Clip(IntFlag):
    """Flags of the extended clipboard."""

    TEXT = 1
    CAPABILITIES = 1 << 24
    REQUEST = 1 << 25
    PEEK = 1 << 26
    NOTIFY = 1 << 27
    PROVIDE = 1 << 28


def share(*, is_shared: bool = True) -> bytes:
    """ClientInit (7.3.1): leave others connected."""
    return bytes([is_shared])


def pixel_format() -> bytes:
    """SetPixelFormat (7.5.1): 32 bits for a pixel; in memory blue, green, red, nothing."""
    return struct.pack(">BxxxBBBBHHHBBBxxx", 0, 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)


def encodings(wanted: Sequence[int] = ANNOUNCED) -> bytes:
    """SetEncodings (7.5.2)."""
    return struct.pack(f">BxH{len(wanted)}i", 2, len(wanted), *wanted)


def update_request(region: Region, *, is_incremental: bool) -> bytes:
    """FramebufferUpdateRequest (7.5.3)."""
    return struct.pack(">BBHHHH", 3, is_incremental, region.x, region.y, region.width, region.height)


def key(keysym: int, *, is_down: bool) -> bytes:
    """KeyEvent (7.5.4)."""
    return struct.pack(">BBxxI", 4, is_down, keysym)


def pointer(buttons: int, at: Point) -> bytes:
    """PointerEvent (7.5.5). Bits of *buttons*: left, middle, right, wheel up, down, left, right."""
    return struct.pack(">BBHH", 5, buttons, at.x, at.y)


def fence(flags: int, content: bytes = b"") -> bytes:
    """ClientFence."""
    return struct.pack(">BxxxIB", 248, flags, len(content)) + content


def clipboard(flags: int, content: bytes = b"") -> bytes:
    """ClientCutText in its extended form, which a negative length marks."""
    return struct.pack(">BxxxiI", 6, -4 - len(content), flags) + content


def clipboard_capabilities() -> bytes:
    """What we do with the clipboard: text only, and never unasked."""
    actions = Clip.CAPABILITIES | Clip.REQUEST | Clip.NOTIFY | Clip.PROVIDE
    return clipboard(actions | Clip.TEXT, struct.pack(">I", 0))


def clipboard_text(text: str) -> bytes:
    """The answer to a request for the clipboard."""
    content = text.encode() + b"\0"
    return clipboard(Clip.PROVIDE | Clip.TEXT, zlib.compress(struct.pack(">I", len(content)) + content))
