"""What every launcher promises."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from ..geometry import Size


class Launched(Protocol):
    """A desktop that was launched. Its socket can be connected to at once, by several clients."""

    @property
    def socket(self) -> Path:
        """Where it speaks RFB."""
        ...

    @property
    def environment(self) -> Mapping[str, str]:
        """What a program needs to show itself there (`DISPLAY`, `XAUTHORITY`); empty when unknown."""
        ...

    @property
    def is_alive(self) -> bool:
        """False once its server has ended, as far as can be told without asking it."""
        ...

    @property
    def is_elsewhere(self) -> bool:
        """Whether a network is in between: it may live on when it does not answer, and a launch finds it."""
        ...

    async def stop(self) -> None:
        """End what was launched and remove its files. May be called twice."""
        ...


class Launcher(Protocol):
    """A way to get a desktop. Lives as long as the Jupyter server."""

    @property
    def name(self) -> str:
        """What settings call it."""
        ...

    def missing(self) -> str | None:
        """Return what has to be installed or changed before it can launch, `None` when it can."""
        ...

    async def launch(self, size: Size) -> Launched:
        """Launch another desktop.

        Raises:
            LauncherMissingError: something has to be installed or changed first.
            DesktopStartError: it did not start.
        """
        ...

    async def close(self) -> None:
        """Let go of what outlives single desktops. May be called twice."""
        ...
