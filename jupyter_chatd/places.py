"""Where on disk the server's secrets are, and what runs outside the sandbox: neither is for the agent."""

from __future__ import annotations

import glob
import logging
import os
import site
import stat
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jupyter_core.paths import (
    jupyter_config_dir,
    jupyter_config_path,
    jupyter_data_dir,
    jupyter_path,
    jupyter_runtime_dir,
)

_CONFIGS = ("jupyter_config.*", "jupyter_server_*", "jupyter_lab_*", "jupyter_notebook_*", "jupyterhub*")
_STANDARD_STREAMS = (1, 2)  # descriptors

# Of the home folder. Shells, SSH, git, editors and desktops read these at their next start.
_STARTUP = (
    *(".bashrc", ".bash_profile", ".bash_login", ".bash_logout", ".bash_aliases", ".profile", ".inputrc"),
    *(".zshrc", ".zshenv", ".zprofile", ".zlogin", ".zlogout", ".oh-my-zsh", ".config/fish", ".tmux.conf"),
    *(".xprofile", ".xsession", ".xsessionrc", ".xinitrc", ".config/autostart", ".config/systemd"),
    *(".config/environment.d", ".local/share/applications", ".local/share/systemd", ".pam_environment"),
    *(".ssh", ".gnupg", ".gitconfig", ".config/git", ".config/pip", ".pip", ".npmrc", ".condarc", ".mambarc"),
    *(".vimrc", ".vim", ".config/nvim", ".emacs", ".emacs.d", ".vscode", ".vscode-server", ".config/Code"),
    ".local/lib",
)

# Of the home folder. Browsers hold the cookie that lets into Jupyter and addresses with its token; shells
# remember commands that named one; whoever has the X server's cookie can type into the user's windows. The
# settings of the user's other servers are here when this one's are elsewhere.
_PRIVATE = (
    *(".mozilla", ".librewolf", ".zen", ".cache/mozilla", "snap/firefox", "snap/chromium"),
    *(".config/google-chrome", ".config/chromium", ".config/BraveSoftware", ".config/microsoft-edge"),
    *(".config/vivaldi", ".config/opera", ".config/jupyterlab-desktop", ".cache/google-chrome"),
    *(".var/app/org.mozilla.firefox", ".var/app/com.google.Chrome", ".var/app/org.chromium.Chromium"),
    *("Library/Application Support/Google/Chrome", "Library/Application Support/Firefox"),
    *(".bash_history", ".zsh_history", ".python_history", ".local/share/fish", ".Xauthority"),
    *(".jupyter", ".config/jupyter"),
)


def secret_places(server: Any) -> list[Path]:
    """Return what lets into a Jupyter server or tells its settings.

    Those of the user's other servers count: one that a command starts has a runtime folder of its own. The
    first folders need not exist; the rest, most of it files, does.

    Args:
        server: The running `ServerApp`.
    """
    folders = [jupyter_config_dir(), server.config_dir, jupyter_runtime_dir(), server.runtime_dir]
    folders += [os.path.join(jupyter_data_dir(), "runtime")]
    connections = getattr(server.kernel_manager, "connection_dir", "")
    others = [connections, server.info_file, server.cookie_secret_file]
    others += [*_config_files(server), *_log_files(server.log)]
    return [*map(Path, dict.fromkeys(folders)), *map(Path, dict.fromkeys(filter(os.path.exists, others)))]


def code_files(env: Mapping[str, str], home: Path) -> tuple[str, ...]:
    """Return files and folders that programs outside run or obey; some may not exist.

    The server's environment, programs of the `PATH`, what shells and editors start with.
    """
    programs = filter(os.path.isabs, env.get("PATH", "").split(os.pathsep))
    startup = (str(home / name) for name in _STARTUP)
    # An environment may lie in the workspace. The system's own Python is no folder to hold on to.
    environment = {sys.prefix, sys.exec_prefix} - {"/", "/usr"}
    return (*sorted(environment), *site.getsitepackages(), *programs, *jupyter_config_path(), *startup)


def code_folders(home: Path) -> tuple[str, ...]:
    """Return folders that Python and Jupyter take the user's code from.

    Kernels, extensions of the front end, what IPython runs at its start.
    """
    ipython = os.environ.get("IPYTHONDIR") or str(home / ".ipython")
    own = [*jupyter_path(), jupyter_data_dir(), ipython, *_user_site()]
    return tuple(dict.fromkeys(own))


def private_places(home: Path) -> tuple[str, ...]:
    """Return what commands have no business with: browsers, histories, Jupyter's key for trusted notebooks.

    Who has that key can make a notebook that runs scripts in the user's browser, which is let into Jupyter.
    """
    notary = ("notebook_secret", "nbsignatures.db", "nbsignatures.db-wal")
    jupyter = (os.path.join(jupyter_data_dir(), name) for name in notary)
    return (*(str(home / name) for name in _PRIVATE), *jupyter)


def _user_site() -> list[str]:
    return [site.getusersitepackages()] if site.ENABLE_USER_SITE else []


def _config_files(server: Any) -> Iterator[str]:
    """Settings may hold tokens and keys, those of all users too. What other programs read stays."""
    yield from map(os.path.abspath, server.loaded_config_files)
    for folder in jupyter_config_path():
        for name in _CONFIGS:
            yield from glob.glob(os.path.join(glob.escape(folder), name))


def _log_files(log: logging.Logger) -> Iterator[str]:
    """Return the files that the server writes to: the address that it prints at its start has the token."""
    for descriptor in _STANDARD_STREAMS:
        try:
            is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
            path = os.readlink(f"/proc/self/fd/{descriptor}") if is_file else ""
        except OSError:  # closed, or not Linux
            continue
        if os.path.isfile(path):
            yield path
    for handler in (*log.handlers, *logging.getLogger().handlers):
        if isinstance(handler, logging.FileHandler):
            yield handler.baseFilename


def forget_workspace_modules(directory: str) -> bool:
    """Stop importing from the workspace when `python -m` was started in it; say whether it was so.

    The agent may write modules there, and the server would run them.
    """
    first = sys.path[0] if sys.path and not sys.flags.safe_path else None
    if first is None or first in os.environ.get("PYTHONPATH", "").split(os.pathsep):
        return False
    if not Path(first).resolve().is_relative_to(Path(directory).resolve()):
        return False
    del sys.path[0]
    return True
