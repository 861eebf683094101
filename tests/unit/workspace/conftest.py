"""A real agent on real files and processes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from jupyter_chatd.workspace.limits import AgentLimits, ProcessLimits
from jupyter_chatd.workspace.server import ServerAgent

LIMITS = AgentLimits(processes=ProcessLimits(forget_after_s=0.3, term_grace_s=0.2))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The workspace's folder."""
    path = tmp_path / "work"
    path.mkdir()
    return path


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    """A protected folder with a key in it."""
    path = tmp_path / "jupyter" / "runtime"
    path.mkdir(parents=True)
    (path / "key.json").write_text("sk-secret")
    return path


@pytest.fixture
async def agent(
    folder: Path, secrets: Path, tmp_path: Path, anyio_backend: str
) -> AsyncIterator[ServerAgent]:
    made = ServerAgent(
        directory=folder,
        home=tmp_path,
        state_folder=tmp_path / "state",
        config_folder=tmp_path / "config",
        protected=[secrets],
        limits=LIMITS,
    )
    yield made
    await made.aclose()
