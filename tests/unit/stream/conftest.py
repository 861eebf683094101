"""A real store with feeds, and a chat to pull the strings of."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from jupyter_chatd.store import Store
from jupyter_chatd.stream import Feeds

from .puppet import Puppet


@pytest.fixture
async def store(tmp_path: Path, anyio_backend: str) -> AsyncIterator[Store]:
    async with Store(tmp_path / "chats.db") as opened:
        yield opened


@pytest.fixture
async def feeds(store: Store) -> AsyncIterator[Feeds]:
    made = Feeds(store)
    yield made
    await made.close()


@pytest.fixture
async def puppet(store: Store, feeds: Feeds) -> Puppet:
    made = Puppet(store, feeds)
    await made.create()
    return made
