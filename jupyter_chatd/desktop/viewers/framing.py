"""Splits what a client of RFB says into its messages, however the bytes are cut on their way.

Section numbers are of RFC 6143; the rest is in the rfbproto document of TigerVNC.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, IntEnum, auto

from ..rfb.messages import NO_SECURITY

WHOLE = 64  # bytes: messages up to this length come in one piece

_CHOOSES_SECURITY = {b"RFB 003.003\n": False, b"RFB 003.007\n": True, b"RFB 003.008\n": True}
"""Versions, and whether their clients choose how to prove who they are (7.1.2)."""
_EXTENDED_BUTTONS = 0x80


class UnknownMessageError(Exception):
    """A client said what RFB does not know: where the next message begins cannot be told."""


class ClientMessage(IntEnum):
    """First byte of what a client says."""

    SET_PIXEL_FORMAT = 0
    SET_ENCODINGS = 2
    UPDATE_REQUEST = 3
    KEY = 4
    POINTER = 5
    CUT_TEXT = 6
    ENABLE_CONTINUOUS_UPDATES = 150
    FENCE = 248
    XVP = 250
    """Shut down, reboot, reset."""
    SET_DESKTOP_SIZE = 251
    QEMU = 255
    """Keys by their place on the keyboard, and sound."""


class Stage(Enum):
    """What a piece belongs to."""

    VERSION = auto()
    SECURITY = auto()
    INIT = auto()
    MESSAGES = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A part of what a client said. Only messages of more than `WHOLE` bytes come in several."""

    stage: Stage
    kind: int
    """First byte of its message, which of later pieces is not in `data`."""
    data: bytes


class ClientMessages:
    """The bytes of one client, in order. Keeps at most `WHOLE` of them."""

    def __init__(self) -> None:
        self._stage = Stage.VERSION
        self._head = bytearray()
        self._kind = 0
        self._length: int | None = None
        """Of the message that comes, once it is known."""
        self._left = 0
        """Bytes that are still to come of a message whose beginning was told."""

    def feed(self, data: bytes) -> Iterator[Piece]:
        """Yield the pieces that *data* completes.

        Raises:
            UnknownMessageError: what comes is no RFB. Nothing can be fed any more.
        """
        at = 0
        while at < len(data):
            taken = data[at : at + self._wanted()]
            at += len(taken)
            piece = self._take(taken)
            if piece is not None:
                yield piece

    def _wanted(self) -> int:
        if self._left:
            return self._left
        return 1 if self._length is None else min(self._length, WHOLE) - len(self._head)

    def _take(self, data: bytes) -> Piece | None:
        if self._left:
            self._left -= len(data)
            return Piece(stage=self._stage, kind=self._kind, data=data)
        self._head += data
        if self._length is None:
            self._length = _length(self._stage, self._head)
        if self._length is None or len(self._head) < min(self._length, WHOLE):
            return None
        return self._begin(self._length)

    def _begin(self, length: int) -> Piece:
        """Return the message whose head has come, or the beginning of a long one."""
        head = bytes(self._head)
        piece = Piece(stage=self._stage, kind=head[0], data=head)
        self._kind, self._left = head[0], length - len(head)
        self._head.clear()
        self._length = None
        self._stage = _next_stage(self._stage, head)
        return piece


def _next_stage(stage: Stage, said: bytes) -> Stage:
    match stage:
        case Stage.VERSION if said in _CHOOSES_SECURITY:
            return Stage.SECURITY if _CHOOSES_SECURITY[said] else Stage.INIT
        case Stage.VERSION:
            raise UnknownMessageError(f"Expected RFB 3.3, 3.7 or 3.8, came {said!r}.")
        case Stage.SECURITY if said[0] != NO_SECURITY:
            raise UnknownMessageError(f"Expected the security type {NO_SECURITY}, none; came {said[0]}.")
        case Stage.SECURITY:
            return Stage.INIT
        case _:
            return Stage.MESSAGES


def _length(stage: Stage, head: bytes | bytearray) -> int | None:
    """Return how long what begins with *head* is, `None` when more of it is needed."""
    match stage:
        case Stage.VERSION:
            return 12
        case Stage.SECURITY | Stage.INIT:
            return 1
        case Stage.MESSAGES:
            return _message_length(head)


_FIXED = {
    ClientMessage.SET_PIXEL_FORMAT: 20,
    ClientMessage.UPDATE_REQUEST: 10,
    ClientMessage.KEY: 8,
    ClientMessage.ENABLE_CONTINUOUS_UPDATES: 10,
    ClientMessage.XVP: 4,
}  # bytes
_COUNTED_AT = {
    ClientMessage.POINTER: 2,
    ClientMessage.SET_ENCODINGS: 4,
    ClientMessage.CUT_TEXT: 8,
    ClientMessage.FENCE: 9,
    ClientMessage.SET_DESKTOP_SIZE: 8,
    ClientMessage.QEMU: 4,
}
"""Bytes after which the length of a message is known."""


def _message_length(head: bytes | bytearray) -> int | None:
    try:
        kind = ClientMessage(head[0])
    except ValueError:
        raise UnknownMessageError(f"Expected a message of RFB, came the type {head[0]}.") from None
    if kind in _FIXED:
        return _FIXED[kind]
    return _counted_length(kind, head) if len(head) >= _COUNTED_AT[kind] else None


def _counted_length(kind: ClientMessage, head: bytes | bytearray) -> int:
    match kind:
        case ClientMessage.POINTER:  # the bit is set when a byte with more buttons follows
            return 7 if head[1] & _EXTENDED_BUTTONS else 6
        case ClientMessage.SET_ENCODINGS:
            return 4 + 4 * int.from_bytes(head[2:4])
        case ClientMessage.CUT_TEXT:  # negative for the extended clipboard
            return 8 + abs(int.from_bytes(head[4:8], signed=True))
        case ClientMessage.FENCE:
            return 9 + head[8]
        case ClientMessage.SET_DESKTOP_SIZE:
            return 8 + 16 * head[6]
        case _:
            return _qemu_length(head)


def _qemu_length(head: bytes | bytearray) -> int:
    match head[1], int.from_bytes(head[2:4]):
        case (0, _):  # a key
            return 12
        case (1, 0 | 1):  # sound on, sound off
            return 4
        case (1, 2):  # the format of sound
            return 10
        case _:
            raise UnknownMessageError(f"Expected a message of QEMU's kind, came {bytes(head[1:4]).hex()}.")
