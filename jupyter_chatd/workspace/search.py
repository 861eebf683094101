"""Finding files below a folder. Blocks: the agent calls it in threads."""

from __future__ import annotations

import os
from collections.abc import Iterator

from .file_errors import FileMissingError, explained
from .guard import Guard, ProtectedPathError
from .protocol import FoundFile, FoundFiles

ENTRIES = 10_000
"""Most names that one search looks at."""


def find_files(guard: Guard, folder: str, *, name: str | None, depth: int, limit: int) -> FoundFiles:
    """Return the regular files below *folder*; see `WorkspaceAgent.find_files`.

    Raises:
        WorkspaceError: *folder* is protected or may not be looked at.
    """
    root = guard.resolve(folder)
    found: list[FoundFile] = []
    try:
        with explained(folder):
            for number, entry in enumerate(_walk(guard, root, depth)):
                matches = (
                    name in (None, entry.name)
                    and entry.is_file(follow_symlinks=False)
                    and _is_text(entry.path)
                )
                if number == ENTRIES or (matches and len(found) == limit):
                    return FoundFiles(files=_sorted(found), is_cut=True)
                if matches:
                    found.append(_found(entry, root))
    except FileMissingError:
        return FoundFiles()
    return FoundFiles(files=_sorted(found))


def _found(entry: os.DirEntry[str], root: str) -> FoundFile:
    return FoundFile(path=os.path.relpath(entry.path, root), size=entry.stat(follow_symlinks=False).st_size)


def _is_text(path: str) -> bool:
    """False for names that are no UTF-8: nobody could ask for such a file, whose name fits in no JSON."""
    return not any("\ud800" <= character <= "\udfff" for character in path)


def _walk(guard: Guard, folder: str, depth: int) -> Iterator[os.DirEntry[str]]:
    """Every entry, a folder's own before those of the folders in it: a cut leaves the deepest out."""
    folders = [folder]
    for level in range(depth):
        below: list[str] = []
        for place in folders:
            for entry in _entries(place, is_root=level == 0):
                yield entry
                if entry.is_dir(follow_symlinks=False) and _is_open(guard, entry.path):
                    below.append(entry.path)
        folders = below


def _entries(folder: str, *, is_root: bool) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError:  # gone meanwhile, or not ours to read: the rest can still be told
        if is_root:
            raise
        return []


def _is_open(guard: Guard, folder: str) -> bool:
    try:
        guard.resolve(folder)
    except ProtectedPathError:
        return False
    return True


def _sorted(found: list[FoundFile]) -> tuple[FoundFile, ...]:
    return tuple(sorted(found, key=lambda file: file.path))
