"""Our text in the desktop's clipboard, by the extended clipboard: announced first, sent when asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from . import messages
from .messages import Clip
from .waiting import Waiters, fulfil


class Clipboard:
    """One connection's side of the clipboard.

    The server asks for the text when a program in the desktop does: that is how we know that it was pasted.
    """

    def __init__(self, post: Callable[[bytes], None], waiters: Waiters) -> None:
        self._post = post
        self._waiters = waiters
        self._text: str | None = None
        self._taken: asyncio.Future[None] | None = None
        self.is_supported = False
        """Whether the server speaks the extended clipboard."""

    def offer(self, text: str) -> asyncio.Future[None]:
        """Make *text* the content of the desktop's clipboard and of its selection.

        The future is done once a program has asked for it; what is sent after that arrives after the text.
        """
        self._text = text
        self._taken = self._waiters.new()
        self._post(messages.clipboard(Clip.NOTIFY | Clip.TEXT))
        return self._taken

    def receive(self, flags: int) -> None:
        """Answer what the server says in the extended form."""
        if flags & Clip.CAPABILITIES:
            self.is_supported = True
            self._post(messages.clipboard_capabilities())
        elif flags & Clip.REQUEST and flags & Clip.TEXT and self._text is not None:
            self._post(messages.clipboard_text(self._text))
            fulfil(self._taken)
        elif flags & Clip.PEEK and self._text is not None:
            self._post(messages.clipboard(Clip.NOTIFY | Clip.TEXT))
