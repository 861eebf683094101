"""Pictures are cut, scaled and written as PNG without a library."""

from __future__ import annotations

from jupyter_chatd.desktop.geometry import Region, Size
from jupyter_chatd.desktop.pixels import Pixels, encode_png

from .png import read_png


def picture(width: int, height: int) -> Pixels:
    """Red tells the column, green the row."""
    data = b"".join(bytes((7, y, x, 0)) for y in range(height) for x in range(width))
    return Pixels(size=Size(width=width, height=height), data=data)


def test_a_png_has_red_green_and_blue_of_each_pixel() -> None:
    png = read_png(encode_png(picture(5, 3)))
    assert (png.width, png.height) == (5, 3)
    assert [png.at(x, y) for y in range(3) for x in range(5)] == [
        (x, y, 7) for y in range(3) for x in range(5)
    ]


def test_one_pixel() -> None:
    assert read_png(encode_png(picture(1, 1))).at(0, 0) == (0, 0, 7)


def test_a_part() -> None:
    png = read_png(encode_png(picture(9, 9).cut(Region(x=2, y=3, width=4, height=5))))
    assert (png.width, png.height) == (4, 5)
    assert (png.at(0, 0), png.at(3, 4)) == ((2, 3, 7), (5, 7, 7))


def test_twice_as_large_shows_each_pixel_four_times() -> None:
    png = read_png(encode_png(picture(3, 2).scaled(Size(width=6, height=4))))
    assert [png.at(x, 0) for x in range(6)] == [(x // 2, 0, 7) for x in range(6)]
    assert [png.at(0, y) for y in range(4)] == [(0, y // 2, 7) for y in range(4)]


def test_smaller_and_down_to_one_pixel() -> None:
    assert read_png(encode_png(picture(9, 9).scaled(Size(width=3, height=3)))).at(1, 1) == (4, 4, 7)
    assert read_png(encode_png(picture(9, 9).scaled(Size(width=1, height=1)))).at(0, 0) == (4, 4, 7)


def test_the_same_size_is_the_same_picture() -> None:
    pixels = picture(4, 4)
    assert pixels.scaled(pixels.size) is pixels


def test_a_size_is_fitted_with_its_shape() -> None:
    limit = Size(width=1280, height=800)
    assert Size(width=640, height=400).fitted(limit) == limit
    assert Size(width=100, height=200).fitted(limit) == Size(width=400, height=800)
    assert Size(width=5000, height=1).fitted(limit) == Size(width=1280, height=1)
