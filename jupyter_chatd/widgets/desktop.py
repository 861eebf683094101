"""A desktop in a cell."""

from __future__ import annotations

from collections.abc import Mapping

import traitlets

from ..client.chat import Chat
from ..client.desktop import Desktop as ClientDesktop
from .base import AgentWidget, Route


class Desktop(AgentWidget):
    """The live view of a chat's desktop. One looks until one takes control; the file keeps a picture.

    Args:
        chat: The chat, its id, or its desktop.
        route: As of every widget.
    """

    _view = traitlets.Unicode("Desktop").tag(sync=True)

    def __init__(self, chat: Chat | ClientDesktop | str, *, route: Route = "auto") -> None:
        chat = Chat.open(chat) if isinstance(chat, str) else chat
        desktop = chat.desktop if isinstance(chat, Chat) else chat
        super().__init__(desktop, route=route)
        self._desktop = desktop

    @property
    def static_copy(self) -> Mapping[str, str]:
        """The screen as it is now, and words."""
        return self._desktop.picture()
