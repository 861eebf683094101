"""Deciding about calls and plans from Python and from a terminal, against a whole server."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from acceptance.test_cli import Terminal
from servers import JupyterServer

from jupyter_chatd.client import Chat, ClientError, RefusedError

PATIENCE = 30.0  # seconds


@pytest.fixture
def begin(shared_server: JupyterServer) -> Callable[..., Chat]:
    def begin(text: str, **options: Any) -> Chat:
        return Chat(text, model="demo:demo", url=shared_server.url, token=shared_server.token, **options)

    return begin


@pytest.fixture
def terminal(shared_server: JupyterServer) -> Terminal:
    return Terminal(shared_server.dirs, shared_server.dirs.work)


def made(server: JupyterServer, name: str) -> Path:
    return server.dirs.work / name


def test_a_call_is_allowed_from_python(begin: Callable[..., Chat], shared_server: JupyterServer) -> None:
    chat = begin("run `touch allowed-in-python`", approvals="ask").wait()
    (call,) = chat.approvals.pending
    assert call.summary == "execute: touch allowed-in-python"
    assert not made(shared_server, "allowed-in-python").exists()
    chat.allow().wait()
    assert made(shared_server, "allowed-in-python").exists()
    assert repr(chat.approvals).startswith(f"{call.name}  {call.summary}  allowed by local, 20")
    with pytest.raises(ClientError, match="No call of this chat waits"):
        chat.allow()
    with pytest.raises(RefusedError, match="allowed already"):
        chat.deny(call)


def test_a_call_is_denied_from_python(begin: Callable[..., Chat], shared_server: JupyterServer) -> None:
    chat = begin("run `touch denied-in-python`", approvals="ask").wait()
    chat.deny().wait()
    assert chat.tool_calls[-1].outcome == "failed"
    assert not made(shared_server, "denied-in-python").exists()
    assert chat.approvals[0].decided_by == "local"


def test_of_several_calls_one_is_named(begin: Callable[..., Chat]) -> None:
    chat = begin("run `echo 1` and run `echo 2`", approvals="ask").wait()
    with pytest.raises(ClientError, match=r"Expected one of .*echo 1.*echo 2"):
        chat.allow()
    one, two = chat.approvals.pending
    chat.allow(two, scope="once").deny(one).wait()
    assert [call.outcome.split(" by ")[0] for call in chat.approvals] == ["denied", "allowed once"]


def test_a_tool_is_allowed_for_the_chat(begin: Callable[..., Chat]) -> None:
    chat = begin("run `echo 1` and then run `echo 2`", approvals="ask").wait()
    chat.allow(scope="chat").wait()
    assert [call.status.value for call in chat.tool_calls] == ["done", "done"]
    assert "allowed for the chat by local" in chat.approvals._repr_html_()


def test_a_plan_is_approved_from_python(begin: Callable[..., Chat], shared_server: JupyterServer) -> None:
    chat = begin("say hello", plan=True).wait()
    plan = made(shared_server, f".agents/plans/{chat.id}.md")
    plan.parent.mkdir(parents=True, exist_ok=True)
    plan.write_text("# Plan\n")
    chat.send("call propose_plan").wait()
    chat.allow().wait()
    assert chat.messages[-2].text == "The plan is approved. Carry it out."
    chat.send("call list_agents").wait()
    assert chat.tool_calls[-1].status.value == "done"


def test_calls_are_decided_in_a_terminal(
    begin: Callable[..., Chat], terminal: Terminal, shared_server: JupyterServer
) -> None:
    chat = begin("run `touch one-in-terminal` and run `touch two-in-terminal`", approvals="ask").wait()
    listed = terminal.run("approvals", chat.id).stdout.splitlines()
    first, second = (line.split()[0] for line in listed)
    assert "touch one-in-terminal" in listed[0]
    unnamed = terminal.run("approve", chat.id)
    assert (unnamed.returncode, "Expected one of the calls" in unnamed.stderr) == (1, True)
    allowed = terminal.run("approve", chat.id, first, "--once")
    assert (allowed.returncode, allowed.stdout) == (0, "Allowed: execute: touch one-in-terminal\n")
    assert terminal.run("deny", chat.id, second).stdout == "Denied: execute: touch two-in-terminal\n"
    chat.wait()
    assert made(shared_server, "one-in-terminal").exists()
    assert not made(shared_server, "two-in-terminal").exists()
    kept = json.loads(terminal.run("approvals", chat.id, "--all", "--json").stdout)
    assert [(one["approval"], one.get("scope"), one["decided_by"]) for one in kept] == [
        ("allowed", "once", "local"),
        ("denied", None, "local"),
    ]


def test_a_turn_in_a_terminal_says_where_to_decide(terminal: Terminal, shared_server: JupyterServer) -> None:
    options = ("--ask", "--model", "demo:demo", "--server", shared_server.url)
    begun = terminal.run("run", *options, "run `touch asked-in-terminal`")
    assert (begun.returncode, "jupyter chatd approvals " in begun.stderr) == (1, True)
    assert terminal.run("approve", "last").returncode == 0
    terminal.run("tail", "--until-idle", "last")
    assert made(shared_server, "asked-in-terminal").exists()


def test_a_plan_is_made_and_approved_in_a_terminal(terminal: Terminal, shared_server: JupyterServer) -> None:
    options = ("--plan", "--json", "--model", "demo:demo", "--server", shared_server.url)
    chat_id = json.loads(terminal.run("run", *options, "say hello").stdout)["id"]
    plan = f".agents/plans/{chat_id}.md"
    planned = terminal.run("send", chat_id, f'write "touch it" to {plan}, then call propose_plan')
    assert planned.returncode == 0, planned.stderr
    assert terminal.run("approve", chat_id).returncode == 0
    assert "42" in terminal.run("send", chat_id, "run the code `6 * 7`").stdout  # has all tools again


def test_a_subagents_call_is_decided_in_its_own_chat(
    begin: Callable[..., Chat], shared_server: JupyterServer
) -> None:
    chat = begin('delegate "run `touch by-child`", then wait for the subagents', approvals="ask")
    give_up_at = time.monotonic() + PATIENCE
    while not (chat.children and chat.children[0].last_status == "requires_action"):
        assert time.monotonic() < give_up_at
        time.sleep(0.05)
    chat.children[0].allow()
    chat.wait()
    assert made(shared_server, "by-child").exists()
