"""Reading PNG files by the specification, apart from the code that writes them."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Png:
    width: int
    height: int
    rows: list[bytes]
    """Red, green, blue of each pixel."""

    def at(self, x: int, y: int) -> tuple[int, ...]:
        return tuple(self.rows[y][3 * x : 3 * x + 3])

    @property
    def colours(self) -> set[bytes]:
        return {row[at : at + 3] for row in self.rows for at in range(0, len(row), 3)}


def chunks(file: bytes) -> Iterator[tuple[bytes, bytes]]:
    assert file.startswith(b"\x89PNG\r\n\x1a\n")
    at = 8
    while at < len(file):
        (length,) = struct.unpack_from(">I", file, at)
        kind, content = file[at + 4 : at + 8], file[at + 8 : at + 8 + length]
        (check,) = struct.unpack_from(">I", file, at + 8 + length)
        assert check == zlib.crc32(kind + content)
        yield kind, content
        at += 12 + length


def read_png(file: bytes) -> Png:
    parts = list(chunks(file))
    assert [kind for kind, _ in parts] == [b"IHDR", b"IDAT", b"IEND"]
    width, height, *rest = struct.unpack(">IIBBBBB", parts[0][1])
    assert rest == [8, 2, 0, 0, 0]  # eight bits, true colour, as ever
    data = zlib.decompress(parts[1][1])
    stride = 3 * width + 1
    assert len(data) == stride * height
    starts = range(0, len(data), stride)
    assert not any(data[start] for start in starts)  # no filter
    return Png(width=width, height=height, rows=[data[start + 1 : start + stride] for start in starts])
