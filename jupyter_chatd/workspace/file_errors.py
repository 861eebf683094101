"""What the system says of a file, as a sentence that a model can act on."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Generator

from .protocol import WorkspaceError

_SENTENCES = {
    errno.EACCES: "There is no permission to use {path}.",
    errno.EPERM: "There is no permission to use {path}.",
    errno.EISDIR: "{path} is a folder, not a file. Use execute with ls to list it.",
    errno.ENOTDIR: "A part of {path} that should be a folder is a file.",
    errno.EEXIST: "A part of {path} that should be a folder is a file.",
    errno.ELOOP: "{path} goes through links that lead in a circle.",
    errno.ENAMETOOLONG: "{path} is longer than the system allows.",
    errno.ENOSPC: "{path} cannot be written: the disk is full.",
    errno.EDQUOT: "{path} cannot be written: the disk quota is used up.",
    errno.EROFS: "{path} cannot be written: the file system is read-only.",
}


class FileMissingError(WorkspaceError):
    """There is no such file."""

    def __init__(self, path: str) -> None:
        super().__init__(f"{path} does not exist. Check the path, for example with execute and ls.")
        self.path = path


@contextlib.contextmanager
def explained(path: str) -> Generator[None]:
    """Turn an `OSError` raised inside into a `WorkspaceError` about *path*.

    Raises:
        FileMissingError: it does not exist.
        WorkspaceError: anything else that the system refused.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise FileMissingError(path) from error
    except OSError as error:
        raise WorkspaceError(_sentence(path, error)) from error


def _sentence(path: str, error: OSError) -> str:
    sentence = _SENTENCES.get(error.errno or 0)
    return sentence.format(path=path) if sentence else f"{path} cannot be used: {error.strerror}."


def require_regular(status: os.stat_result, path: str) -> None:
    """Refuse folders, pipes, sockets and devices.

    Raises:
        OSError: `EISDIR` for a folder.
        WorkspaceError: for the others, which could block for ever.
    """
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    if stat.S_ISLNK(status.st_mode):
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
    if not stat.S_ISREG(status.st_mode):
        raise WorkspaceError(
            f"{path} is not a regular file but a pipe, socket or device; file tools refuse those."
        )
