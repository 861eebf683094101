"""Confines commands with bubblewrap: what belongs to the server is not there, little else can be written.

Inside: a pid namespace and /proc of its own, the file system read-only but for the writable places, the
hidden places empty. Rules: DESIGN "Security, said honestly"; what is left open: DECISIONS.md, "the sandbox".
"""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from .protocol import WorkspaceError

PROGRAM = "bwrap"
_PROBE_LIMIT = 10.0  # seconds

# Doors to other programs of the user, or to root: container engines, agents that hold keys, screens.
_RUN = "/run"
_SOCKETS_IN_TMP = ("/tmp/ssh-*", "/tmp/tmux-*", "/tmp/.X11-unix", "/tmp/.ICE-unix")
# Where names are looked up when /etc/resolv.conf leads there.
_NEEDED_OF_RUN = ("/run/systemd/resolve", "/run/resolvconf", "/run/NetworkManager/resolv.conf")
_DEVICES = ("/dev/nvidia*", "/dev/dri", "/dev/kfd")


class SandboxPolicy(StrEnum):
    """Whether commands must be confined."""

    REQUIRED = "required"
    """A command that cannot be confined is not run."""
    PREFERRED = "preferred"
    """Confined where it works."""
    OFF = "off"


class SandboxError(WorkspaceError):
    """Commands must be confined, and cannot be on this machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxSettings:
    """What commands may do."""

    policy: SandboxPolicy = SandboxPolicy.PREFERRED
    network: bool = True
    writable: tuple[str, ...] = ()
    """Folders that commands may write to besides the workspace's and /tmp; those that do not exist are
    left out."""


class Sandbox:
    """Puts commands into a sandbox. Finds out with the first command whether that works here.

    Args:
        settings: What commands may do.
        directory: The workspace's folder, which commands may write to.
        hidden: Files and folders that are empty inside. Folders that do not exist are made, so that no
            command can make them.
        env: What bubblewrap is run with.
    """

    def __init__(
        self,
        settings: SandboxSettings,
        *,
        directory: str,
        hidden: Sequence[str | os.PathLike[str]],
        env: Mapping[str, str],
    ) -> None:
        self._settings = settings
        self._directory = os.path.realpath(directory)
        self._writable = [self._directory, *map(os.path.realpath, ("/tmp", *settings.writable))]
        self._hidden = [os.path.realpath(path) for path in hidden]
        self._env = dict(env)
        self._problem: str | None = "not tried yet"
        self._program: str | None = None
        self._is_probed = False

    def probe(self) -> str | None:
        """Return why commands are not confined, `None` when they are. Blocks at the first call."""
        if not self._is_probed:
            self._problem = self._try_out()
            self._is_probed = True
        return self._problem

    def argv(self, command: str, *, work_dir: str, read_only: bool = False) -> list[str]:
        """Return what to run so that `sh -c command` runs as confined as the policy wants. May block.

        Args:
            command: Given to `sh -c`.
            work_dir: Where it starts.
            read_only: Nothing can be written but an empty /tmp of its own.

        Raises:
            SandboxError: it must be confined and cannot be.
        """
        shell = ["/bin/sh", "-c", command]
        problem = self.probe()
        if problem is None:
            return [*self._confine(read_only=read_only), "--chdir", work_dir, "--", *shell]
        if self._settings.policy is SandboxPolicy.REQUIRED:
            raise SandboxError(f"Commands run only in a sandbox here, and there is none: {problem}.")
        return shell

    def _try_out(self) -> str | None:
        if self._settings.policy is SandboxPolicy.OFF:
            return "the sandbox is switched off"
        self._program = shutil.which(PROGRAM, path=self._env.get("PATH"))
        if self._program is None:
            return "bubblewrap is not installed (Debian and Ubuntu: apt install bubblewrap)"
        for folder in _outermost(
            self._hidden
        ):  # what lies in one of them is hidden with it, and may be a file
            _make_missing(folder)
        try:
            subprocess.run(
                [*self._confine(read_only=False), "--", "/bin/true"],
                check=True,
                capture_output=True,
                text=True,
                env=self._env,
                timeout=_PROBE_LIMIT,
            )
        except subprocess.CalledProcessError as error:
            return f"bubblewrap does not work on this machine: {error.stderr.strip()[:300]}"
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"bubblewrap does not work on this machine: {error}"
        return None

    def _confine(self, *, read_only: bool) -> list[str]:
        """Return bubblewrap's call up to its options for one command. Later mounts lie over earlier ones."""
        assert self._program is not None
        network = ["--share-net"] if self._settings.network else []
        # No --die-with-parent: what a command leaves running in the background would end with its shell.
        # No --new-session: signals reach the command by its group. Root would keep all its capabilities.
        namespaces = ["--unshare-all", *network, "--cap-drop", "ALL"]
        devices = _mount("--dev-bind", _existing(_DEVICES))
        system = ["--ro-bind", "/", "/", "--dev", "/dev", *devices, "--proc", "/proc", *_cover([_RUN])]
        return [
            self._program,
            *namespaces,
            *system,
            *_mount("--ro-bind", _existing(_NEEDED_OF_RUN)),
            *(self._readable_mounts() if read_only else self._writable_mounts()),
            *_cover(_outermost(self._hidden)),
        ]

    def _readable_mounts(self) -> list[str]:
        """Bind the workspace once more: it may lie in /tmp."""
        return ["--tmpfs", "/tmp", *_mount("--ro-bind", filter(os.path.isdir, [self._directory]))]

    def _writable_mounts(self) -> list[str]:
        """Bind the writable places, and on themselves the folders between them and a hidden place.

        What is a mount point cannot be renamed: else a command could move a hidden place's parent away, and
        the next command would find it under its new name.
        """
        places = [path for path in _outermost(self._writable) if os.path.isdir(path)]
        held = {
            ancestor
            for hidden in self._hidden
            for ancestor in map(str, Path(hidden).parents)
            if any(_is_below(ancestor, place) for place in places) and os.path.isdir(ancestor)
        }
        return [*_mount("--bind", [*places, *sorted(held)]), *_cover(_existing(_SOCKETS_IN_TMP))]


def _make_missing(folder: str) -> None:
    if not os.path.lexists(folder):
        os.makedirs(folder, mode=0o700, exist_ok=True)


def _existing(patterns: Iterable[str]) -> Iterator[str]:
    for pattern in patterns:
        yield from sorted(glob.glob(pattern))


def _mount(option: str, paths: Iterable[str]) -> list[str]:
    return [word for path in paths for word in (option, path, path)]


def _cover(paths: Iterable[str]) -> list[str]:
    """Lay an empty, read-only place over each path."""
    words: list[str] = []
    for path in paths:
        if os.path.isdir(path):
            words += ["--tmpfs", path, "--remount-ro", path]
        elif os.path.exists(path):
            words += ["--ro-bind", "/dev/null", path]
    return words


def _outermost(paths: Iterable[str]) -> list[str]:
    """Leave out what lies in another one, and what is named twice."""
    found: list[str] = []
    for path in sorted(set(paths)):
        if not any(_is_below(path, other) for other in found):
            found.append(path)
    return found


def _is_below(path: str, folder: str) -> bool:
    return path.startswith(folder.rstrip("/") + "/")
