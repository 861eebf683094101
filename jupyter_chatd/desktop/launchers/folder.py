"""A private folder for one desktop: its sockets, cookies and logs.

Whoever holds the lock on its file `lock` uses it. So a later server knows what a killed one left behind.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import secrets
import shutil
from pathlib import Path

from ...short_folder import require_private, short_folder
from ..errors import DesktopStartError
from ..rfb.connection import LONGEST_PATH

log = logging.getLogger(__name__)

_PREFIX = "chatd-desktop-"
_LONGEST_NAME = len("/rfb.socket") + len(_PREFIX) + 8  # bytes


class Folder:
    """Made for one desktop, removed with it. Only its owner may look into it.

    Make and remove it in a thread: a browser's profile has thousands of files.
    """

    def __init__(self, parent: Path) -> None:
        """Make it below *parent*; where paths are short when sockets would get too long a one.

        Raises:
            DesktopStartError: it cannot be made.
        """
        parent = _place(parent)
        self.path = parent / f"{_PREFIX}{secrets.token_hex(4)}"
        try:
            parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if parent == short_folder():
                require_private(parent)
            sweep(parent)
            self.path.mkdir(mode=0o700)
            self._lock = _lock(self.path)
        except OSError as error:
            raise DesktopStartError(
                f"Cannot make {self.path}, a desktop's folder: {error.strerror}."
            ) from error

    @property
    def socket(self) -> Path:
        """Where the RFB server listens."""
        return self.path / "rfb.socket"

    def remove(self) -> None:
        """Remove it and all that is in it. May be called twice."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def _place(parent: Path) -> Path:
    return parent if _has_room(parent) else short_folder()


def _has_room(parent: Path) -> bool:
    return len(os.fsencode(parent)) + 1 + _LONGEST_NAME <= LONGEST_PATH


def sweep(parent: Path) -> None:
    """Remove our folders below *parent* whose server has died."""
    for path in parent.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):  # in use, another user's, or just being made or removed
            if path.lstat().st_uid != os.geteuid():
                continue
            descriptor = _open(path, os.O_RDWR)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path)
                log.info("Removed %s, which a server that has died left behind", path)
            finally:
                os.close(descriptor)


def _lock(path: Path) -> int:
    descriptor = _open(path, os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return descriptor


def _open(path: Path, flags: int) -> int:
    return os.open(path / "lock", flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
