"""A server with workspaces of the kind `process`, whose chats follow a script."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from world import World, results, script

from jupyter_chatd.messages import JsonValue, ToolResultPart
from jupyter_chatd.providers.scripted import Answer, ScriptedModel, call
from jupyter_chatd.workspace.environment import scrubbed
from jupyter_chatd.workspace.limits import AgentLimits, ProcessLimits
from jupyter_chatd.workspace.sandbox import SandboxPolicy, SandboxSettings
from jupyter_chatd.workspaces.process import ProcessProvisioner, ProcessSettings
from jupyter_chatd.workspaces.templates import TemplateCatalog

Open: TypeAlias = Callable[..., AbstractAsyncContextManager[World]]


@pytest.fixture
def agents() -> Iterator[Path]:
    """Where agents have their folders; a short path."""
    with tempfile.TemporaryDirectory(prefix="chatd") as folder:
        yield Path(folder) / "agents"


@pytest.fixture
def settings(tmp_path: Path, agents: Path) -> ProcessSettings:
    return ProcessSettings(
        root=tmp_path / "workspaces",
        agents=agents,
        home=tmp_path,
        env=scrubbed(os.environ),
        protected=(tmp_path / "data",),
        sandbox=SandboxSettings(policy=SandboxPolicy.OFF),
        limits=AgentLimits(processes=ProcessLimits(term_grace_s=0.2)),
        undumpable=False,
    )


@pytest.fixture
def provisioner(settings: ProcessSettings) -> ProcessProvisioner:
    return ProcessProvisioner(settings)


@pytest.fixture
def template_id() -> str:
    """The empty folder."""
    return template("empty")


def template(name: str) -> str:
    return next(one.id for one in TemplateCatalog().list() if one.name == name)


@pytest.fixture
def open_world(tmp_path: Path, provisioner: ProcessProvisioner) -> Open:
    """Opens a server whose model gives these answers; at the end, stops all workspaces."""

    @asynccontextmanager
    async def opened(
        *answers: Answer, model: ScriptedModel | None = None, keep: bool = False, **options: Any
    ) -> AsyncIterator[World]:
        kinds = {"process": options.pop("provisioner", provisioner)}
        async with World(tmp_path, model or script(*answers), provisioners=kinds, **options) as world:
            try:
                yield world
            finally:
                if not keep:
                    await remove_all(world)

    return opened


async def remove_all(world: World) -> None:
    """Stop and forget every workspace."""
    manager = world.runtime.workspaces
    for standing in await manager.list(owner_id="local"):
        if standing.build is not None:
            await manager.wait(standing.build.id)
        await manager.delete(standing.workspace, remove_files=False)


async def results_of(world: World, chat_id: str) -> list[ToolResultPart]:
    """What the tools of a chat gave, once it rests."""
    await world.settled(chat_id)
    return results(await world.rows(chat_id))


def use(tool: str, /, **args: JsonValue) -> Answer:
    """An answer that calls one tool."""
    return [call(tool, dict(args))]


@pytest.fixture
def repository(tmp_path: Path) -> str:
    """The address of a git repository with one file."""
    folder = tmp_path / "origin"
    folder.mkdir()
    (folder / "README").write_text("hello\n")
    git = shutil.which("git")
    assert git is not None
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    for words in (["init", "-q", "-b", "main"], ["add", "."], [*identity, "commit", "-qm", "first"]):
        subprocess.run([git, *words], cwd=folder, check=True, capture_output=True)
    return f"file://{folder}"
