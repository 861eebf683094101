"""Confines programs with bubblewrap: what belongs to the server is not there, little else can be written.

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

from ..short_folder import short_folder
from .protocol import WorkspaceError
from .sockets import bound_sockets

PROGRAM = "bwrap"
_PROBE_LIMIT = 10.0  # seconds
_PROBES = 3
"""Before it counts as broken, for as long as the server lives: a socket of another program that goes away
between being listed and being covered makes bubblewrap fail, once."""

# Doors to other programs of the user, or to root: container engines, agents that hold keys, screens, editors
# that run what they are sent. The journal has what Jupyter logs as a service, its token included.
_COVERED = ("/run", "/var/log/journal")
_SOCKETS_IN_TMP = ("/tmp/ssh-*", "/tmp/tmux-*", "/tmp/.X11-unix", "/tmp/.ICE-unix", "/tmp/vscode-*")
# Where names are looked up when /etc/resolv.conf leads there.
_NEEDED_OF_RUN = ("/run/systemd/resolve", "/run/resolvconf", "/run/NetworkManager/resolv.conf")
_DEVICES = ("/dev/nvidia*", "/dev/dri", "/dev/kfd")
# Root may write there without any capability, and the kernel runs what `core_pattern` names, outside.
# Bubblewrap means to cover them, but takes a folder that cannot be written for one without files that can.
_OF_KERNEL = ("/proc/sys", "/proc/irq", "/proc/bus", "/proc/fs", "/proc/sysrq-trigger")
# Never writable as part of a larger place, such as a workspace that is the whole disk.
_SYSTEM = ("/bin", "/boot", "/etc", "/lib*", "/opt", "/sbin", "/sys", "/usr", "/var")
_NO_WORKPLACE = ("/proc", "/sys")

Mount = tuple[str, list[str]]
"""The place that a mount lies over, and bubblewrap's options for it."""


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
    """What confined programs may do."""

    policy: SandboxPolicy = SandboxPolicy.PREFERRED
    network: bool = True
    writable: tuple[str, ...] = ()
    """Folders that can be written besides the workspace's and /tmp; those that do not exist are left out."""
    fixed: tuple[str, ...] = ()
    """Places with code or settings of programs that run outside: read-only, although they lie in a writable
    place, unless `writable` names them or what lies in them."""
    fixed_folders: tuple[str, ...] = ()
    """Likewise; made when they are missing, or a command could make them."""
    private: tuple[str, ...] = ()
    """Files and folders that are empty inside where they exist."""


class Sandbox:
    """Puts programs into a sandbox. Finds out with the first one whether that works here.

    Args:
        settings: What they may do.
        directory: The workspace's folder, which they may write to.
        hidden: Files and folders that are empty inside, besides the folder of short paths. Folders that do
            not exist are made, so that nothing inside can make them.
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
        named = [self._directory, *map(os.path.realpath, settings.writable)]
        self._writable = [place for place in (*named, "/tmp") if not _is_in(place, _NO_WORKPLACE)]
        fixed_folders = [os.path.realpath(path) for path in settings.fixed_folders]
        fixed = [*fixed_folders, *map(os.path.realpath, (*settings.fixed, *_existing(_SYSTEM)))]
        self._code = [place for place in dict.fromkeys(fixed) if place not in named]
        self._fixed = [place for place in self._code if _is_in(place, self._writable)]
        self._made = [place for place in fixed_folders if place in self._fixed]
        self._hidden = list(_real_places([*hidden, short_folder()]))
        self._private = list(_real_places(settings.private))
        self._env = dict(env)
        self._problem: str | None = "not tried yet"
        self._program: str | None = None
        self._sockets_of_others: frozenset[str] = frozenset()
        """Those in writable places that were there before anything ran inside."""
        self._is_probed = False

    @property
    def refuses(self) -> bool:
        """True when nothing can be run. Blocks at the first call."""
        return self._settings.policy is SandboxPolicy.REQUIRED and self.probe() is not None

    def probe(self) -> str | None:
        """Return why nothing is confined, `None` when it is. Blocks at the first call."""
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
        return self.wrap(["/bin/sh", "-c", command], work_dir=work_dir, read_only=read_only)

    def wrap(
        self, argv: Sequence[str], *, work_dir: str, read_only: bool = False, own: str | None = None
    ) -> list[str]:
        """Return what to run so that the program *argv* runs as confined as the policy wants. May block.

        Args:
            argv: What to run.
            work_dir: Where it starts.
            read_only: Nothing can be written but an empty /tmp of its own.
            own: A folder that it may write to, also in a hidden place.

        Raises:
            SandboxError: it must be confined and cannot be.
        """
        problem = self.probe()
        if problem is None:
            self._make_hidden()  # again: who tidies /tmp may have removed them
            return [
                *self._confine(read_only=read_only, own=own and os.path.realpath(own)),
                "--chdir",
                work_dir,
                "--",
                *argv,
            ]
        if self._settings.policy is SandboxPolicy.REQUIRED:
            raise SandboxError(f"Programs run only in a sandbox here, and there is none: {problem}.")
        return list(argv)

    def is_fixed(self, path: str) -> bool:
        """Whether *path*, after all links, must stay as it is for the sandbox to hold. May block.

        It does not matter where nothing is confined: there commands write what they like.
        """
        holders = [place for place in (*self._writable, *self._code) if _is_in(path, [place])]
        is_code = bool(holders) and max(holders, key=len) in self._code
        return is_code and (self.probe() is None or self.refuses)

    def _try_out(self) -> str | None:
        if self._settings.policy is SandboxPolicy.OFF:
            return "the sandbox is switched off"
        self._program = self._find_program()
        if self._program is None:
            return "bubblewrap is not installed (Debian and Ubuntu: apt install bubblewrap)"
        self._make_hidden()
        self._sockets_of_others = bound_sockets()
        for _ in range(_PROBES - 1):
            if self._run_true() is None:
                return None
        return self._run_true()

    def _make_hidden(self) -> None:
        # What lies in a hidden place is hidden with it, and may be a file.
        for folder in (*_outermost(self._hidden), *self._made):
            _make_missing(folder)

    def _run_true(self) -> str | None:
        """Run a program that does nothing, confined; return what went wrong."""
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

    def _find_program(self) -> str | None:
        """Return where bubblewrap is: never in a place that can be written from inside."""
        for folder in self._env.get("PATH", os.defpath).split(os.pathsep):
            program = shutil.which(PROGRAM, path=folder) if os.path.isabs(folder) else None
            if program is not None and not self._can_write(os.path.realpath(program)):
                return program
        return None

    def _can_write(self, path: str) -> bool:
        """Whether *path* can be written from inside: the innermost place that holds it decides."""
        holders = [place for place in (*self._writable, *self._fixed) if _is_in(path, [place])]
        return bool(holders) and max(holders, key=len) not in self._fixed

    def _confine(self, *, read_only: bool, own: str | None = None) -> list[str]:
        """Return bubblewrap's call up to its options for one program.

        A mount lies over earlier ones, so outer places come before those in them, whoever named them: a
        workspace that is the whole disk must not bring back the /proc of outside.
        """
        assert self._program is not None
        network = ["--share-net"] if self._settings.network else []
        # No --die-with-parent: what a command leaves running in the background would end with its shell.
        # No --new-session: signals reach the command by its group. Root would keep all its capabilities.
        namespaces = ["--unshare-all", *network, "--cap-drop", "ALL"]
        hidden = [*self._hidden, *self._private, *self._sockets(read_only=read_only)]
        places = self._readable_mounts() if read_only else self._writable_mounts(hidden)
        mounts = sorted([*_system_mounts(), *places], key=_depth)
        return [
            self._program,
            *namespaces,
            *["--ro-bind", "/", "/"],
            *(word for _, words in mounts for word in words),
            *_cover(_outermost(hidden), own=own),
        ]

    def _readable_mounts(self) -> list[Mount]:
        """Bind the workspace once more: it may lie in /tmp."""
        return [("/tmp", ["--tmpfs", "/tmp"]), *_binds("--ro-bind", [self._directory])]

    def _writable_mounts(self, hidden: Sequence[str]) -> list[Mount]:
        """Bind the writable places, and on themselves the folders between them and what must stay there.

        What is a mount point cannot be renamed: else a command could move a hidden place's parent away, and
        the next command would find it under its new name.
        """
        places = [path for path in _outermost(self._writable) if os.path.isdir(path)]
        staying = [path for path in (*hidden, *self._fixed) if os.path.lexists(path)]
        above = {str(folder) for path in staying if _is_in(path, places) for folder in Path(path).parents}
        held = filter(self._can_write, above.difference(places))
        inner = {path for path in self._writable if os.path.isdir(path)}
        return [
            *_covers(_existing(_SOCKETS_IN_TMP)),
            # What programs outside keep in /tmp may be gone by the time that bubblewrap comes to it.
            *_binds("--bind-try", sorted({*places, *held, *inner})),
            *_binds("--ro-bind", self._fixed),
        ]

    def _sockets(self, *, read_only: bool) -> Iterator[str]:
        """Return the sockets of programs outside, but for those that something inside may have made."""
        gone = [*_COVERED, "/dev", "/proc", *(["/tmp"] if read_only else [])]
        for path in sorted(bound_sockets()):
            is_there = _is_in(path, [self._directory]) or not _is_in(path, gone)
            if is_there and (path in self._sockets_of_others or not self._can_write(path)):
                yield path


def _real_places(paths: Iterable[str | os.PathLike[str]]) -> Iterator[str]:
    """Resolve links. A log or a history may be /dev/null, which programs need; /dev is another one inside."""
    for path in paths:
        real = os.path.realpath(path)
        if not _is_in(real, ["/dev"]):
            yield real


def _system_mounts() -> list[Mount]:
    devices = ["--dev", "/dev", *_options("--dev-bind", _existing(_DEVICES))]
    return [
        ("/dev", devices),
        ("/proc", ["--proc", "/proc"]),
        *_covers(_COVERED),
        *_binds("--ro-bind", ["/sys", *(_OF_KERNEL if os.geteuid() == 0 else ())]),
        *_binds("--ro-bind", _existing(_NEEDED_OF_RUN)),
    ]


def _make_missing(folder: str) -> None:
    if not os.path.lexists(folder):
        os.makedirs(folder, mode=0o700, exist_ok=True)


def _existing(patterns: Iterable[str]) -> Iterator[str]:
    for pattern in patterns:
        yield from sorted(glob.glob(pattern))


def _options(option: str, paths: Iterable[str]) -> list[str]:
    return [word for path in paths for word in (option, path, path)]


def _binds(option: str, paths: Iterable[str]) -> list[Mount]:
    return [(path, _options(option, [path])) for path in paths if os.path.exists(path)]


def _covers(paths: Iterable[str]) -> list[Mount]:
    return [(path, _cover([path])) for path in paths]


def _cover(paths: Iterable[str], *, own: str | None = None) -> list[str]:
    """Lay an empty, read-only place over each path; a program's own folder in it stays."""
    words: list[str] = []
    for path in paths:
        if os.path.isdir(path):
            kept = _options("--bind", [own] if own is not None and _is_in(own, [path]) else [])
            words += ["--tmpfs", path, *kept, "--remount-ro", path]
        elif os.path.exists(path):
            words += ["--ro-bind", "/dev/null", path]
    return words


def _depth(mount: Mount) -> int:
    return len(Path(mount[0]).parts)


def _outermost(paths: Iterable[str]) -> list[str]:
    """Leave out what lies in another one, and what is named twice."""
    found: list[str] = []
    for path in sorted(set(paths)):
        if not _is_in(path, found):
            found.append(path)
    return found


def _is_in(path: str, places: Iterable[str]) -> bool:
    """Whether *path* is one of *places* or lies below one."""
    return any(path == place or path.startswith(place.rstrip("/") + "/") for place in places)
