"""A real store on a temporary file, alone or beside the model."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from jupyter_chatd.store import Store

from .lockstep import Lockstep


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "chats.db"


@pytest.fixture
async def store(path: Path, anyio_backend: str) -> AsyncIterator[Store]:
    async with Store(path) as opened:
        yield opened


@pytest.fixture
async def both(path: Path, anyio_backend: str) -> AsyncIterator[Lockstep]:
    """A store and the model in lockstep."""
    world = Lockstep(path)
    await world.open()
    yield world
    await world.close()
