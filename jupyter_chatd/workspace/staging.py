"""A file's new content, on the disk beside the old one until it takes its place in one step."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Generator

from .file_errors import explained, require_regular
from .guard import Guard
from .protocol import WorkspaceError

_FOLDER_MODE = 0o755
_NEW_FILE_MODE = 0o666  # before the umask
_SCRATCH_MODE = 0o600  # of the copy of an existing file, until it gets that one's mode

FileVersion = tuple[int, int, int]
"""Inode, size and time of the last change in ns: differs when somebody else wrote the file."""


def version_of(status: os.stat_result) -> FileVersion:
    """Return what tells whether a file was changed."""
    return status.st_ino, status.st_size, status.st_mtime_ns


class StagedFile:
    """New content beside the file that it will replace. Lives inside `staged`."""

    def __init__(self, path: str, folder: int, name: str) -> None:
        self._path = path
        self._folder = folder
        self._name = name
        self._scratch: str | None = None

    def write(self, data: bytes) -> None:
        """Put *data* on the disk under a scratch name, with the mode and owner of what it replaces."""
        before = self._find_status()
        if before is not None:
            require_regular(before, self._path)
        scratch = f".jupyter-chatd-{secrets.token_hex(6)}.tmp"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        mode = _NEW_FILE_MODE if before is None else _SCRATCH_MODE
        descriptor = os.open(scratch, flags, mode, dir_fd=self._folder)
        self._scratch = scratch
        with os.fdopen(descriptor, "wb") as file:
            if before is not None:
                _take_over(descriptor, before)
            file.write(data)
            file.flush()
            os.fsync(descriptor)

    def commit(self, *, unless_changed_since: FileVersion | None = None) -> None:
        """Put the content in place.

        Raises:
            WorkspaceError: the file is no longer the one of *unless_changed_since*, or the system refuses.
        """
        if self._scratch is None:
            raise RuntimeError("commit comes once, after write")
        with explained(self._path):
            now = self._find_status()
            if unless_changed_since is not None and (now is None or version_of(now) != unless_changed_since):
                raise WorkspaceError(
                    f"{self._path} was changed by someone else meanwhile. Read it again first."
                )
            os.replace(self._scratch, self._name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
        self._scratch = None

    def discard(self) -> None:
        """Remove what was not committed. May be called twice."""
        if self._scratch is not None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._scratch, dir_fd=self._folder)
            self._scratch = None

    def _find_status(self) -> os.stat_result | None:
        try:
            return os.stat(self._name, dir_fd=self._folder, follow_symlinks=False)
        except FileNotFoundError:
            return None


@contextlib.contextmanager
def staged(path: str, data: bytes, *, guard: Guard) -> Generator[StagedFile]:
    """Write *data* beside the real file of *path*; the caller commits it, else it is removed again.

    Raises:
        WorkspaceError: the place is protected, is not a file, or cannot be written.
    """
    real = guard.resolve(path)
    with explained(path):
        _require_writable(real, path)
        folder = _open_folder(os.path.dirname(real))
        try:
            # Held open from here on: exchanging the folder for a link changes nothing any more.
            guard.check_open(folder, path)
            file = StagedFile(path, folder, os.path.basename(real))
            try:
                file.write(data)
                yield file
            finally:
                file.discard()
        finally:
            os.close(folder)


def _require_writable(real: str, path: str) -> None:
    """A rename would replace a read-only file without asking, so ask."""
    if path.endswith("/"):
        raise WorkspaceError(f"{path} names a folder, not a file: leave out the / at its end.")
    if os.path.lexists(real):
        require_regular(os.lstat(real), path)
        if not os.access(real, os.W_OK):
            raise WorkspaceError(f"{path} is read-only.")


def _open_folder(folder: str) -> int:
    """Open *folder*, made with its parents where it is missing."""
    missing: list[str] = []
    while not os.path.lexists(folder):
        missing.append(folder)
        folder = os.path.dirname(folder)
    for folder in reversed(missing):
        with contextlib.suppress(FileExistsError):  # another call made it meanwhile
            os.mkdir(folder, _FOLDER_MODE)
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)


def _take_over(descriptor: int, before: os.stat_result) -> None:
    """Give the open file the owner and mode of *before*; the owner only where we may."""
    mine = os.fstat(descriptor)
    if (mine.st_uid, mine.st_gid) != (before.st_uid, before.st_gid):
        with contextlib.suppress(PermissionError):
            os.fchown(descriptor, before.st_uid, before.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(before.st_mode))
