"""Commands in a real sandbox, trying to get at what is not theirs."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from jupyter_chatd.short_folder import make_short_folder, short_folder
from jupyter_chatd.workspace.guard import FixedPathError, ProtectedPathError
from jupyter_chatd.workspace.limits import AgentLimits, ProcessLimits
from jupyter_chatd.workspace.protocol import Edit, FileEdits, ProcessSignal, ProcessSpec, WorkspaceError
from jupyter_chatd.workspace.sandbox import Sandbox, SandboxError, SandboxPolicy, SandboxSettings
from jupyter_chatd.workspace.server import ServerAgent

from .processes import CHAT, run, start, until

LIMITS = AgentLimits(processes=ProcessLimits(forget_after_s=0.3, term_grace_s=0.2))
REQUIRED = SandboxSettings(policy=SandboxPolicy.REQUIRED)

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(shutil.which("bwrap") is None, reason="needs bubblewrap"),
]

MakeAgent = Callable[..., ServerAgent]


@pytest.fixture
async def make_agent(
    folder: Path, secrets: Path, tmp_path: Path, anyio_backend: str
) -> AsyncIterator[MakeAgent]:
    async with AsyncExitStack() as stack:

        def make(settings: SandboxSettings = REQUIRED, *, directory: Path = folder) -> ServerAgent:
            agent = ServerAgent(
                directory=directory,
                home=tmp_path,
                state_folder=tmp_path / "state",
                protected=[secrets, secrets / "file-of-later", tmp_path / "data" / "not-there-yet"],
                sandbox=settings,
                limits=LIMITS,
            )
            stack.push_async_callback(agent.aclose)
            return agent

        yield make


@pytest.fixture
def agent(make_agent: MakeAgent) -> ServerAgent:
    return make_agent()


async def test_it_says_that_it_is_confined(agent: ServerAgent) -> None:
    assert (await agent.facts()).confined == "bubblewrap"


async def test_ordinary_work_goes_on(agent: ServerAgent, folder: Path) -> None:
    output = await run(agent, "echo hello > made.txt && cat made.txt; pwd; echo err >&2; exit 3")
    assert output.output == f"hello\n{folder}\nerr\n"
    assert output.exit_code == 3
    assert (folder / "made.txt").read_text() == "hello\n"


async def test_its_own_first_process_is_nothing_that_a_command_left(agent: ServerAgent) -> None:
    outputs = [await run(agent, "sleep 0.01") for _ in range(20)]
    assert not any(output.lingering for output in outputs)


async def test_shared_memory_and_temporary_files_work(agent: ServerAgent) -> None:
    output = await run(agent, "touch /dev/shm/x && mktemp && head -c 2 /dev/urandom | wc -c")
    assert output.exit_code == 0, output.output
    os.unlink(output.output.split()[0])  # what a command leaves in /tmp is there for the file tools


# What it must not get


def _is_there(place: str | Path) -> bool:
    return os.path.lexists(place)


async def test_protected_places_are_empty(agent: ServerAgent, secrets: Path, tmp_path: Path) -> None:
    """The key is not there, by any name, and neither is the note of what runs."""
    output = await run(
        agent, f"cat {secrets}/key.json; ls -A {secrets} {tmp_path}/state; grep -rs sk-secret {tmp_path}"
    )
    assert "sk-secret" not in output.output
    assert "No such file" in output.output


@pytest.mark.parametrize("where", ["{secrets}/new", "{tmp}/data/not-there-yet/new", "{tmp}/state/new"])
async def test_nothing_is_left_in_protected_places(
    agent: ServerAgent, secrets: Path, tmp_path: Path, where: str
) -> None:
    place = where.format(secrets=secrets, tmp=tmp_path)
    output = await run(agent, f"mkdir -p $(dirname {place}); echo evil > {place}")
    assert output.exit_code != 0
    assert not _is_there(place)


async def test_a_file_that_is_not_there_yet_does_not_become_a_folder(
    agent: ServerAgent, secrets: Path
) -> None:
    await agent.facts()
    assert not (secrets / "file-of-later").exists()


async def test_the_rest_of_the_disk_is_read_only(agent: ServerAgent) -> None:
    for place in ("/etc/chatd-test", "/usr/chatd-test", f"{Path.home()}/chatd-test"):
        output = await run(agent, f"touch {place}")
        assert "Read-only file system" in output.output
        assert not _is_there(place)


async def test_a_folder_that_holds_a_protected_one_cannot_be_moved_away(
    make_agent: MakeAgent, tmp_path: Path, secrets: Path
) -> None:
    """A workspace that is the user's home: else the next command would find the key under a new name."""
    agent = make_agent(directory=tmp_path)
    output = await run(
        agent, f"mv {secrets.parent} moved; mv {secrets} moved; rm -r {secrets.parent}; ls moved"
    )
    assert output.output.count("busy") == 3
    assert secrets.joinpath("key.json").read_text() == "sk-secret"
    assert "sk-secret" not in (await run(agent, f"grep -rs sk-secret {tmp_path}")).output


async def test_a_link_into_a_protected_place_leads_nowhere(
    make_agent: MakeAgent, folder: Path, secrets: Path
) -> None:
    agent = make_agent()
    (folder / "link").symlink_to(secrets)
    assert "sk-secret" not in (await run(agent, "cat link/key.json; ln link/key.json hard; cat hard")).output


async def test_no_other_process_is_seen_or_signalled(agent: ServerAgent) -> None:
    output = await run(
        agent, f"ls -d /proc/[0-9]* | wc -l; kill -0 {os.getpid()}; cat /proc/{os.getpid()}/environ"
    )
    seen, *errors = output.output.splitlines()
    assert int(seen) < 8
    assert "No such process" in errors[0]


async def test_the_servers_environment_is_nowhere(
    make_agent: MakeAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTER_TOKEN", "the-token")
    assert "the-token" not in (await run(make_agent(), "env; cat /proc/*/environ")).output


async def test_mounts_cannot_be_lifted(agent: ServerAgent, secrets: Path) -> None:
    for attempt in (
        f"umount {secrets}",
        f"unshare --user --map-root-user --mount umount {secrets}",
        "mount -o remount,rw /",
        "mknod disk b 254 0",
    ):
        output = await run(agent, f"{attempt}; cat {secrets}/key.json; touch /etc/chatd-test")
        assert "sk-secret" not in output.output
        assert "Read-only file system" in output.output, attempt


async def test_container_engines_are_out_of_reach(agent: ServerAgent) -> None:
    assert (await run(agent, "ls /run/*.sock /var/run/*.sock")).exit_code != 0


async def test_no_network_where_the_policy_says_so(make_agent: MakeAgent) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        code = f"import socket; socket.create_connection(('127.0.0.1', {port}), 2)"
        command = f'python3 -c "{code}"'
        closed = make_agent(SandboxSettings(policy=SandboxPolicy.REQUIRED, network=False))
        assert (await run(closed, command)).exit_code == 1
        assert (await run(make_agent(), command)).exit_code == 0


# Ways out


async def test_a_workspace_that_is_the_whole_disk_does_not_bring_the_outside_back(
    make_agent: MakeAgent, secrets: Path, folder: Path
) -> None:
    agent = make_agent(directory=Path("/"))
    command = (
        f"ls -d /proc/[0-9]* | wc -l; cat {secrets}/key.json; touch /etc/chatd-test; echo x > {folder}/made"
    )
    output = await run(agent, command)
    assert int(output.output.splitlines()[0]) < 8
    assert "sk-secret" not in output.output
    assert "Read-only file system" in output.output
    assert (folder / "made").exists()


@pytest.mark.parametrize("read_only", [True, False])
async def test_settings_of_the_kernel_cannot_be_changed(agent: ServerAgent, read_only: bool) -> None:
    """Even as root: the kernel would start the program that a crash is given to, outside."""
    spec = ProcessSpec(command=": >> /proc/sys/kernel/core_pattern", chat_id=CHAT, read_only=read_only)
    output = await agent.wait_process(CHAT, await agent.start_process(spec), timeout_s=10)
    assert output.exit_code != 0
    assert "Read-only file system" in output.output or os.geteuid() != 0


@pytest.fixture
def code(folder: Path) -> Path:
    """Code that runs outside, in the workspace."""
    path = folder / "env" / "lib" / "module.py"
    path.parent.mkdir(parents=True)
    path.write_text("good")
    return path


def _text_of(path: Path) -> str:
    return path.read_text()


ATTACK = "echo bad > {code}; rm -f {code}; mv env moved && mkdir -p env/lib && echo bad > {code}"


async def test_code_that_runs_outside_is_not_changed(make_agent: MakeAgent, folder: Path, code: Path) -> None:
    """And neither is what is made later: a folder that was missing."""
    missing = folder / "startup"
    agent = make_agent(replace(REQUIRED, fixed=(str(code),), fixed_folders=(str(missing),)))
    await run(agent, f"{ATTACK.format(code=code)}; touch {missing}/new.py; echo x > env/other.txt")
    assert _text_of(code) == "good"
    assert list(missing.iterdir()) == []
    assert (folder / "env" / "other.txt").exists()


async def test_who_names_it_writable_has_it_writable(make_agent: MakeAgent, folder: Path, code: Path) -> None:
    fixed = (str(folder / "env"),)
    agent = make_agent(replace(REQUIRED, fixed=fixed, writable=(str(code.parent),)))
    output = await run(agent, f"echo new > {code}; touch env/other.txt")
    assert _text_of(code) == "new\n"
    assert "Read-only file system" in output.output


async def test_a_bubblewrap_that_commands_could_replace_is_not_used(folder: Path) -> None:
    (folder / "bwrap").write_text("#!/bin/sh\n")
    (folder / "bwrap").chmod(0o755)
    sandbox = Sandbox(REQUIRED, directory=str(folder), hidden=[], env={"PATH": str(folder)})
    assert "not installed" in (sandbox.probe() or "")


async def test_sockets_of_others_are_covered_and_its_own_are_not(make_agent: MakeAgent, folder: Path) -> None:
    connect = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"
    with socket.socket(socket.AF_UNIX) as old, socket.socket(socket.AF_UNIX) as new:
        old.bind(str(folder / "old"))
        old.listen()
        agent = make_agent()
        assert (await run(agent, f"python3 -c '{connect}' old")).exit_code == 1
        new.bind(str(folder / "new"))
        new.listen()
        assert (await run(agent, f"python3 -c '{connect}' new")).exit_code == 0


# Read-only


async def test_a_read_only_command_changes_nothing(agent: ServerAgent, folder: Path) -> None:
    (folder / "there.txt").write_text("before")
    command = "cat there.txt; echo after > there.txt; rm there.txt; touch new; echo x > /tmp/chatd-read-only"
    spec = ProcessSpec(command=command, chat_id=CHAT, read_only=True)
    output = await agent.wait_process(CHAT, await agent.start_process(spec), timeout_s=30)
    assert output.output.startswith("before")
    assert (folder / "there.txt").read_text() == "before"
    assert not _is_there(folder / "new")
    assert not _is_there("/tmp/chatd-read-only")


# Ends


def _commands_of(mark: str) -> list[int]:
    """The processes with *mark* on their command line."""
    return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if mark.encode() in _words(pid)]


def _words(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return []


async def test_what_became_a_daemon_ends_with_its_command(agent: ServerAgent) -> None:
    """Without a sandbox `setsid` takes a process out of reach."""
    process_id = await start(agent, "setsid sleep 61.25 & sleep 61.5")
    await until(lambda: len(_commands_of("61.25")) == 1)
    await agent.kill_process(CHAT, process_id)
    assert _commands_of("61.25") == _commands_of("61.5") == []


async def test_what_runs_in_the_background_outlives_its_shell(agent: ServerAgent) -> None:
    process_id = await start(agent, "sleep 62.25 & echo started")
    output = await agent.wait_process(CHAT, process_id, timeout_s=30)
    assert (output.output, output.running, output.lingering) == ("started\n", False, True)
    await agent.signal_process(CHAT, process_id, ProcessSignal.TERMINATE)
    await until(lambda: _commands_of("62.25") == [])


async def test_closing_the_agent_ends_all(agent: ServerAgent) -> None:
    await start(agent, "setsid sleep 63.25 & sleep 63.5", background=True)
    await until(lambda: len(_commands_of("63.25")) == 1)
    await agent.aclose()
    assert _commands_of("63.25") == []


async def test_commands_start_together(agent: ServerAgent) -> None:
    outputs = await asyncio.gather(*(run(agent, f"echo {n}") for n in range(20)))
    assert [output.output for output in outputs] == [f"{n}\n" for n in range(20)]


# Without bubblewrap


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine that has the shell's programs, and no bubblewrap."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "true").symlink_to("/bin/true")
    monkeypatch.setenv("PATH", str(programs))


@pytest.mark.usefixtures("without")
async def test_preferred_runs_unconfined_and_says_so(make_agent: MakeAgent) -> None:
    agent = make_agent(SandboxSettings(policy=SandboxPolicy.PREFERRED))
    assert (await run(agent, "echo hello")).output == "hello\n"
    assert (await agent.facts()).confined is None


@pytest.mark.usefixtures("without")
async def test_required_runs_nothing_and_says_what_to_do(make_agent: MakeAgent) -> None:
    with pytest.raises(SandboxError, match=r"only in a sandbox.*bubblewrap is not installed.*apt install"):
        await run(make_agent(), "touch ran")


async def test_a_bubblewrap_that_does_not_work_is_told(tmp_path: Path) -> None:
    broken = tmp_path / "bwrap"
    broken.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2; exit 1\n")
    broken.chmod(0o755)
    settings = replace(REQUIRED, fixed=(str(tmp_path),))
    sandbox = Sandbox(settings, directory="/srv", hidden=[], env={"PATH": str(tmp_path)})
    assert "No permissions to create new namespace" in (sandbox.probe() or "")


async def test_a_bubblewrap_that_failed_once_is_used(tmp_path: Path) -> None:
    """What was to be covered may go away meanwhile: no reason to be unconfined until the next restart."""
    program = tmp_path / "bwrap"
    program.write_text(
        f'#!/bin/sh\n[ -e {tmp_path}/failed ] && exec {shutil.which("bwrap")} "$@"\n'
        f'touch {tmp_path}/failed; echo "bwrap: Can\'t get type of source /tmp/x" >&2; exit 1\n'
    )
    program.chmod(0o755)
    settings = replace(REQUIRED, fixed=(str(tmp_path),))
    sandbox = Sandbox(settings, directory="/srv", hidden=[], env={"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert sandbox.probe() is None
    assert (tmp_path / "failed").exists()


async def test_off_is_off(make_agent: MakeAgent, secrets: Path) -> None:
    agent = make_agent(SandboxSettings(policy=SandboxPolicy.OFF))
    assert (await run(agent, f"cat {secrets}/key.json")).output == "sk-secret"


async def test_a_hidden_file_that_does_not_exist_is_not_made_a_folder(tmp_path: Path, folder: Path) -> None:
    """The key file is hidden with its folder before anybody has entered a key."""
    data = tmp_path / "own"
    hidden = [data, data / "keys.json"]
    sandbox = Sandbox(REQUIRED, directory=str(folder), hidden=hidden, env={"PATH": os.environ["PATH"]})
    assert sandbox.probe() is None
    assert [path.exists() for path in hidden] == [True, False]


def test_sockets_of_ours_that_go_away_meanwhile_are_not_made_again(folder: Path) -> None:
    """Bubblewrap makes what it covers: files outside, for sockets of kernels and desktops that have ended."""
    sandbox = Sandbox(REQUIRED, directory=str(folder), hidden=[], env={"PATH": os.environ["PATH"]})
    place = Path(tempfile.mkdtemp(dir=make_short_folder()))
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(place / "s"))
        argv = sandbox.argv(f"ls -A {short_folder()}", work_dir=str(folder))
        shutil.rmtree(place)
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert (done.stdout, place.exists()) == ("", False)


async def test_file_tools_keep_what_must_stay_in_the_sandbox(
    make_agent: MakeAgent, folder: Path, tmp_path: Path
) -> None:
    """They act outside of it: what they put into a start-up file would be run outside."""
    code, startup = tmp_path / "env", tmp_path / ".bashrc"
    (code / "bin").mkdir(parents=True)
    (folder / "link").symlink_to(code)
    startup.write_text("safe")
    agent = make_agent(
        replace(REQUIRED, fixed=(str(startup), str(tmp_path / ".ssh")), fixed_folders=(str(code),))
    )
    named = [startup, tmp_path / ".ssh" / "rc", code / "bin" / "new", folder / "link" / "new", Path("/etc/x")]
    for path in named:
        with pytest.raises(FixedPathError, match="sandbox_writable"):
            await agent.write_file(str(path), "bad")
    edit = FileEdits(path=str(startup), edits=(Edit(search="safe", replace="bad"),))
    with pytest.raises(WorkspaceError, match="sandbox_writable"):
        await agent.edit_files([edit])
    assert [path.exists() for path in named] == [True, False, False, False, False]
    assert startup.read_text() == "safe"
    assert (await agent.read_file(str(startup))).content == "1\tsafe"
    await agent.write_file(str(folder / "own"), "good")


async def test_file_tools_write_what_the_user_opened_to_commands(
    make_agent: MakeAgent, tmp_path: Path
) -> None:
    code = tmp_path / "env"
    (code / "lib").mkdir(parents=True)
    agent = make_agent(replace(REQUIRED, fixed=(str(code),), writable=(str(code / "lib"),)))
    await agent.write_file(str(code / "lib" / "new"), "good")
    with pytest.raises(FixedPathError):
        await agent.write_file(str(code / "new"), "bad")


async def test_where_commands_write_what_they_like_so_do_file_tools(
    make_agent: MakeAgent, tmp_path: Path
) -> None:
    settings = SandboxSettings(policy=SandboxPolicy.OFF, fixed=(str(tmp_path / ".bashrc"),))
    await make_agent(settings).write_file(str(tmp_path / ".bashrc"), "mine")


async def test_where_nothing_can_be_confined_that_must_be_file_tools_keep_it_too(
    make_agent: MakeAgent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    agent = make_agent(replace(REQUIRED, fixed=(str(tmp_path / ".bashrc"),)))
    with pytest.raises(FixedPathError):
        await agent.write_file(str(tmp_path / ".bashrc"), "bad")


async def test_file_tools_do_not_read_what_is_private(make_agent: MakeAgent, tmp_path: Path) -> None:
    history = tmp_path / ".bash_history"
    history.write_text("jupyter lab --IdentityProvider.token=s3cret")
    agent = make_agent(replace(REQUIRED, private=(str(history),)))
    with pytest.raises(ProtectedPathError):
        await agent.read_file(str(history))


async def test_a_log_or_a_history_that_is_dev_null_takes_it_from_nobody(folder: Path, tmp_path: Path) -> None:
    history = tmp_path / ".bash_history"
    history.symlink_to("/dev/null")
    settings = replace(REQUIRED, private=(str(history),))
    sandbox = Sandbox(settings, directory=str(folder), hidden=["/dev/null"], env=os.environ)
    argv = sandbox.argv("cat </dev/null && echo read", work_dir=str(folder))
    done = await asyncio.to_thread(subprocess.run, argv, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("read\n", "")
