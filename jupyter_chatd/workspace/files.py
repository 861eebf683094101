"""Reading, writing and editing files. Everything here blocks: the agent calls it in threads.

Errors are sentences for the model. Each open is judged by the guard before and after (`guard.py` says why).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator, Sequence
from dataclasses import dataclass

from . import utf8
from .edits import EditError, apply_edits
from .file_errors import explained, require_regular
from .guard import Guard, require_unlinked
from .limits import FileLimits
from .protocol import FileEdits, FileLines, WorkspaceError
from .staging import FileVersion, staged, version_of

LINE_MARK = b"... [line cut]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """The first bytes of a file."""

    data: bytes
    size: int
    """Of the whole file, in bytes."""
    version: FileVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewrite:
    """A file's new content, computed and not yet written."""

    path: str
    data: bytes
    version: FileVersion
    """Of the content that it was computed from."""


class Files:
    """The files that one agent reads and writes. Nothing stays open between calls; safe in threads.

    Args:
        guard: Judges what is read, and what is written unless *writing* does.
    """

    def __init__(self, guard: Guard, limits: FileLimits, *, writing: Guard | None = None) -> None:
        self._guard = guard
        self._writing = writing or guard
        self._limits = limits

    def read_lines(self, path: str, *, offset: int, limit: int) -> FileLines:
        """Return lines *offset* (from 1) to *offset + limit - 1*, all of them or none.

        Raises:
            WorkspaceError: the file cannot be read, or the answer would pass a limit.
        """
        if offset < 1 or limit < 1:
            raise WorkspaceError(f"offset and limit start at 1; offset {offset} and limit {limit} came.")
        contents = self._read(path, limit_bytes=self._limits.read_bytes)
        # A trailing newline gives a last empty line; an empty file has none.
        lines = contents.data.split(b"\n") if contents.data else []
        if offset > max(len(lines), 1):
            raise WorkspaceError(f"The offset {offset} is beyond the end: {path} has {len(lines)} lines.")
        shown = lines[offset - 1 : offset - 1 + limit]
        return FileLines(
            content=self._numbered(shown, offset),
            file_size=contents.size,
            total_lines=len(lines),
            lines_read=len(shown),
        )

    def head(self, path: str, *, limit_bytes: int, inside: str | None = None) -> Contents:
        """Return the first *limit_bytes* of a regular file.

        Raises:
            FileMissingError: there is none.
            WorkspaceError: it is protected, not a file, may not be read, or leads out of the folder *inside*.
        """
        real = self._guard.resolve(path)
        if inside is not None:
            _require_inside(real, self._guard.resolve(inside), path)
        with explained(path), self._opened(real, path) as descriptor:
            status = os.fstat(descriptor)
            data = _read_up_to(descriptor, limit_bytes)
        # Files under /proc, and files that grow, are larger than they say.
        return Contents(data=data, size=max(status.st_size, len(data)), version=version_of(status))

    def write(self, path: str, content: str, *, unlinked_in: str | None = None) -> None:
        """Replace or make a file in one step; links are followed, the mode is kept, parents are made.

        Args:
            unlinked_in: A folder in which it must lie with no link on the way; `None` for anywhere.

        Raises:
            WorkspaceError: it cannot be written; then it is as it was.
        """
        if unlinked_in is not None:
            require_unlinked(path, folder=unlinked_in)
        with staged(path, _encoded(content), guard=self._writing) as file:
            file.commit()

    def edit(self, files: Sequence[FileEdits], *, unlinked_in: str | None = None) -> None:
        """Apply all edits of all files, or write nothing and say everything that is wrong.

        Args:
            unlinked_in: As of `write`.

        Raises:
            WorkspaceError: an edit does not apply, a file cannot be read or written, or a path comes twice.
        """
        if unlinked_in is not None:
            for file in files:
                require_unlinked(file.path, folder=unlinked_in)
        if not files:
            raise WorkspaceError("No files came: give at least one, with at least one edit.")
        rewrites = self._rewrites(files)
        with contextlib.ExitStack() as stack:
            # All of them are on the disk before the first takes its place, so a full disk changes nothing.
            stages = [
                stack.enter_context(staged(one.path, one.data, guard=self._writing)) for one in rewrites
            ]
            for file, one in zip(stages, rewrites, strict=True):
                file.commit(unless_changed_since=one.version)

    def _rewrites(self, files: Sequence[FileEdits]) -> list[Rewrite]:
        """Compute every new content; all problems are told together."""
        problems: list[str] = []
        rewrites: list[Rewrite] = []
        seen: set[str] = set()
        for file in files:
            try:
                rewrites.append(self._rewrite(file, seen))
            except EditError as error:
                problems.append(f"{file.path}: {error}")
            except WorkspaceError as error:
                problems.append(str(error))
        if problems:
            raise WorkspaceError("Nothing was written.\n" + "\n".join(problems))
        return rewrites

    def _rewrite(self, file: FileEdits, seen: set[str]) -> Rewrite:
        real = self._writing.resolve(file.path)
        if real in seen:
            raise EditError("the same file comes twice; put all its edits in one entry.")
        seen.add(real)
        if not file.edits:
            raise EditError("no edits came; give at least one, with search and replace.")
        for edit in file.edits:
            _encoded(edit.replace)
        before = self._read(file.path, limit_bytes=self._limits.edit_bytes)
        # Bytes that are not UTF-8 survive: surrogateescape gives them back unchanged.
        text = apply_edits(before.data.decode("utf-8", "surrogateescape"), file.edits)
        data = text.encode("utf-8", "surrogateescape")
        return Rewrite(path=file.path, data=data, version=before.version)

    def _read(self, path: str, *, limit_bytes: int) -> Contents:
        contents = self.head(path, limit_bytes=limit_bytes + 1)
        if contents.size > limit_bytes:
            raise WorkspaceError(
                f"{path} has {contents.size} bytes; files of more than {limit_bytes} are too large for this "
                "tool. Use execute with head, tail, sed or rg to see or change parts of it."
            )
        return contents

    @contextlib.contextmanager
    def _opened(self, real: str, path: str) -> Generator[int]:
        # Looked at before it is opened, because opening a device or a pipe can do things or wait for ever;
        # looked at again afterwards, because it may have been exchanged meanwhile.
        require_regular(os.lstat(real), path)
        descriptor = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        try:
            require_regular(os.fstat(descriptor), path)
            self._guard.check_open(descriptor, path)
            yield descriptor
        finally:
            os.close(descriptor)

    def _numbered(self, lines: Sequence[bytes], offset: int) -> str:
        limits = self._limits
        if len(lines) > limits.lines:
            raise WorkspaceError(
                f"{len(lines)} lines are too many for one answer, which takes {limits.lines}. "
                "Read the file page by page with offset and limit."
            )
        cut = (utf8.cut_line(line, limits.line_bytes, LINE_MARK).decode("utf-8", "replace") for line in lines)
        content = "\n".join(f"{number}\t{line}" for number, line in enumerate(cut, start=offset))
        size = len(content.encode())
        if size > limits.response_bytes:
            raise WorkspaceError(
                f"These {len(lines)} lines are {size} bytes, too many for one answer, which takes "
                f"{limits.response_bytes}. Read fewer lines at a time with offset and limit."
            )
        return content


def _read_up_to(descriptor: int, limit: int) -> bytes:
    data = bytearray()
    while len(data) < limit and (chunk := os.read(descriptor, limit - len(data))):
        data += chunk
    return bytes(data)


def _require_inside(real: str, folder: str, path: str) -> None:
    if os.path.commonpath([real, folder]) != folder:
        raise WorkspaceError(f"{path} leads out of {folder}: give a path that stays in it.")


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise WorkspaceError(
            f"The text is not valid Unicode: character {error.start} is half of a surrogate pair. "
            "Send it whole."
        ) from error
