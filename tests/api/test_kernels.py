"""Code in a chat's kernel, on a real server, as a model at the wire asks for it."""

from __future__ import annotations

from typing import Any

import pytest
from fakes.steps import call, say

from .client import Api, Event
from .conftest import Serve

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
PLOT = f"""
import base64
from IPython.display import Image
Image(base64.b64decode("{PNG}"))
"""
TABLE = """
class Table:
    def _repr_html_(self):
        return "<table><tr><th>city</th></tr><tr><td>Oslo</td></tr></table>"
Table()
"""


def code(text: str, **args: Any) -> Any:
    return call("execute_code", {"code": text, **args})


def is_live(event: Event) -> bool:
    return event["type"] == "message_part" and "result_delta" in event["message_part"]["part"]


async def test_text_errors_tables_and_pictures(api: Api, openai: Serve) -> None:
    steps = [[code("print('hi')")], [code("1/0")], [code(TABLE)], [code(PLOT)], [say("done")]]
    async with openai(steps) as vendor:
        chat = await api.finished("go", model="openai:fake-model")
        results = [part["result"] for part in await api.results(chat["id"])]
        shown = str(vendor.generations[-1].json)
    assert results[0]["output"] == "hi\n"
    assert results[1]["error"] == "ZeroDivisionError: division by zero"
    assert results[2]["output"] == "| city |\n| --- |\n| Oslo |\n"
    assert results[3] == {"data": PNG, "mime_type": "image/png", "text": "[image/png]"}
    assert f"data:image/png;base64,{PNG}" in shown


async def test_a_timeout_leaves_the_code_running_until_it_is_interrupted(api: Api, openai: Serve) -> None:
    steps = [
        [code("x = 1")],
        [code("import time\nprint('begun', flush=True)\ntime.sleep(600)", timeout="2s")],
        [call("inspect_variables", {"names": ["x"]})],
        [call("interrupt_kernel", {})],
        [code("x")],
        [call("restart_kernel", {})],
        [code("x")],
        [say("done")],
    ]
    async with openai(steps):
        chat = await api.finished("go", model="openai:fake-model")
    results = [part["result"] for part in await api.results(chat["id"])]
    assert (results[1]["running"], results[1]["output"]) == (True, "begun\n")
    assert results[2]["variables"][0]["value"] == "1"
    assert results[3]["success"]
    assert results[4]["output"] == "1\n"
    assert results[5]["kernel"] == "python3"
    assert results[6]["error"].startswith("NameError")


async def test_the_stop_button_interrupts_the_code(api: Api) -> None:
    chat_id = await api.create_id(
        "run the code `print('begun', flush=True); __import__('time').sleep(600)` with timeout 1h"
    )
    async with api.follow(chat_id) as stream:
        await stream.until(is_live)
        await api.post(f"/{chat_id}/interrupt")
        await stream.status("waiting")
    (part,) = await api.results(chat_id)
    assert part["result"]["output"] == "begun\n"
    assert part["result"]["error"].startswith("The code was interrupted.")


async def test_the_demo_model_uses_a_kernel(api: Api) -> None:
    chat = await api.finished("run the code `x = 6 * 7; x` then inspect variables then restart the kernel")
    results = [part["result"] for part in await api.results(chat["id"])]
    assert results[0]["output"] == "42\n"
    assert results[1]["variables"][0]["name"] == "x"
    assert results[2]["success"]


@pytest.mark.parametrize("settings", [{"kernel_limit": 1}])
async def test_a_chat_that_finds_no_place_is_told_and_nothing_waits(api: Api) -> None:
    first = await api.create_id(
        "run the code `print('begun', flush=True); __import__('time').sleep(600)` with timeout 1h"
    )
    async with api.follow(first) as stream:
        await stream.until(is_live)
        second = await api.finished("run the code `1`")
        await api.post(f"/{first}/interrupt")
        await stream.status("waiting")
    (part,) = await api.results(second["id"])
    assert "1 kernels run code" in part["result"]["error"]
