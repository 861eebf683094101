"""Worlds that are stopped after the test, and that leave nothing running."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from world import World

Start = Callable[..., Awaitable[World]]


@pytest.fixture
async def start(tmp_path: Path, anyio_backend: str) -> AsyncIterator[Start]:
    """Starts a world with a model, in the test's folder unless told otherwise; see `World`."""
    async with AsyncExitStack() as stack:

        async def start_one(model: object, *, folder: Path = tmp_path, **options: object) -> World:
            return await stack.enter_async_context(World(folder, model, **options))  # type: ignore[arg-type]

        yield start_one
    assert left_over() == []


def left_over() -> list[str]:
    """The tasks that run, without those that run the tests."""
    coroutines = [str(task.get_coro()) for task in asyncio.all_tasks()]
    return [coroutine for coroutine in coroutines if "TestRunner" not in coroutine]
