"""Coordinates of the screen that a model was told become pixels of the real one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_chatd.desktop.errors import ActionError
from jupyter_chatd.desktop.geometry import (
    Point,
    Region,
    Size,
    check_point,
    check_region,
    declared_size,
    map_point,
    map_region,
)

SMALL, LARGE = Size(width=1280, height=720), Size(width=1920, height=1080)


def point(x: int, y: int) -> Point:
    return Point(x=x, y=y)


@pytest.mark.parametrize(
    "native, told",
    [
        ((1280, 800), (1280, 800)),
        ((1920, 1080), (1280, 720)),
        ((2560, 1600), (1280, 800)),
        ((1024, 768), (1024, 768)),
        ((3000, 2900), (1024, 990)),
        ((1080, 1920), (804, 1429)),
    ],
)
def test_the_size_that_a_model_is_told(native: tuple[int, int], told: tuple[int, int]) -> None:
    assert declared_size(Size(width=native[0], height=native[1])) == Size(width=told[0], height=told[1])


@given(st.integers(1, 6000), st.integers(1, 6000))
def test_a_told_size_is_one_that_every_vendor_reads(width: int, height: int) -> None:
    told = declared_size(Size(width=width, height=height))
    assert max(told.width, told.height) <= 1568
    assert told.area <= 1_150_000
    assert told.width <= width
    assert told.height <= height


@given(st.integers(0, SMALL.width - 1), st.integers(0, SMALL.height - 1))
def test_there_and_back_is_the_same_pixel(x: int, y: int) -> None:
    there = map_point(point(x, y), SMALL, LARGE)
    assert map_point(there, LARGE, SMALL) == point(x, y)


def test_corners_are_mapped_into_the_screen() -> None:
    assert map_point(point(0, 0), SMALL, LARGE) == point(0, 0)
    assert map_point(point(0, 0), LARGE, SMALL) == point(0, 0)
    assert map_point(point(1279, 719), SMALL, LARGE) == point(1919, 1079)
    assert map_point(point(1919, 1079), LARGE, SMALL) == point(1279, 719)


@given(st.integers(0, 1279), st.integers(0, 719), st.integers(1, 1280), st.integers(1, 720))
def test_a_mapped_region_is_within_the_screen(x: int, y: int, width: int, height: int) -> None:
    region = Region(x=x, y=y, width=min(width, SMALL.width - x), height=min(height, SMALL.height - y))
    for target in (LARGE, Size(width=100, height=50)):
        mapped = map_region(region, SMALL, target)
        assert check_region(mapped, target).size.area >= 1


@pytest.mark.parametrize("bad", [(-1, 0), (0, -1), (1280, 0), (0, 720), (99999, 99999)])
def test_a_point_outside_of_the_screen_is_an_error(bad: tuple[int, int]) -> None:
    with pytest.raises(ActionError, match="Expected x from 0 to 1279 and y from 0 to 719"):
        check_point(point(*bad), SMALL)


def test_the_upper_left_pixel_is_a_point() -> None:
    assert check_point(point(0, 0), SMALL) == point(0, 0)


def test_regions_have_an_upper_left_and_a_lower_right_corner() -> None:
    assert Region.between(point(1, 2), point(4, 6)) == Region(x=1, y=2, width=3, height=4)
    with pytest.raises(ActionError, match="upper left to its lower right"):
        Region.between(point(4, 6), point(1, 2))
    with pytest.raises(ActionError, match="within 1280x720"):
        check_region(Region(x=1270, y=0, width=20, height=5), SMALL)
