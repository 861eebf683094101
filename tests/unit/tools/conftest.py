"""Tools that act on a real agent."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from workspace.hosting import running

from jupyter_chatd.messages import CallKey
from jupyter_chatd.tools.protocol import ToolContext, ToolOutput
from jupyter_chatd.tools.registry import Toolbox, builtin_tools
from jupyter_chatd.workspace.agent.settings import AgentSettings
from jupyter_chatd.workspace.limits import AgentLimits, ProcessLimits
from jupyter_chatd.workspace.protocol import WorkspaceAgent
from jupyter_chatd.workspace.sandbox import SandboxPolicy, SandboxSettings
from jupyter_chatd.workspace.server import ServerAgent

CHAT = "chat-1"
LIMITS = AgentLimits(processes=ProcessLimits(term_grace_s=0.2))

Call = Callable[..., Awaitable[ToolOutput]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "work"
    path.mkdir()
    return path


@pytest.fixture(params=["server", "process"])
async def agent(
    request: pytest.FixtureRequest, folder: Path, tmp_path: Path, anyio_backend: str
) -> AsyncIterator[WorkspaceAgent]:
    """The agents of the kinds of workspaces. Tools cannot tell them apart."""
    made = make_server if request.param == "server" else make_process
    async with made(folder, tmp_path) as agent:
        yield agent


@asynccontextmanager
async def make_server(folder: Path, home: Path) -> AsyncIterator[WorkspaceAgent]:
    made = ServerAgent(directory=folder, home=home, state_folder=home / "state", limits=LIMITS)
    yield made
    await made.aclose()


@asynccontextmanager
async def make_process(folder: Path, home: Path) -> AsyncIterator[WorkspaceAgent]:
    with tempfile.TemporaryDirectory(prefix="chatd") as private:
        settings = AgentSettings(
            id=uuid.uuid4().hex,
            folder=Path(private),
            token="a-token",
            directory=folder,
            home=home,
            protected=(home / "state",),
            sandbox=SandboxSettings(policy=SandboxPolicy.OFF),
            limits=LIMITS,
        )
        async with running(settings) as (remote, _):
            yield remote


@pytest.fixture
def emitted() -> list[str]:
    """The live output of all calls of a test."""
    return []


@pytest.fixture
def context(agent: WorkspaceAgent, emitted: list[str]) -> ToolContext:
    return ToolContext(
        chat_id=CHAT,
        key=CallKey(message_id=1, index=0),
        tool_call_id="call-1",
        workspace=lambda: agent,
        emit=emitted.append,
    )


@pytest.fixture
def call(context: ToolContext) -> Call:
    """Runs a tool by its name with the given arguments."""
    box = Toolbox(builtin_tools())

    async def run(name: str, **args: Any) -> ToolOutput:
        return await box.get(name).run(args, context)

    return run
