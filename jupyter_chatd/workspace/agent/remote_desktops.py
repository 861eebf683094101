"""The side that asks an agent behind HTTP for its desktops, and brings their sockets here."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from ..desktops import DesktopFacts
from ..protocol import WorkspaceError
from . import desktop_operations as ops
from .operations import Nothing, Operation

if TYPE_CHECKING:
    from tornado.websocket import WebSocketClientConnection

    from .tunnel import Tunnel

START_LIMIT = 60.0  # seconds
ANSWER_LIMIT = 20.0  # seconds for all else

Ask = Callable[[Operation[Any, Any], Any, float], Awaitable[Any]]
"""Asks an operation, given its arguments and the seconds that the answer may take."""
Dial = Callable[[str], Awaitable["WebSocketClientConnection"]]
"""Opens a WebSocket to the desktop with that id."""
Require = Callable[[], Awaitable[None]]
"""Raises a `WorkspaceError` where the agent has no desktops."""


class RemoteDesktops:
    """Lives as long as the agent that it belongs to.

    Args:
        ask: Asks the agent.
        dial: Connects to a desktop.
        require: Makes sure that the agent is new enough.
        parent: Below it are the sockets that lead to the desktops.
    """

    def __init__(self, ask: Ask, dial: Dial, *, require: Require, parent: Path) -> None:
        self._ask = ask
        self._dial = dial
        self._require = require
        self._parent = parent
        self._tunnels: dict[str, Tunnel] = {}
        self._sockets: dict[str, Path] = {}
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        """Held while somebody connects to that desktop or hangs up, and forgotten when nobody does."""
        self._is_closed = False

    async def facts(self) -> DesktopFacts:
        """Return what is known of them."""
        await self._require()
        return await self._ask(ops.DESKTOP_FACTS, Nothing(), ANSWER_LIMIT)

    async def start(self, desktop_id: str) -> None:
        """Start a desktop unless it runs; where the caller goes away, nobody connects and it ends."""
        await self._require()
        await self._ask(ops.START_DESKTOP, ops.OfDesktop(desktop_id=desktop_id), START_LIMIT)

    async def socket(self, desktop_id: str) -> Path:
        """Return a socket here that leads to the desktop; all calls for one give the same.

        Raises:
            WorkspaceError: there is no such desktop, or it cannot be reached.
        """
        async with self._turns.setdefault(desktop_id, asyncio.Lock()):
            if desktop_id not in self._sockets:
                self._sockets[desktop_id] = await self._open(desktop_id)
            return self._sockets[desktop_id]

    async def stop(self, desktop_id: str) -> None:
        """Stop a desktop and all programs on it. Unknown ids are fine."""
        await self._close(desktop_id)
        await self._ask(ops.STOP_DESKTOP, ops.OfDesktop(desktop_id=desktop_id), ANSWER_LIMIT)

    async def aclose(self) -> None:
        """Hang up; who wants a desktop again starts another one. May be called twice."""
        self._is_closed = True
        await asyncio.gather(*map(self._close, {*self._tunnels, *self._turns}))

    async def _open(self, desktop_id: str) -> Path:
        from ...desktop.errors import DesktopStartError
        from .remote import AgentUnreachableError
        from .tunnel import Tunnel

        if self._is_closed:
            raise AgentUnreachableError("The connection to the workspace was closed; nothing was done.")
        tunnel = Tunnel(lambda: self._dial(desktop_id), self._parent)
        try:
            path = await tunnel.open()
        except (DesktopStartError, OSError) as error:
            raise WorkspaceError(f"The desktop's connection cannot be brought here. {error}") from error
        self._tunnels[desktop_id] = tunnel
        return path

    async def _close(self, desktop_id: str) -> None:
        async with self._turns.setdefault(desktop_id, asyncio.Lock()):
            self._sockets.pop(desktop_id, None)
            if tunnel := self._tunnels.pop(desktop_id, None):
                await tunnel.close()


if TYPE_CHECKING:
    from ..desktops import AgentDesktops

    _: type[AgentDesktops] = RemoteDesktops
