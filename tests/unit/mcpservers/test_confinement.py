"""Programs of MCP servers in a real sandbox: they serve, and do not get at what is not theirs."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jupyter_chatd.config import mcp_policy
from jupyter_chatd.mcp.confinement import Confinement
from jupyter_chatd.mcp.manager import McpManager
from jupyter_chatd.mcp.project import parse_project
from jupyter_chatd.mcp.tool import McpTool
from jupyter_chatd.workspace.environment import scrubbed
from jupyter_chatd.workspace.sandbox import Sandbox, SandboxPolicy, SandboxSettings

from .conftest import names, run, sdk_stdio, stdio

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(shutil.which("bwrap") is None, reason="needs bubblewrap"),
]

REQUIRED = SandboxSettings(policy=SandboxPolicy.REQUIRED)
MakeManager = Callable[..., McpManager]


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """A file that is the server's."""
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "keys.json").write_text("sk-secret")
    return folder / "keys.json"


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


@pytest.fixture
async def make_manager(
    work: Path, key: Path, state_folder: Path, anyio_backend: str
) -> AsyncIterator[MakeManager]:
    async with AsyncExitStack() as stack:

        def make(
            settings: SandboxSettings = REQUIRED, *, exempt: tuple[str, ...] = (), path: str | None = None
        ) -> McpManager:
            env = scrubbed(os.environ) | ({} if path is None else {"PATH": path})
            hidden = [key.parent, state_folder]
            sandbox = Sandbox(settings, directory=str(work), hidden=hidden, env=env)
            manager = McpManager(
                env=env,
                state_folder=state_folder,
                directory=str(work),
                confinement=Confinement(sandbox, exempt=exempt),
            )
            stack.push_async_callback(manager.aclose)
            return manager

        yield make


async def shell(tools: Sequence[McpTool], command: str) -> str:
    """What a command prints that the program of the server runs."""
    output = await run(tools, "shell", command=command)
    result: Any = output.result
    return result["output"]


async def test_a_confined_program_serves_and_gets_nothing(
    make_manager: MakeManager, key: Path, work: Path
) -> None:
    tools = await make_manager().connect([stdio(env={"LEVEL": "debug"})])
    command = f"cat {key}; echo made > made.txt; touch {Path.home()}/chatd-test; kill -0 {os.getpid()}"
    said = await shell(tools, f"{command}; echo $LEVEL")
    assert "sk-secret" not in said
    assert "Read-only file system" in said
    assert "No such process" in said
    assert said.startswith("debug\n")  # its errors follow
    assert (work / "made.txt").read_text() == "made\n"


async def test_a_program_made_with_the_sdk_serves_confined(make_manager: MakeManager) -> None:
    tools = await make_manager().connect([sdk_stdio()])
    assert (await run(tools, "add", a=2, b=3)).result == 5


def commands_of(mark: str) -> list[int]:
    """The processes with *mark* on their command line."""
    return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if mark.encode() in words(pid)]


def words(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return []


async def test_it_ends_with_all_that_it_started(make_manager: MakeManager) -> None:
    manager = make_manager()
    tools = await manager.connect([stdio()])
    await shell(tools, "setsid sleep 71.25 > /dev/null 2>&1 & echo started")
    await manager.aclose()
    assert commands_of("71.25") == []


async def test_the_network_is_the_sandboxs(make_manager: MakeManager) -> None:
    tools = await make_manager(replace(REQUIRED, network=False)).connect([stdio()])
    assert (await shell(tools, "tail -n +3 /proc/net/dev | cut -d: -f1")).split() == ["lo"]


async def test_servers_that_are_named_run_outside(make_manager: MakeManager, key: Path) -> None:
    manager = make_manager(exempt=("legacy",))
    legacy, other = [stdio(slug) for slug in ("legacy", "other")]
    said = [await shell(await manager.connect([config]), f"cat {key}") for config in (legacy, other)]
    assert ["sk-secret" in text for text in said] == [True, False]


async def test_a_project_file_cannot_name_itself_out_of_the_sandbox(
    make_manager: MakeManager, key: Path, work: Path
) -> None:
    server = stdio("x")
    file = json.dumps({"mcpServers": {"legacy": {"command": server.command, "args": server.args}}})
    (config,) = parse_project(f"{work}/.mcp.json", file.encode(), env={}).configs
    assert config.slug == "legacy"
    tools = await make_manager(exempt=("legacy",)).connect([config])
    assert "sk-secret" not in await shell(tools, f"cat {key}")


async def test_where_there_is_no_sandbox_a_program_that_needs_one_is_left_out(
    make_manager: MakeManager, tmp_path: Path
) -> None:
    manager = make_manager(path=str(tmp_path))
    assert names(await manager.connect([stdio()])) == []
    assert "only in a sandbox here, and there is none: bubblewrap" in manager.status(stdio()).reason


async def test_variables_of_the_loader_are_refused_where_there_is_a_sandbox(
    make_manager: MakeManager,
) -> None:
    manager = make_manager(exempt=("legacy",))
    config, exempt = (stdio(slug, env={"LD_LIBRARY_PATH": "/x"}) for slug in ("other", "legacy"))
    assert {name.split("__")[0] for name in names(await manager.connect([config, exempt]))} == {"legacy"}
    assert "LD_LIBRARY_PATH would work before the sandbox" in manager.status(config).reason


async def test_a_program_that_is_missing_is_told(make_manager: MakeManager) -> None:
    manager = make_manager()
    config = stdio(command="no-such-program")
    assert names(await manager.connect([config])) == []
    assert "there is no program 'no-such-program'; is it on the PATH?" in manager.status(config).reason


@pytest.mark.parametrize(
    ("commands", "programs", "policy"),
    [
        ("required", "auto", "required"),
        ("preferred", "auto", "off"),
        ("off", "auto", "off"),
        ("required", "off", "off"),
        ("preferred", "preferred", "preferred"),
    ],
)
async def test_required_is_meant_for_programs_too(commands: str, programs: str, policy: str) -> None:
    assert mcp_policy(SandboxPolicy(commands), programs) == policy
