"""The tools for kernels, on real ones: of this server, and of a workspace with a program of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import pytest

from jupyter_chatd.tools.execute_code import ExecuteCode
from jupyter_chatd.tools.protocol import Restraint, ToolContext, ToolOutput
from jupyter_chatd.workspace.protocol import WorkspaceAgent

from .conftest import Call
from .outputs import error, fields

pytestmark = pytest.mark.anyio

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
SHOW = f"""
import base64
from IPython.display import Image, display
for number in range(3):
    print("plot", number)
    display(Image(base64.b64decode("{PNG}")))
"""


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not is_so():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)


def media(output: ToolOutput) -> dict[str, Any]:
    assert output.is_media, output
    return cast(dict[str, Any], output.result)


async def test_code_gives_output_and_values_and_streams_them(call: Call, emitted: list[str]) -> None:
    result = fields(await call("execute_code", code="print('hello')\n6 * 7"))
    assert result == {"success": True, "output": "hello\n42\n"}
    assert "".join(emitted) == "hello\n42\n"


async def test_an_error_is_a_result_with_traceback(call: Call) -> None:
    result = fields(await call("execute_code", code="print('so far')\n{}['key']"))
    assert "{}['key']" in result.pop("traceback")
    assert result == {"success": False, "output": "so far\n", "error": "KeyError: 'key'"}


async def test_pictures_come_with_words(call: Call) -> None:
    result = media(await call("execute_code", code=SHOW))
    shown = {"data": PNG, "mime_type": "image/png"}
    words = "plot 0\n[image/png]\nplot 1\n[image/png]\nplot 2\n[image/png]"
    assert result == {**shown, "text": words, "more": [shown, shown]}


async def test_what_takes_long_runs_on_and_is_polled_looked_into_interrupted(call: Call) -> None:
    code = "import time\nrows, password = [1, 2], 'p'\nprint('begun', flush=True)\ntime.sleep(600)"
    result = fields(await call("execute_code", code=code, timeout="1s"))
    assert (result["success"], result["running"]) == (False, True)
    assert "did not end within 1 s and runs on" in result["note"]
    async with asyncio.timeout(60):
        while "output" not in (result := fields(await call("code_output", wait_timeout="100ms"))):
            continue
    assert result == {
        "success": False,
        "running": True,
        "output": "begun\n",
        "note": "The code still runs; this is its output so far.",
    }
    found = fields(await call("inspect_variables", names=["rows", "password", "other"]))
    assert found["missing"] == ["other"]
    assert found["note"] == "Code runs meanwhile, so these may change."
    assert [(one["name"], one["value"]) for one in found["variables"]] == [
        ("password", "(not shown: its name looks like a secret)"),
        ("rows", "[1, 2]"),
    ]
    assert "still runs earlier code" in error(await call("execute_code", code="1"))
    ended = fields(await call("interrupt_kernel"))
    assert (ended["success"], ended["output"]) == (True, "begun\n")
    assert "variables are still there" in ended["error"]
    assert fields(await call("execute_code", code="rows"))["output"] == "[1, 2]\n"


async def test_a_stopped_call_interrupts_its_code_and_keeps_the_kernel(
    call: Call, emitted: list[str]
) -> None:
    code = "import time\nx = 1\nprint('begun', flush=True)\ntime.sleep(600)"
    task = asyncio.ensure_future(call("execute_code", code=code, timeout="1h"))
    await until(lambda: "begun\n" in "".join(emitted))
    task.cancel()
    result = fields(await task)
    assert (result["success"], result["output"]) == (False, "begun\n")
    assert result["error"].startswith("The code was interrupted.")
    assert fields(await call("execute_code", code="x"))["output"] == "1\n"


async def test_a_stopped_call_whose_kernel_still_starts_runs_nothing(
    call: Call, agent: WorkspaceAgent, chat_id: str
) -> None:
    task = asyncio.ensure_future(call("execute_code", code="made = True"))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not (await agent.kernels.inspect(chat_id, names=["made"])).variables


async def test_a_kernel_that_dies_is_told_then_and_at_the_next_call(call: Call) -> None:
    result = fields(await call("execute_code", code="print('x', flush=True)\nimport os\nos._exit(7)"))
    assert result["error"].startswith(
        "The kernel is gone, and its variables with it. It ended with exit code 7."
    )
    result = fields(await call("execute_code", code="1"))
    assert result["output"] == "1\n"
    assert "variables and imports of the last one are gone" in result["note"]


async def test_restarting_forgets(call: Call) -> None:
    await call("execute_code", code="x = 1")
    assert fields(await call("restart_kernel"))["kernel"] == "python3"
    assert fields(await call("inspect_variables")) == {"variables": []}


async def test_a_chat_that_is_to_change_nothing_runs_no_code(context: ToolContext) -> None:
    restrained = replace(context, restraint=Restraint())
    assert "use execute" in error(await ExecuteCode().run({"code": "1"}, restrained))


async def test_wrong_calls_say_what_is_right(call: Call) -> None:
    assert "empty" in error(await call("execute_code", code=" \n"))
    assert "Wrong timeout" in error(await call("execute_code", code="1", timeout="soon"))
    assert "Wrong wait_timeout" in error(await call("code_output", wait_timeout="soon"))
    assert "no kernel named 'cobol'" in error(await call("execute_code", code="1", kernel="cobol"))
    assert "execute_code does" in error(await call("code_output"))
    assert "execute_code starts one" in error(await call("inspect_variables"))
    assert "nothing to interrupt" in error(await call("interrupt_kernel"))
