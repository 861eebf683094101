"""`jupyter chatd workspaces`, and a workspace that outlives the server that started it."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from servers import Dirs, JupyterServer

from jupyter_chatd.workspace import procfs

from .test_cli import Terminal

DEMO = ("-m", "demo:demo")
NAP = f"86399.{os.getpid()}"  # seconds


def workspaces(terminal: Terminal) -> list[Any]:
    return json.loads(terminal.run("workspaces", "list", "--json").stdout)


def last_result(terminal: Terminal) -> Any:
    """What the newest tool call of the newest chat gave."""
    shown = json.loads(terminal.run("show", "last", "--json").stdout)
    parts = [part for message in shown["messages"] for part in message["content"]]
    return [part["result"] for part in parts if part["type"] == "tool-result"][-1]


def test_made_used_stopped_and_deleted(make_server: Callable[..., JupyterServer]) -> None:
    dirs = make_server().dirs
    terminal = Terminal(dirs, dirs.work)
    assert "git" in terminal.run("workspaces", "templates").stdout
    created = terminal.run("workspaces", "create", "empty", "--name", "trial")
    folder = dirs.work / "workspaces" / "trial"
    assert created.stdout == f"trial runs in {folder}.\n", created.stderr
    assert "The agent listens" in created.stderr
    assert terminal.run("workspaces", "list").stdout.split()[:2] == ["trial", "running"]
    assert terminal.run("workspaces", "stop", "trial").stdout == "trial is stopped.\n"
    assert "Stopping the agent" in terminal.run("workspaces", "log", "trial").stdout
    assert terminal.run("workspaces", "start", "trial").stdout == "trial runs.\n"
    assert terminal.run("workspaces", "delete", "trial", "--remove-files").returncode == 0
    assert not folder.exists()
    failed = terminal.run("workspaces", "create", "git", "-p", f"url=file://{dirs.work}/none")
    assert (failed.returncode, "git clone failed" in failed.stderr) == (1, True)
    unknown = terminal.run("workspaces", "stop", "nobody")
    assert (unknown.returncode, "There is no workspace nobody" in unknown.stderr) == (1, True)


def test_w1_a_workspace_outlives_its_server(dirs: Dirs) -> None:
    """A chat goes on in it after the server was killed, with the very agent that was there."""
    with JupyterServer(dirs) as server:
        terminal = Terminal(dirs, dirs.work)
        template = json.loads(terminal.run("workspaces", "templates", "--json").stdout)[0]["id"]
        call = f'call create_workspace with {{"template_id": "{template}", "name": "trial"}}'
        assert terminal.run("run", *DEMO, call).returncode == 0
        assert last_result(terminal)["workspace_name"] == "local/trial"
        terminal.run("send", "last", f"run sleep {NAP} & echo started")
        server.kill()
    folder = dirs.work / "workspaces" / "trial"
    agent = agent_of(dirs)
    assert is_alive(agent)
    assert naps()
    with JupyterServer(dirs):
        terminal = Terminal(dirs, dirs.work)
        terminal.run("send", "last", "run pwd")
        assert last_result(terminal)["output"] == f"{folder}\n"
        assert agent_of(dirs) == agent
        assert naps()
        terminal.run("send", "last", "call stop_workspace with {}")
        assert last_result(terminal) == {"stopped": True, "workspace_name": "local/trial"}
        assert not is_alive(agent)
        assert not naps()
        (stopped,) = workspaces(terminal)
        assert stopped["status"] == "stopped"


def agent_of(dirs: Dirs) -> int:
    """The process of the agent that was started last."""
    with contextlib.closing(sqlite3.connect(dirs.database)) as conn:
        (place,) = conn.execute(
            "SELECT place FROM workspace_agents ORDER BY created_at DESC LIMIT 1"
        ).fetchone()
    return json.loads(place)["pid"]


def naps() -> list[Path]:
    """The commands that sleep for as long as no other does."""
    return [file for file in Path("/proc").glob("[0-9]*/cmdline") if NAP.encode() in _read(file)]


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:  # it has ended meanwhile
        return b""


def is_alive(pid: int) -> bool:
    stat = procfs.find_stat(pid)
    return stat is not None and stat.is_alive
