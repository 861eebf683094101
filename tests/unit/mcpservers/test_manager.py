"""Connections to programs: made together, lost, made again, closed without a trace."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from unit.tools.outputs import error, fields
from unit.workspace.processes import alive, until

from jupyter_chatd.mcp import connection as connection_module
from jupyter_chatd.mcp.manager import McpManager
from jupyter_chatd.mcp.status import ServerState
from jupyter_chatd.mcp.tool import McpTool
from jupyter_chatd.tools.protocol import ToolOutput
from jupyter_chatd.workspace.environment import scrubbed

from .conftest import FAKES, context, names, run, stdio

pytestmark = pytest.mark.anyio

SERVER = """
import asyncio, json, sys
from pathlib import Path
from jupyter_chatd.mcp.config import McpServerConfig, Transport
from jupyter_chatd.mcp.manager import McpManager

async def main(folder, program):
    manager = McpManager(env={"PATH": "/usr/bin:/bin"}, state_folder=Path(folder), directory=folder)
    config = McpServerConfig(
        id="1", slug="old", transport=Transport.STDIO, command=sys.executable, args=("-P", program, "deaf")
    )
    await manager.connect([config])
    results = [await manager.call(config, tool, {}) for tool in ("pid", "spawn")]
    print(*(result.content[0].text for result in results), flush=True)
    await asyncio.sleep(60)

asyncio.run(main(sys.argv[1], sys.argv[2]))
"""


def state(manager: McpManager, config_id: str = "old", *args: str, **changed: Any) -> tuple[ServerState, str]:
    status = manager.status(stdio(config_id, *args, **changed))
    return status.state, status.reason


async def pid_of(tools: tuple[McpTool, ...]) -> int:
    result = (await run(tools, "pid")).result
    assert isinstance(result, int)
    return result


async def test_servers_are_connected_together_and_a_hanging_one_is_left_out_in_time(
    manager: McpManager, caplog: pytest.LogCaptureFixture
) -> None:
    hanging = [stdio(f"hang-{number}", "hang", connect_timeout_s=1.5) for number in range(2)]
    crashing = stdio("crash", "crash")
    configs = [*hanging, crashing, stdio("b"), stdio("a", allowed_tools=("echo", "pid"))]
    connecting = asyncio.create_task(manager.connect(configs))
    await until(lambda: all(manager.status(one).state is ServerState.CONNECTING for one in configs))
    async with asyncio.timeout(20):
        tools = await connecting
    assert names(tools)[:3] == ["a__echo", "a__pid", "b__cancelled"]
    assert state(manager, "a", allowed_tools=("echo", "pid"))[0] is ServerState.CONNECTED
    assert [manager.status(config).reason for config in (*hanging, crashing)] == [
        "The server did not answer within 1.5 s.",
        "The server did not answer within 1.5 s.",
        "The server's program ended (exit code 3): Traceback: no module named nothing",
    ]
    assert caplog.text.count("is left out") == 3
    assert "Traceback" not in caplog.text, "what a server says is not logged"


async def test_tools_are_those_that_the_lists_leave(manager: McpManager) -> None:
    config = stdio(allowed_tools=("echo", "pid", "none"), denied_tools=("pid",))
    assert names(await manager.connect([config, stdio("off", enabled=False)])) == ["old__echo"]
    assert manager.status(config).tools == ("echo",)
    assert manager.status(stdio("off", enabled=False)).state is ServerState.DISABLED


async def test_a_server_that_dies_in_a_call_says_so_and_is_there_for_the_next_turn(
    manager: McpManager, caplog: pytest.LogCaptureFixture
) -> None:
    tools = await manager.connect([stdio()])
    first = await pid_of(tools)
    lost = error(await run(tools, "die", code=7, words="größte Not"))
    assert lost == (
        "The connection to the MCP server old broke during this call. Its outcome is unknown: check before "
        "you repeat it. The next call connects again. The server's program ended (exit code 7): größte Not"
    )
    assert state(manager) == (ServerState.FAILED, "The server's program ended (exit code 7): größte Not")
    assert "größte" not in caplog.text
    second = await pid_of(await manager.connect([stdio()]))
    assert second != first
    assert state(manager) == (ServerState.CONNECTED, "")


async def test_a_server_that_is_killed_between_calls_is_started_for_the_next_one(manager: McpManager) -> None:
    tools = await manager.connect([stdio()])
    os.kill(await pid_of(tools), 9)
    await until(lambda: state(manager)[0] is ServerState.FAILED)
    assert state(manager)[1] == "The server's program ended (signal 9)."
    assert fields(await run(tools, "echo", a=1)) == {"a": 1}


async def test_what_a_dead_server_leaves_behind_neither_hides_its_death_nor_lives_on(
    manager: McpManager,
) -> None:
    tools = await manager.connect([stdio()])
    child = (await run(tools, "spawn")).result
    assert isinstance(child, int)
    async with asyncio.timeout(20):  # the child holds the pipe open, for a minute
        assert "exit code 1" in error(await run(tools, "die", code=1))
    await until(lambda: not alive([child]))


async def test_calls_of_one_server_run_at_once_and_share_its_process(manager: McpManager) -> None:
    both = await asyncio.gather(manager.connect([stdio()]), manager.connect([stdio()]))
    pids = await asyncio.gather(*(pid_of(tools) for tools in both for _ in range(10)))
    assert len(set(pids)) == 1


async def test_a_changed_config_gets_a_process_of_its_own(manager: McpManager) -> None:
    first = await pid_of(await manager.connect([stdio()]))
    changed = stdio(env={"LEVEL": "debug"})
    assert await pid_of(await manager.connect([changed])) != first
    await until(lambda: not alive([first]))
    assert manager.status(stdio()).state is ServerState.IDLE
    assert manager.status(changed).state is ServerState.CONNECTED


@pytest.mark.parametrize("tool", ["grow", "shrink"])
async def test_the_next_turn_knows_of_changed_tools(
    manager: McpManager, tool: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`grow` tells of it; for servers that do not, the list is asked for again after a while."""
    tools = await manager.connect([stdio()])
    await run(tools, tool, name="nächstes")
    if tool == "shrink":
        assert len(await manager.connect([stdio()])) == len(tools)
        monkeypatch.setattr(connection_module, "LIST_AGE", 0.0)
    assert set(names(await manager.connect([stdio()]))) - set(names(tools)) == {"old__n_chstes"}


async def test_a_call_that_takes_too_long_is_cancelled_at_the_server(manager: McpManager) -> None:
    tools = await manager.connect([stdio(call_timeout_s=1.0)])
    async with asyncio.timeout(20):
        assert error(await run(tools, "silent")) == (
            "The server did not answer within 1 s. It was told to stop. "
            "Its outcome is unknown: check before you repeat it."
        )
    assert len(await cancelled(tools)) == 1


async def test_an_interrupted_call_is_cancelled_at_the_server(manager: McpManager) -> None:
    tools = await manager.connect([stdio()])
    call = asyncio.create_task(run(tools, "silent"))
    await asyncio.sleep(0)
    await run(tools, "echo")  # comes after it
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert len(await cancelled(tools)) == 1


async def cancelled(tools: tuple[McpTool, ...]) -> list[Any]:
    result = (await run(tools, "cancelled")).result
    assert isinstance(result, list)
    return result


async def test_what_a_server_refuses_or_garbles_is_an_error_of_that_call_alone(manager: McpManager) -> None:
    tools = await manager.connect([stdio()])
    assert error(await run(tools, "refuse", why="ü")) == "The server refused the call (code -32602): No: ü"
    assert error(await run(tools, "nonsense")) == "The server answered with something that is not MCP."
    assert fields(await run(tools, "echo", text="你好 \N{ROCKET}")) == {"text": "你好 \N{ROCKET}"}


async def test_huge_output_is_cut_and_more_than_that_ends_the_server(manager: McpManager) -> None:
    tools = await manager.connect([stdio()])
    output = fields(await run(tools, "flood", bytes=4_000_000))["output"]
    assert 32_000 < len(output) <= 32 * 1024
    assert "output cut here" in output
    lost = error(await run(tools, "flood", bytes=100_000_000))
    assert lost.endswith("The server sent a message of more than 8388608 bytes.")
    assert fields(await run(tools, "echo", a=1)) == {"a": 1}


async def test_lines_that_are_no_messages_are_passed_over(
    manager: McpManager, caplog: pytest.LogCaptureFixture
) -> None:
    tools = await manager.connect([stdio("chatty", "chatty")])
    assert fields(await run(tools, "echo", a=1)) == {"a": 1}
    assert caplog.text.count("writes lines that are no messages") == 1


async def test_programs_see_the_scrubbed_environment_and_their_own(
    tmp_path: Path, state_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("JUPYTER_TOKEN", "secret")
    manager = McpManager(env=scrubbed(os.environ), state_folder=state_folder, directory=str(tmp_path))
    try:
        seen = fields(
            await run(await manager.connect([stdio(env={"MY_TOKEN": "mine", "LÄNGE": "ä"})]), "env")
        )
    finally:
        await manager.aclose()
    assert seen["PATH"] == os.environ["PATH"]
    assert seen["LÄNGE"] == "ä"
    assert "secret" not in str(seen)


async def test_secrets_are_neither_logged_nor_shown(
    manager: McpManager, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    config = stdio(env={"MY_TOKEN": "mine-alone"}, model_intent=True)
    tools = await manager.connect([config])
    assert fields(await run(tools, "env"))["MY_TOKEN"] == "[hidden]"
    assert "[hidden]" in error(await run(tools, "refuse", why="mine-alone"))
    lost = error(await run(tools, "die", words="token mine-alone is wrong", code=1))
    assert lost.endswith("token [hidden] is wrong")
    assert manager.status(config).reason.endswith("token [hidden] is wrong")
    assert "mine-alone" not in caplog.text + repr(manager.status(config)) + repr(config)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"command": "no-such-program"}, "there is no program 'no-such-program'; is it on the PATH?"),
        ({"cwd": "/no/such/folder"}, "its folder /no/such/folder does not exist; change cwd"),
        ({"command": "/"}, "the system refuses it (PermissionError"),
    ],
)
async def test_a_program_that_cannot_be_started_says_why(
    manager: McpManager, changed: dict[str, str], reason: str
) -> None:
    config = stdio(**changed)
    assert await manager.connect([config]) == ()
    assert manager.status(config).state is ServerState.FAILED
    assert reason in manager.status(config).reason


async def test_nobody_waits_again_for_a_server_that_just_failed(manager: McpManager) -> None:
    config = stdio("hang", "hang", connect_timeout_s=1.0)
    assert await manager.connect([config]) == ()
    start = time.monotonic()
    assert await manager.connect([config]) == ()
    assert time.monotonic() - start < 0.5
    await manager.check(config)
    assert time.monotonic() - start > 1.0, "who asks for it does wait"


async def test_a_tool_of_a_server_that_is_gone_for_good_is_an_error(
    manager: McpManager, tmp_path: Path
) -> None:
    program = tmp_path / "server"
    program.symlink_to(sys.executable)
    tools = await manager.connect([stdio(command=str(program))])
    program.unlink()
    os.kill(await pid_of(tools), 9)
    await until(lambda: manager.status(stdio(command=str(program))).state is ServerState.FAILED)
    assert error(await run(tools, "echo")).startswith(
        "The MCP server old is not available, and nothing was called. The server could not be started: "
    )


async def test_an_unused_connection_is_closed_and_made_again(tmp_path: Path, state_folder: Path) -> None:
    manager = McpManager(env={}, state_folder=state_folder, directory=str(tmp_path), idle_limit_s=0.5)
    try:
        tools = await manager.connect([stdio()])
        first = await pid_of(tools)
        await until(lambda: not alive([first]))
        assert state(manager) == (ServerState.IDLE, "")
        assert await pid_of(tools) != first
    finally:
        await manager.aclose()


async def test_a_call_keeps_its_connection_from_being_idle(tmp_path: Path, state_folder: Path) -> None:
    manager = McpManager(env={}, state_folder=state_folder, directory=str(tmp_path), idle_limit_s=0.3)
    try:
        tools = await manager.connect([stdio(call_timeout_s=1.0)])
        assert "did not answer within 1 s" in error(await run(tools, "silent"))
        assert state(manager, call_timeout_s=1.0)[0] is ServerState.CONNECTED
    finally:
        await manager.aclose()


async def test_closing_leaves_no_process_no_task_and_no_note(manager: McpManager, state_folder: Path) -> None:
    tasks = asyncio.all_tasks()
    configs = [stdio(), stdio("deaf", "deaf")]
    tools = await manager.connect(configs)
    pids: list[Any] = [
        (await run([tool for tool in tools if tool.config_id == config.id], name)).result
        for config in configs
        for name in ("pid", "spawn")
    ]
    assert len(alive(pids)) == 4
    assert len(os.listdir(state_folder)) == 1
    await manager.aclose()
    await manager.aclose()
    assert alive(pids) == []
    assert os.listdir(state_folder) == []
    assert asyncio.all_tasks() == tasks
    assert "Jupyter server is stopping" in error(await tools[0].run({}, context()))


async def test_closing_does_not_wait_for_a_server_that_is_being_connected(manager: McpManager) -> None:
    config = stdio("hang", "hang", connect_timeout_s=600.0)
    connecting = asyncio.create_task(manager.connect([config]))
    await until(lambda: manager.status(config).state is ServerState.CONNECTING)
    async with asyncio.timeout(20):
        await manager.aclose()
    assert await connecting == ()


async def test_programs_die_with_a_killed_server(tmp_path: Path) -> None:
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVER, str(tmp_path), str(FAKES / "mcp_old_server.py"), stdout=subprocess.PIPE
    )
    assert server.stdout is not None
    pids = [int(pid) for pid in (await server.stdout.readline()).split()]
    assert len(alive(pids)) == 2
    server.kill()
    await server.wait()
    await until(lambda: not alive(pids))


async def test_a_removed_server_is_closed_and_not_started_by_turns_under_way(manager: McpManager) -> None:
    tools = await manager.connect([stdio()])
    pid = await pid_of(tools)
    await manager.forget("old")
    await manager.forget("unknown")
    assert alive([pid]) == []
    assert state(manager)[0] is ServerState.IDLE
    assert "settings were changed" in error(await run(tools, "echo"))
    await manager.connect([stdio(env={"A": "b"})])
    assert "nothing was called" in error(await run(tools, "echo"))
    assert fields(await run(await manager.connect([stdio()]), "echo", a=1)) == {"a": 1}


async def test_a_server_that_is_removed_while_it_is_connected_is_not_started(manager: McpManager) -> None:
    connecting = asyncio.create_task(manager.connect([stdio()]))
    await asyncio.sleep(0)
    await manager.forget("old")
    assert await connecting == ()


async def test_tools_that_only_read_may_be_repeated_and_the_intent_stays_here(manager: McpManager) -> None:
    tools = await manager.connect([stdio(model_intent=True)])
    assert not any(tool.repeatable for tool in tools)
    assert fields(await run(tools, "echo", model_intent="Looking", a=1)) == {"a": 1}
    (plain,) = await manager.connect([stdio("plain", allowed_tools=("echo",))])
    assert fields(await plain.run({"model_intent": "kept"}, context())) == {"model_intent": "kept"}
    assert await plain.run(None, context()) == ToolOutput(result={})
    assert error(await plain.run("text", context())) == "Wrong arguments for plain__echo: expected an object."


async def test_without_the_sdk_every_server_says_what_to_install(
    manager: McpManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "jupyter_chatd.mcp.connection")
    monkeypatch.setitem(sys.modules, "mcp.client", None)
    assert await manager.connect([stdio()]) == ()
    assert state(manager)[0] is ServerState.FAILED
    assert "pip install 'jupyter_chatd[mcp]'" in state(manager)[1]


async def test_the_sdk_is_not_imported_before_the_first_server() -> None:
    program = (
        "import sys, jupyter_chatd.mcp.manager, jupyter_chatd.mcp.project_servers, jupyter_chatd.mcp.trust;"
        "print(sorted(name for name in sys.modules if re.match('mcp|httpx2|anyio', name)))"
    ).replace("import sys,", "import re, sys,")
    done = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE)
    out, _ = await done.communicate()
    assert re.fullmatch(rb"\[\]\s*", out)


def test_a_config_is_only_replaced_when_it_differs() -> None:
    assert stdio() == stdio()
    assert stdio() != replace(stdio(), env={"A": "b"})
