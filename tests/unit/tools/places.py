"""Where tools act: an agent of each kind of workspaces, started once and tidied up after each test."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from acceptance.hub import UserServer
from hub_agent import agent_in
from workspace.hosting import end

from jupyter_chatd.workspace.agent.launch import start_program
from jupyter_chatd.workspace.agent.remote import RemoteAgent
from jupyter_chatd.workspace.agent.settings import AgentSettings
from jupyter_chatd.workspace.environment import scrubbed
from jupyter_chatd.workspace.limits import AgentLimits, ProcessLimits
from jupyter_chatd.workspace.protocol import WorkspaceAgent
from jupyter_chatd.workspace.sandbox import SandboxPolicy, SandboxSettings
from jupyter_chatd.workspace.server import ServerAgent

LIMITS = AgentLimits(processes=ProcessLimits(term_grace_s=0.2))


class Place(Protocol):
    """One kind's agent, and the folders that it knows."""

    @property
    def folder(self) -> Path:
        """Where commands start."""
        ...

    @property
    def protected(self) -> Path:
        """A folder that its file tools refuse."""
        ...

    def agent(self) -> AbstractAsyncContextManager[WorkspaceAgent]:
        """The agent, for one test: what asks it belongs to the test's event loop."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnPlace:
    """Of the kind `server`: made anew for each test, in its process."""

    folder: Path
    protected: Path

    @asynccontextmanager
    async def agent(self) -> AsyncIterator[WorkspaceAgent]:
        agent = ServerAgent(
            directory=self.folder, home=self.folder.parent, state_folder=self.protected, limits=LIMITS
        )
        yield agent
        await agent.aclose()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessPlace:
    """Of the kind `process`: a program, which lives as long as the tests."""

    folder: Path
    protected: Path
    token: str
    socket_path: str

    @asynccontextmanager
    async def agent(self) -> AsyncIterator[WorkspaceAgent]:
        agent = RemoteAgent("http://agent", token=self.token, socket_path=self.socket_path)
        yield agent
        await agent.aclose()


@dataclass(frozen=True, slots=True, kw_only=True)
class HubPlace:
    """Of the kind `hub`: another server, which lives as long as the tests, with an agent for each of them."""

    folder: Path
    protected: Path
    server: UserServer

    @asynccontextmanager
    async def agent(self) -> AsyncIterator[WorkspaceAgent]:
        async with agent_in(self.server, self.folder, self.folder.parent) as agent:
            yield agent


@contextmanager
def process_place(home: Path) -> Iterator[ProcessPlace]:
    """An agent in a program of its own, as workspaces of the kind `process` have."""
    folder = home / "work"
    folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory(prefix="chatd") as private:
        settings = AgentSettings(
            id=uuid.uuid4().hex,
            folder=Path(private),
            token=uuid.uuid4().hex,
            directory=folder,
            home=home,
            protected=(home / "state",),
            sandbox=SandboxSettings(policy=SandboxPolicy.OFF),
            limits=LIMITS,
        )
        listening = asyncio.run(start_program(settings, env=scrubbed(os.environ)))
        yield ProcessPlace(
            folder=folder, protected=home / "state", token=settings.token, socket_path=settings.socket_path
        )
        assert asyncio.run(end(settings, listening))


async def tidy(agent: WorkspaceAgent, folder: Path, *, chat_id: str) -> None:
    """End what a test left running in its chat, and empty the folder."""
    for process in await agent.list_processes(chat_id):
        await agent.kill_process(chat_id, process.id)
    await agent.kernels.end(chat_id)
    await asyncio.to_thread(empty, folder)


def empty(folder: Path) -> None:
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
