"""Programs that are spoken with over their pipes, asked directly and over HTTP."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from jupyter_chatd.workspace import piped
from jupyter_chatd.workspace.child import MESSAGE_BYTES
from jupyter_chatd.workspace.piped import PipedError, PipedLine, PipedPrograms, PipedSpec
from jupyter_chatd.workspace.protocol import WorkspaceAgent
from jupyter_chatd.workspace.sandbox import SandboxPolicy, SandboxSettings
from jupyter_chatd.workspace.server import ServerAgent

from .processes import alive, pids_in

pytestmark = pytest.mark.anyio

LONG = 30.0  # seconds


@pytest.fixture
def programs(agent: WorkspaceAgent) -> PipedPrograms:
    return agent.piped


def shell(script: str, **fields: object) -> PipedSpec:
    return PipedSpec(command="sh", args=["-c", script], **fields)  # type: ignore[arg-type]


async def read(programs: PipedPrograms, program_id: str, *, after: int, timeout_s: float = LONG) -> PipedLine:
    return await programs.read(program_id, after=after, timeout_s=timeout_s)


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(LONG):
        while not is_so():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)


async def test_lines_go_in_and_come_out(programs: PipedPrograms, folder: Path) -> None:
    """A line may be asked for again until the next one was: its answer may have been lost."""
    program_id = await programs.start(
        shell('pwd; while read -r line; do echo "$GREETING $line"; done', env={"GREETING": "hello"})
    )
    assert await read(programs, program_id, after=0) == PipedLine(line=f"{folder}\n")
    assert await read(programs, program_id, after=1, timeout_s=0.01) == PipedLine()
    await programs.write(program_id, "Ada\nSørina\n")
    assert await read(programs, program_id, after=1) == PipedLine(line="hello Ada\n")
    assert await read(programs, program_id, after=1) == PipedLine(line="hello Ada\n")
    assert await read(programs, program_id, after=2) == PipedLine(line="hello Sørina\n")
    await programs.end(program_id)
    with pytest.raises(PipedError, match="is gone"):
        await read(programs, program_id, after=3)
    await programs.end(program_id)


async def test_the_end_is_told_with_its_last_words(programs: PipedPrograms) -> None:
    program_id = await programs.start(shell("echo out; echo no such table >&2; exit 3"))
    assert (await read(programs, program_id, after=0)).line == "out\n"
    ended = PipedLine(has_ended=True, exit_code=3, last_words="no such table")
    assert await read(programs, program_id, after=1) == ended
    assert await read(programs, program_id, after=1) == ended
    with pytest.raises(PipedError):
        await programs.write(program_id, "anybody?\n")


async def test_a_line_without_end_is_refused(programs: PipedPrograms) -> None:
    program_id = await programs.start(shell(f"head -c {MESSAGE_BYTES + 100_000} /dev/zero; sleep 60"))
    assert await read(programs, program_id, after=0) == PipedLine(is_too_long=True)


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        (PipedSpec(command="no-such-program"), "no program 'no-such-program'"),
        (PipedSpec(command="./missing"), "no program"),
        (PipedSpec(command="sh", env={"LD_PRELOAD": "/x.so"}), "LD_PRELOAD would work before the sandbox"),
        (PipedSpec(command="sh", folder="/no/such/folder"), "folder /no/such/folder does not exist"),
    ],
)
async def test_what_cannot_be_started_says_why(programs: PipedPrograms, spec: PipedSpec, why: str) -> None:
    with pytest.raises(PipedError, match=why):
        await programs.start(spec)


async def test_a_program_that_nobody_reads_is_ended_with_all_it_started(
    server_agent: ServerAgent, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is waited for is not."""
    monkeypatch.setattr(piped, "UNREAD_LIMIT", 0.4)
    script = "sleep 600 & echo $! >> pids; echo $$ >> pids; wait"
    read_id = await server_agent.piped.start(shell("sleep 600"))
    reading = asyncio.create_task(read(server_agent.piped, read_id, after=0))
    await server_agent.piped.start(shell(script))
    pids = await pids_in(folder / "pids", 2)
    await until(lambda: not alive(pids))
    assert not reading.done()
    await server_agent.piped.end(read_id)
    assert (await reading).has_ended


async def test_closing_leaves_nothing(server_agent: ServerAgent, folder: Path) -> None:
    await server_agent.piped.start(shell("trap '' TERM; echo $$ >> pids; sleep 600"))
    pids = await pids_in(folder / "pids", 1)
    await server_agent.aclose()
    assert not alive(pids)
    with pytest.raises(PipedError, match="closing"):
        await server_agent.piped.start(shell("true"))


async def test_what_starts_while_all_ends_ends_too(server_agent: ServerAgent, folder: Path) -> None:
    starting = asyncio.create_task(server_agent.piped.start(shell("echo $$ >> pids; sleep 600")))
    await asyncio.sleep(0)  # now it is on its way
    await server_agent.aclose()
    with pytest.raises(PipedError, match="closing"):
        await starting
    if (folder / "pids").exists():
        assert not alive(await pids_in(folder / "pids", 1))


async def test_programs_are_confined_where_they_must_be(folder: Path, secrets: Path, tmp_path: Path) -> None:
    agent = ServerAgent(
        directory=folder,
        home=tmp_path,
        state_folder=tmp_path / "state",
        protected=[secrets],
        sandbox=SandboxSettings(),
        piped_sandbox=SandboxPolicy.REQUIRED,
    )
    try:
        if (await agent.facts()).confined is None:
            pytest.skip("there is no bubblewrap here")
        script = f"import os; print(os.listdir({str(secrets)!r})); open({str(folder / 'made')!r}, 'w')"
        program_id = await agent.piped.start(PipedSpec(command=sys.executable, args=["-c", script]))
        assert (await read(agent.piped, program_id, after=0)).line == "[]\n"
        assert (await read(agent.piped, program_id, after=1)).exit_code == 0
        assert (folder / "made").exists()
    finally:
        await agent.aclose()
