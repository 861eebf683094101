"""Project files: read through a real agent, trusted by hash, started for real."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from unit.tools.outputs import fields

from jupyter_chatd.errors import ConflictError
from jupyter_chatd.mcp.manager import McpManager
from jupyter_chatd.mcp.project_servers import Project, ProjectServers
from jupyter_chatd.mcp.status import ServerState
from jupyter_chatd.mcp.trust import FileTrustStore
from jupyter_chatd.workspace.server import ServerAgent

from .conftest import FAKES, names, run

pytestmark = pytest.mark.anyio


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "größe"
    path.mkdir()
    return path


@pytest.fixture
async def agent(folder: Path, tmp_path: Path, anyio_backend: str) -> AsyncIterator[ServerAgent]:
    made = ServerAgent(directory=folder, home=tmp_path, state_folder=tmp_path / "state")
    yield made
    await made.aclose()


@pytest.fixture
def servers(tmp_path: Path) -> ProjectServers:
    return ProjectServers(FileTrustStore(tmp_path / "data"), env={"HOME": "/home/me"})


def write(folder: Path, *args: str) -> None:
    entry = {"command": sys.executable, "args": ["-P", str(FAKES / "mcp_old_server.py"), *args]}
    (folder / ".mcp.json").write_text(json.dumps({"mcpServers": {"Old One": entry}}))


async def found(servers: ProjectServers, agent: ServerAgent) -> Project:
    project = await servers.find(agent)
    assert project is not None
    return project


async def test_nothing_is_started_before_the_user_trusts_the_file(
    servers: ProjectServers, agent: ServerAgent, folder: Path, manager: McpManager
) -> None:
    marker = folder / "started"
    program = ["-c", f"open({str(marker)!r}, 'w')"]
    entry = {"command": sys.executable, "args": program}
    (folder / ".mcp.json").write_text(json.dumps({"mcpServers": {"x": entry}}))
    project = await found(servers, agent)
    assert project.configs == ()
    assert await manager.connect(project.configs) == ()
    (status,) = project.statuses(manager.status)
    assert (status.state, status.slug) == (ServerState.NEEDS_TRUST, "x")
    assert project.file.path in status.reason
    assert not marker.exists()
    assert project.file.servers[0].shown.startswith(sys.executable), "what it would start can be shown"


async def test_a_trusted_file_is_used_until_it_changes(
    servers: ProjectServers, agent: ServerAgent, folder: Path, manager: McpManager
) -> None:
    write(folder)
    first = await found(servers, agent)
    trusted = await servers.decide(agent, sha256=first.file.sha256, trusted=True)
    assert trusted == await found(servers, agent)
    tools = await manager.connect(trusted.configs)
    assert "old-one__echo" in names(tools)
    assert fields(await run(tools, "echo", a=1)) == {"a": 1}
    (status,) = trusted.statuses(manager.status)
    assert status.state is ServerState.CONNECTED

    write(folder, "chatty")
    changed = await found(servers, agent)
    assert (changed.trusted, changed.configs) == (None, ())
    assert [one.state for one in changed.statuses(manager.status)] == [ServerState.NEEDS_TRUST]

    write(folder)
    assert (await found(servers, agent)).trusted is True, "the content that was trusted is back"


async def test_who_decides_must_have_seen_the_present_file(
    servers: ProjectServers, agent: ServerAgent, folder: Path
) -> None:
    write(folder)
    seen = (await found(servers, agent)).file.sha256
    write(folder, "other")
    with pytest.raises(ConflictError, match="no longer what you were shown"):
        await servers.decide(agent, sha256=seen, trusted=True)
    assert (await found(servers, agent)).trusted is None
    (folder / ".mcp.json").unlink()
    with pytest.raises(ConflictError):
        await servers.decide(agent, sha256=seen, trusted=True)


async def test_a_refusal_is_remembered_and_can_be_taken_back(
    servers: ProjectServers, agent: ServerAgent, folder: Path, manager: McpManager
) -> None:
    write(folder)
    sha256 = (await found(servers, agent)).file.sha256
    await servers.decide(agent, sha256=sha256, trusted=False)
    refused = await found(servers, agent)
    assert (refused.trusted, refused.configs) == (False, ())
    assert "You decided not to use" in refused.statuses(manager.status)[0].reason
    assert (await servers.decide(agent, sha256=sha256, trusted=True)).configs


async def test_the_same_content_elsewhere_is_another_file(
    servers: ProjectServers, agent: ServerAgent, folder: Path, tmp_path: Path
) -> None:
    write(folder)
    await servers.decide(agent, sha256=(await found(servers, agent)).file.sha256, trusted=True)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    write(elsewhere)
    other = ServerAgent(directory=elsewhere, home=tmp_path, state_folder=tmp_path / "state")
    try:
        assert (await found(servers, other)).trusted is None
    finally:
        await other.aclose()


async def test_no_file_a_link_and_a_damaged_trust_store_start_nothing(
    servers: ProjectServers, agent: ServerAgent, folder: Path, tmp_path: Path
) -> None:
    assert await servers.find(agent) is None
    write(tmp_path)
    (folder / ".mcp.json").symlink_to(tmp_path / ".mcp.json")
    assert await servers.find(agent) is None
    (folder / ".mcp.json").unlink()
    write(folder)
    await servers.decide(agent, sha256=(await found(servers, agent)).file.sha256, trusted=True)
    (tmp_path / "data" / "mcp_trust.json").write_text("{")
    assert (await found(servers, agent)).configs == ()
