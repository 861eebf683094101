"""Chats on a whole server whose workspace gets another agent, loses its agent, or never gets one."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from servers import ROOT, JupyterServer

from .chats import PATIENCE, Chats, eventually
from .test_cli import Terminal
from .test_workspaces import agent_of, is_alive


class Desk:
    """A chat in a workspace of its own, and the routes by which its user restarts that.

    Args:
        name: Of the workspace.
    """

    def __init__(self, server: JupyterServer, chats: Chats, name: str) -> None:
        self.dirs = server.dirs
        self.name = name
        self.folder = server.dirs.work / "workspaces" / name
        self._chats = chats
        self._base = f"{server.chats_url}/workspaces"
        self._http = httpx.Client(headers=server.headers, timeout=PATIENCE)
        self.chat_id = chats.begin("say I am here")
        chats.settle(self.chat_id)

    def ask(self, text: str) -> Any:
        """Say something to the demo model, and return what the tool that it called gave."""
        self._chats.send(self.chat_id, text)
        self._chats.settle(self.chat_id)
        return self._chats.results(self.chat_id)[-1]

    def create(self, template: str = "empty", **parameters: str) -> Any:
        """Have the chat make its workspace."""
        listed = self._get("/templates")
        (found,) = (one["id"] for one in listed if one["name"] == template)
        words = ", ".join(f'"{name}": "{value}"' for name, value in parameters.items())
        return self.ask(
            f'call create_workspace with {{"template_id": "{found}", "name": "{self.name}", '
            f'"parameters": {{{words}}}}}'
        )

    def row(self) -> dict[str, Any]:
        """The workspace as its user sees it."""
        (found,) = (one for one in self._get("") if one["name"] == self.name)
        return found

    def build(self, transition: str) -> None:
        """Start or stop the workspace behind the chat's back, and wait for it."""
        path = f"/{self.row()['id']}/builds"
        build = (
            self._http.post(f"{self._base}{path}", json={"transition": transition}).raise_for_status().json()
        )
        eventually(lambda: self._status(path, build["id"]) == "succeeded")

    def _status(self, path: str, build_id: str) -> str:
        (found,) = (one["status"] for one in self._get(path) if one["id"] == build_id)
        return found

    def begin(self, text: str) -> None:
        """Say something, and return before it is done."""
        self._chats.send(self.chat_id, text)

    def settle(self) -> Any:
        """Wait for the end of what was begun, and return the last result."""
        self._chats.settle(self.chat_id)
        return self._chats.results(self.chat_id)[-1]

    def kill_agent(self) -> int:
        """End the agent as a crash would, and return its process."""
        pid = agent_of(self.dirs)
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: not is_alive(pid))
        return pid

    def close(self) -> None:
        """Delete the workspaces of the test, with their files."""
        for one in self._get(""):
            if one["name"] == self.name:
                url = f"{self._base}/{one['id']}"
                self._http.delete(url, params={"remove_files": "true"}).raise_for_status()
        self._http.close()

    def _get(self, path: str) -> Any:
        return self._http.get(f"{self._base}{path}").raise_for_status().json()


@pytest.fixture
def desk(shared_server: JupyterServer, request: pytest.FixtureRequest) -> Iterator[Desk]:
    with Chats(shared_server) as chats:
        desk = Desk(shared_server, chats, f"desk-{os.urandom(3).hex()}")
        yield desk
        desk.close()


def test_w1_after_a_restart_of_its_workspace_the_next_call_works(desk: Desk) -> None:
    """The user stops and starts it meanwhile; nobody tells the chat."""
    assert desk.create()["created"] is True
    assert desk.ask("run touch made; pwd")["output"] == f"{desk.folder}\n"
    before = agent_of(desk.dirs)
    desk.build("stop")
    assert not is_alive(before)
    desk.build("start")
    assert desk.ask("run ls")["output"] == "made\n"
    assert agent_of(desk.dirs) != before


def test_w1_an_agent_that_died_between_two_calls_is_started_again(desk: Desk) -> None:
    desk.create()
    desk.ask("run touch made")
    workspace_id = desk.row()["id"]
    desk.kill_agent()
    assert "is stopped. Use start_workspace" in desk.ask("run ls")["error"]
    assert desk.ask("call start_workspace with {}")["started"] is True
    assert desk.ask("run ls")["output"] == "made\n"
    assert desk.row()["id"] == workspace_id


def test_w1_an_agent_that_dies_during_a_call_leaves_nothing_running(desk: Desk) -> None:
    desk.create()
    nap = f"86398.{os.getpid()}"
    desk.begin(f"run touch begun; sleep {nap}")
    eventually(lambda: (desk.folder / "begun").exists() and sleeping(nap))
    desk.kill_agent()
    assert desk.settle()["error"]
    eventually(lambda: not sleeping(nap))
    desk.ask("call start_workspace with {}")
    assert desk.ask("run ls")["output"] == "begun\n"


def sleeping(nap: str) -> list[Path]:
    return [file for file in Path("/proc").glob("[0-9]*/cmdline") if nap in _text(file).split("\0")]


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8", "replace")
    except OSError:  # it has ended meanwhile
        return ""


def test_w2_a_clone_that_fails_leaves_the_chat_a_workspace_that_says_so(desk: Desk) -> None:
    failed = desk.create("git", url=f"file://{desk.dirs.work}/none")
    assert "git clone failed" in failed["error"]
    assert desk.row()["status"] == "broken"
    assert not desk.folder.exists()
    assert "could not be started" in desk.ask("run ls")["error"]


def test_w1_servers_of_a_project_run_in_its_workspace_and_come_back_with_it(
    desk: Desk, shared_server: JupyterServer
) -> None:
    """Once their file is trusted, for the workspace of this chat; the agent has them, not the server."""
    desk.create()
    write_project(desk.folder)
    desk.ask("call old__echo with {}")
    assert programs_of(agent_of(desk.dirs)) == []
    terminal = Terminal(shared_server.dirs, shared_server.dirs.work)
    trusted = terminal.run("mcp", "trust", "--yes", "--chat", desk.chat_id)
    assert trusted.stdout.endswith("It is trusted.\n"), trusted.stderr
    assert desk.ask('call old__echo with {"a": 1}') == {"a": 1}
    (before,) = programs_of(agent_of(desk.dirs))
    desk.build("stop")
    assert not is_alive(before)
    desk.build("start")
    assert desk.ask('call old__echo with {"a": 2}') == {"a": 2}
    assert before not in programs_of(agent_of(desk.dirs))


def write_project(folder: Path) -> None:
    program = ROOT / "tests" / "fakes" / "mcp_old_server.py"
    entry = {"command": sys.executable, "args": ["-P", str(program)]}
    (folder / ".mcp.json").write_text(json.dumps({"mcpServers": {"old": entry}}))


def programs_of(agent: int) -> list[int]:
    """The MCP servers that the agent with that process has started."""
    return [
        int(stat.parent.name)
        for stat in Path("/proc").glob("[0-9]*/stat")
        if f") S {agent} " in _text(stat) and "mcp_old_server" in _text(stat.with_name("cmdline"))
    ]
