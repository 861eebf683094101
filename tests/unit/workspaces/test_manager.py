"""Builds: one at a time, settled when their server dies, and agents that outlive their server."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from world import OWNER, World

from jupyter_chatd.errors import ConflictError
from jupyter_chatd.messages import Chat, ChatStatus
from jupyter_chatd.providers.scripted import say
from jupyter_chatd.workspace.agent.launch import lives
from jupyter_chatd.workspace.agent.operations import Hello, Lifecycle
from jupyter_chatd.workspace.agent.remote import AgentAnswerError, AgentVersionError
from jupyter_chatd.workspace.protocol import WorkspaceUnavailableError
from jupyter_chatd.workspaces import readiness
from jupyter_chatd.workspaces.process import ProcessProvisioner, ProcessSettings, agents_folder
from jupyter_chatd.workspaces.provisioner import ProvisionError, Say
from jupyter_chatd.workspaces.values import (
    AgentAddress,
    Build,
    BuildStatus,
    Phase,
    Standing,
    Template,
    Transition,
    Workspace,
)

from .conftest import Open, template

pytestmark = pytest.mark.anyio


async def made(world: World) -> Standing:
    """A workspace that runs."""
    manager = world.runtime.workspaces
    workspace, build = await manager.create(OWNER, template_id=template("empty"))
    ended = await manager.wait(build.id)
    assert ended.status is BuildStatus.SUCCEEDED, ended.error
    return await stands(world, workspace)


async def stands(world: World, workspace: Workspace) -> Standing:
    standing = await world.runtime.workspaces.find(workspace.id)
    assert standing is not None
    return standing


async def do(world: World, workspace: Workspace, transition: Transition) -> Build:
    manager = world.runtime.workspaces
    return await manager.wait((await manager.build(workspace, transition)).id)


def identity(standing: Standing) -> tuple[int, int]:
    assert standing.agent is not None
    place = standing.agent.place
    return int(place["pid"]), int(place["started_ticks"])


def chat_in(workspace_id: str) -> Chat:
    return Chat(
        id="c",
        owner_id=OWNER,
        title="t",
        status=ChatStatus.WAITING,
        archived=False,
        model="m",
        created_at=0.0,
        updated_at=0.0,
        workspace_id=workspace_id,
    )


class Held(ProcessProvisioner):
    """Starts nothing until it may."""

    def __init__(self, settings: ProcessSettings) -> None:
        super().__init__(settings)
        self.may_go = asyncio.Event()

    async def start(
        self, workspace: Workspace, template: Template, previous: Sequence[AgentAddress], say: Say
    ) -> Sequence[AgentAddress]:
        await self.may_go.wait()
        return await super().start(workspace, template, previous, say)


async def test_only_one_build_of_a_workspace_runs(open_world: Open, settings: ProcessSettings) -> None:
    held = Held(settings)
    async with open_world(provisioner=held) as world:
        manager = world.runtime.workspaces
        workspace, build = await manager.create(OWNER, template_id=template("empty"))
        for transition in Transition:
            with pytest.raises(ConflictError, match="being started or stopped"):
                await manager.build(workspace, transition)
        held.may_go.set()
        assert (await manager.wait(build.id)).status is BuildStatus.SUCCEEDED


async def test_two_of_one_name_at_once_make_one(open_world: Open) -> None:
    async with open_world() as world:
        manager = world.runtime.workspaces
        both = await asyncio.gather(
            *(manager.create(OWNER, template_id=template("empty"), name="one") for _ in range(2)),
            return_exceptions=True,
        )
        assert sorted(isinstance(one, ConflictError) for one in both) == [False, True]
        assert len(await manager.list(owner_id=OWNER)) == 1


async def test_a_stopped_server_cancels_its_builds(
    open_world: Open, settings: ProcessSettings, tmp_path: Path
) -> None:
    async with open_world(provisioner=Held(settings), keep=True) as world:
        workspace, _ = await world.runtime.workspaces.create(OWNER, template_id=template("empty"))
    async with open_world() as world:
        standing = await stands(world, workspace)
        assert standing.build is not None
        assert standing.build.status is BuildStatus.CANCELED
        assert (await do(world, workspace, Transition.START)).status is BuildStatus.SUCCEEDED


async def test_a_build_of_a_server_that_died_has_failed(
    open_world: Open, settings: ProcessSettings, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever waits for it hears so, and it can be done again."""
    held = Held(settings)
    async with open_world(provisioner=held) as world:
        manager = world.runtime.workspaces
        workspace, build = await manager.create(OWNER, template_id=template("empty"))
        await world.runtime.store.write(
            lambda conn: conn.execute("UPDATE builds SET worker_id = 'gone' WHERE id = ?", (build.id,))
        )
        with caplog.at_level(logging.INFO):
            await manager._fail_lost_builds()
        standing = await stands(world, workspace)
        assert standing.build is not None
        assert (standing.phase, standing.build.status) == (Phase.BROKEN, BuildStatus.FAILED)
        held.may_go.set()


async def test_an_agent_outlives_its_server_and_is_adopted(open_world: Open) -> None:
    async with open_world(keep=True) as world:
        before = await made(world)
    assert lives(*identity(before))
    async with open_world() as world:
        after = await stands(world, before.workspace)
        assert after == before
        facts = await world.runtime.lookup.agent_of(chat_in(after.workspace.id)).facts()
        assert facts.directory == after.workspace.directory
    assert not lives(*identity(before))


async def test_a_server_tells_its_agents_that_it_is_there(
    open_world: Open, settings: ProcessSettings
) -> None:
    short = ProcessProvisioner(replace(settings, idle_limit_s=2.0))
    async with open_world(provisioner=short) as world:
        world.runtime.workspaces._keep_alive_s = 0.1
        standing = await made(world)
        keeping = asyncio.create_task(world.runtime.workspaces._keep_alive_forever())
        await asyncio.sleep(4)
        assert lives(*identity(standing))
        keeping.cancel()


async def test_the_end_of_an_agent_is_noted_when_a_server_starts(open_world: Open) -> None:
    async with open_world(keep=True) as world:
        standing = await made(world)
    os.kill(identity(standing)[0], signal.SIGKILL)
    async with open_world() as world:
        async with asyncio.timeout(20):
            while (await stands(world, standing.workspace)).phase is not Phase.STOPPED:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        builds = await world.runtime.workspaces.builds(standing.workspace.id)
        assert builds[0].log == "The workspace's agent had ended by itself.\n"


async def test_an_agent_of_another_boot_is_gone(provisioner: ProcessProvisioner) -> None:
    place = {"folder": "/nowhere", "pid": os.getpid(), "started_ticks": 0, "where": "another boot"}
    assert await provisioner.is_gone(AgentAddress(id="a", place=place))


async def test_a_start_after_a_failed_stop_leaves_one_agent(
    open_world: Open, provisioner: ProcessProvisioner, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object) -> None:
        raise ProvisionError("It does not end.")

    async with open_world() as world:
        first = await made(world)
        with monkeypatch.context() as patched:
            patched.setattr(ProcessProvisioner, "stop", refuse)
            build = await do(world, first.workspace, Transition.STOP)
            assert (build.status, build.error) == (BuildStatus.FAILED, "It does not end.")
        assert (await do(world, first.workspace, Transition.START)).status is BuildStatus.SUCCEEDED
        assert not lives(*identity(first))
        assert lives(*identity(await stands(world, first.workspace)))


async def test_what_cannot_start_leaves_no_agent(
    open_world: Open, settings: ProcessSettings, agents: Path
) -> None:
    os.mkdir(agents)
    os.chmod(agents, 0o755)
    async with open_world() as world:
        manager = world.runtime.workspaces
        _, build = await manager.create(OWNER, template_id=template("empty"))
        ended = await manager.wait(build.id)
        assert ended.status is BuildStatus.FAILED
        assert "must be a folder of mode 0700" in str(ended.error)
        assert os.listdir(agents) == []


async def test_long_folders_get_short_sockets(tmp_path: Path) -> None:
    assert agents_folder(Path("/home/jo/.local/share/jupyter/jupyter_chatd")).name == "agents"
    long = agents_folder(tmp_path / ("x" * 100))
    assert len(str(long / "12345678" / "s")) <= 100
    assert str(os.getuid()) in long.name


# Connecting


async def test_an_agent_of_another_version_is_told_plainly(
    open_world: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_world() as world:
        standing = await made(world)
        monkeypatch.setattr("jupyter_chatd.workspace.agent.remote.PROTOCOL_VERSION", 2)
        with pytest.raises(AgentVersionError, match="older release"):
            await world.runtime.lookup.agent_of(chat_in(standing.workspace.id)).facts()
        fields = await readiness.readiness(world.runtime.lookup, standing.workspace.id, patient=False)
        assert fields["agent_status"] == "not_ready"
        monkeypatch.undo()


async def test_connections_are_shared_and_left_behind(open_world: Open) -> None:
    async with open_world() as world:
        standing = await made(world)
        lookup, workspace_id = world.runtime.lookup, standing.workspace.id
        first, second = await asyncio.gather(lookup.connect(workspace_id), lookup.connect(workspace_id))
        assert not lookup._connecting  # or a server that lives for weeks would keep one for each workspace
        assert first is second
        mark = lookup.mark(chat_in(workspace_id))
        await do(world, standing.workspace, Transition.STOP)
        with pytest.raises(WorkspaceUnavailableError, match=r"is stopped\. Use start_workspace"):
            await lookup.connect(workspace_id)
        await do(world, standing.workspace, Transition.START)
        assert await lookup.connect(workspace_id) is not first
        assert lookup.mark(chat_in(workspace_id)) != mark


async def test_a_restart_by_another_server_is_noticed_by_the_next_call(open_world: Open) -> None:
    """Two servers of one user on one database: the one that kept its connection was told nothing."""
    async with open_world() as world, open_world(keep=True) as other:
        standing = await made(world)
        agent = world.runtime.lookup.agent_of(chat_in(standing.workspace.id))
        path = f"{standing.workspace.directory}/f"
        await agent.write_file(path, "one")
        for transition in (Transition.STOP, Transition.START):
            assert (await do(other, standing.workspace, transition)).status is BuildStatus.SUCCEEDED
        await agent.write_file(path, "two")
        assert (await agent.read_file(path)).content == "1\ttwo"
        await do(other, standing.workspace, Transition.STOP)
        with pytest.raises(WorkspaceUnavailableError, match="is stopped"):
            await agent.read_file(path)


async def test_no_token_is_in_the_database(open_world: Open, agents: Path) -> None:
    async with open_world() as world:
        await made(world)
        (token,) = (read_text(folder / "token") for folder in subfolders(agents))
        assert len(token) > 30
        assert os.stat(next(iter(subfolders(agents))) / "token").st_mode & 0o777 == 0o600
        for suffix in ("", "-wal"):
            assert token.encode() not in read_bytes(Path(f"{world.runtime.store.path}{suffix}"))


def subfolders(folder: Path) -> list[Path]:
    return list(folder.iterdir())


def read_text(file: Path) -> str:
    return file.read_text()


def read_bytes(file: Path) -> bytes:
    return file.read_bytes()


async def test_a_chat_without_workspace_uses_the_server_itself(open_world: Open) -> None:
    async with open_world([say("Hi.")]) as world:
        chat_id = await world.create()
        chat = await world.settled(chat_id)
        assert world.runtime.lookup.agent_of(chat) is world.agent


# Readiness


class Scripted:
    """A lookup whose agent is at these points of its start, one after the other; an error stays."""

    def __init__(self, *states: Lifecycle | Exception) -> None:
        self.states = list(states)
        self.asked = 0

    async def connect(self, workspace_id: str, *, stale: object = None) -> Scripted:
        return self

    async def hello(self) -> Hello:
        self.asked += 1
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        if isinstance(state, Exception):
            raise state
        return Hello(protocol_version=1, release="0", lifecycle=state)


FAILED = {"startup_scripts": "startup_scripts_failed"}


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ([Lifecycle.READY], {}),
        ([Lifecycle.STARTING, Lifecycle.STARTING, Lifecycle.STARTING, Lifecycle.READY], {}),
        ([Lifecycle.START_ERROR], {**FAILED, "lifecycle_state": "start_error"}),
        ([Lifecycle.START_TIMEOUT], {**FAILED, "lifecycle_state": "start_timeout"}),
        ([Lifecycle.STARTING], {"startup_scripts": "startup_scripts_timeout"}),
        ([WorkspaceUnavailableError("gone"), Lifecycle.READY], {}),
        ([WorkspaceUnavailableError("gone")], {"agent_status": "not_ready", "agent_error": "gone"}),
        ([AgentAnswerError("garbage")], {"agent_status": "not_ready", "agent_error": "garbage"}),
        (
            [Lifecycle.STARTING, WorkspaceUnavailableError("gone")],
            {"startup_scripts": "startup_scripts_unknown"},
        ),
    ],
)
async def test_the_fields_of_readiness(
    monkeypatch: pytest.MonkeyPatch, states: list[Lifecycle | Exception], expected: dict[str, str]
) -> None:
    for name, value in {
        "DIAL_PAUSE": 0.01,
        "DIAL_LIMIT": 0.1,
        "SCRIPT_PAUSE": 0.01,
        "SCRIPT_LIMIT": 0.1,
    }.items():
        monkeypatch.setattr(readiness, name, value)
    assert await readiness.readiness(Scripted(*states), "w", patient=True) == expected  # type: ignore[arg-type]


async def test_an_agent_that_dies_after_it_was_reached_is_not_dialled_for_minutes(open_world: Open) -> None:
    async with open_world() as world:
        standing = await made(world)
        lookup, workspace_id = world.runtime.lookup, standing.workspace.id
        await lookup.connect(workspace_id)
        assert standing.agent is not None
        os.kill(int(standing.agent.place["pid"]), signal.SIGKILL)
        async with asyncio.timeout(readiness.DIAL_LIMIT / 2):
            fields = await readiness.readiness(lookup, workspace_id, patient=True)
    assert fields["agent_status"] == "not_ready"
    assert "is stopped. Use start_workspace" in str(fields["agent_error"])


async def test_who_does_not_wait_asks_once() -> None:
    lookup = Scripted(WorkspaceUnavailableError("gone"))
    fields = await readiness.readiness(lookup, "w", patient=False)  # type: ignore[arg-type]
    assert (fields["agent_status"], lookup.asked) == ("not_ready", 1)
