"""Tools that act on a real agent."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

import pytest

from jupyter_chatd.messages import CallKey
from jupyter_chatd.tools.protocol import ToolContext, ToolOutput
from jupyter_chatd.tools.registry import Toolbox, builtin_tools
from jupyter_chatd.workspace.protocol import WorkspaceAgent

from .places import OwnPlace, Place, SharedPlace, process_place, tidy

Call = Callable[..., Awaitable[ToolOutput]]

SHARED: dict[str, Callable[[Path], AbstractContextManager[SharedPlace]]] = {"process": process_place}


@pytest.fixture(scope="session")
def shared_places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], SharedPlace]]:
    """Returns the place of a kind, which is started when the first test wants it."""
    with ExitStack() as stack:
        started: dict[str, SharedPlace] = {}

        def get(kind: str) -> SharedPlace:
            if kind not in started:
                started[kind] = stack.enter_context(SHARED[kind](tmp_path_factory.mktemp(kind)))
            return started[kind]

        yield get


@pytest.fixture(params=["server", *SHARED])
def place(
    request: pytest.FixtureRequest, shared_places: Callable[[str], SharedPlace], tmp_path: Path
) -> Place:
    """Where the tools of a test act: one test after the other for each kind of workspaces."""
    if request.param != "server":
        return shared_places(request.param)
    folder = tmp_path / "work"
    folder.mkdir()
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
