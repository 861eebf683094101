"""An RFB server as a program: its first client, the agent, gets a fake desktop, and every other a flood.

    python flood.py FOLDER

listens on FOLDER/flood.socket and keeps in FOLDER/sent-N how many bytes its Nth client has taken.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from pathlib import Path

from jupyter_chatd.desktop.fake import FakeServer
from jupyter_chatd.desktop.geometry import Size

BLAST = 300 * 1024 * 1024  # bytes
PIECE = bytes(256 * 1024)


async def join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: Path) -> None:
    """Let a client speak with the server at *path*."""
    inner_reader, inner_writer = await asyncio.open_unix_connection(path)
    await asyncio.gather(copy(reader, inner_writer), copy(inner_reader, writer))


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


async def flood(writer: asyncio.StreamWriter, count: Path) -> None:
    """Send as much as the client takes."""
    with contextlib.suppress(ConnectionError):
        for sent in range(0, BLAST, len(PIECE)):
            count.write_text(str(sent))  # noqa: ASYNC240 - nobody else is in this loop
            writer.write(PIECE)
            await writer.drain()
    writer.close()


async def serve(folder: Path) -> None:
    fake = FakeServer(folder / "fake.socket", Size(width=64, height=64))
    await fake.start()
    clients = 0

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal clients
        clients += 1
        if clients == 1:
            await join(reader, writer, folder / "fake.socket")
        else:
            await flood(writer, folder / f"sent-{clients}")

    server = await asyncio.start_unix_server(meet, folder / "flood.socket")
    print("ready", flush=True)  # noqa: T201 - for who started it
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
