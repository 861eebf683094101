"""Folders that the file tools refuse, after every link is resolved.

The tools run inside the server, so without this they could read its tokens, keys and chats for the model,
sandbox or not. Three steps, because a path may change between them: `resolve` judges where a path leads,
the caller opens that very place without following a last link, and `check_open` judges what was really
opened.
"""

from __future__ import annotations

import fcntl
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence

from .protocol import WorkspaceError

# /proc/<pid>/environ, mem, root, cwd, fd and the rest show or lead to what belongs to a process, the server
# included.
_PROCESS_FILES = re.compile(r"/proc/(\d+|self|thread-self)(/|$)|/dev/(fd/|stdin$|stdout$|stderr$)")


class ProtectedPathError(WorkspaceError):
    """The path leads into what belongs to the Jupyter server itself."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"{path} is protected: it belongs to the Jupyter server or to a running process, and file tools "
            "neither read nor write it. Use a file of the workspace."
        )
        self.path = path


class FixedPathError(WorkspaceError):
    """Programs outside the sandbox run or obey what lies there."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"{path} is not written: programs outside the sandbox run it or obey it. Tell the user what to "
            "change there; to let you write there, its folder is named in c.JupyterChatd.sandbox_writable."
        )
        self.path = path


class Guard:
    """Knows the protected files and folders. Lives as long as its agent.

    A place is protected when it is, or lies below, one of *protected*, by its resolved name or by its
    identity on disk (which sees through bind mounts, hard links of a protected file, and names that differ
    in case).
    """

    def __init__(self, protected: Sequence[str | os.PathLike[str]]) -> None:
        self._protected = [os.path.realpath(path) for path in protected]

    def resolve(self, path: str) -> str:
        """Return the real place that *path* names; it need not exist.

        Raises:
            WorkspaceError: *path* is missing, not absolute, or holds a NUL.
            ProtectedPathError: it is protected.
        """
        if not path.strip():
            raise WorkspaceError("The path is missing: give the absolute path of a file.")
        _require_representable(path)
        if not os.path.isabs(path):
            raise WorkspaceError(f"The path must be absolute, and {path!r} is not: start it with /.")
        if _PROCESS_FILES.match(os.path.normpath(path)):
            raise ProtectedPathError(path)
        real = os.path.realpath(path)
        self._check(real, path)
        return real

    def check_open(self, descriptor: int, path: str) -> None:
        """Judge what *descriptor* really is: a link on the way may have changed since `resolve`.

        Raises:
            ProtectedPathError: it is protected.
        """
        self._check(_real_path_of(descriptor), path)

    def _check(self, real: str, path: str) -> None:
        if _PROCESS_FILES.match(real) or self._is_protected(real):
            raise ProtectedPathError(path)

    def _is_protected(self, real: str) -> bool:
        places = list(_upwards(real))
        if not set(self._protected).isdisjoint(places):
            return True
        identities = {identity for place in self._protected if (identity := _identity(place)) is not None}
        return any(_identity(place) in identities for place in places)


class WriteGuard(Guard):
    """Refuses also to write what `is_fixed`, told its real path, says must stay as it is.

    In the sandbox commands cannot write there. File tools act outside of it, and would be the way out: what
    they put into a start-up file is run by the next shell. A hard link needs no look: a file is replaced, not
    changed.
    """

    def __init__(
        self, protected: Sequence[str | os.PathLike[str]], *, is_fixed: Callable[[str], bool]
    ) -> None:
        super().__init__(protected)
        self._is_fixed = is_fixed

    def _check(self, real: str, path: str) -> None:
        super()._check(real, path)
        if self._is_fixed(real):
            raise FixedPathError(path)


def require_unlinked(path: str, *, folder: str) -> None:
    """Make sure that *path* lies in *folder* and that no link is on the way from there.

    Raises:
        WorkspaceError: it leads elsewhere.
    """
    _require_representable(path)
    place = os.path.relpath(os.path.normpath(path), os.path.normpath(folder))
    if os.path.realpath(path) != os.path.normpath(os.path.join(os.path.realpath(folder), place)):
        raise WorkspaceError(
            f"{path} leads elsewhere: a link is on the way. Only the place itself may be written; tell the "
            "user about the link."
        )


def _require_representable(path: str) -> None:
    try:
        name = os.fsencode(path)
    except UnicodeEncodeError as error:
        raise WorkspaceError(f"The path {path!r} is not valid Unicode: send it whole.") from error
    if b"\0" in name:
        raise WorkspaceError(f"The path {path!r} holds a NUL character, which no file name can.")


def _upwards(path: str) -> Iterator[str]:
    """`/a/b` gives `/a/b`, `/a`, `/`."""
    while True:
        yield path
        parent = os.path.dirname(path)
        if parent == path:
            return
        path = parent


def _identity(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:  # a place that does not exist, or may not be looked at, has no identity to compare
        return None
    return status.st_dev, status.st_ino


def _real_path_of(descriptor: int) -> str:
    if sys.platform == "darwin":
        return os.fsdecode(fcntl.fcntl(descriptor, fcntl.F_GETPATH, bytes(1024)).rstrip(b"\0"))
    return os.readlink(f"/proc/self/fd/{descriptor}")
