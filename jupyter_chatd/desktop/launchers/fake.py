"""The fake desktop as a launcher: needs nothing, shows no programs."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DesktopStartError
from ..fake import FakeServer
from ..geometry import Size
from .folder import Folder
from .launcher import Launched, Launcher


class FakeLauncher:
    """Launches fake desktops in this process, and keeps them for whoever wants to see what came."""

    name = "fake"

    def __init__(self, parent: Path) -> None:
        self._parent = parent
        self.launched: list[FakeDesktop] = []
        """All of them, the oldest first; stopped ones as well."""

    def missing(self) -> str | None:
        return None

    async def launch(self, size: Size) -> Launched:
        folder = await asyncio.to_thread(Folder, self._parent)
        desktop = FakeDesktop(folder, FakeServer(folder.socket, size))
        try:
            await desktop.server.start()
        except OSError as error:
            await asyncio.to_thread(folder.remove)
            raise DesktopStartError(f"The fake desktop cannot listen on {folder.socket}: {error}.") from error
        self.launched.append(desktop)
        return desktop

    async def close(self) -> None:
        return


class FakeDesktop:
    """One fake desktop."""

    is_elsewhere = False

    def __init__(self, folder: Folder, server: FakeServer) -> None:
        self._folder = folder
        self.server = server
        """Has the canvas."""

    @property
    def socket(self) -> Path:
        return self._folder.socket

    @property
    def environment(self) -> Mapping[str, str]:
        return {}

    @property
    def is_alive(self) -> bool:
        return self.server.is_running

    async def stop(self) -> None:
        await self.server.stop()
        await asyncio.to_thread(self._folder.remove)


if TYPE_CHECKING:
    _launcher: type[Launcher] = FakeLauncher
    _launched: type[Launched] = FakeDesktop
