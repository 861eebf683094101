"""A machine without bubblewrap says so wherever somebody looks: doctor, API, command line, model."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from servers import Dirs, JupyterServer

from .test_cli import KEY, Terminal, vendor
from .test_sandbox import Person

pytestmark = pytest.mark.slow

PROGRAMS = Path("/usr/bin")


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A `PATH` with all that this machine has but bubblewrap."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for program in PROGRAMS.iterdir():
        if program.name != "bwrap":
            (folder / program.name).symlink_to(program)
    return str(folder)


class Machine:
    """A server, a terminal, and the model that both use."""

    def __init__(self, server: JupyterServer, terminal: Terminal, requests: Path) -> None:
        self.server = server
        self.terminal = terminal
        self._requests = requests

    @property
    def prompt(self) -> str:
        """All that the model was told."""
        return self._requests.read_text()

    def finding(self) -> tuple[str, int]:
        """What the doctor says of the sandbox, and its exit code."""
        done = self.terminal.run("doctor", "--json")
        (text,) = (found["text"] for found in json.loads(done.stdout) if found["topic"] == "sandbox")
        return text, done.returncode

    def execute(self, person: Person, command: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Let the model run a command; return the tool's result, and the chat."""
        args = json.dumps({"command": command})
        chat_id = person.chat(f"call execute with {args}", model="openai:gpt-x")
        person.wait_until(chat_id, "waiting")
        return person.results(chat_id)[0], person.get(chat_id)


@pytest.fixture
def make_machine(dirs: Dirs, tmp_path: Path, path: str) -> Iterator[Callable[[str], Machine]]:
    """Start one with a policy for the sandbox."""
    requests = tmp_path / "requests.jsonl"
    with ExitStack() as stack:
        origin = stack.enter_context(vendor("openai_server", "--log", str(requests)))
        env = {"PATH": path, "OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": f"{origin}/v1"}

        def make(policy: str) -> Machine:
            settings = {"JupyterChatd": {"sandbox": policy}}
            server = stack.enter_context(JupyterServer(dirs, env=env, settings=settings))
            return Machine(server, Terminal(dirs, dirs.work, env), requests)

        yield make


def test_without_a_sandbox_everybody_is_told(make_machine: Callable[[str], Machine]) -> None:
    machine = make_machine("preferred")
    with Person(machine.server) as person:
        result, chat = machine.execute(person, "echo ran")
    assert (result["success"], result["output"]) == (True, "ran\n")
    assert chat["commands"] == "unconfined"
    assert "Commands run as the user, unconfined" in machine.prompt
    text, code = machine.finding()
    assert text.startswith("unconfined: bubblewrap is not installed")
    assert code == 0
    told = machine.terminal.run("run", "say hello").stderr
    assert "Commands run unconfined" in told


def test_where_a_sandbox_is_required_nothing_runs_without_one(
    make_machine: Callable[[str], Machine],
) -> None:
    machine = make_machine("required")
    with Person(machine.server) as person:
        result, chat = machine.execute(person, "touch ran")
    assert not result["success"]
    assert "only in a sandbox here, and there is none: bubblewrap is not installed" in result["error"]
    assert os.listdir(machine.server.dirs.work) == []
    assert chat["commands"] == "refused"
    assert "Commands are refused, as they must be confined and cannot be: bubblewrap" in machine.prompt
    text, code = machine.finding()
    assert text.startswith("required, so no command runs: bubblewrap is not installed")
    assert code == 1
    assert "Commands are refused" in machine.terminal.run("run", "say hello").stderr
