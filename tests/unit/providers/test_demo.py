"""The demo model: what it understands, and that it follows from the prompt alone."""

from __future__ import annotations

import time
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import pytest

from jupyter_chatd.messages import (
    JsonObject,
    Part,
    ReasoningPart,
    Role,
    StopReason,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from jupyter_chatd.providers.demo import DemoModel
from jupyter_chatd.providers.demo_instructions import Ponder, Tell, UseTool, parse_plan
from jupyter_chatd.providers.protocol import ModelCall, PromptMessage, ToolDefinition

from .asking import args_of, collect, finished, parts_of, streamed, system, tool, user

NAMES = (
    "execute",
    "read_file",
    "write_file",
    "edit_files",
    "process_list",
    "process_output",
    "process_signal",
)
TOOLS = tuple(ToolDefinition(name=name, description="") for name in (*NAMES, "plot"))
SYSTEM = system("You help.\nOperating system: linux\nWorking directory: /work/here\nHome directory: /home/x")


def uses(text: str) -> list[list[tuple[str, JsonObject]]]:
    """The plan of *text*: tools and arguments, step by step."""
    plan = parse_plan(text, directory="/w")
    assert not plan.unknown
    return [[(use.tool, use.args) for use in step if isinstance(use, UseTool)] for step in plan.steps]


def run(command: str, **more: Any) -> tuple[str, JsonObject]:
    return "execute", {"command": command, **more}


def test_of_code_only_one_line_is_announced() -> None:
    plan = parse_plan("run the code `1 + 1` and run the code ```\na = 1\na\n```", directory="/w")
    intents = [use.intent for use in plan.steps[0] if isinstance(use, UseTool)]
    assert intents == ["run `1 + 1` in the kernel", "run code in the kernel"]


@pytest.mark.parametrize(
    "text,steps",
    [
        ("run ls", [[run("ls")]]),
        ("Please run `ls -l`.", [[run("ls -l")]]),
        ("execute the command `echo a and run b`", [[run("echo a and run b")]]),
        ("run echo a and b", [[run("echo a and b")]]),
        ("run ls.", [[run("ls")]]),
        ("run ls . and run cd ..", [[run("ls ."), run("cd ..")]]),
        ('run git commit -m "then run away"', [[run('git commit -m "then run away"')]]),
        (
            "read notes.txt. Then read b.",
            [[("read_file", {"path": "/w/notes.txt"})], [("read_file", {"path": "/w/b"})]],
        ),
        ("run ```sh\nfor i in 1 2; do\n  echo $i\ndone\n```", [[run("for i in 1 2; do\n  echo $i\ndone\n")]]),
        ("run `sleep 60` in the background", [[run("sleep 60", run_in_background=True)]]),
        ("run make with timeout 5m", [[run("make", timeout="5m")]]),
        ("read notes.txt", [[("read_file", {"path": "/w/notes.txt"})]]),
        ("read the file /etc/hosts", [[("read_file", {"path": "/etc/hosts"})]]),
        ('write "hello world" to a.txt', [[("write_file", {"path": "/w/a.txt", "content": "hello world"})]]),
        ("write hi into the file a.txt", [[("write_file", {"path": "/w/a.txt", "content": "hi"})]]),
        ("create the file a.txt with 'x'", [[("write_file", {"path": "/w/a.txt", "content": "x"})]]),
        (
            'replace "a" with "b" in c.txt',
            [[("edit_files", {"files": [{"path": "/w/c.txt", "edits": [{"search": "a", "replace": "b"}]}]})]],
        ),
        (
            "replace all a with b in c.txt",
            [
                [
                    (
                        "edit_files",
                        {
                            "files": [
                                {
                                    "path": "/w/c.txt",
                                    "edits": [{"search": "a", "replace": "b", "replace_all": True}],
                                }
                            ]
                        },
                    )
                ]
            ],
        ),
        ("list the open notebooks", [[("list_notebooks", {})]]),
        ("read the notebook", [[("read_notebook", {})]]),
        ("read the notebook lab/a.ipynb.", [[("read_notebook", {"path": "lab/a.ipynb"})]]),
        ("look at cell 3 of a.ipynb", [[("read_cell", {"path": "a.ipynb", "cell": "3"})]]),
        ("run cell 3 then run the cell 4", [[("run_cells", {"cells": [n]})] for n in "34"]),
        (
            'replace "run it" with "b" in cell ab-12 and run it and run cell 1',
            [
                [
                    (
                        "edit_cell",
                        {"cell": "ab-12", "edits": [{"search": "run it", "replace": "b"}], "run": True},
                    ),
                    ("run_cells", {"cells": ["1"]}),
                ]
            ],
        ),
        ("insert the cell `x = 1`", [[("insert_cell", {"source": "x = 1"})]]),
        (
            "insert a markdown cell `# A` before cell 1 of a.ipynb and run it",
            [
                [
                    (
                        "insert_cell",
                        {"path": "a.ipynb", "source": "# A", "type": "markdown", "run": True, "before": "1"},
                    )
                ]
            ],
        ),
        ("move cell 1 after cell 2", [[("move_cell", {"cell": "1", "after": "2"})]]),
        ("delete cell 2", [[("delete_cell", {"cell": "2"})]]),
        ("inspect the variables of the notebook", [[("notebook_variables", {})]]),
        (
            "ask an explore agent to read notes.txt",
            [[("spawn_agent", {"type": "explore", "prompt": "read notes.txt"})]],
        ),
        (
            "Ask an agent to count to 3 and ask a general subagent to say *one*, then wait for the agents.",
            [
                [
                    ("spawn_agent", {"type": "general", "prompt": "count to 3"}),
                    ("spawn_agent", {"type": "general", "prompt": "say *one*"}),
                ],
                [],
            ],
        ),
        ("list processes", [[("process_list", {})]]),
        ("check process p1", [[("process_output", {"process_id": "p1"})]]),
        ("stop process p1", [[("process_signal", {"process_id": "p1", "signal": "terminate"})]]),
        ("kill process p1", [[("process_signal", {"process_id": "p1", "signal": "kill"})]]),
        ('call plot with {"x": [1, 2]}', [[("plot", {"x": [1, 2]})]]),
        ("call plot", [[("plot", {})]]),
        ("run a and run b", [[run("a"), run("b")]]),
        ("run a, then run b", [[run("a")], [run("b")]]),
        ("run a\nrun b\n\nrun c", [[run("a")], [run("b")], [run("c")]]),
        (
            "write x to a.txt and run b; then read a.txt",
            [
                [("write_file", {"path": "/w/a.txt", "content": "x"}), run("b")],
                [("read_file", {"path": "/w/a.txt"})],
            ],
        ),
    ],
)
def test_what_is_understood(text: str, steps: list[list[tuple[str, JsonObject]]]) -> None:
    assert uses(text) == steps


@pytest.mark.parametrize(
    "text,instruction",
    [("say hello", Tell("hello")), ("count to 3", Tell("1 2 3")), ("think about cats", Ponder("cats"))],
)
def test_instructions_without_tools(text: str, instruction: Tell | Ponder) -> None:
    assert parse_plan(text, directory="/").steps == [[instruction]]


@pytest.mark.parametrize(
    "text", ["", "sing", "run", 'call plot with {"x": }', "call plot with [1]", "x" * 5000]
)
def test_what_is_not_understood(text: str) -> None:
    assert not parse_plan(text, directory="/").steps


def test_odd_texts_are_read_quickly() -> None:
    began = time.thread_time()
    for text in (
        "`" * 20_000,
        '"' * 20_001,
        "run " + "a and " * 5_000,
        " then " * 10_000,
        "\n" * 50_000,
        "' '" * 9_000,
    ):
        parse_plan(text, directory="/")

    assert time.thread_time() - began < 2


# Turns.

pytestmark = pytest.mark.anyio
MODEL = DemoModel(pace_s=0)


async def answers(*messages: PromptMessage, tools: Sequence[ToolDefinition] = TOOLS) -> list[Part]:
    call = ModelCall(messages=(SYSTEM, *messages), tools=tuple(tools))
    return parts_of(await collect(MODEL.stream(call)))


def calls_of(parts: Sequence[Part]) -> list[ToolCallPart]:
    return [part for part in parts if isinstance(part, ToolCallPart)]


def text_of(parts: Sequence[Part]) -> str:
    return "\n".join(part.text for part in parts if isinstance(part, TextPart))


def result(call: ToolCallPart, value: Any, **fields: Any) -> PromptMessage:
    return tool(
        ToolResultPart(tool_call_id=call.tool_call_id, tool_name=call.tool_name, result=value, **fields)
    )


async def test_it_greets_as_a_demo_and_tells_what_it_can_do() -> None:
    text = text_of(await answers(user("Hello!")))

    assert "I am the demo model" in text
    assert "not a language model" in text
    assert "run `ls -l`" in text


async def test_a_turn_through_several_steps() -> None:
    said = user('write "x" to a.txt and run `pwd`, then read a.txt')
    first = await answers(said)
    write, pwd = calls_of(first)
    assert text_of(first).endswith("I will write /work/here/a.txt and run `pwd`.")
    assert (write.args, pwd.args) == ({"path": "/work/here/a.txt", "content": "x"}, {"command": "pwd"})

    row = PromptMessage(role=Role.ASSISTANT, parts=tuple(first))
    done = [row, result(write, {"ok": True}), result(pwd, {"success": True, "output": "/work/here\n"})]
    second = await answers(said, *done)
    (read,) = calls_of(second)
    assert (read.tool_name, text_of(second)) == ("read_file", "Next I will read /work/here/a.txt.")

    done += [PromptMessage(role=Role.ASSISTANT, parts=tuple(second)), result(read, {"content": "1\tx"})]
    assert text_of(await answers(said, *done)) == (
        "I wrote /work/here/a.txt.\n\n"
        "`pwd` printed:\n```\n/work/here\n```\n\n"
        "/work/here/a.txt says:\n```\n1\tx\n```"
    )


async def test_it_starts_over_with_the_next_message() -> None:
    said = user("run a")
    first = await answers(said)
    row = PromptMessage(role=Role.ASSISTANT, parts=tuple(first))
    turn = [said, row, result(calls_of(first)[0], {"success": True})]

    (call,) = calls_of(await answers(*turn, user("run b")))

    assert call.args == {"command": "b"}
    assert call.tool_call_id != calls_of(first)[0].tool_call_id


async def test_the_same_prompt_gives_the_same_answer() -> None:
    said = user("run a and run b, then run c")

    assert await answers(said) == await answers(said)


@pytest.mark.parametrize(
    "value,fields,text",
    [
        ({"success": True, "exit_code": 0}, {}, "`x` ended well and printed nothing."),
        (
            {"success": False, "exit_code": 2, "output": "oh"},
            {},
            "`x` failed (exit code 2).\n```\noh\n```",
        ),
        (
            {"success": True, "background_process_id": "p1"},
            {},
            "`x` runs in the background as process p1.",
        ),
        ({"error": "no workspace"}, {"is_error": True}, "execute failed: no workspace"),
        (
            {"error": "This call was interrupted."},
            {"is_error": True},
            "execute failed: This call was interrupted.",
        ),
    ],
)
async def test_what_is_reported_of_a_command(value: Any, fields: dict[str, Any], text: str) -> None:
    said = user("run x")
    first = await answers(said)
    row = PromptMessage(role=Role.ASSISTANT, parts=tuple(first))

    assert text_of(await answers(said, row, result(calls_of(first)[0], value, **fields))) == text


@pytest.mark.parametrize(
    "output,shown",
    [
        ("| a |\n| --- |\n| 1 |\n", "\n| a |\n| --- |\n| 1 |"),
        ("sum\n| a |\n", "```\nsum\n| a |\n```"),
        ("|" * 2001, f"```\n{'|' * 2000}\n…\n```"),
    ],
)
async def test_tables_of_code_are_no_quotations(output: str, shown: str) -> None:
    said = user("call plot")
    call = ToolCallPart(tool_call_id="c", tool_name="execute_code", args={"code": "x"})
    row = PromptMessage(role=Role.ASSISTANT, parts=(call,))

    text = text_of(await answers(said, row, result(call, {"success": True, "output": output})))

    assert text == f"The code ended well. It gave:\n{shown}"


async def test_long_outputs_are_cut() -> None:
    said = user("call plot")
    first = await answers(said)
    row = PromptMessage(role=Role.ASSISTANT, parts=tuple(first))

    text = text_of(await answers(said, row, result(calls_of(first)[0], {"data": "y" * 9000})))

    assert len(text) < 2100
    assert text.endswith("…\n```")


async def test_what_it_does_not_understand_is_not_done_by_halves() -> None:
    parts = await answers(user("run `rm x`\nsing"))

    assert not calls_of(parts)
    assert "I do not understand “sing”, so I did nothing." in text_of(parts)


async def test_unknown_tools_are_named() -> None:
    assert "no tool named fly" in text_of(await answers(user("call fly")))
    assert "no tool named execute" in text_of(await answers(user("run ls"), tools=()))


async def test_it_streams_word_by_word() -> None:
    call = ModelCall(messages=(SYSTEM, user("say one two three")), tools=TOOLS)
    began = time.perf_counter()
    events = await collect(DemoModel(pace_s=0.01).stream(call))

    assert time.perf_counter() - began > 0.03
    assert streamed(events, 0) == "one two three"
    assert finished(events).stop_reason is StopReason.END


async def test_calls_are_streamed_too() -> None:
    events = await collect(MODEL.stream(ModelCall(messages=(SYSTEM, user("run `echo hi`")), tools=TOOLS)))

    assert args_of(events, 1) == {"command": "echo hi"}
    assert finished(events).stop_reason is StopReason.TOOL_CALLS


async def test_it_reasons_where_people_can_see_it() -> None:
    (part,) = await answers(user("think about cats"))

    assert isinstance(part, ReasoningPart)
    assert "cats" in part.text


async def test_without_a_working_directory_paths_stay_relative() -> None:
    call = ModelCall(messages=(user("read a.txt"),), tools=TOOLS)

    (read,) = calls_of(parts_of(await collect(MODEL.stream(call))))

    assert read.args == {"path": "./a.txt"}


async def test_a_conversation_is_summarised_by_what_was_asked() -> None:
    request = files("jupyter_chatd.loop").joinpath("compaction.md").read_text("utf-8")
    call = ModelCall(messages=(SYSTEM, user("run ls"), user("count to 3"), user(request)))
    (told,) = parts_of(await collect(DemoModel(pace_s=0).stream(call)))
    assert told == TextPart(text="The user asked:\n- run ls\n- count to 3")
