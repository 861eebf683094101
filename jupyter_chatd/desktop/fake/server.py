"""The RFB side of the fake desktop: several clients, on a unix socket."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import struct
import zlib
from pathlib import Path

from ..errors import ActionError
from ..geometry import Point, Region, Size, check_region
from ..pixels import Pixels
from ..rfb.listening import ProtocolError
from ..rfb.messages import NO_SECURITY, VERSION, Clip, Encoding, Fence, ServerMessage
from .canvas import Canvas

log = logging.getLogger(__name__)

_MOST_CUT_TEXT = 1024 * 1024  # bytes
_NAME = b"fake desktop"


class FakeServer:
    """Shows one canvas to all who connect. Lives from `start` until `stop`."""

    def __init__(self, path: Path, size: Size) -> None:
        self.canvas = Canvas(size)
        self._path = path
        self._server: asyncio.Server | None = None
        self._clients: set[_Client] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def is_running(self) -> bool:
        """Whether it can be connected to."""
        return self._server is not None

    async def start(self) -> None:
        """Listen on the socket, which only this user may open."""
        self._server = await asyncio.start_unix_server(self._meet, self._path)
        self._path.chmod(0o600)

    async def stop(self) -> None:
        """Hang up on everybody. May be called twice."""
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        self.hang_up()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._path.unlink(missing_ok=True)

    def hang_up(self) -> None:
        """Break all connections without a word."""
        for client in self._clients:
            client.hang_up()

    def tell(self) -> None:
        """Send changes to those who wait for them."""
        for client in self._clients:
            client.tell()

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = _Client(self, reader, writer)
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._clients.add(client)
        try:
            await client.serve()
        except (asyncio.IncompleteReadError, ConnectionError):
            log.debug("A client of the fake desktop has gone")
        except (ProtocolError, ActionError, zlib.error, UnicodeDecodeError) as error:
            log.warning("A client of the fake desktop does not speak RFB: %s", error)
        finally:
            self._clients.discard(client)
            self._tasks.discard(task)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


class _Client:
    """One connection."""

    def __init__(
        self, server: FakeServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._server = server
        self._canvas = server.canvas
        self._reader = reader
        self._writer = writer
        self._encodings: frozenset[int] = frozenset()
        self._order = (16, 8, 0)
        self._seen = -1
        self._wants = False
        self._wants_all = False

    async def serve(self) -> None:
        """Talk until the client goes."""
        await self._greet()
        while True:
            kind = (await self._reader.readexactly(1))[0]
            await self._read_message(kind)
            await self._writer.drain()

    def hang_up(self) -> None:
        """Close the connection without a word."""
        self._writer.transport.abort()

    def tell(self) -> None:
        """Answer the open request for an update if there is something to tell."""
        pixels = self._canvas.screen
        if self._wants and (self._wants_all or self._seen != pixels.received):
            self._wants = self._wants_all = False
            self._seen = pixels.received
            self._send_rectangle(Region.all_of(pixels.size), Encoding.RAW, self._ordered(pixels.snapshot()))

    async def _greet(self) -> None:
        self._writer.write(VERSION)
        if await self._reader.readexactly(len(VERSION)) != VERSION:
            raise ProtocolError("Expected RFB 3.8.")
        self._writer.write(bytes([1, NO_SECURITY]))
        if (await self._reader.readexactly(1))[0] != NO_SECURITY:
            raise ProtocolError("Expected no security.")
        self._writer.write(bytes(4))
        await self._reader.readexactly(1)
        size = self._canvas.screen.size
        layout = struct.pack(">BBBBHHHBBBxxx", 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)
        self._writer.write(
            struct.pack(">HH", size.width, size.height) + layout + struct.pack(">I", len(_NAME)) + _NAME
        )

    async def _read_message(self, kind: int) -> None:
        match kind:
            case 0:
                bits, _, big, true, *_, red, green, blue = await self._read(">xxxBBBBHHHBBBxxx")
                if (bits, big, true) != (32, 0, 1) or {red, green, blue} - {0, 8, 16, 24}:
                    raise ProtocolError("Expected pixels of 32 bits, little endian, of whole bytes.")
                self._order = (red, green, blue)
            case 2:
                (count,) = await self._read(">xH")
                self._encodings = frozenset(await self._read(f">{count}i"))
                self._tell_abilities()
            case 3:
                incremental, x, y, width, height = await self._read(">BHHHH")
                self._request(Region(x=x, y=y, width=width, height=height), is_incremental=bool(incremental))
            case 4:
                is_down, keysym = await self._read(">BxxI")
                self._press(keysym, is_down=bool(is_down))
            case 5:
                buttons, x, y = await self._read(">BHH")
                self._canvas.point(buttons, Point(x=x, y=y))
                self._server.tell()
            case 6:
                await self._read_cut_text()
            case 248:
                flags, length = await self._read(">xxxIB")
                self._answer_fence(flags, await self._reader.readexactly(length))
            case _:
                raise ProtocolError(f"Expected an RFB message of a client, came type {kind}.")

    def _tell_abilities(self) -> None:
        if Encoding.FENCE in self._encodings:
            self._writer.write(struct.pack(">BxxxIB", ServerMessage.FENCE, Fence.REQUEST, 0))
        if Encoding.EXTENDED_CLIPBOARD in self._encodings:
            actions = Clip.CAPABILITIES | Clip.REQUEST | Clip.PEEK | Clip.NOTIFY | Clip.PROVIDE
            self._send_clip(actions | Clip.TEXT, struct.pack(">I", 0))

    def _request(self, region: Region, *, is_incremental: bool) -> None:
        if is_incremental:
            self._wants = True
            self.tell()
            return
        if Encoding.EXTENDED_DESKTOP_SIZE not in self._encodings:
            pixels = self._canvas.screen.snapshot()
            region = check_region(region, pixels.size)
            if region.size == pixels.size:
                self._seen = self._canvas.screen.received
            self._send_rectangle(region, Encoding.RAW, self._ordered(pixels.cut(region)))
            return
        # As TigerVNC: the size alone; the pixels when asked again.
        self._wants_all = True
        size = self._canvas.screen.size
        screens = struct.pack(">BxxxIHHHHI", 1, 0, 0, 0, size.width, size.height, 0)
        self._wants = False
        self._send_rectangle(Region.all_of(size), Encoding.EXTENDED_DESKTOP_SIZE, screens)

    def _press(self, keysym: int, *, is_down: bool) -> None:
        if self._canvas.press(keysym, is_down=is_down):
            self._send_clip(Clip.REQUEST | Clip.TEXT)
        self._server.tell()

    async def _read_cut_text(self) -> None:
        (length,) = await self._read(">xxxi")
        if abs(length) > _MOST_CUT_TEXT:
            raise ProtocolError(f"Expected a clipboard of at most {_MOST_CUT_TEXT} bytes.")
        content = await self._reader.readexactly(abs(length))
        if length >= 0 or len(content) < 4:
            return
        flags = int.from_bytes(content[:4])
        if flags & Clip.PROVIDE and not flags & Clip.CAPABILITIES:
            text = zlib.decompressobj().decompress(content[4:], _MOST_CUT_TEXT)[4:]
            self._canvas.write(text.rstrip(b"\0").decode())
            self._server.tell()

    def _answer_fence(self, flags: int, content: bytes) -> None:
        if flags & Fence.REQUEST:
            answer = flags & ~Fence.REQUEST
            self._writer.write(struct.pack(">BxxxIB", ServerMessage.FENCE, answer, len(content)) + content)

    def _ordered(self, picture: Pixels) -> bytes:
        stored = picture.data
        if self._order == (16, 8, 0):
            return bytes(stored)
        pixels = bytearray(len(stored))
        for source, shift in zip((2, 1, 0), self._order, strict=True):
            pixels[shift // 8 :: 4] = stored[source::4]
        return bytes(pixels)

    def _send_rectangle(self, region: Region, encoding: Encoding, content: bytes) -> None:
        place = (region.x, region.y, region.width, region.height)
        self._writer.write(struct.pack(">BxHHHHHi", ServerMessage.UPDATE, 1, *place, encoding) + content)

    def _send_clip(self, flags: int, content: bytes = b"") -> None:
        length = -4 - len(content)
        self._writer.write(struct.pack(">BxxxiI", ServerMessage.CUT_TEXT, length, flags) + content)

    async def _read(self, shape: str) -> tuple[int, ...]:
        return struct.unpack(shape, await self._reader.readexactly(struct.calcsize(shape)))
