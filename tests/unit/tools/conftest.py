"""Tools that act on a real agent."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from acceptance.hub import UserServer, why_no_hub
from hub_agent import hub_server

from jupyter_chatd.messages import CallKey
from jupyter_chatd.tools.protocol import ToolContext, ToolOutput
from jupyter_chatd.tools.registry import Toolbox, builtin_tools
from jupyter_chatd.workspace.protocol import WorkspaceAgent

from .places import HubPlace, OwnPlace, Place, ProcessPlace, process_place, tidy

Call = Callable[..., Awaitable[ToolOutput]]

KINDS = [
    "server",
    "process",
    pytest.param(
        "hub",
        marks=[
            pytest.mark.slow,
            pytest.mark.skipif(why_no_hub() is not None, reason=str(why_no_hub())),
        ],
    ),
]


@pytest.fixture(scope="session")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProcessPlace]:
    """An agent in a program of its own, for all tests."""
    with process_place(tmp_path_factory.mktemp("process")) as place:
        yield place


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UserServer]:
    """A named server of a real hub, for all tests."""
    with hub_server(tmp_path_factory.mktemp("hub")) as server:
        yield server


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Where the tools of a test act: the same tests for each kind of workspaces."""
    if request.param == "process":
        return request.getfixturevalue("process")
    folder = tmp_path / "work"
    folder.mkdir()
    if request.param == "hub":
        return HubPlace(folder=folder, protected=tmp_path / "state", server=request.getfixturevalue("hub"))
    return OwnPlace(folder=folder, protected=tmp_path / "state")


@pytest.fixture
def folder(place: Place) -> Path:
    """Where commands start; empty."""
    return place.folder


@pytest.fixture
def chat_id() -> str:
    """A chat that no other test has used."""
    return uuid.uuid4().hex


@pytest.fixture
async def agent(place: Place, chat_id: str, anyio_backend: str) -> AsyncIterator[WorkspaceAgent]:
    """The agents of the kinds of workspaces. Tools cannot tell them apart."""
    async with place.agent() as agent:
        yield agent
        await tidy(agent, place.folder, chat_id=chat_id)


@pytest.fixture
def emitted() -> list[str]:
    """The live output of all calls of a test."""
    return []


@pytest.fixture
def context(agent: WorkspaceAgent, chat_id: str, emitted: list[str]) -> ToolContext:
    return ToolContext(
        chat_id=chat_id,
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
