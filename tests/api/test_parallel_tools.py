"""The tools of one step run all at once."""

from __future__ import annotations

import time
from datetime import datetime

from fakes.steps import call, say

from .client import Api, Event, Json
from .conftest import Serve

SHORT = 4
"""Which of the ten calls takes 0.2 s instead of 1 s."""


def is_result(event: Event) -> bool:
    """Whether it is a finished tool call; live output has `result_delta` instead."""
    return event["type"] == "message_part" and "result" in event["message_part"]["part"]


async def test_ten_calls_take_as_long_as_the_longest(api: Api, openai: Serve) -> None:
    seconds = [0.2 if number == SHORT else 1.0 for number in range(10)]
    commands = [f"sleep {pause}; echo {number}" for number, pause in enumerate(seconds)]
    calls = [call("execute", {"command": command}) for command in commands]
    async with openai([[say("warm")], calls, [say("done")]]):
        chat_id = (await api.finished("hi", model="openai:fake-model"))["id"]  # everything is imported now
        sent = await api.send(chat_id, "go")
        async with api.follow(chat_id, after_id=str(sent["message"]["id"])) as stream:
            step = await stream.message("assistant")
            began = time.monotonic()
            first = await stream.until(is_result)
            first_after = time.monotonic() - began
            await stream.status("waiting")
    rows = [row for row in await api.messages(chat_id) if row["id"] > step["id"]]
    took = moment(rows[9]) - moment(step)
    assert took.total_seconds() < 1.3
    assert first_after < 0.7
    assert first["message_part"]["part"]["result"]["output"] == f"{SHORT}\n"
    told = [event["message_part"]["part"]["tool_call_id"] for event in stream.events if is_result(event)]
    assert sorted(told) == sorted({part["tool_call_id"] for row in rows[:10] for part in row["content"]})
    outputs = [result["result"]["output"] for result in await api.results(chat_id)]
    assert outputs == [f"{number}\n" for number in range(10)]


def moment(row: Json) -> datetime:
    """When a row was committed."""
    return datetime.fromisoformat(row["created_at"])


async def test_output_is_shown_while_a_command_runs(api: Api) -> None:
    chat_id = await api.create_id("run `echo one; sleep 0.3; echo two`")
    async with api.follow(chat_id) as stream:
        part = await stream.part("tool-result")
        assert part["part"]["result_delta"] == "one\n"
        assert part["role"] == "tool"
        await stream.until(is_result)
        await stream.status("waiting")


async def test_calls_of_one_file_follow_one_another(api: Api, openai: Serve, jp_root_dir: object) -> None:
    path = f"{jp_root_dir}/count.txt"
    edits = [
        call("edit_files", {"files": [{"path": path, "edits": [{"search": old, "replace": new}]}]})
        for old, new in (("a", "b"), ("b", "c"), ("c", "d"))
    ]
    write = call("write_file", {"path": path, "content": "a"})
    async with openai([[write], edits, [say("done")]]):
        chat = await api.finished("go", model="openai:fake-model")
    assert not [part for part in await api.results(chat["id"]) if part.get("is_error")]
    with open(path) as file:  # noqa: ASYNC230 - one letter
        assert file.read() == "d"
