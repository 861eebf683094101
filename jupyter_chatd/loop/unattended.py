"""Chats that wait for a client's tool while no client is there. Times in, an answer out."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..store.reads import ClientWait

NOBODY_THERE = (
    "This call was not run: no page of JupyterLab and no kernel is connected that could run it. "
    "Ask the user to open the notebook, then try again."
)


class Unattended:
    """Since when each chat waits alone.

    Args:
        is_attended: Whether a client is there, by chat and owner.
        timeout_s: Seconds that one may be away, as when a page is loaded anew.
    """

    def __init__(self, is_attended: Callable[[ClientWait], bool], *, timeout_s: float) -> None:
        self._is_attended = is_attended
        self._timeout_s = timeout_s
        self._since: dict[str, float] = {}

    def due(self, waits: Iterable[ClientWait], *, now: float) -> list[str]:
        """Return the chats that waited alone for too long, given all that wait."""
        alone = [wait.chat_id for wait in waits if not self._is_attended(wait)]
        self._since = {chat_id: self._since.get(chat_id, now) for chat_id in alone}
        return [chat_id for chat_id in alone if now - self._since[chat_id] >= self._timeout_s]
