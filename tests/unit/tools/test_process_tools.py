from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from jupyter_chatd.tools.process_output import DEFAULT_WAIT

from .conftest import Call
from .outputs import error, fields

pytestmark = pytest.mark.anyio


async def background(call: Call, command: str) -> str:
    return str(
        fields(await call("execute", command=command, run_in_background=True))["background_process_id"]
    )


async def test_output_waits_for_the_exit(call: Call) -> None:
    process_id = await background(call, "sleep 0.2; echo done; exit 4")
    assert fields(await call("process_output", process_id=process_id)) == {
        "success": False,
        "running": False,
        "output": "done\n",
        "exit_code": 4,
        "error": "The command ended with exit code 4.",
    }


@pytest.mark.parametrize(("wait", "least_s"), [("0s", 0.0), ("0", 0.0), ("200ms", 0.2)])
async def test_a_process_that_still_runs_is_a_success_with_a_note(
    call: Call, wait: str, least_s: float
) -> None:
    process_id = await background(call, "echo so far; sleep 60")
    shown = {"process_id": process_id, "wait_timeout": "0"}
    async with asyncio.timeout(20):
        while "output" not in fields(await call("process_output", **shown)):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
    began = time.monotonic()
    result = fields(await call("process_output", process_id=process_id, wait_timeout=wait))
    assert least_s <= time.monotonic() - began < DEFAULT_WAIT / 2
    assert "still running" in result.pop("note")
    assert result == {"success": True, "running": True, "output": "so far\n"}


async def test_long_output_is_bounded(call: Call) -> None:
    process_id = await background(call, "seq 1 100000")
    result = fields(await call("process_output", process_id=process_id))
    assert len(result["output"].encode()) <= 32_768
    assert result["truncated"]["original_bytes"] == 588_895


async def test_unknown_ids_and_wrong_waits_are_flagged_errors(call: Call) -> None:
    assert "no process nope in this chat" in error(await call("process_output", process_id="nope"))
    assert "Wrong wait_timeout" in error(await call("process_output", process_id="nope", wait_timeout="1"))


async def test_the_list_has_facts_and_times(call: Call, folder: Path) -> None:
    assert fields(await call("process_list")) == {"processes": []}
    await call("execute", command="exit 1")
    (entry,) = fields(await call("process_list"))["processes"]
    began, ended = (datetime.fromisoformat(entry.pop(name)) for name in ("started_at", "exited_at"))
    assert began <= ended <= datetime.now(UTC)
    assert entry.pop("id")
    assert entry == {
        "command": "exit 1",
        "work_dir": str(folder),
        "background": False,
        "running": False,
        "exit_code": 1,
    }


async def test_a_long_command_is_shortened_in_the_list(call: Call) -> None:
    await call("execute", command=f"true {'x' * 50_000}; echo end")
    (entry,) = fields(await call("process_list"))["processes"]
    assert len(entry["command"].encode()) <= 1024
    assert entry["command"].startswith("true xxx")
    assert entry["command"].endswith("; echo end")


async def test_signals_end_processes(call: Call) -> None:
    for signal in ("terminate", "kill"):
        process_id = await background(call, "sleep 60")
        assert fields(await call("process_signal", process_id=process_id, signal=signal)) == {
            "success": True,
            "message": f"Sent {signal} to process {process_id}.",
        }
        result = fields(await call("process_output", process_id=process_id))
        assert (result["running"], result["exit_code"]) == (False, -1)
        again = fields(await call("process_signal", process_id=process_id, signal=signal))
        assert (again["success"], "already exited" in again["error"]) == (False, True)


async def test_a_signal_to_nobody_is_no_flagged_error(call: Call) -> None:
    result = fields(await call("process_signal", process_id="nope", signal="kill"))
    assert (result["success"], "no process nope" in result["error"]) == (False, True)


async def test_other_signals_do_not_exist(call: Call) -> None:
    assert "'terminate' or 'kill'" in error(await call("process_signal", process_id="nope", signal="hup"))
