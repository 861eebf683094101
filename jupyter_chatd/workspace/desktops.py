"""The desktops of a workspace: where they start and end. All else is RFB, on a socket."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Never, Protocol

from .protocol import WorkspaceError


@dataclass(frozen=True, slots=True, kw_only=True)
class DesktopFacts:
    """What is known of the desktops of a workspace before one starts."""

    launcher: str
    """How they are got, as settings call it."""
    problem: str | None = None
    """Why none can start, as a sentence; `None` when they can."""


class AgentDesktops(Protocol):
    """The desktops that an agent has for the chats of its workspace.

    Where a desktop is, it is held only as long as somebody is connected to it: one that nobody is connected
    to for two minutes is stopped, as the server that wanted it has died.
    """

    async def facts(self) -> DesktopFacts:
        """Return what is known of them.

        Raises:
            WorkspaceError: there are none; the text says why.
        """
        ...

    async def start(self, desktop_id: str) -> None:
        """Start a desktop unless it runs. Whoever asks gives it its id: a server that died finds it again.

        Raises:
            WorkspaceError: it did not start; the text says what is missing.
        """
        ...

    async def socket(self, desktop_id: str) -> Path:
        """Return a unix socket of the caller's machine on which it speaks RFB, to several at once.

        Raises:
            WorkspaceError: there is no such desktop, or it cannot be reached.
        """
        ...

    async def stop(self, desktop_id: str) -> None:
        """Stop a desktop and all programs on it. Unknown ids are fine."""
        ...


class NoDesktops:
    """Of agents that share a machine with the server that asks them: its own desktops show their files."""

    async def facts(self) -> Never:
        self._refuse()

    async def start(self, desktop_id: str) -> Never:
        self._refuse()

    async def socket(self, desktop_id: str) -> Never:
        self._refuse()

    async def stop(self, desktop_id: str) -> None:
        return

    def _refuse(self) -> Never:
        raise WorkspaceError("This workspace has no desktops of its own: its chats have the server's.")


if TYPE_CHECKING:
    _: type[AgentDesktops] = NoDesktops
