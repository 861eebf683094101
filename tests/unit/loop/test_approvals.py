"""Which calls are asked about. Defaults: spec/jupyter.md §6.1."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from jupyter_chatd.loop.approvals import ApprovalPolicy, Ask, Rule, Where, grant_of, parse_rule
from jupyter_chatd.messages import Grant, Scope, ToolCallPart, ToolRun

FOLDER = "/home/ada/work"
DEFAULT = ApprovalPolicy()


def call(name: str, **args: Any) -> ToolCallPart:
    return ToolCallPart(tool_call_id="c", tool_name=name, args=args)


def allowed(name: str, **args: Any) -> Grant:
    run = ToolRun(message_id=1, call_index=0, chat_id="c", tool_call_id="c", tool_name=name, args=args)
    return grant_of(run)


def allowed_for_chat(name: str) -> Grant:
    run = ToolRun(
        message_id=1,
        call_index=0,
        chat_id="c",
        tool_call_id="c",
        tool_name=name,
        args={"command": "ls"},
        approval_scope=Scope.CHAT,
    )
    return grant_of(run)


def asks(
    one: ToolCallPart,
    *grants: Grant,
    policy: ApprovalPolicy = DEFAULT,
    mode: str = "ask",
    is_repeatable: bool = False,
    directory: str | None = FOLDER,
) -> bool:
    return policy.asks(
        one, mode=mode, is_repeatable=is_repeatable, grants=frozenset(grants), directory=directory
    )


INSIDE = call("write_file", path=f"{FOLDER}/a.txt", content="x")
OUTSIDE = call("write_file", path=f"{FOLDER}/../b.txt", content="x")


def test_a_chat_in_auto_asks_for_nothing() -> None:
    assert not any(asks(one, mode="auto") for one in (INSIDE, OUTSIDE, call("execute", command="rm -r x")))


def test_reading_is_free() -> None:
    assert not asks(call("read_file", path="/etc/passwd"), is_repeatable=True)


@pytest.mark.parametrize("name", ["execute_code", "interrupt_kernel", "restart_kernel"])
def test_what_a_kernel_does_always_asks_and_looking_at_it_is_free(name: str) -> None:
    assert asks(call(name, code="2"), allowed(name, code="1"))
    assert not asks(call("inspect_variables"), is_repeatable=True)


def test_clients_notebooks_are_read_freely_changed_once_asked_and_run_when_asked() -> None:
    for name in ("read_notebook", "open_notebook", "create_notebook"):
        assert not asks(call(name, path="a.ipynb"), is_repeatable=True)
    for name in ("insert_cell", "edit_cell", "delete_cell", "move_cell"):
        assert asks(call(name, cell="a"), is_repeatable=True)
        assert not asks(call(name, cell="a"), allowed(name, cell="b"), is_repeatable=True)
        elsewhere = call(name, path="other/b.ipynb", cell="a")
        assert asks(elsewhere, allowed(name, cell="a"), is_repeatable=True)
        assert asks(elsewhere, allowed(name, path="b.ipynb", cell="a"), is_repeatable=True)
        assert not asks(elsewhere, allowed(name, path="./other/b.ipynb", cell="b"), is_repeatable=True)
        assert not asks(elsewhere, allowed_for_chat(name), is_repeatable=True)
    for name in ("run_cells", "interrupt_notebook_kernel", "restart_notebook_kernel"):
        assert asks(call(name, cells=["a"]), allowed(name, cells=["b"]), is_repeatable=True)
    # The cell may hold other code by now.
    assert asks(call("run_cells", cells=["a"]), allowed("run_cells", cells=["a"]), is_repeatable=True)
    assert not asks(call("run_cells", cells=["a"]), allowed_for_chat("run_cells"), is_repeatable=True)
    for name in ("insert_cell", "edit_cell"):
        runs = call(name, cell="a", run=True)
        assert asks(runs, allowed(name, cell="b"), allowed(name, cell="b", run=True), is_repeatable=True)
        assert not asks(call(name, source='"run": true'), allowed(name, cell="b"), is_repeatable=True)


def test_writing_in_the_workspace_asks_once_per_chat() -> None:
    assert asks(INSIDE)
    assert not asks(INSIDE, allowed("write_file", path=f"{FOLDER}/other.txt", content="y"))
    assert asks(INSIDE, allowed("edit_files", files=[]))


def test_writing_elsewhere_always_asks() -> None:
    other = allowed("write_file", path="/tmp/other.txt", content="y")
    assert asks(OUTSIDE, other)
    assert asks(
        call("edit_files", files=[{"path": f"{FOLDER}/a"}, {"path": "/etc/hosts"}]), allowed("edit_files")
    )


def test_a_link_that_leads_out_of_the_folder_leads_elsewhere(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "work", tmp_path / "elsewhere"
    for made in (folder / "own", elsewhere / "deep"):
        made.mkdir(parents=True)
    (folder / "out").symlink_to(elsewhere / "deep")
    (folder / "file").symlink_to(elsewhere / "file")
    (folder / "in").symlink_to(folder / "own")
    granted = allowed("write_file", path=f"{folder}/before", content="y")

    def asks_for(path: str) -> bool:
        return asks(call("write_file", path=f"{folder}/{path}", content="x"), granted, directory=str(folder))

    assert [asks_for(path) for path in ("out/a", "out/../a", "file", "a\0b", "\ud800")] == [True] * 5
    assert [asks_for(path) for path in ("a", "own/new/a", "in/a", "own/../a")] == [False] * 4


def test_a_folder_that_is_a_link_itself_holds_what_lies_in_it(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "work").symlink_to(tmp_path / "real")
    granted = allowed("write_file", path="before", content="y")
    inside = call("write_file", path=f"{tmp_path}/work/a", content="x")
    assert not asks(inside, granted, directory=f"{tmp_path}/work")


def test_where_nothing_is_known_nothing_lies_inside() -> None:
    assert asks(INSIDE, allowed("write_file", path="x", content="y"), directory=None)


def test_the_shell_always_asks_but_not_twice_for_the_same() -> None:
    one = call("execute", command="ls", timeout="5s")
    assert asks(one, allowed("execute", command="pwd"))
    assert not asks(one, allowed("execute", timeout="5s", command="ls"))


def test_unknown_tools_ask_once() -> None:
    assert asks(call("mail__send", to="x"))
    assert not asks(call("mail__send", to="y"), allowed("mail__send", to="x"))


@pytest.mark.parametrize("name", ["spawn_agent", "propose_plan", "ask_user_question", "attach_file"])
def test_what_hands_over_does_not_ask(name: str) -> None:
    assert not asks(call(name))


def test_own_rules_go_before_the_defaults() -> None:
    policy = ApprovalPolicy(
        rules=(
            Rule(tool="execute", arguments=r"git push", ask=Ask.ALWAYS),
            Rule(tool="execute", ask=Ask.NEVER),
            Rule(tool="mail__*", ask=Ask.ALWAYS),
            Rule(where=Where.INSIDE, ask=Ask.NEVER),
        )
    )
    assert asks(call("execute", command="git push origin"), policy=policy)
    assert not asks(call("execute", command="git status"), policy=policy)
    assert asks(call("mail__send", to="y"), allowed("mail__send", to="x"), policy=policy)
    assert not asks(INSIDE, policy=policy)
    assert asks(OUTSIDE, policy=policy)


@pytest.mark.parametrize(
    ("command", "is_asked"),
    [
        ("git status", False),
        ("git log -3", False),
        ("git status; rm -r .", True),
        ("rm -r . # git status", True),
    ],
)
def test_the_rule_of_the_documentation_frees_nothing_else(command: str, is_asked: bool) -> None:
    text = (Path(__file__).parents[3] / "docs/subagents.md").read_text()
    source = text.split("c.JupyterChatd.approval_rules = ", 1)[1].split("]\n", 1)[0]
    policy = ApprovalPolicy(rules=tuple(map(parse_rule, ast.literal_eval(source + "]"))))
    assert asks(call("execute", command=command), policy=policy) is is_asked


def test_forced_rules_hold_in_every_chat_and_cannot_be_loosened() -> None:
    policy = ApprovalPolicy(
        rules=(Rule(tool="execute", ask=Ask.NEVER),), forced=(Rule(tool="execute", ask=Ask.ALWAYS),)
    )
    assert asks(call("execute", command="ls"), policy=policy, mode="auto")
    assert asks(call("execute", command="ls"), policy=policy)
    assert not asks(INSIDE, policy=policy, mode="auto")


def test_a_rule_from_the_configuration() -> None:
    value = {"tool": "execute", "arguments": "rm", "where": "outside", "ask": "once"}
    assert parse_rule(value) == Rule(tool="execute", arguments="rm", where=Where.OUTSIDE, ask=Ask.ONCE)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({}, "expected a dict of ask"),
        ({"tool": "x"}, "expected a dict of ask"),
        ({"ask": "sometimes"}, "'sometimes' is not a valid Ask"),
        ({"ask": "once", "wher": "inside"}, "expected a dict of ask"),
        ({"ask": "once", "arguments": "("}, "unterminated subpattern"),
    ],
)
def test_a_wrong_rule_says_what_is_wrong(value: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        parse_rule(value)


def test_what_was_allowed_for_the_chat_asks_no_more_whatever_the_arguments() -> None:
    granted = allowed_for_chat("execute")
    assert not asks(call("execute", command="rm -r x"), granted)
    assert asks(OUTSIDE, granted)


def test_allowing_a_tool_for_the_chat_goes_as_far_as_the_panel_says() -> None:
    """The words stand in labextension/src/model/coverage.ts."""
    elsewhere = {"path": "other/b.ipynb", "cell": "b"}
    for name, args in (
        ("write_file", {"path": "/etc/hosts", "content": "x"}),
        ("edit_files", {"files": [{"path": "/etc/hosts"}]}),
        ("insert_cell", {**elsewhere, "source": "1", "run": True}),
        ("edit_cell", {**elsewhere, "source": "1", "run": True}),
        ("delete_cell", elsewhere),
        ("move_cell", elsewhere),
        ("run_cells", {"path": "other/b.ipynb", "cells": ["b"]}),
        ("restart_notebook_kernel", {"path": "other/b.ipynb"}),
    ):
        assert asks(call(name, **args), is_repeatable=True)
        assert not asks(call(name, **args), allowed_for_chat(name), is_repeatable=True)


def test_what_the_administrator_wants_to_be_asked_each_time_nobody_allows_for_a_chat() -> None:
    policy = ApprovalPolicy(forced=(Rule(tool="execute", ask=Ask.ALWAYS),))
    one = call("execute", command="rm -r x")
    for mode in ("ask", "auto"):
        assert asks(one, allowed_for_chat("execute"), policy=policy, mode=mode)
        assert not asks(one, allowed("execute", command="rm -r x"), policy=policy, mode=mode)
