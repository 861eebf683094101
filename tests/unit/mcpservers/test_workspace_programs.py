"""Servers that a workspace brings along: their programs are started by its agent, for it alone."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from unit.tools.outputs import error, fields

from jupyter_chatd.mcp.manager import McpManager
from jupyter_chatd.mcp.project_servers import Project, ProjectServers
from jupyter_chatd.mcp.status import ServerState
from jupyter_chatd.mcp.trust import FileTrustStore
from jupyter_chatd.workspace.protocol import WorkspaceAgent, WorkspaceUnavailableError
from jupyter_chatd.workspace.server import ServerAgent

from .conftest import FAKES, names, run

pytestmark = pytest.mark.anyio


class Place:
    """A workspace whose agent can be ended and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.agent = self._make()
        self.is_stopped = False

    def _make(self) -> ServerAgent:
        return ServerAgent(directory=self.folder, home=self.folder, state_folder=self.folder / "state")

    def find(self, workspace_id: str) -> WorkspaceAgent:
        assert workspace_id == "w1"
        if self.is_stopped:
            raise WorkspaceUnavailableError("The workspace is stopped.")
        return self.agent

    async def stop(self) -> None:
        self.is_stopped = True
        await self.agent.aclose()

    def start(self) -> None:
        self.agent, self.is_stopped = self._make(), False


@pytest.fixture
async def place(tmp_path: Path, anyio_backend: str) -> AsyncIterator[Place]:
    made = Place(tmp_path / "work")
    yield made
    await made.agent.aclose()


@pytest.fixture
async def manager(tmp_path: Path, place: Place) -> AsyncIterator[McpManager]:
    made = McpManager(
        env={"PATH": "/usr/bin:/bin"},
        state_folder=tmp_path / "own",
        directory=str(tmp_path),
        agent_in=place.find,
        retry_after_s=0.0,
    )
    yield made
    await made.aclose()


@pytest.fixture
def servers(tmp_path: Path) -> ProjectServers:
    return ProjectServers(FileTrustStore(tmp_path / "data"), env={})


async def trusted(servers: ProjectServers, place: Place, *args: str) -> Project:
    entry = {"command": sys.executable, "args": ["-P", str(FAKES / "mcp_old_server.py"), *args]}
    (place.folder / ".mcp.json").write_text(json.dumps({"mcpServers": {"old": entry}}))
    project = await servers.find(place.agent, workspace_id="w1")
    assert project is not None
    return await servers.decide(place.agent, sha256=project.file.sha256, trusted=True, workspace_id="w1")


async def test_a_decision_is_about_one_workspace(servers: ProjectServers, place: Place) -> None:
    """The same path and content on another machine, or on this one, is another file and another server."""
    mine = await trusted(servers, place)
    for workspace_id in (None, "w2"):
        other = await servers.find(place.agent, workspace_id=workspace_id)
        assert other is not None
        assert (other.trusted, other.configs) == (None, ())
        assert other.file.configs[0].id != mine.configs[0].id


async def test_its_agent_runs_the_program(servers: ProjectServers, place: Place, manager: McpManager) -> None:
    project = await trusted(servers, place)
    tools = await manager.connect(project.configs)
    assert "old__echo" in names(tools)
    assert fields(await run(tools, "echo", a=1)) == {"a": 1}
    await place.stop()
    assert "stopped" in error(await run(tools, "echo", a=2))
    place.start()
    assert fields(await run(tools, "echo", a=3)) == {"a": 3}


async def test_a_program_that_fails_says_why(
    servers: ProjectServers, place: Place, manager: McpManager
) -> None:
    project = await trusted(servers, place, "crash")
    assert await manager.connect(project.configs) == ()
    (status,) = project.statuses(manager.status)
    assert status.state is ServerState.FAILED
    assert "The server's program ended (exit code" in status.reason


async def test_a_stopped_workspace_starts_nothing(
    servers: ProjectServers, place: Place, manager: McpManager
) -> None:
    project = await trusted(servers, place)
    await place.stop()
    assert await manager.connect(project.configs) == ()
    (status,) = project.statuses(manager.status)
    assert "The workspace is stopped." in status.reason
