"""`jupyter chatd mcp`: from setting a server up to its tool in a chat, as a user does it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from servers import ROOT, JupyterServer

from .test_cli import Terminal

SECRET = "mcp-secret-of-the-tests"
PROGRAM = [sys.executable, "-P", str(ROOT / "tests" / "fakes" / "mcp_old_server.py")]


@pytest.fixture
def terminal(make_server: Callable[..., JupyterServer]) -> Terminal:
    """A terminal in the folder that a server of the test's own serves."""
    dirs = make_server().dirs
    return Terminal(dirs, dirs.work)


def finding(terminal: Terminal, topic: str) -> str:
    findings = json.loads(terminal.run("doctor", "--json").stdout)
    return next((found["text"] for found in findings if found["topic"] == topic), "")


def test_a_server_is_added_used_and_removed(terminal: Terminal) -> None:
    terminal.env["API_TOKEN"] = SECRET
    options = ["--env", "API_TOKEN", "--env", "LEVEL=debug", "--allow", "echo", "--allow", "env"]
    added = terminal.run("mcp", "add", "tickets", *options, "--", *PROGRAM)
    assert added.stdout == "tickets is connected. Tools: echo, env.\n", added.stderr
    used = terminal.run("run", "-m", "demo:demo", 'call tickets__echo with {"text": "from afar"}')
    assert "→ tickets__echo" in used.stderr
    told = terminal.run("run", "-m", "demo:demo", "call tickets__env")
    shown = terminal.run("mcp", "list")
    assert shown.stdout.startswith("tickets               new         ")
    assert shown.stdout.endswith("connected, 2 tools\n")
    (listed,) = json.loads(terminal.run("mcp", "list", "--json").stdout)["servers"]
    assert listed["env_names"] == ["API_TOKEN", "LEVEL"]
    assert finding(terminal, "MCP servers").endswith("none has failed")
    assert SECRET not in "".join([used.stdout, told.stdout, told.stderr, shown.stdout, str(listed)])

    assert terminal.run("mcp", "test", "tickets").stdout == added.stdout
    assert terminal.run("mcp", "remove", "tickets").returncode == 0
    gone = terminal.run("mcp", "test", "tickets")
    assert (gone.returncode, "There are: none." in gone.stderr) == (1, True)


def test_a_server_that_cannot_be_used_is_named_with_the_reason(terminal: Terminal) -> None:
    added = terminal.run("mcp", "add", "tickets", "--", "no-such-program")
    assert added.returncode == 1
    assert "tickets cannot be used" in added.stderr
    assert "there is no program 'no-such-program'" in added.stderr
    assert "no-such-program" in finding(terminal, "MCP servers")
    wrong = terminal.run("mcp", "add", "Tickets", "http://127.0.0.1:1/mcp")
    assert "slug" in wrong.stderr


def test_a_project_file_is_shown_then_trusted(terminal: Terminal) -> None:
    assert "There is no .mcp.json" in terminal.run("mcp", "trust").stderr
    entry = {"command": PROGRAM[0], "args": PROGRAM[1:]}
    file = terminal.cwd / ".mcp.json"
    file.write_text(json.dumps({"mcpServers": {"project": entry}}))
    assert "jupyter chatd mcp trust" in finding(terminal, "project file")
    refused = terminal.run("mcp", "trust", stdin="\n")
    assert refused.stdout.startswith(f"{file}: not trusted yet")
    assert str(Path(PROGRAM[2])) in refused.stdout
    assert refused.stdout.endswith("It is not used.\n")
    assert terminal.run("mcp", "trust", "--yes").stdout.endswith("It is trusted.\n")
    used = terminal.run("run", "-m", "demo:demo", 'call project__echo with {"text": "hi"}')
    assert "→ project__echo" in used.stderr
    assert f"{file}: trusted" in terminal.run("mcp", "list").stdout
