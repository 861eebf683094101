"""A real store on a temporary file, alone or beside the model."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from jupyter_chatd.store import Store

from .lockstep import Lockstep, do_not_sync, put_database


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a database belongs that does not exist yet."""
    return tmp_path / "data" / "chats.db"


@pytest.fixture
async def store(path: Path, anyio_backend: str) -> AsyncIterator[Store]:
    put_database(path)
    async with Store(path) as opened:
        await do_not_sync(opened)
        yield opened


@pytest.fixture
async def both(path: Path, anyio_backend: str) -> AsyncIterator[Lockstep]:
    """A store and the model in lockstep."""
    put_database(path)
    world = Lockstep(path)
    await world.open()
    yield world
    await world.close()
