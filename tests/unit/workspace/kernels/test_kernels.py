"""Real kernels, asked in this process and over HTTP."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from textwrap import dedent

import pytest

from jupyter_chatd.short_folder import short_folder
from jupyter_chatd.workspace import procfs
from jupyter_chatd.workspace.kernels import launch, service
from jupyter_chatd.workspace.kernels.protocol import (
    CodeOutput,
    CodeSpec,
    CodeStarted,
    CodeState,
    KernelBusyError,
    Kernels,
    KernelStartError,
    NoKernelError,
)
from jupyter_chatd.workspace.kernels.settings import KernelSettings
from jupyter_chatd.workspace.limits import AgentLimits
from jupyter_chatd.workspace.protocol import ProcessSpec, WorkspaceAgent, WorkspaceError
from jupyter_chatd.workspace.sandbox import SandboxPolicy, SandboxSettings
from jupyter_chatd.workspace.server import ServerAgent

from .test_run import PNG

pytestmark = pytest.mark.anyio

CHAT = "chat-1"
LONG = 60.0  # seconds


@pytest.fixture
def kernels(agent: WorkspaceAgent) -> Kernels:
    return agent.kernels


def limited(folder: Path, **settings: object) -> ServerAgent:
    """An agent whose kernels have other settings."""
    return ServerAgent(
        directory=folder,
        home=folder,
        state_folder=folder.parent / "state",
        limits=AgentLimits(kernels=KernelSettings(**settings)),  # type: ignore[arg-type]
    )


async def send(kernels: Kernels, code: str, *, chat_id: str = CHAT) -> tuple[str, CodeStarted]:
    execution_id = uuid.uuid4().hex
    started = await kernels.run_code(CodeSpec(execution_id=execution_id, chat_id=chat_id, code=dedent(code)))
    return execution_id, started


async def run(kernels: Kernels, code: str, *, chat_id: str = CHAT) -> CodeOutput:
    execution_id, _ = await send(kernels, code, chat_id=chat_id)
    return await kernels.wait_code(chat_id, execution_id=execution_id, timeout_s=LONG)


async def printed(kernels: Kernels, words: str, *, chat_id: str = CHAT) -> None:
    """Wait until code has printed that."""
    async with asyncio.timeout(LONG):
        while words not in (await kernels.wait_code(chat_id, timeout_s=0)).output:  # noqa: ASYNC110 - short
            await asyncio.sleep(0.01)


def folders(tag: str = launch.owner_tag()) -> set[str]:
    """The folders of sockets of a process, this one if no other is named."""
    return {path.name for path in short_folder().glob(f"{launch.PREFIX}{tag}-*")}


def is_alive(pid: int) -> bool:
    stat = procfs.find_stat(pid)
    return stat is not None and stat.is_alive


async def gone(pid: int) -> None:
    async with asyncio.timeout(LONG):
        while is_alive(pid):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)


async def test_variables_stay_and_values_are_shown(kernels: Kernels, folder: Path) -> None:
    await run(kernels, "import os; x = 41")
    output = await run(kernels, "print(os.getcwd()); x + 1")
    assert (output.state, output.output) == (CodeState.DONE, f"{folder}\n42\n")


async def test_an_error_comes_with_its_traceback_in_plain_text(kernels: Kernels) -> None:
    output = await run(kernels, "print('before')\n1 / 0")
    assert output.error is not None
    assert (output.state, output.output) == (CodeState.FAILED, "before\n")
    assert (output.error.name, output.error.message) == ("ZeroDivisionError", "division by zero")
    assert "1 / 0" in output.error.traceback
    assert "\x1b" not in output.error.traceback


async def test_tables_and_pictures(kernels: Kernels) -> None:
    output = await run(
        kernels,
        f"""
        import base64
        from IPython.display import Image, display
        png = base64.b64decode("{PNG}")
        class Table:
            def _repr_html_(self):
                return "<table><tr><th>a</th></tr><tr><td>1</td></tr></table>"
        display(Image(png))
        Table()
        """,
    )
    assert output.output == "[image/png]\n| a |\n| --- |\n| 1 |\n"
    assert [picture.media_type for picture in output.pictures] == ["image/png"]


async def test_live_output_comes_while_the_code_runs(kernels: Kernels) -> None:
    execution_id, _ = await send(kernels, "print('one', flush=True)\ninput_ = __import__('time').sleep(600)")
    async with asyncio.timeout(LONG), aclosing(kernels.follow_code(CHAT, execution_id)) as pieces:
        assert await anext(pieces) == "one\n"
    await kernels.stop_code(CHAT, execution_id)


async def test_what_runs_on_is_seen_looked_into_and_interrupted(kernels: Kernels) -> None:
    execution_id, _ = await send(kernels, "import time\nn, api_key = 5, 'k'\nprint('go')\ntime.sleep(600)")
    output = await kernels.wait_code(CHAT, execution_id=execution_id, timeout_s=0.05)
    assert output.is_running
    await printed(kernels, "go")
    with pytest.raises(KernelBusyError, match="still runs earlier code"):
        await send(kernels, "1")
    found = await kernels.inspect(CHAT)
    assert found.is_busy
    assert [(one.name, one.type, one.value) for one in found.variables] == [
        ("api_key", "str", "'k'"),
        ("n", "int", "5"),
    ]
    output = await kernels.interrupt(CHAT)
    assert (output.execution_id, output.state) == (execution_id, CodeState.INTERRUPTED)
    assert (await run(kernels, "n")).output == "5\n"
    with pytest.raises(NoKernelError, match="nothing to interrupt"):
        await kernels.interrupt(CHAT)


async def test_a_look_at_variables_leaves_no_trace(kernels: Kernels) -> None:
    """No name, no cell, and nothing that a figure that is being drawn would notice."""
    await run(kernels, "cells = []\nget_ipython().events.register('post_execute', lambda: cells.append(1))")
    await run(kernels, "before = sorted(globals()), len(cells)")
    await kernels.inspect(CHAT)
    await kernels.inspect(CHAT, names=["cells"])
    output = await run(kernels, "(sorted(set(globals()) - set(before[0])), len(cells) - before[1])")
    left, cells = re.fullmatch(r"\((.*), (\d+)\)\n", output.output).groups()  # type: ignore[union-attr]
    assert cells == "1"  # of the cell that made `before`
    assert set(re.findall(r"\w+", left)) <= {"_", "__", "___", "_i", "_ii", "_iii", "before", "_i2", "_i3"}


async def test_variables_are_told_with_what_they_are(kernels: Kernels) -> None:
    await run(
        kernels,
        """
        import os
        class Frame:
            columns, dtypes, shape = ["a", "b"], ["int64", "object"], (3, 2)
            def head(self, rows): return f"first {rows}"
            def memory_usage(self): return 48
        class Broken:
            def __repr__(self): raise ValueError("no")
        frame, broken, text, _private = Frame(), Broken(), "x" * 9000, 1
        """,
    )
    found = {one.name: one for one in (await kernels.inspect(CHAT)).variables}
    assert set(found) == {"Frame", "Broken", "frame", "broken", "text"}
    frame = found["frame"]
    assert (frame.shape, frame.columns, frame.size_bytes, frame.value) == (
        "(3, 2)",
        "a: int64, b: object",
        48,
        "first 5",
    )
    assert found["broken"].value == "(ValueError)"
    assert found["text"].length == 9000
    assert len(found["text"].value or "") <= 410
    named = await kernels.inspect(CHAT, names=["_private", "nothing"])
    assert [one.name for one in named.variables] == ["_private"]


async def test_code_that_ignores_interrupts_is_reported_and_stopped_with_its_kernel(kernels: Kernels) -> None:
    code = "import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nprint('deaf')\ntime.sleep(600)"
    execution_id, _ = await send(kernels, code)
    await printed(kernels, "deaf")
    assert (await kernels.interrupt(CHAT)).is_running
    await kernels.stop_code(CHAT, execution_id)
    output = await kernels.wait_code(CHAT, execution_id=execution_id, timeout_s=0)
    assert (output.state, output.reason) == (CodeState.DIED, "It did not react to being interrupted.")
    _, started = await send(kernels, "1")
    assert started.lost == "It did not react to being interrupted."


async def test_a_kernel_that_dies_is_told_once_and_replaced(kernels: Kernels) -> None:
    await run(kernels, "x = 1")
    output = await run(kernels, "import os\nos.kill(os.getpid(), 9)")
    assert (output.state, output.reason) == (CodeState.DIED, "It ended by a signal.")
    with pytest.raises(NoKernelError, match="The last one is gone"):
        await kernels.inspect(CHAT)
    execution_id, started = await send(kernels, "x")
    assert started.lost is not None
    output = await kernels.wait_code(CHAT, execution_id=execution_id, timeout_s=LONG)
    assert output.error is not None
    assert output.error.name == "NameError"
    _, started = await send(kernels, "1")
    assert started.lost is None


async def test_restarting_ends_what_runs_and_forgets_everything(kernels: Kernels) -> None:
    execution_id, _ = await send(kernels, "import os, time\nprint(os.getpid())\ntime.sleep(600)")
    await printed(kernels, "\n")
    pid = int((await kernels.wait_code(CHAT, timeout_s=0)).output)
    assert await kernels.restart(CHAT) == "python3"
    assert not is_alive(pid)
    output = await kernels.wait_code(CHAT, execution_id=execution_id, timeout_s=0)
    assert (output.state, output.reason) == (CodeState.DIED, "It was restarted.")
    assert (await kernels.inspect(CHAT)).variables in ([], ())


async def test_chats_have_kernels_of_their_own(kernels: Kernels) -> None:
    await run(kernels, "x = 1", chat_id="a")
    output = await run(kernels, "x", chat_id="b")
    assert output.state is CodeState.FAILED
    with pytest.raises(NoKernelError, match="has run no such code"):
        await kernels.wait_code("c", timeout_s=0)


async def test_an_unknown_kernel_is_refused_with_those_there_are(kernels: Kernels) -> None:
    spec = CodeSpec(execution_id="x", chat_id=CHAT, code="1", kernel="cobol")
    with pytest.raises(KernelStartError, match=r"no kernel named 'cobol'.*python3"):
        await kernels.run_code(spec)
    await run(kernels, "1")
    with pytest.raises(KernelBusyError, match="call restart_kernel with kernel cobol"):
        await kernels.run_code(spec)


async def test_code_that_was_given_up_before_it_began_does_not_run(kernels: Kernels, folder: Path) -> None:
    await kernels.stop_code(CHAT, "given-up")
    code = "open('made', 'w')"
    with pytest.raises(WorkspaceError, match="stopped before it had begun"):
        await kernels.run_code(CodeSpec(execution_id="given-up", chat_id=CHAT, code=code))
    assert (await run(kernels, "1")).output == "1\n"
    assert not (folder / "made").exists()


async def test_endless_output_is_bounded_and_leaves_the_loop_free(kernels: Kernels) -> None:
    execution_id, _ = await send(kernels, "while True: print('x' * 1000)")
    await printed(kernels, "omitted")
    late = 0.0
    for _ in range(20):
        began = time.monotonic()
        await asyncio.sleep(0.01)
        late = max(late, time.monotonic() - began)
    assert late < 1.0
    output = await kernels.interrupt(CHAT)
    assert output.truncated is not None
    assert len(output.output) < 40_000
    await kernels.stop_code(CHAT, execution_id)


async def test_no_secret_passes(server_agent: ServerAgent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_TOKEN", "t")
    code = "import os\nsorted(name for name in os.environ if 'TOKEN' in name or 'CONNECTION' in name)"
    assert (await run(server_agent.kernels, code)).output == "[]\n"


async def test_the_sockets_are_in_a_private_folder_and_no_port_answers(server_agent: ServerAgent) -> None:
    """What ipykernel listens on for its forked children is its own: on loopback, and it wants a secret."""
    pid = int((await run(server_agent.kernels, "import os; os.getpid()")).output)
    (folder,) = (short_folder() / name for name in folders())
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.name for path in folder.iterdir()} == {"connection.json", *(f"k-{n}" for n in range(1, 6))}
    assert (folder / "connection.json").stat().st_mode & 0o777 == 0o600
    assert all(address.startswith("0100007F:") for address in listening(pid))
    assert len(listening(pid)) <= 1


def listening(pid: int) -> list[str]:
    """The TCP addresses, as the kernel writes them, that a process listens on."""
    links = [os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir()]
    lines = [
        line.split()
        for kind in ("tcp", "tcp6")
        for line in Path(f"/proc/{pid}/net/{kind}").read_text().splitlines()[1:]
    ]
    return [line[1] for line in lines if line[3] == "0A" and f"socket:[{line[9]}]" in links]


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="needs bubblewrap")
async def test_kernels_are_as_confined_as_commands(folder: Path, secrets: Path, tmp_path: Path) -> None:
    agent = ServerAgent(
        directory=folder,
        home=tmp_path,
        state_folder=tmp_path / "state",
        protected=[secrets],
        sandbox=SandboxSettings(policy=SandboxPolicy.REQUIRED),
    )
    try:
        output = await run(
            agent.kernels,
            f"""
            import os, time
            open("in_workspace", "w").close()
            print(os.listdir({str(secrets)!r}), os.path.exists("/proc/{os.getpid()}/stat"))
            print(len(os.listdir({str(short_folder())!r})))
            try:
                open("/usr/out", "w")
            except OSError as error:
                print(error.strerror)
            """,
        )
        assert output.output == "[] False\n1\nRead-only file system\n"
        assert (folder / "in_workspace").exists()
        assert folders()
        command = ProcessSpec(command=f"ls -A {short_folder()}", chat_id=CHAT)
        process_id = await agent.start_process(command)
        assert (await agent.wait_process(CHAT, process_id, timeout_s=LONG)).output == ""
        await send(agent.kernels, "print('go')\ntime.sleep(600)")
        await printed(agent.kernels, "go")
        assert (await agent.kernels.interrupt(CHAT)).state is CodeState.INTERRUPTED
        assert (await run(agent.kernels, "os.getpid() > 0")).output == "True\n"
    finally:
        await agent.aclose()


async def test_closing_leaves_nothing(server_agent: ServerAgent) -> None:
    output = await run(server_agent.kernels, "import os, subprocess\nprint(os.getpid())")
    pid = int(output.output)
    assert is_alive(pid)
    assert len(folders()) == 1
    await server_agent.aclose()
    assert not is_alive(pid)
    assert folders() == set()
    with pytest.raises(WorkspaceError, match="closing"):
        await run(server_agent.kernels, "1")


async def test_closing_while_a_kernel_is_about_to_start_leaves_nothing(
    server_agent: ServerAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, loop, before = asyncio.Event(), asyncio.get_running_loop(), folders()

    class Slow(launch.SocketFolder):
        def __init__(self) -> None:
            super().__init__()
            loop.call_soon_threadsafe(made.set)
            time.sleep(0.2)

    monkeypatch.setattr("jupyter_chatd.workspace.kernels.kernel.SocketFolder", Slow)
    running = asyncio.create_task(send(server_agent.kernels, "1"))
    await made.wait()
    await server_agent.aclose()
    await asyncio.gather(running, return_exceptions=True)
    await asyncio.sleep(0.3)  # whatever a thread still makes is there by then
    assert folders() == before


async def test_kernels_that_nobody_uses_end(folder: Path) -> None:
    agent = limited(folder, idle_s=1.0)  # longer than from one call of this test to its next
    try:
        pid = int((await run(agent.kernels, "import os; os.getpid()")).output)
        await gone(pid)
        async with asyncio.timeout(LONG):
            while folders():  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)
        _, started = await send(agent.kernels, "1")
        assert "Nobody had used it" in (started.lost or "")
    finally:
        await agent.aclose()


async def test_only_the_newest_chats_without_a_kernel_are_remembered(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "VACANT", 2)
    agent = limited(folder, idle_s=0.1)
    kernels = agent.kernels
    assert isinstance(kernels, service.KernelService)
    try:
        for number in range(5):
            spec = CodeSpec(execution_id="x", chat_id=f"chat-{number}", code="1", kernel="none such")
            with pytest.raises(KernelStartError):
                await kernels.run_code(spec)
        async with asyncio.timeout(LONG):
            while len(kernels._seats) > 2:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)
        assert set(kernels._seats) == {"chat-3", "chat-4"}
    finally:
        await agent.aclose()


async def test_what_runs_is_not_idle(folder: Path) -> None:
    agent = limited(folder, idle_s=0.1)
    try:
        assert (await run(agent.kernels, "import time; time.sleep(1); 'whole'")).output == "'whole'\n"
    finally:
        await agent.aclose()


async def test_another_chat_takes_the_place_that_was_used_least(folder: Path) -> None:
    agent = limited(folder, count=2)
    try:
        for chat_id in ("a", "b", "c"):
            await run(agent.kernels, "x = 1", chat_id=chat_id)
        with pytest.raises(NoKernelError, match="Other chats needed its place"):
            await agent.kernels.inspect("a")
        assert (await run(agent.kernels, "x", chat_id="b")).output == "1\n"
        for chat_id in ("b", "c"):
            await send(agent.kernels, "import time; time.sleep(600)", chat_id=chat_id)
        with pytest.raises(KernelStartError, match="2 kernels run code"):
            await run(agent.kernels, "1", chat_id="a")
    finally:
        await agent.aclose()


@pytest.fixture
async def broken(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ServerAgent]:
    """An agent whose default kernel says something and ends."""
    spec = tmp_path / "share" / "kernels" / "broken"
    spec.mkdir(parents=True)
    argv = f'["{sys.executable}", "-c", "print(\'no module\'); raise SystemExit(3)", "{{connection_file}}"]'
    (spec / "kernel.json").write_text(f'{{"argv": {argv}, "display_name": "Broken", "language": "none"}}')
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "share"))
    agent = limited(folder, default="broken")
    yield agent
    await agent.aclose()


async def test_a_kernel_that_does_not_start_says_why(broken: ServerAgent) -> None:
    with pytest.raises(KernelStartError, match=r"ended while it started\. .*code 3.*no module"):
        await run(broken.kernels, "1")
    assert folders() == set()


async def test_the_end_of_the_server_is_the_end_of_its_kernels(folder: Path, tmp_path: Path) -> None:
    """However it ends; the folder that stays is removed by the next one."""
    code = dedent(
        f"""
        import asyncio, os, signal
        from jupyter_chatd.workspace.kernels import launch
        from jupyter_chatd.workspace.kernels.protocol import CodeSpec
        from jupyter_chatd.workspace.server import ServerAgent
        async def main():
            agent = ServerAgent(directory={str(folder)!r}, home="/", state_folder={str(tmp_path / "state")!r})
            spec = CodeSpec(execution_id="x", chat_id="c", code="import os; print(os.getpid())")
            await agent.kernels.run_code(spec)
            output = (await agent.kernels.wait_code("c", timeout_s=60)).output
            print(output.strip(), launch.owner_tag(), flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        asyncio.run(main())
        """
    )
    ended = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", code], capture_output=True, text=True, timeout=LONG
    )
    pid, tag = ended.stdout.split()
    await gone(int(pid))
    await asyncio.to_thread(launch.sweep)
    assert folders(tag) == set()
