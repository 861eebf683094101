"""What happens to commands when the server dies."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from jupyter_chatd.workspace.server import ServerAgent
from jupyter_chatd.workspace.warden import Warden

from .processes import alive, pids_in, until

pytestmark = pytest.mark.anyio

SERVER = """
import asyncio, sys
from jupyter_chatd.workspace.protocol import ProcessSpec
from jupyter_chatd.workspace.server import ServerAgent

async def main(folder, commands):
    agent = ServerAgent(directory=folder, home=folder, state_folder=folder + "/state")
    for command in commands:
        await agent.start_process(ProcessSpec(command=command, chat_id="chat"))
    print(agent._processes._warden.pid, flush=True)
    await asyncio.sleep(60)

asyncio.run(main(sys.argv[1], sys.argv[2:]))
"""

COMMANDS = (
    "sleep 60 & echo $! >> pids; echo $$ >> pids; wait",
    "trap '' TERM HUP; (sleep 60 & echo $! >> pids)",
    "echo done",
)


def serve(folder: Path) -> tuple[subprocess.Popen[str], int]:
    """A server in a process of its own, and the pid of its warden."""
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(folder), *COMMANDS], stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    return server, int(server.stdout.readline())


def kill(server: subprocess.Popen[str]) -> None:
    server.kill()
    server.wait()
    assert server.stdout is not None
    server.stdout.close()


def sleepers(count: int) -> list[subprocess.Popen[bytes]]:
    """Groups of one process each."""
    return [subprocess.Popen(["/bin/sleep", "60"], start_new_session=True) for _ in range(count)]


def variables(pid: int) -> set[bytes]:
    """The names that a process sees."""
    return {line.partition(b"=")[0] for line in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")}


async def test_commands_die_with_a_killed_server(folder: Path) -> None:
    server, warden = serve(folder)
    pids = await pids_in(folder / "pids", 3)
    assert len(alive(pids)) == 3
    kill(server)
    await until(lambda: not alive([*pids, warden]), limit_s=2)


async def test_a_later_server_ends_what_a_killed_warden_could_not(folder: Path) -> None:
    server, warden = serve(folder)
    pids = await pids_in(folder / "pids", 3)
    os.kill(warden, signal.SIGKILL)
    kill(server)
    await asyncio.sleep(0.05)
    assert len(alive(pids)) == 3
    later = ServerAgent(directory=folder, home=folder, state_folder=folder / "state")
    try:
        assert await later.sweep_orphans() == 3
        assert await later.sweep_orphans() == 0
    finally:
        await later.aclose()
    await until(lambda: not alive(pids))
    assert os.listdir(folder / "state") == []


async def test_a_sweep_leaves_living_servers_alone(folder: Path) -> None:
    server, _ = serve(folder)
    pids = await pids_in(folder / "pids", 3)
    later = ServerAgent(directory=folder, home=folder, state_folder=folder / "state")
    try:
        assert await later.sweep_orphans() == 0
        assert len(alive(pids)) == 3
    finally:
        await later.aclose()
        kill(server)
    await until(lambda: not alive(pids), limit_s=2)


async def test_a_killed_warden_is_replaced_and_knows_what_runs(folder: Path) -> None:
    warden = Warden({})
    groups = sleepers(3)
    warden.add(groups[0].pid)
    first = warden.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    await until(lambda: not alive([first]))
    warden.add(groups[1].pid)
    assert warden.pid != first
    warden.add(groups[2].pid)
    warden.drop(groups[2].pid)
    warden.close()
    warden.close()
    assert [group.wait(5) for group in groups[:2]] == [-9, -9]
    assert groups[2].poll() is None, "a group that was dropped is left alone"
    groups[2].kill()
    groups[2].wait()


async def test_a_dropped_group_is_found_wherever_it_stands_in_the_list() -> None:
    groups = sleepers(4)
    warden = Warden({})
    for group in groups:
        warden.add(group.pid)
    for index in (0, 2):
        warden.drop(groups[index].pid)
    warden.close()
    assert [groups[index].wait(5) for index in (1, 3)] == [-9, -9]
    assert [groups[index].poll() for index in (0, 2)] == [None, None]
    for index in (0, 2):
        groups[index].kill()
        groups[index].wait()


async def test_a_stopped_warden_does_not_block_the_server() -> None:
    warden = Warden({})
    warden.add(1_000_000_000)
    pid = warden.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    for number in range(5000):
        warden.add(1_000_000_001 + number)
    assert warden.pid != pid
    warden.close()
    assert alive([pid]) == []


async def test_the_warden_sees_only_what_it_is_given() -> None:
    warden = Warden({"GIVEN": "1"})
    warden.add(1_000_000_000)
    pid = warden.pid
    assert pid is not None
    await until(lambda: b"GIVEN" in variables(pid))
    assert b"PATH" not in variables(pid)
    warden.close()
