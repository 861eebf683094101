"""Tools that act on a real agent."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from jupyter_chatd.messages import CallKey
from jupyter_chatd.tools.protocol import ToolContext, ToolOutput
from jupyter_chatd.tools.registry import Toolbox, builtin_tools
from jupyter_chatd.workspace.limits import AgentLimits, ProcessLimits
from jupyter_chatd.workspace.server import ServerAgent

CHAT = "chat-1"

Call = Callable[..., Awaitable[ToolOutput]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "work"
    path.mkdir()
    return path


@pytest.fixture
async def agent(folder: Path, tmp_path: Path, anyio_backend: str) -> AsyncIterator[ServerAgent]:
    made = ServerAgent(
        directory=folder,
        home=tmp_path,
        state_folder=tmp_path / "state",
        limits=AgentLimits(processes=ProcessLimits(term_grace_s=0.2)),
    )
    yield made
    await made.aclose()


@pytest.fixture
def emitted() -> list[str]:
    """The live output of all calls of a test."""
    return []


@pytest.fixture
def context(agent: ServerAgent, emitted: list[str]) -> ToolContext:
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
