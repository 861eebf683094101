"""A desktop that somebody else runs: an RFB server on a unix socket, such as a container's."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import LauncherMissingError
from ..geometry import Size
from ..rfb.connection import LONGEST_PATH
from .launcher import Launched, Launcher


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachedDesktop:
    """Stays when we stop using it. Whether it lives is known once somebody connects."""

    socket: Path
    environment: Mapping[str, str]
    is_alive: bool = True
    is_elsewhere: bool = False

    async def stop(self) -> None:
        return


class SocketLauncher:
    """Attaches every chat to the same desktop, which has the size it has."""

    name = "socket"

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    def missing(self) -> str | None:
        if (length := len(os.fsencode(self._socket))) > LONGEST_PATH:
            return f"a socket whose path has at most {LONGEST_PATH} bytes, not {length}: {self._socket}"
        return (
            None if self._socket.is_socket() else f"an RFB server that listens on the socket {self._socket}"
        )

    async def launch(self, size: Size) -> Launched:
        if missing := self.missing():
            raise LauncherMissingError(f"The desktop needs {missing}.")
        return AttachedDesktop(socket=self._socket, environment={})

    async def close(self) -> None:
        return


if TYPE_CHECKING:
    _launcher: type[Launcher] = SocketLauncher
