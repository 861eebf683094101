"""An empty data folder for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from .place import Place, place


@pytest.fixture
async def here(tmp_path: Path, anyio_backend: str) -> AsyncIterator[Place]:
    """Where a test imports into."""
    async with place(tmp_path / "here") as made:
        yield made


@pytest.fixture
async def there(tmp_path: Path, anyio_backend: str) -> AsyncIterator[Place]:
    """Another one."""
    async with place(tmp_path / "there") as made:
        yield made
