"""What a driver promises, on the fake desktop and on a real one: the same suite."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from jupyter_chatd.desktop.actions import (
    Action,
    Click,
    Cursor,
    Drag,
    Hold,
    Key,
    KeyDown,
    KeyUp,
    Move,
    Press,
    Release,
    Screenshot,
    Scroll,
    Type,
    Wait,
)
from jupyter_chatd.desktop.driver import Picture
from jupyter_chatd.desktop.errors import ActionError
from jupyter_chatd.desktop.geometry import Point, Region, Size

from .png import read_png
from .stages import KINDS, MIDDLE, Stage, stage_of

pytestmark = pytest.mark.anyio

PRINTABLE = "".join(map(chr, range(0x20, 0x7F)))
ASCII_468 = (PRINTABLE * 5)[:464] + "\n\tz\n"
MIXED_70 = "àâäçéèêëîïôöùûüÿñß€£¥©®±×÷¿¡αβγδεζηθλπσωабвгдежзийклю日本語中文字漢検索한글עבअ😀🎉👍"


@pytest.fixture(params=KINDS)
async def stage(request: pytest.FixtureRequest, tmp_path: Path, anyio_backend: str) -> AsyncIterator[Stage]:
    async with stage_of(request.param, tmp_path) as stage:
        yield stage


async def look(stage: Stage, region: Region | None = None, *, told: Size | None = None) -> Picture:
    (done,) = await stage.desktop.act([Screenshot(region=region)], told=told)
    assert done.picture is not None
    return done.picture


async def where(stage: Stage) -> Point | None:
    (done,) = await stage.desktop.act([Cursor()])
    return done.cursor


async def test_a_screenshot_is_the_whole_screen(stage: Stage) -> None:
    await stage.desktop.act([Click(at=MIDDLE)])
    picture = await look(stage)
    png = read_png(picture.png)
    assert (png.width, png.height) == (picture.size.width, picture.size.height) == (1280, 800)
    assert len(png.colours) > 1


async def test_a_screenshot_has_the_size_that_the_model_was_told(stage: Stage) -> None:
    picture = await look(stage, told=Size(width=640, height=400))
    png = read_png(picture.png)
    assert (png.width, png.height) == (640, 400)


async def test_zoom_shows_a_part_as_large_as_the_screen(stage: Stage) -> None:
    await stage.desktop.act([Move(at=Point(x=100, y=100))])
    whole = read_png((await look(stage)).png)
    part = read_png((await look(stage, Region(x=80, y=80, width=64, height=40))).png)
    assert (part.width, part.height) == (1280, 800)
    assert [part.at(20 * x + 10, 410) for x in range(64)] == [whole.at(80 + x, 100) for x in range(64)]


@pytest.mark.parametrize("at", [Point(x=0, y=0), Point(x=1279, y=799), Point(x=77, y=33)])
async def test_the_pointer_goes_where_it_shall(stage: Stage, at: Point) -> None:
    await stage.desktop.act([Move(at=MIDDLE)])
    before = (await look(stage)).png
    await stage.desktop.act([Move(at=at)])
    assert await where(stage) == at
    assert (await look(stage)).png != before  # the pointer is in the picture


async def test_points_of_a_smaller_screen_are_mapped(stage: Stage) -> None:
    await stage.desktop.act([Move(at=Point(x=320, y=200))], told=Size(width=640, height=400))
    assert await where(stage) == Point(x=640, y=400)


@pytest.mark.parametrize("at", [Point(x=1280, y=0), Point(x=0, y=800), Point(x=-1, y=0)])
async def test_nothing_is_done_when_one_point_is_outside(stage: Stage, at: Point) -> None:
    with pytest.raises(ActionError, match="Expected x from 0 to 1279 and y from 0 to 799"):
        await stage.desktop.act([Type(text="no"), Click(at=at)])
    await stage.desktop.act([Type(text="yes")])
    assert await stage.text(3) == "yes"


async def test_468_ascii_characters_arrive_exactly(stage: Stage) -> None:
    assert len(ASCII_468) == 468
    await stage.desktop.act([Type(text=ASCII_468)])
    assert await stage.text(468) == ASCII_468


async def test_70_characters_of_many_scripts_arrive_exactly(stage: Stage) -> None:
    assert len(MIXED_70) == 70
    await stage.desktop.act([Type(text=MIXED_70)])
    assert await stage.text(70) == MIXED_70


async def test_scripts_and_keys_arrive_in_order(stage: Stage) -> None:
    text = "one\ntwö\tthree\r\nfoür x\nfive é\n"
    await stage.desktop.act([Type(text=text), Key(keys="x"), Type(text="ü")])
    expected = text.replace("\r\n", "\n") + "xü"
    assert await stage.text(len(expected)) == expected


async def test_long_text_arrives_exactly(stage: Stage) -> None:
    text = "".join(f"line {number}: {PRINTABLE[number % 90 :]}\n" for number in range(100))
    await stage.desktop.act([Type(text=text)])
    assert await stage.text(len(text)) == text


async def test_keys_are_repeated_and_capitals_need_no_shift(stage: Stage) -> None:
    await stage.desktop.act([Key(keys="a", repeat=3), Key(keys="A"), Key(keys="shift+1"), Key(keys="exclam")])
    assert await stage.text(6) == "aaaA!!"


async def test_a_held_key_is_let_go_of(stage: Stage) -> None:
    await stage.desktop.act([KeyDown(keys="shift"), KeyUp(keys="shift"), Type(text="a/")])
    assert await stage.text(2) == "a/"


async def test_a_cancelled_hold_lets_go(stage: Stage) -> None:
    task = asyncio.create_task(stage.desktop.act([Hold(keys="ctrl", seconds=60)]))
    await asyncio.sleep(0.2)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await stage.desktop.act([Type(text="c")])
    assert await stage.text(1) == "c"  # not ctrl+c


async def test_actions_of_two_callers_do_not_mix(stage: Stage) -> None:
    def half(letter: str) -> list[Action]:
        return [Type(text=letter * 40), Wait(seconds=0.05), Type(text=letter * 40)]

    await asyncio.gather(stage.desktop.act(half("a")), stage.desktop.act(half("b")))
    assert await stage.text(160) == "a" * 80 + "b" * 80


async def test_seconds_are_seconds(stage: Stage) -> None:
    loop = asyncio.get_running_loop()
    start = loop.time()
    await stage.desktop.act([Wait(seconds=0.3)])
    assert 0.3 <= loop.time() - start < 5


async def test_a_quiet_screen_settles(stage: Stage) -> None:
    await stage.desktop.act([Type(text="x")])
    assert await stage.desktop.settle()


async def test_every_action_of_the_mouse_works_without_a_point(stage: Stage) -> None:
    await stage.desktop.act(
        [
            Move(at=MIDDLE),
            Click(),
            Press(),
            Release(),
            Drag(path=(Point(x=700, y=420),)),
            Scroll(down=1, held="ctrl"),
        ]
    )
    assert await where(stage) == Point(x=700, y=420)
