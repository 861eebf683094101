"""What tests of desktops share."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from jupyter_chatd.desktop.fake import FakeServer
from jupyter_chatd.desktop.geometry import Size

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Serve = Callable[[Talk], Awaitable[Path]]


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shells in terminals of the desktop start without the tester's own start-up files, which may wait."""
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder whose path leaves room for a socket's name."""
    folder = Path(tempfile.mkdtemp(prefix="rfb"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
async def fake(short: Path, anyio_backend: str) -> AsyncIterator[FakeServer]:
    server = FakeServer(short / "rfb.socket", Size(width=64, height=48))
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def serve(short: Path, anyio_backend: str) -> AsyncIterator[Serve]:
    """Serves a socket by a function of the test's."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(talk: Talk) -> Path:
            path = short / "odd.socket"
            ended: list[asyncio.Event] = []

            async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                ended.append(asyncio.Event())
                with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                    await talk(reader, writer)
                writer.close()
                with contextlib.suppress(ConnectionError):
                    await writer.wait_closed()
                ended[-1].set()

            async def wait() -> None:
                for event in ended:
                    await asyncio.wait_for(event.wait(), 5)

            server = await asyncio.start_unix_server(meet, path)
            stack.push_async_callback(wait)
            stack.callback(server.close)
            return path

        yield start
