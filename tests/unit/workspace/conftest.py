"""A real agent on real files and processes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from jupyter_chatd.workspace.limits import AgentLimits, ProcessLimits
from jupyter_chatd.workspace.protocol import WorkspaceAgent
from jupyter_chatd.workspace.server import ServerAgent

from .hosting import hosted

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
async def server_agent(
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


@pytest.fixture(params=["server", "http"])
async def agent(request: pytest.FixtureRequest, server_agent: ServerAgent) -> AsyncIterator[WorkspaceAgent]:
    """An agent in this process, asked directly and over HTTP: nobody can tell them apart."""
    if request.param == "server":
        yield server_agent
        return
    async with hosted(server_agent) as (remote, _):
        yield remote
