"""Which launcher a setting means."""

from __future__ import annotations

from pathlib import Path

from ..defaults import LAUNCHERS
from .fake import FakeLauncher
from .launcher import Launcher
from .portabledesktop import PortabledesktopLauncher
from .refused import RefusedLauncher
from .socket import SocketLauncher
from .xvnc import XvncLauncher


def choose_launcher(
    name: str,
    parent: Path,
    *,
    directory: Path | None = None,
    socket: Path | None = None,
    allow_shared_host: bool = False,
    path: str | None = None,
) -> Launcher:
    """Return the launcher called *name*; it may still miss something, see `Launcher.missing`.

    Args:
        name: One of `LAUNCHERS`. `auto` is `socket` when one is configured, else `xvnc`, else
            `portabledesktop`; when neither can launch it is `xvnc`, which says what to install.
        parent: Below it each desktop gets a private folder.
        directory: Where programs of `xvnc` begin, default home.
        socket: The RFB server to attach to.
        allow_shared_host: See `PortabledesktopLauncher`.
        path: Where to look for programs, default `PATH`.

    Raises:
        ValueError: there is no such launcher.
    """
    xvnc = XvncLauncher(parent, directory=directory, path=path)
    portable = PortabledesktopLauncher(parent, path=path, allow_shared_host=allow_shared_host)
    match name:
        case "auto" | "socket" if socket is not None:
            return SocketLauncher(socket)
        case "auto":
            return portable if xvnc.missing() and not portable.missing() else xvnc
        case "xvnc":
            return xvnc
        case "portabledesktop":
            return portable
        case "socket":
            return RefusedLauncher(name, "the path of an RFB server's socket, c.JupyterChatd.desktop_socket")
        case "fake":
            return FakeLauncher(parent)
        case _:
            raise ValueError(f"Expected one of {', '.join(LAUNCHERS)}, came {name!r}.")
