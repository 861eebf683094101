from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from jupyter_chatd.mcp.config import Availability, McpServerConfig
from jupyter_chatd.mcp.manager import McpManager
from jupyter_chatd.mcp.project_servers import ProjectServers
from jupyter_chatd.mcp.source import McpSource
from jupyter_chatd.mcp.trust import FileTrustStore
from jupyter_chatd.private_file import PrivateFileError
from jupyter_chatd.workspace.server import ServerAgent

from .conftest import FAKES, names, stdio

pytestmark = pytest.mark.anyio

ECHO: dict[str, Any] = {"allowed_tools": ("echo",)}


@pytest.fixture
async def agent(tmp_path: Path, anyio_backend: str) -> AsyncIterator[ServerAgent]:
    made = ServerAgent(directory=tmp_path, home=tmp_path, state_folder=tmp_path / "state")
    yield made
    await made.aclose()


def source(manager: McpManager, tmp_path: Path, *configs: McpServerConfig) -> McpSource:
    async def stored() -> Sequence[McpServerConfig]:
        return configs

    projects = ProjectServers(FileTrustStore(tmp_path / "data"), env={})
    return McpSource(manager, projects, stored=stored)


async def test_a_turn_has_the_chosen_servers_and_those_of_a_trusted_project(
    manager: McpManager, agent: ServerAgent, tmp_path: Path
) -> None:
    entry = {"command": sys.executable, "args": ["-P", str(FAKES / "mcp_old_server.py")]}
    (tmp_path / ".mcp.json").write_text(json.dumps({"mcpServers": {"project": entry}}))
    found = source(
        manager,
        tmp_path,
        stdio("chosen", **ECHO, allow_in_plan_mode=True),
        stdio("other", **ECHO),
        stdio("forced", **ECHO, availability=Availability.FORCE_ON),
    )
    assert names(await found.find_tools(["chosen"], agent)) == ["chosen__echo", "forced__echo"]
    project = await found.projects.find(agent)
    assert project is not None
    await found.projects.decide(agent, sha256=project.file.sha256, trusted=True)
    with_project = names(await found.find_tools([], agent))
    assert {"forced__echo", "project__echo"} <= set(with_project)
    assert names(await found.find_tools(["chosen"], agent, in_plan_mode=True)) == ["chosen__echo"]


async def test_a_turn_goes_on_without_what_cannot_be_read(
    manager: McpManager, agent: ServerAgent, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def damaged() -> Sequence[McpServerConfig]:
        raise PrivateFileError("mcp_secrets.json cannot be read.")

    projects = ProjectServers(FileTrustStore(tmp_path / "data"), env={})
    await agent.aclose()
    assert await McpSource(manager, projects, stored=damaged).find_tools([], agent) == ()
    assert caplog.text.count("are left out") == 2


async def test_a_workspace_that_does_not_answer_costs_only_its_project(
    manager: McpManager, tmp_path: Path, agent: ServerAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stored() -> Sequence[McpServerConfig]:
        return [stdio("forced", **ECHO, availability=Availability.FORCE_ON)]

    monkeypatch.setattr(agent, "facts", asyncio.Event().wait)
    projects = ProjectServers(FileTrustStore(tmp_path / "data"), env={})
    found = McpSource(manager, projects, stored=stored, project_timeout_s=0.1)
    async with asyncio.timeout(30):
        assert names(await found.find_tools([], agent)) == ["forced__echo"]
