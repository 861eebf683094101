from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from jupyter_chatd.tools.execute import DEFAULT_TIMEOUT, Execute
from jupyter_chatd.tools.live_output import LIVE_END
from jupyter_chatd.tools.protocol import ToolContext
from jupyter_chatd.workspace import procfs
from jupyter_chatd.workspace.protocol import WorkspaceAgent, WorkspaceUnavailableError
from jupyter_chatd.workspace.server import ServerAgent

from .conftest import Call
from .outputs import error, fields

pytestmark = pytest.mark.anyio


UNTIL_GO = "until [ -e go ]; do sleep 0.05; done"
"""A command that ends when the test says so."""


async def until(is_so: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not is_so():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)


async def pids_in(file: Path, count: int) -> list[int]:
    def pids() -> list[int]:
        return [int(pid) for pid in file.read_text().split()] if file.exists() else []

    await until(lambda: len(pids()) >= count)
    return pids()


def alive(pids: list[int]) -> list[int]:
    return [pid for pid in pids if (stat := procfs.find_stat(pid)) is not None and stat.is_alive]


async def test_a_command_that_succeeds(call: Call) -> None:
    output = await call("execute", command="echo out; echo err >&2")
    assert fields(output) == {"success": True, "output": "out\nerr\n", "exit_code": 0}
    assert isinstance(output.result, dict)
    assert 0 <= output.result["wall_duration_ms"] < 5000


async def test_a_command_that_fails_is_no_flagged_error(call: Call) -> None:
    assert fields(await call("execute", command="echo no; exit 3")) == {
        "success": False,
        "output": "no\n",
        "exit_code": 3,
        "error": "The command ended with exit code 3.",
    }


async def test_silence_gives_no_output_field(call: Call) -> None:
    assert fields(await call("execute", command="true")) == {"success": True, "exit_code": 0}


async def test_nobody_answers_editors_prompts_and_pagers(call: Call, chat_id: str) -> None:
    names = "GIT_EDITOR GIT_SEQUENCE_EDITOR EDITOR VISUAL GIT_TERMINAL_PROMPT NO_COLOR TERM PAGER GIT_PAGER"
    shown = " ".join(f"${name}" for name in [*names.split(), "CODER_CHAT_AGENT", "CODER_CHAT_ID"])
    output = fields(await call("execute", command=f"echo {shown}"))["output"]
    assert output == f"true true true true 0 1 dumb cat cat true {chat_id}\n"


async def test_the_folder_may_be_given(call: Call, tmp_path: Path, folder: Path) -> None:
    assert fields(await call("execute", command="pwd", workdir=str(tmp_path)))["output"] == f"{tmp_path}\n"
    assert fields(await call("execute", command="pwd"))["output"] == f"{folder}\n"


@pytest.mark.parametrize("command", ["", "   \n", "&", " & "])
async def test_an_empty_command_is_refused(call: Call, command: str) -> None:
    assert "empty" in error(await call("execute", command=command))


@pytest.mark.parametrize("text", ["30", "-1s", "soon", "0s", "0"])
async def test_a_wrong_timeout_is_refused(call: Call, text: str) -> None:
    assert error(await call("execute", command="true", timeout=text)).startswith("Wrong timeout: ")


async def test_a_failure_to_start_is_no_flagged_error(call: Call) -> None:
    result = fields(await call("execute", command="true", workdir="/no/such/folder"))
    assert (result["success"], result["exit_code"]) == (False, -1)
    assert "does not exist" in result["error"]


async def test_a_chat_without_a_workspace_is_a_flagged_error(context: ToolContext) -> None:
    def none() -> WorkspaceAgent:
        raise WorkspaceUnavailableError("This chat has no workspace; create one first.")

    output = await Execute().run({"command": "true"}, replace(context, workspace=none))
    assert "create one" in error(output)


# Long output


async def test_long_output_keeps_both_ends_in_32_kib(call: Call) -> None:
    result = fields(await call("execute", command="seq 1 100000"))
    assert result["output"].startswith("1\n2\n")
    assert result["output"].endswith("\n99999\n100000\n")
    assert len(result["output"].encode()) <= 32_768
    truncated = result["truncated"]
    assert truncated["original_bytes"] == 588_895
    assert truncated["retained_bytes"] + truncated["omitted_bytes"] == 588_895
    assert truncated["strategy"] == "head_tail"


@pytest.mark.parametrize(
    "command", ["head -c 300000 /dev/urandom", "head -c 32768 /dev/zero", "printf '\\377'"]
)
async def test_bytes_that_are_no_text_give_clean_json(call: Call, command: str, emitted: list[str]) -> None:
    result = fields(await call("execute", command=command))
    json.dumps(result, ensure_ascii=False).encode()
    assert len(result["output"].encode()) <= 32_768
    assert "\0" not in result["output"]
    assert "\0" not in "".join(emitted)


async def test_long_lines_are_cut(call: Call) -> None:
    result = fields(await call("execute", command="head -c 5000 /dev/zero | tr '\\0' x"))
    assert result["output"] == "x" * 2048 + "... [line cut]"


# Live output


async def test_output_is_live(context: ToolContext, emitted: list[str], folder: Path) -> None:
    task = asyncio.create_task(Execute().run({"command": f"echo one; {UNTIL_GO}; echo two"}, context))
    await until(lambda: emitted)
    assert emitted == ["one\n"]
    (folder / "go").touch()
    assert fields(await task)["output"] == "one\ntwo\n"
    assert emitted == ["one\n", "two\n"]


async def test_live_output_is_bounded(call: Call, emitted: list[str]) -> None:
    await call("execute", command="seq 1 1000000")
    shown = "".join(emitted)
    assert shown.endswith(LIVE_END)
    assert len(shown.removesuffix(LIVE_END).encode()) == 32_768


async def test_a_command_whose_output_nobody_can_show_still_counts(
    call: Call, agent: ServerAgent, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The process is forgotten before its output is followed, say."""

    async def gone(chat_id: str, process_id: str):
        raise WorkspaceUnavailableError("gone")
        yield ""

    monkeypatch.setattr(agent, "follow_process", gone)
    assert fields(await call("execute", command="echo hi"))["output"] == "hi\n"
    assert "No live output" in caplog.text


# Time and background


async def test_a_timeout_leaves_the_command_running(call: Call, folder: Path) -> None:
    result = fields(await call("execute", command=f"echo one; {UNTIL_GO}; echo two", timeout="1s"))
    process_id = result.pop("background_process_id")
    assert "did not end within 1 s and keeps running" in result.pop("error")
    assert result == {"success": False, "exit_code": -1, "output": "one\n"}
    (folder / "go").touch()
    later = fields(await call("process_output", process_id=process_id))
    assert later == {"success": True, "running": False, "output": "one\ntwo\n", "exit_code": 0}


@pytest.mark.parametrize(
    "args",
    [
        {"command": "sleep 60", "run_in_background": True},
        {"command": "sleep 60 &"},
        {"command": "sleep 60&  "},
        {"command": "sleep 60 &", "run_in_background": True},
        {"command": "sleep 60 &", "timeout": "nonsense is ignored"},
    ],
)
async def test_a_background_command_returns_at_once(call: Call, args: dict[str, object]) -> None:
    began = time.monotonic()
    result = fields(await call("execute", **args))
    assert time.monotonic() - began < DEFAULT_TIMEOUT / 2
    assert (result["success"], result["exit_code"]) == (True, 0)
    assert "process_output" in result["note"]
    (entry,) = fields(await call("process_list"))["processes"]
    assert (entry["id"], entry["command"]) == (result["background_process_id"], "sleep 60")
    assert (entry["background"], entry["running"]) == (True, True)


@pytest.mark.parametrize("command", ["true &&", "true |&", "echo \\&", "echo 'a &'", "echo a >&"])
async def test_only_a_single_ampersand_means_background(call: Call, command: str) -> None:
    assert "background_process_id" not in fields(await call("execute", command=command))


async def test_what_a_command_leaves_behind_is_told(call: Call) -> None:
    result = fields(await call("execute", command="sleep 60 & echo started"))
    assert (result["success"], result["output"]) == (True, "started\n")
    assert "left processes running" in result["note"]
    signalled = await call("process_signal", process_id=result["background_process_id"], signal="kill")
    assert fields(signalled)["success"]


@pytest.mark.parametrize(
    ("command", "noted"),
    [
        ("cat a.txt", True),
        ("cat a.txt | head", True),
        ("  cat a.txt", True),
        ("grep -l x .", True),
        ("rg -i -l x .", True),
        ("rg --include-all x", True),
        ("cat > a.txt <<'E'\nx\nE", False),
        ("echo cat a", False),
        ("grep -rn x .", False),
        ("catalogue x", False),
    ],
)
async def test_dumping_files_is_pointed_to_read_file(call: Call, command: str, noted: bool) -> None:
    result = fields(await call("execute", command=command))
    assert ("read_file" in result.get("note", "")) == noted


# Interrupt


async def test_an_interrupt_ends_everything_and_keeps_the_output(
    context: ToolContext, folder: Path, emitted: list[str]
) -> None:
    command = "sleep 60 & echo $! >> pids; (sleep 60 & echo $! >> pids); echo begun; wait"
    task = asyncio.create_task(Execute().run({"command": command, "timeout": "1m"}, context))
    pids = await pids_in(folder / "pids", 2)
    await until(lambda: emitted)
    task.cancel()
    async with asyncio.timeout(20):
        result = fields(await task)
    assert alive(pids) == []
    assert "interrupted" in result.pop("error")
    assert result == {"success": False, "exit_code": -1, "output": "begun\n"}


async def test_an_interrupt_after_the_end_keeps_the_result(
    context: ToolContext, agent: ServerAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cancel comes after the exit, while the last live output is being shown."""
    ended = asyncio.Event()

    async def endless(chat_id: str, process_id: str):
        await agent.wait_process(chat_id, process_id, timeout_s=10)
        ended.set()
        await asyncio.sleep(60)
        yield ""

    monkeypatch.setattr(agent, "follow_process", endless)
    task = asyncio.create_task(Execute().run({"command": "echo done"}, context))
    await ended.wait()
    await asyncio.sleep(0.05)
    task.cancel()
    assert fields(await task) == {"success": True, "exit_code": 0, "output": "done\n"}


async def test_a_second_interrupt_does_not_spare_the_processes(context: ToolContext, folder: Path) -> None:
    command = "trap '' TERM; echo $$ >> pids; while :; do sleep 1; done"
    task = asyncio.create_task(Execute().run({"command": command}, context))
    pids = await pids_in(folder / "pids", 1)
    task.cancel()
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: not alive(pids))


async def test_a_call_leaves_no_task_behind(call: Call) -> None:
    before = asyncio.all_tasks()
    await call("execute", command="echo x")
    await call("execute", command="sleep 60", timeout="50ms")
    assert asyncio.all_tasks() == before


async def test_ten_calls_run_at_once(call: Call, folder: Path) -> None:
    """None ends before all have begun. What that costs is measured: tests/bench/bench_tools.py."""
    command = f"echo $$ >> pids; {UNTIL_GO}"
    calls = [asyncio.ensure_future(call("execute", command=command, timeout="1m")) for _ in range(10)]
    await pids_in(folder / "pids", 10)
    (folder / "go").touch()
    assert all(fields(result)["success"] for result in await asyncio.gather(*calls))
