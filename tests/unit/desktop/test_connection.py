"""One RFB connection: what it believes, what it refuses, and how it ends."""

from __future__ import annotations

import asyncio
import struct
from pathlib import Path

import pytest

from jupyter_chatd.desktop.errors import DesktopLostError, DesktopStartError
from jupyter_chatd.desktop.fake import FakeServer
from jupyter_chatd.desktop.geometry import Point, Region, Size
from jupyter_chatd.desktop.rfb import Connection, connection, messages
from jupyter_chatd.desktop.rfb.messages import Encoding

from .conftest import Serve, Talk

pytestmark = pytest.mark.anyio

SIZE = Size(width=4, height=2)
PIXELS = bytes(range(32))


async def greet(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, size: tuple[int, int] = (4, 2)
) -> None:
    writer.write(b"RFB 003.008\n")
    await reader.readexactly(12)
    writer.write(b"\x01\x01")
    await reader.readexactly(1)
    writer.write(bytes(4))
    await reader.readexactly(1)
    writer.write(struct.pack(">HH16xI", *size, 4) + b"name")
    await reader.readexactly(20)
    _, count = struct.unpack(">BxH", await reader.readexactly(4))
    await reader.readexactly(4 * count)


def rectangle(region: Region, encoding: int, content: bytes = b"") -> bytes:
    return struct.pack(">HHHHi", region.x, region.y, region.width, region.height, encoding) + content


def update(*rectangles: bytes) -> bytes:
    return struct.pack(">BxH", 0, len(rectangles)) + b"".join(rectangles)


WHOLE = rectangle(Region.all_of(SIZE), Encoding.RAW, PIXELS)
CORNER = rectangle(Region(x=0, y=0, width=1, height=1), Encoding.RAW, PIXELS[:4])


def answering(*answers: bytes) -> Talk:
    """A server that gives one answer to each request for an update, then waits until the client goes."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await greet(reader, writer)
        for answer in answers:
            await reader.readexactly(10)
            writer.write(answer)
        await reader.read()

    return talk


async def test_a_server_without_fences_and_clipboard_is_enough(serve: Serve) -> None:
    opened = await Connection.open(await serve(answering(update(WHOLE), update(), update(CORNER))))
    assert (await opened.grab()).data == PIXELS
    assert not opened.clipboard.is_supported
    await opened.close()


async def test_pixels_may_come_in_several_updates(serve: Serve) -> None:
    upper = rectangle(Region(x=0, y=0, width=4, height=1), Encoding.RAW, PIXELS[:16])
    left = rectangle(Region(x=0, y=1, width=1, height=1), Encoding.RAW, PIXELS[16:20])
    right = rectangle(Region(x=1, y=1, width=3, height=1), Encoding.RAW, PIXELS[20:])
    opened = await Connection.open(await serve(answering(update(upper), update(left, right), update(CORNER))))
    assert (await opened.grab()).data == PIXELS
    await opened.close()


async def test_only_what_has_changed_is_fetched(serve: Serve) -> None:
    spot = rectangle(Region(x=2, y=1, width=1, height=1), Encoding.RAW, b"spot")
    opened = await Connection.open(await serve(answering(update(WHOLE), update(spot), update(CORNER))))
    assert (await opened.grab()).data == PIXELS[:24] + b"spot" + PIXELS[28:]
    await opened.close()


async def test_copies_and_all_that_says_nothing_are_understood(serve: Serve) -> None:
    copy = rectangle(Region(x=2, y=0, width=2, height=2), Encoding.COPY, struct.pack(">HH", 0, 0))
    noise = (
        b"\x02"  # a bell
        + struct.pack(">BxHH6x", 1, 0, 1)  # a map of colours
        + struct.pack(">Bxxxi", 3, 5)
        + b"hello"
        + b"\x96"  # the end of continuous updates
    )
    leds = rectangle(Region(x=0, y=0, width=0, height=0), Encoding.LED_STATE, b"\x04")
    pointer = rectangle(Region(x=3, y=1, width=0, height=0), Encoding.POINTER_POSITION)
    last = struct.pack(">BxH", 0, 0xFFFF) + WHOLE + copy + leds + pointer
    last += rectangle(Region(x=0, y=0, width=0, height=0), Encoding.LAST_RECTANGLE)
    opened = await Connection.open(await serve(answering(noise + last)))
    pixels = PIXELS[:8] * 2 + PIXELS[16:24] * 2
    assert opened.pointer == Point(x=3, y=1)
    assert opened._screen.snapshot().data == pixels
    await opened.close()


async def test_the_screen_may_change_its_size(serve: Serve) -> None:
    wide = Region(x=0, y=0, width=8, height=1)
    resized = rectangle(wide, Encoding.DESKTOP_SIZE)
    pixels = rectangle(wide, Encoding.RAW, PIXELS[::-1])
    opened = await Connection.open(
        await serve(answering(update(WHOLE), update(), update(resized), update(pixels)))
    )
    picture = await opened.grab()
    assert (picture.size, picture.data) == (Size(width=8, height=1), PIXELS[::-1])
    assert opened.size == picture.size
    await opened.close()


@pytest.mark.parametrize(
    "said, expected",
    [
        (b"SSH-2.0-OpenSSH\r\n", "Expected an RFB 3.8 server, came b'SSH-2.0-Open'"),
        (b"RFB 003.003\n", "Expected an RFB 3.8 server"),
        (b"RFB 003.008\n\x01\x02", r"asks for no password on its unix socket, came security types \[2\]"),
        (b"RFB 003.008\n\x00\x00\x00\x00\x04busy", "The RFB server refuses: busy"),
        (b"RFB 003.008\n\x01\x01\x00\x00\x00\x01\x00\x00\x00\x02no", "The RFB server refuses: no"),
        (b"RFB 003.008\n\x01\x01" + bytes(4) + bytes(24), "Expected a screen of 1 to .* pixels, came 0x0"),
        (b"RFB 003.008\n\x01\x01" + bytes(4) + b"\xff" * 24, "came 65535x65535"),
        (b"", "it closed the connection"),
        (b"RFB", "it closed the connection"),
    ],
)
async def test_a_server_that_cannot_be_used_says_why(serve: Serve, said: bytes, expected: str) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        await writer.drain()
        if said:
            await asyncio.sleep(0.05)

    with pytest.raises(DesktopStartError, match=expected):
        await Connection.open(await serve(talk))


async def test_a_mute_server_is_given_up(serve: Serve) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    with pytest.raises(DesktopStartError, match=r"did not answer within 0\.2 s"):
        await Connection.open(await serve(talk), limit_s=0.2)


async def test_nobody_listens(short: Path) -> None:
    with pytest.raises(DesktopStartError, match="No such file"):
        await Connection.open(short / "nothing.socket")


async def test_a_path_over_100_bytes_is_refused_before_the_system_does(short: Path) -> None:
    with pytest.raises(DesktopStartError, match="at most 100 bytes, came 1"):
        await Connection.open(short / ("é" * 60))


@pytest.mark.parametrize(
    "said, expected",
    [
        (b"\x63", "Expected an RFB message of a server, came type 99"),
        (update(rectangle(Region.all_of(SIZE), 5)), "Expected an encoding that was announced, came 5"),
        (update(rectangle(Region(x=1, y=0, width=4, height=2), Encoding.RAW, PIXELS)), "within 4x2"),
        (
            update(rectangle(Region.all_of(SIZE), Encoding.COPY, struct.pack(">HH", 9, 9))),
            "within 4x2",
        ),
        (
            update(rectangle(Region(x=0, y=0, width=65535, height=65535), Encoding.DESKTOP_SIZE)),
            "65535x65535",
        ),
        (struct.pack(">Bxxxi", 3, 2**31 - 1), "a clipboard of at most"),
        (struct.pack(">Bxxxi", 3, -(2**31)), "a clipboard of at most"),
        (struct.pack(">Bxxxi", 3, -3), "4 bytes or more"),
    ],
)
async def test_nonsense_ends_the_connection(serve: Serve, said: bytes, expected: str) -> None:
    opened = await Connection.open(await serve(answering(update(WHOLE), said)))
    with pytest.raises(DesktopLostError, match=expected):
        await opened.grab()
    assert not opened.is_open
    with pytest.raises(DesktopLostError, match=expected):
        await opened.send(messages.key(0x61, is_down=True))
    await opened.close()


async def test_a_server_that_goes_ends_what_waits_for_it(fake: FakeServer, short: Path) -> None:
    opened = await Connection.open(short / "rfb.socket")
    waiting = asyncio.create_task(opened.changed(30))
    pasting = opened.clipboard.offer("é")
    await asyncio.sleep(0.05)
    await fake.stop()
    with pytest.raises(DesktopLostError, match="closed the connection"):
        await asyncio.wait_for(waiting, 2)
    with pytest.raises(DesktopLostError):
        await pasting
    assert not opened.is_open
    await opened.close()


async def test_a_frozen_server_is_given_up(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "REPLY_LIMIT", 0.2)
    opened = await Connection.open(await serve(answering(update(WHOLE))))
    with pytest.raises(DesktopLostError, match=r"did not answer within 0\.2 s"):
        await opened.grab()
    await opened.close()


async def test_closing_twice_leaves_nothing_running(fake: FakeServer, short: Path) -> None:
    before = asyncio.all_tasks()
    opened = await Connection.open(short / "rfb.socket")
    await opened.close()
    await opened.close()
    await asyncio.sleep(0.05)  # the server's side
    assert asyncio.all_tasks() == before


async def test_changes_are_seen_when_they_come(fake: FakeServer, short: Path) -> None:
    opened = await Connection.open(short / "rfb.socket")
    assert not await opened.changed(0.1)
    waiting = asyncio.create_task(opened.changed(5))
    await asyncio.sleep(0.05)
    await opened.send(messages.key(0x61, is_down=True))
    assert await waiting
    await opened.close()


async def test_a_screen_that_never_rests_does_not_settle(fake: FakeServer, short: Path) -> None:
    opened = await Connection.open(short / "rfb.socket")

    async def blink() -> None:
        while True:
            fake.canvas.write("x")
            fake.tell()
            await asyncio.sleep(0.01)

    blinking = asyncio.create_task(blink())
    assert not await opened.settle(quiet_s=0.1, limit_s=0.3)
    blinking.cancel()
    assert await opened.settle(quiet_s=0.1, limit_s=1)
    await opened.close()


@pytest.mark.parametrize(
    "said",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"RFB 003.008\n\x02",
        b"RFB 003.008\n\x01\x01\x63",
        b"RFB 003.008\n\x01\x01" + struct.pack(">Bxxxi", 6, 2**31 - 1),
        b"RFB 003.008\n\x01\x01" + struct.pack(">BxxxiI", 6, -8, 1 << 28) + b"junk",
        b"RFB 003.008\n\x01\x01" + struct.pack(">BBHHHH", 3, 0, 0, 0, 9999, 9999),
        b"RFB 003.008\n\x01\x01" + struct.pack(">BxxxBBBBHHHBBBxxx", 0, 8, 8, 0, 1, 7, 7, 3, 0, 3, 6),
    ],
)
async def test_the_fake_hangs_up_on_a_client_that_sends_garbage(
    fake: FakeServer, short: Path, said: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    opened = await Connection.open(short / "rfb.socket")
    reader, writer = await asyncio.open_unix_connection(short / "rfb.socket")
    writer.write(said)
    await asyncio.wait_for(reader.read(), 5)
    writer.close()
    assert "does not speak RFB" in caplog.text
    assert await opened.grab()
    await opened.close()


async def test_viewers_may_have_their_colours_in_another_order(fake: FakeServer, short: Path) -> None:
    opened = await Connection.open(short / "rfb.socket")
    ours = (await opened.grab()).data
    await opened.send(struct.pack(">BxxxBBBBHHHBBBxxx", 0, 32, 24, 0, 1, 255, 255, 255, 0, 8, 16))
    opened._screen.resize(Size(width=1, height=1))  # forgets what it has
    opened._screen.resize(Size(width=64, height=48))
    theirs = (await opened.grab()).data
    assert (theirs[0::4], theirs[1::4], theirs[2::4]) == (ours[2::4], ours[1::4], ours[0::4])
    await opened.close()


async def test_two_clients_share_a_screen(fake: FakeServer, short: Path) -> None:
    one, two = [await Connection.open(short / "rfb.socket") for _ in range(2)]
    await one.send(messages.key(0x61, is_down=True))
    await one.barrier()
    assert (await one.grab()).data == (await two.grab()).data
    await one.close()
    assert two.is_open
    await two.close()
