"""Rows and bytes that were read and wait to be written, in a file without a name.

An import is checked as a whole before any of it is written; what was checked lies here, so that memory does
not grow with it. Nobody else can open the file, and it is gone with the process.
"""

from __future__ import annotations

import io
import os
import pickle
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType

from ..messages import NewMessage


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A part of the file."""

    start: int
    size: int


class Spool:
    """The file. Write one thing after the other; read as often as needed. Close it, or use it in `with`."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="chatd-import-")  # noqa: SIM115 - closed by `close`
        self._size = 0

    def close(self) -> None:
        """Give the space back. May be called twice."""
        self._file.close()

    def __enter__(self) -> Spool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def tell(self) -> int:
        """Return where the next thing will lie."""
        return self._size

    def add_row(self, row: NewMessage) -> None:
        """Append a row."""
        self.add_bytes(pickle.dumps(row, protocol=pickle.HIGHEST_PROTOCOL))

    def add_bytes(self, data: bytes) -> Piece:
        """Append bytes; return where they lie."""
        piece = Piece(start=self._size, size=len(data))
        self._file.write(data)
        self._size += len(data)
        return piece

    def rows(self, piece: Piece, count: int) -> Iterator[NewMessage]:
        """Yield rows that were appended one after the other."""
        with self._reader(piece) as reader:
            for _ in range(count):
                yield pickle.load(reader)

    def read_bytes(self, piece: Piece) -> bytes:
        """Return bytes that were appended."""
        with self._reader(piece) as reader:
            return reader.read(piece.size)

    def _reader(self, piece: Piece) -> io.BufferedReader:
        self._file.flush()
        return io.BufferedReader(_Window(self._file.fileno(), piece), 256 * 1024)


class _Window(io.RawIOBase):
    """A piece of an open file, with a position of its own."""

    def __init__(self, descriptor: int, piece: Piece) -> None:
        self._descriptor = descriptor
        self._at = piece.start
        self._end = piece.start + piece.size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
        data = os.pread(self._descriptor, min(len(buffer), self._end - self._at), self._at)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)
