"""The server's screen as far as it was told."""

from __future__ import annotations

from ..geometry import Point, Region, Size
from ..pixels import BYTES_PER_PIXEL, Pixels


class Screen:
    """What updates have written. Regions are within the screen: whoever reads the updates checks that."""

    def __init__(self, size: Size) -> None:
        self.size = size
        self.pointer: Point | None = None
        """Where the server last said that the pointer is: TigerVNC does when a program moved it."""
        self.received = 0
        """Pixels that updates held so far."""
        self.corners = 0
        """Updates so far that held the upper left pixel."""
        self._missing = size.area
        self._data = bytearray(size.area * BYTES_PER_PIXEL)

    @property
    def is_known(self) -> bool:
        """Whether every pixel has come since the screen has this size."""
        return self._missing <= 0

    def resize(self, size: Size) -> None:
        """Take another size; what was known of the screen is forgotten."""
        if size != self.size:
            self.size = size
            self._missing = size.area
            self._data = bytearray(size.area * BYTES_PER_PIXEL)

    def put(self, region: Region, data: bytes) -> None:
        """Write *data*, the rows of *region*."""
        self.received += region.size.area
        self._missing -= region.size.area
        self.corners += region.x == region.y == 0
        length, stride = region.width * BYTES_PER_PIXEL, self.size.width * BYTES_PER_PIXEL
        start = region.y * stride + region.x * BYTES_PER_PIXEL
        if length == stride:
            self._data[start : start + len(data)] = data
            return
        source = memoryview(data)
        for row in range(region.height):
            at = start + row * stride
            self._data[at : at + length] = source[row * length : (row + 1) * length]

    def copy(self, region: Region, source: Region) -> None:
        """Write into *region* what is in *source*; they may overlap."""
        self.put(region, bytes(Pixels(size=self.size, data=self._data).cut(source).data))

    def snapshot(self) -> Pixels:
        """Return a copy of what is known now."""
        return Pixels(size=self.size, data=bytes(self._data))
