"""The tools of one step run all at once."""

from __future__ import annotations

from pathlib import Path

from fakes.steps import call, say

from .client import Api, Event
from .conftest import Serve

SHORT = 4
"""Which of the ten calls ends by itself, once the others have begun."""
UNTIL_GO = "echo >> begun; until [ -e go ]; do sleep 0.05; done"
UNTIL_ALL_BEGAN = "until [ $(cat begun 2>&1 | wc -l) = 9 ]; do sleep 0.05; done"


def is_result(event: Event) -> bool:
    """Whether it is a finished tool call; live output has `result_delta` instead."""
    return event["type"] == "message_part" and "result" in event["message_part"]["part"]


async def test_ten_calls_run_at_once_and_each_is_told_when_it_is_done(
    api: Api, openai: Serve, jp_root_dir: Path
) -> None:
    """The short one ends when the nine others have begun, and they when the test has heard of it.

    What ten calls cost beside the longest is measured: tests/bench/bench_tools.py.
    """
    pauses = [UNTIL_ALL_BEGAN if number == SHORT else UNTIL_GO for number in range(10)]
    commands = [f"{pause}; echo {number}" for number, pause in enumerate(pauses)]
    calls = [call("execute", {"command": command, "timeout": "1m"}) for command in commands]
    async with openai([[say("warm")], calls, [say("done")]]):
        chat_id = (await api.finished("hi", model="openai:fake-model"))["id"]  # everything is imported now
        sent = await api.send(chat_id, "go")
        async with api.follow(chat_id, after_id=str(sent["message"]["id"])) as stream:
            step = await stream.message("assistant")
            first = await stream.until(is_result)
            (jp_root_dir / "go").touch()
            await stream.status("waiting")
    rows = [row for row in await api.messages(chat_id) if row["id"] > step["id"]]
    assert first["message_part"]["part"]["result"]["output"] == f"{SHORT}\n"
    told = [event["message_part"]["part"]["tool_call_id"] for event in stream.events if is_result(event)]
    assert sorted(told) == sorted({part["tool_call_id"] for row in rows[:10] for part in row["content"]})
    outputs = [result["result"]["output"] for result in await api.results(chat_id)]
    assert outputs == [f"{number}\n" for number in range(10)]


async def test_output_is_shown_while_a_command_runs(api: Api, jp_root_dir: Path) -> None:
    chat_id = await api.create_id("run `echo one; until [ -e go ]; do sleep 0.05; done; echo two`")
    async with api.follow(chat_id) as stream:
        part = await stream.part("tool-result")
        assert part["part"]["result_delta"] == "one\n"
        assert part["role"] == "tool"
        (jp_root_dir / "go").touch()
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
