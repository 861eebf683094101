"""Unix sockets of programs that run now, from `/proc/net/unix` (proc(5))."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

_TABLE = "/proc/net/unix"
_PATH_COLUMN = 7


def bound_sockets() -> frozenset[str]:
    """Return the real paths of sockets that are bound to files; empty where the kernel tells none.

    Left out: abstract sockets, and those that were bound to a relative path.
    """
    try:
        with open(_TABLE, errors="surrogateescape") as table:
            lines = table.readlines()[1:]
    except OSError:  # not Linux
        return frozenset()
    return frozenset(_sockets(lines))


def _sockets(lines: list[str]) -> Iterator[str]:
    for line in lines:
        columns = line.rstrip("\n").split(maxsplit=_PATH_COLUMN)
        if len(columns) > _PATH_COLUMN and columns[_PATH_COLUMN].startswith("/"):
            path = os.path.realpath(columns[_PATH_COLUMN])
            if _is_socket(path):
                yield path


def _is_socket(path: str) -> bool:
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)
    except OSError:  # its file is gone, or lies where this user does not get
        return False
