"""`python -m jupyter_chatd.cli.launcher SOCKET ROOT`: the process behind `private.py`."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

from jupyter_server.auth.identity import IdentityProvider
from jupyter_server.serverapp import ServerApp

PR_SET_PDEATHSIG = 1  # from linux/prctl.h


class PrivateServer(ServerApp):
    """A server with our extension and no other: it starts in half the time, and needs none of them."""

    name = "jupyter-server"

    def find_server_extensions(self) -> None:
        """Enable our extension, whatever files say of extensions; its own switch still counts."""
        self.jpserver_extensions = {"jupyter_chatd": True}


def main(socket: str, root: str) -> None:
    """Serve until told to stop, or until the command that started this is gone."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    identity = f"{IdentityProvider.__module__}.{IdentityProvider.__name__}"
    # These arguments never leave the process, so the token is not in the list of processes.
    options = {
        "sock": socket,
        "sock_mode": "0600",
        "root_dir": root,
        "open_browser": "False",
        "certfile": "",
        "identity_provider_class": identity,
    }
    arguments = [f"--ServerApp.{name}={value}" for name, value in options.items()]
    arguments.append(f"--IdentityProvider.token={os.environ['JUPYTER_TOKEN']}")
    PrivateServer.launch_instance(argv=["--allow-root", *arguments])


if __name__ == "__main__":
    main(*sys.argv[1:])
