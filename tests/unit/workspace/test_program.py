"""The agent as a program of its own: it starts, ends with all that it started, and ends itself."""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from jupyter_chatd.workspace.agent.launch import LaunchError, lives, start_program
from jupyter_chatd.workspace.agent.operations import Lifecycle
from jupyter_chatd.workspace.agent.settings import AgentSettings, Listening
from jupyter_chatd.workspace.environment import scrubbed
from jupyter_chatd.workspace.protocol import ProcessSpec
from jupyter_chatd.workspace.sandbox import SandboxPolicy, SandboxSettings

from .hosting import end, running
from .processes import CHAT, alive, pids_in, run, start, until

pytestmark = pytest.mark.anyio


@pytest.fixture
def settings(folder: Path, tmp_path: Path) -> Iterator[AgentSettings]:
    with tempfile.TemporaryDirectory(prefix="chatd") as private:
        yield AgentSettings(
            id=uuid.uuid4().hex,
            folder=Path(private),
            token="a-token",
            directory=folder,
            home=tmp_path,
            sandbox=SandboxSettings(policy=SandboxPolicy.OFF),
            undumpable=False,
        )


def listens(settings: AgentSettings) -> bool:
    return Path(settings.socket_path).exists()


def seen_of(listening: Listening, file: str) -> bytes:
    return Path(f"/proc/{listening.pid}/{file}").read_bytes()


def inodes_of(table: str) -> set[str]:
    """The sockets of a kind that there are on this machine."""
    return {line.split()[9] for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]}


async def test_it_works_and_ends_with_its_whole_tree(settings: AgentSettings, folder: Path) -> None:
    async with running(settings) as (agent, listening):
        assert (await agent.facts()).directory == str(folder)
        assert (await run(agent, "echo hello")).output == "hello\n"
        await start(agent, "sleep 60 & echo $$ >> pids; echo $! >> pids; wait")
        # A command that has exited, whose daemon has left every group and session.
        await run(agent, "setsid sh -c 'echo $$ >> pids; exec sleep 60' >/dev/null 2>&1 &")
        pids = await pids_in(folder / "pids", 3)
        assert alive(pids) == pids
        assert await end(settings, listening)
        assert alive([*pids, listening.pid]) == []
        assert not listens(settings)


async def test_only_its_user_gets_in(settings: AgentSettings) -> None:
    async with running(settings):
        assert os.stat(settings.socket_path).st_mode & 0o777 == 0o600
    settings.folder.chmod(0o755)
    with pytest.raises(LaunchError, match="must be a folder of mode 0700"):
        await start_program(settings, env=scrubbed(os.environ))


async def test_it_listens_on_no_port(settings: AgentSettings) -> None:
    async with running(settings) as (agent, listening):
        await agent.facts()
        sockets = [
            os.readlink(f"/proc/{listening.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{listening.pid}/fd")
        ]
        inodes = {name[8:-1] for name in sockets if name.startswith("socket:[")}
        for table in ("tcp", "tcp6", "udp", "udp6"):
            assert not inodes & inodes_of(table)


async def test_its_environment_holds_no_secret(
    settings: AgentSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "s3cret")
    async with running(settings) as (agent, listening):
        assert b"s3cret" not in seen_of(listening, "environ")
        assert b"a-token" not in seen_of(listening, "cmdline")
        shown = (await run(agent, "env")).output
        assert "PYTHONPATH" not in shown
        assert "s3cret" not in shown


async def test_killed_it_leaves_nothing_either(settings: AgentSettings, folder: Path) -> None:
    async with running(settings) as (agent, listening):
        await start(agent, "setsid sleep 60 & echo $! $$ > pids; wait")
        pids = await pids_in(folder / "pids", 2)
        os.kill(listening.pid, signal.SIGKILL)
        await until(lambda: not lives(listening.pid, listening.started_ticks))
        assert await end(settings, listening)
        assert alive(pids) == []


async def test_hung_it_is_ended_all_the_same(
    settings: AgentSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jupyter_chatd.workspace.agent.remote.CONNECT_LIMIT", 0.2)
    monkeypatch.setattr("jupyter_chatd.workspace.agent.launch.END_LIMIT", 1.0)
    async with running(settings) as (_, listening):
        os.kill(listening.pid, signal.SIGSTOP)
        assert await end(settings, listening)
        assert not lives(listening.pid, listening.started_ticks)


async def test_unused_it_ends_itself(settings: AgentSettings, folder: Path) -> None:
    async with running(replace(settings, idle_limit_s=0.4)) as (agent, listening):
        process_id = await start(agent, "echo $$ > pids; sleep 60")
        pids = await pids_in(folder / "pids", 1)
        await agent.wait_process(CHAT, process_id, timeout_s=1.0)
        assert lives(listening.pid, listening.started_ticks)  # a request in flight is use
        await until(lambda: not lives(listening.pid, listening.started_ticks))
        assert alive(pids) == []


async def test_out_of_reach_it_ends_itself(settings: AgentSettings) -> None:
    """As when somebody removes the data folder."""
    async with running(replace(settings, idle_limit_s=2.0)) as (agent, listening):
        await agent.facts()
        os.unlink(settings.socket_path)
        await until(lambda: not lives(listening.pid, listening.started_ticks))


@pytest.mark.parametrize(
    ("script", "limit_s", "expected"),
    [
        ("echo made > f", 60.0, Lifecycle.READY),
        ("exit 3", 60.0, Lifecycle.START_ERROR),
        ("sleep 60", 0.2, Lifecycle.START_TIMEOUT),
    ],
)
async def test_the_start_up_script(
    settings: AgentSettings, script: str, limit_s: float, expected: Lifecycle
) -> None:
    async with running(replace(settings, startup_script=script, startup_limit_s=limit_s)) as (agent, _):
        async with asyncio.timeout(60):
            while (state := (await agent.hello()).lifecycle) is Lifecycle.STARTING:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert state is expected


async def test_a_program_that_cannot_start_says_why(settings: AgentSettings) -> None:
    os.mkdir(settings.socket_path)
    with pytest.raises(LaunchError, match="did not start"):
        await start_program(settings, env=scrubbed(os.environ))


async def test_a_cancelled_start_leaves_nothing(settings: AgentSettings) -> None:
    starting = asyncio.create_task(start_program(settings, env=scrubbed(os.environ)))
    await asyncio.sleep(0.05)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    await asyncio.sleep(0.2)
    assert not listens(settings)


async def test_commands_are_confined_in_it_too(settings: AgentSettings) -> None:
    confined = replace(settings, sandbox=SandboxSettings(policy=SandboxPolicy.PREFERRED))
    async with running(confined) as (agent, _):
        if (await agent.facts()).confined is None:
            pytest.skip("there is no bubblewrap here")
        listing = await run(agent, f"ls -A {settings.folder}; touch /usr/x")
        assert (listing.exit_code, "s\n" in listing.output) == (1, False)
        spec = ProcessSpec(command="touch f", chat_id=CHAT, read_only=True)
        process_id = await agent.start_process(spec)
        assert (await agent.wait_process(CHAT, process_id, timeout_s=10)).exit_code != 0
