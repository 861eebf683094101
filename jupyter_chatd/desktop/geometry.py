"""Points, sizes and regions in whole pixels, and the mapping between screens of different sizes."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from .errors import ActionError

LONGEST_EDGE = 1568  # pixels
MOST_PIXELS = 1_150_000
"""What every vendor's models read without scaling: the smallest is Anthropic's before Opus 4.7."""
SMALLEST, LARGEST = 64, 7680
"""Edges of a desktop that somebody may ask for, in pixels."""
_GOOD_WIDTHS = (1280, 1024)


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Width and height, at least 1."""

    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"

    @property
    def area(self) -> int:
        """How many pixels."""
        return self.width * self.height

    def fitted(self, limit: Size) -> Size:
        """Return the largest size of the same shape that is within *limit*; may be larger than this one."""
        scale = min(limit.width / self.width, limit.height / self.height)
        return Size(width=max(1, round(self.width * scale)), height=max(1, round(self.height * scale)))


def parse_size(text: str) -> Size:
    """Return the size that `1280x800` means.

    Raises:
        ValueError: it means none, or one that no desktop should have.
    """
    found = re.fullmatch(r"\s*(\d{1,5})\s*x\s*(\d{1,5})\s*", text)
    size = Size(width=int(found[1]), height=int(found[2])) if found else None
    if size is None or not all(SMALLEST <= edge <= LARGEST for edge in (size.width, size.height)):
        raise ValueError(
            f"Expected a size such as 1280x800, {SMALLEST} to {LARGEST} pixels each; came {text!r}."
        )
    return size


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A pixel; (0, 0) is the upper left one."""

    x: int
    y: int

    def __str__(self) -> str:
        return f"({self.x}, {self.y})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """A rectangle of pixels: its upper left one, and its size."""

    x: int
    y: int
    width: int
    height: int

    @property
    def size(self) -> Size:
        """Its width and height."""
        return Size(width=self.width, height=self.height)

    @classmethod
    def all_of(cls, size: Size) -> Region:
        """Return the whole screen."""
        return cls(x=0, y=0, width=size.width, height=size.height)

    @classmethod
    def between(cls, start: Point, end: Point) -> Region:
        """Return the region from *start* to *end*, which is the first pixel below and right of it.

        Raises:
            ActionError: it is empty.
        """
        if end.x <= start.x or end.y <= start.y:
            raise ActionError(
                f"Expected a region from its upper left to its lower right corner, came {start} to {end}."
            )
        return cls(x=start.x, y=start.y, width=end.x - start.x, height=end.y - start.y)


def check_point(point: Point, size: Size) -> Point:
    """Return *point* when it is on a screen of *size*.

    Raises:
        ActionError: it is not.
    """
    if not (0 <= point.x < size.width and 0 <= point.y < size.height):
        raise ActionError(
            f"Expected x from 0 to {size.width - 1} and y from 0 to {size.height - 1}, came {point}. "
            "Take a screenshot and use its pixels."
        )
    return point


def check_region(region: Region, size: Size) -> Region:
    """Return *region* when it is on a screen of *size*.

    Raises:
        ActionError: a part of it is not.
    """
    if (
        region.x < 0
        or region.y < 0
        or region.x + region.width > size.width
        or region.y + region.height > size.height
    ):
        corners = f"({region.x}, {region.y}) to ({region.x + region.width}, {region.y + region.height})"
        raise ActionError(f"Expected a region within {size} pixels, came {corners}.")
    return region


def map_point(point: Point, source: Size, target: Size) -> Point:
    """Return the pixel of a *target* screen that shows what *point* shows on a *source* screen.

    By the centres of pixels, so that there and back is the same pixel when the target is the larger one.
    """
    return Point(
        x=_map(point.x, source.width, target.width),
        y=_map(point.y, source.height, target.height),
    )


def map_region(region: Region, source: Size, target: Size) -> Region:
    """Return the part of a *target* screen that covers *region* of a *source* screen: at least one pixel."""
    left, right = _map_edges(region.x, region.width, source.width, target.width)
    top, bottom = _map_edges(region.y, region.height, source.height, target.height)
    return Region(x=left, y=top, width=right - left, height=bottom - top)


def declared_size(native: Size) -> Size:
    """Return the size that the model is told: *native* when every vendor reads that as it is, else smaller.

    A screen that is wider than high gets the width 1280 or 1024 when that fits, of the same shape.
    """
    if _fits(native):
        return native
    if native.width > native.height:
        for width in _GOOD_WIDTHS:
            size = Size(width=width, height=max(1, round(native.height * width / native.width)))
            if width <= native.width and _fits(size):
                return size
    scale = min(1, LONGEST_EDGE / max(native.width, native.height), math.sqrt(MOST_PIXELS / native.area))
    return Size(width=max(1, int(native.width * scale)), height=max(1, int(native.height * scale)))


def _fits(size: Size) -> bool:
    return max(size.width, size.height) <= LONGEST_EDGE and size.area <= MOST_PIXELS


def _map(position: int, source: int, target: int) -> int:
    if source == target:
        return min(max(position, 0), target - 1)
    return min(max(round((position + 0.5) * target / source - 0.5), 0), target - 1)


def _map_edges(start: int, length: int, source: int, target: int) -> tuple[int, int]:
    low = min(math.floor(start * target / source), target - 1)
    return low, min(max(math.ceil((start + length) * target / source), low + 1), target)
