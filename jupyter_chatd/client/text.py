"""What the model said, as text."""

from __future__ import annotations

from collections.abc import Iterator

from ..messages import Role, TextPart
from .view import ChatView

BETWEEN = "\n\n"
"""Stands between what the model said before and after a tool call, or in different turns."""


def said_since(view: ChatView, message_id: int) -> str:
    """Return all that the model said after a message, what it is saying now included.

    It only grows while the chat runs, but for a model call that failed midway: what that one said is gone.
    """
    return BETWEEN.join(_texts(view, message_id))


def last_answer(view: ChatView) -> str:
    """Return the newest thing that the model said since the last user message; empty when nothing yet."""
    texts = list(_texts(view, last_user_id(view)))
    return texts[-1] if texts else ""


def last_user_id(view: ChatView) -> int:
    """Return the id of the newest user message, 0 when there is none."""
    return next((message.id for message in reversed(view.messages) if message.role is Role.USER), 0)


def _texts(view: ChatView, message_id: int) -> Iterator[str]:
    for message in view.messages:
        if message.id > message_id and message.role is Role.ASSISTANT and message.text:
            yield message.text
    parts = (block.part for block in view.live if block.role is Role.ASSISTANT)
    if live := "".join(part.text for part in parts if isinstance(part, TextPart)):
        yield live


class TextGrowth:
    """Turns a text that is seen again and again while it grows into the pieces that it grew by."""

    def __init__(self) -> None:
        self._given = ""

    def next(self, text: str) -> str:
        """Return what is new in *text*; empty when nothing is.

        A text that lost its end gives nothing until it is past what was given before. One that went on
        differently is given anew from the line on which it differs.
        """
        if self._given.startswith(text):
            return ""
        if text.startswith(self._given):
            piece = text[len(self._given) :]
        else:
            piece = "\n" + text[_shared_lines(self._given, text) :]
        self._given = text
        return piece


def _shared_lines(left: str, right: str) -> int:
    """Return how many characters two texts share, in whole lines."""
    shared = next((place for place, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), len(left))
    return right.rfind("\n", 0, shared) + 1
