"""The desktops of a chat's workspace, whichever agent has them at each call."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..workspace.desktops import DesktopFacts

if TYPE_CHECKING:
    from ..workspace.desktops import AgentDesktops
    from .lookup import WorkspaceOfChat


class DesktopsOfChat:
    """Desktops end with their agent; whoever asks for one that is gone is told so."""

    def __init__(self, workspace: WorkspaceOfChat) -> None:
        self._workspace = workspace

    async def facts(self) -> DesktopFacts:
        """Return what is known of them."""
        return await self._workspace.ask(lambda agent: agent.desktops.facts(), is_safe=True)

    async def start(self, desktop_id: str) -> None:
        """Start a desktop unless it runs."""
        await self._workspace.ask(lambda agent: agent.desktops.start(desktop_id), is_safe=True)

    async def socket(self, desktop_id: str) -> Path:
        """Return a unix socket of this machine on which it speaks RFB."""
        return await self._workspace.ask(lambda agent: agent.desktops.socket(desktop_id), is_safe=True)

    async def stop(self, desktop_id: str) -> None:
        """Stop a desktop and all programs on it. Unknown ids are fine."""
        await self._workspace.ask(lambda agent: agent.desktops.stop(desktop_id), is_safe=True)


if TYPE_CHECKING:
    _: type[AgentDesktops] = DesktopsOfChat
