"""No desktop, for a reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Never

from ..errors import LauncherMissingError
from ..geometry import Size
from .launcher import Launcher


class RefusedLauncher:
    """Launches nothing and says what has to change first."""

    def __init__(self, name: str, missing: str) -> None:
        self.name = name
        self._missing = missing

    def missing(self) -> str | None:
        return self._missing

    async def launch(self, size: Size) -> Never:
        raise LauncherMissingError(f"The desktop needs {self._missing}.")

    async def close(self) -> None:
        return


if TYPE_CHECKING:
    _launcher: type[Launcher] = RefusedLauncher
