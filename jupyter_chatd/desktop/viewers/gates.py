"""What of a viewer's bytes goes to the desktop: all of them, or only what changes nothing there."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

from ..geometry import Point
from .framing import ClientMessage, ClientMessages, Piece, Stage, UnknownMessageError

log = logging.getLogger(__name__)

LOOKING = frozenset(
    {
        ClientMessage.SET_PIXEL_FORMAT,
        ClientMessage.SET_ENCODINGS,
        ClientMessage.UPDATE_REQUEST,
        ClientMessage.ENABLE_CONTINUOUS_UPDATES,
        ClientMessage.FENCE,
    }
)
"""All that a viewer needs who only looks."""
_SHARED = b"\x01"


class Gate(Protocol):
    """Stands between one viewer and the desktop."""

    def passed(self, data: bytes) -> bytes:
        """Return what may go on of what a viewer sent; the rest is dropped.

        Raises:
            UnknownMessageError: the viewer has to be closed.
        """
        ...


class OpenGate:
    """Lets everything pass: whoever connected has a gate for each of its viewers."""

    def passed(self, data: bytes) -> bytes:
        return data


class ViewGate:
    """Lets looking pass and drops input. What goes on is whole messages of known kinds, whatever comes."""

    def __init__(self) -> None:
        self._messages = ClientMessages()

    def passed(self, data: bytes) -> bytes:
        return b"".join(map(_looking, self._messages.feed(data)))


def _looking(piece: Piece) -> bytes:
    """Return the piece, nothing when it would do more than look; nobody else is to be disconnected."""
    if piece.stage is Stage.INIT:
        return _SHARED
    return piece.data if piece.stage is not Stage.MESSAGES or piece.kind in LOOKING else b""


class ControlGate:
    """Lets everything pass and tells of input.

    Args:
        on_input: Called when a person does something.
        on_pointer: Called with the place of the pointer, in pixels of the screen.
    """

    def __init__(self, *, on_input: Callable[[], None], on_pointer: Callable[[Point], None]) -> None:
        self._messages: ClientMessages | None = ClientMessages()
        self._on_input = on_input
        self._on_pointer = on_pointer

    def passed(self, data: bytes) -> bytes:
        if self._messages is None:
            self._on_input()
            return data
        try:
            self._watch(list(self._messages.feed(data)))
        except UnknownMessageError as error:
            log.info("A viewer says what cannot be followed, so all of it counts as input: %s", error)
            self._messages = None
        return data

    def _watch(self, pieces: list[Piece]) -> None:
        said = [piece for piece in pieces if piece.stage is Stage.MESSAGES]
        if any(piece.kind not in LOOKING for piece in said):
            self._on_input()
        for piece in said:
            if piece.kind == ClientMessage.POINTER:
                self._on_pointer(Point(x=int.from_bytes(piece.data[2:4]), y=int.from_bytes(piece.data[4:6])))
