"""`jupyter chatd` as a program: with a running server, and with one of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from servers import ROOT, Dirs, JupyterServer

COMMAND = [sys.executable, "-m", "jupyter_chatd.cli"]
KEY = "a-secret-key-of-the-tests"


class Terminal:
    """Where commands are given: a user, a folder, an environment."""

    def __init__(self, dirs: Dirs, cwd: Path, env: Mapping[str, str] | None = None) -> None:
        self.cwd = cwd
        self.env = {**dirs.environ(), **(env or {})}

    def run(self, *args: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            [*COMMAND, *args],
            cwd=self.cwd,
            env=self.env,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )

    @contextmanager
    def start(self, *args: str) -> Iterator[subprocess.Popen[str]]:
        """Start a command; it is killed when it runs for three minutes."""
        process = subprocess.Popen(
            [*COMMAND, *args],
            cwd=self.cwd,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        watchdog = threading.Timer(180, process.kill)
        watchdog.start()
        try:
            with process:
                yield process
        finally:
            watchdog.cancel()
            process.kill()


@pytest.fixture
def terminal(shared_server: JupyterServer) -> Terminal:
    """A terminal in the folder that the shared server serves."""
    return Terminal(shared_server.dirs, shared_server.dirs.work)


@pytest.fixture
def lonely(dirs: Dirs, tmp_path: Path) -> Terminal:
    """A terminal of a user who runs no server; temporary files of its commands are in `tmp_path/tmp`."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    return Terminal(dirs, dirs.work, {"TMPDIR": str(folder)})


def left_behind(terminal: Terminal) -> set[str]:
    """Its temporary files."""
    return set(os.listdir(terminal.env["TMPDIR"]))


@contextmanager
def vendor(module: str, *args: str) -> Iterator[str]:
    """Run a fake vendor; gives its origin."""
    command = [sys.executable, "-m", f"tests.fakes.{module}", *args]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.terminate()


# Without a server


def test_any_openai_compatible_endpoint_can_be_driven(lonely: Terminal) -> None:
    made = lonely.cwd / "made.txt"
    with vendor("openai_server") as origin:
        lonely.env |= {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": f"{origin}/v1"}
        args = json.dumps({"path": str(made), "content": "by the agent"})
        done = lonely.run("run", f"call write_file with {args}")
    assert done.returncode == 0, done.stderr
    assert made.read_text() == "by the agent"
    assert f"→ write_file: {made}" in done.stderr
    assert done.stdout.endswith("\n")
    assert KEY not in done.stdout + done.stderr
    assert left_behind(lonely) == set()

    shown = lonely.run("show", "last")
    assert f"[write_file: {made}]" in shown.stdout
    assert shown.returncode == 0


def test_any_anthropic_compatible_endpoint_can_be_driven(lonely: Terminal) -> None:
    with vendor("anthropic_server", "--api-key", KEY) as origin:
        lonely.env |= {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": origin}
        done = lonely.run("run", "-", stdin="say good morning")
    assert (done.stdout, done.returncode) == ("good morning\n", 0)


def test_a_wrong_key_ends_with_a_sentence_and_code_1(lonely: Terminal) -> None:
    with vendor("openai_server", "--api-key", "another key") as origin:
        lonely.env |= {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": f"{origin}/v1"}
        done = lonely.run("run", "-q", "hello")
    assert (done.stdout, done.returncode) == ("", 1)
    assert done.stderr.startswith("Error: ")
    assert "key" in done.stderr
    assert KEY not in done.stderr


def test_ctrl_c_stops_the_agent_and_its_server(lonely: Terminal) -> None:
    with lonely.start("run", "run `sleep 600` with timeout 700s") as process:
        assert process.stderr is not None
        while not (line := process.stderr.readline()).startswith("→ execute"):
            assert line, "the command ended"
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 130
    assert left_behind(lonely) == set()
    assert json.loads(lonely.run("list", "--json").stdout)[0]["status"] == "waiting"


def test_doctor_tells_what_is_there_and_never_a_key(lonely: Terminal) -> None:
    lonely.env["OPENAI_API_KEY"] = KEY
    done = lonely.run("doctor", "--json")
    findings = {finding["topic"]: finding for finding in json.loads(done.stdout)}
    assert done.returncode == 0
    assert findings["extension"]["level"] == "ok"
    assert findings["environment"]["text"] == "set here: OPENAI_API_KEY"
    works = shutil.which("bwrap") is not None
    assert findings["sandbox"]["text"].startswith("commands are confined" if works else "unconfined")
    assert KEY not in done.stdout


# With a running server


def test_run_uses_the_server_that_serves_the_folder(terminal: Terminal, shared_server: JupyterServer) -> None:
    done = terminal.run("run", "-m", "demo:demo", 'write "hello" to cli.txt then run `cat cli.txt; exit 4`')
    assert done.returncode == 0, done.stderr
    assert f"Using the server at {shared_server.url}" in done.stderr
    assert [line for line in done.stderr.splitlines() if line[:2] in ("→ ", "  ")] == [
        f"→ write_file: {terminal.cwd}/cli.txt",
        "→ execute: cat cli.txt; exit 4",
        "  execute: cat cli.txt; exit 4: exit code 4",
    ]
    assert (terminal.cwd / "cli.txt").read_text() == "hello"


def test_elsewhere_run_has_a_server_of_its_own(terminal: Terminal, tmp_path: Path) -> None:
    terminal.cwd = tmp_path
    done = terminal.run("run", "-m", "demo:demo", "run `pwd`")
    assert f"Starting a server for this command, in {tmp_path}" in done.stderr
    assert str(tmp_path) in done.stdout


def test_a_chat_goes_on_from_the_terminal(terminal: Terminal) -> None:
    first = json.loads(terminal.run("run", "--json", "-m", "demo:demo", "say one").stdout)
    assert (first["status"], first["text"]) == ("waiting", "one")
    prefix = first["id"][:8]
    assert terminal.run("send", prefix, "say two").stdout == "two\n"
    assert terminal.run("tail", prefix, "--until-idle").stdout.endswith("> say two\n\ntwo\n")
    shown = json.loads(terminal.run("show", first["id"], "--json").stdout)
    assert [message["role"] for message in shown["messages"]] == ["user", "assistant"] * 2
    assert any(line.startswith(prefix) for line in terminal.run("list").stdout.splitlines())


def test_usage_is_told_of_a_chat_and_of_all(terminal: Terminal) -> None:
    chat = json.loads(terminal.run("run", "--json", "-m", "demo:demo", "say one").stdout)
    told = terminal.run("usage", chat["id"][:8])
    assert [line.split()[0] for line in told.stdout.splitlines()] == ["calls", "demo:demo", "all", "The"]
    assert json.loads(terminal.run("usage", chat["id"], "--json").stdout)["message_count"] == 1
    assert json.loads(terminal.run("usage", "--json").stdout)["message_count"] > 0
    assert terminal.run("usage", "--to", "2020-01-31").stdout.startswith(
        "From 2020-01-02 to 2020-01-31 (UTC days)"
    )


def test_tail_follows_what_others_do(terminal: Terminal) -> None:
    chat = json.loads(terminal.run("run", "--json", "-m", "demo:demo", "say begin").stdout)["id"]
    with terminal.start("tail", chat) as follower:
        assert follower.stdout is not None
        _read_until(follower, "begin\n")
        terminal.run("send", "--no-wait", chat, "count to 12")
        _read_until(follower, "> count to 12\n")
        _read_until(follower, "1 2 3 4 5 6 7 8 9 10 11 12\n")
        follower.send_signal(signal.SIGINT)
        follower.communicate(timeout=60)
    assert follower.returncode == 130


def _read_until(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdout is not None
    while (found := process.stdout.readline()) != line:
        assert found, "the command ended"


def test_timeout_stops_the_agent(terminal: Terminal) -> None:
    done = terminal.run("run", "-m", "demo:demo", "--timeout", "1", "run `sleep 50`")
    assert done.returncode == 1
    assert "was not done within 1 seconds and was stopped" in done.stderr
    assert json.loads(terminal.run("show", "last", "--json").stdout)["status"] == "waiting"


def test_a_chat_is_compacted_and_cleared(terminal: Terminal) -> None:
    assert terminal.run("run", "-q", "-m", "demo:demo", "say hello").stdout == "hello\n"
    chat_id = json.loads(terminal.run("list", "--json", "-n", "1").stdout)[0]["id"]
    for args in (["compact", chat_id], ["clear", chat_id], ["send", chat_id, "/clear"]):
        done = terminal.run(*args)
        assert (done.stdout, done.returncode) == ("", 0), done.stderr
    shown = terminal.run("show", chat_id).stdout
    assert shown.count("[chat_summarized") == 1
    assert shown.count("[chat_cleared") == 2
    refused = terminal.run("compact", chat_id)
    assert refused.returncode == 1
    assert refused.stderr.startswith("Error: RequestCompaction is not possible")


# Moving chats, and copies of all of them


def test_a_chat_moves_beside_a_running_server(terminal: Terminal, tmp_path: Path) -> None:
    """Out of the one that runs, back in under another id, and on."""
    first = json.loads(terminal.run("run", "--json", "-m", "demo:demo", "say one").stdout)["id"]
    exported = terminal.run("export", first)
    assert exported.returncode == 0, exported.stderr
    moved = "5" * 8 + first[8:]
    imported = terminal.run("import", "-", stdin=exported.stdout.replace(first, moved))
    assert imported.stdout.startswith(f"{moved}  imported, "), imported.stderr
    assert any(line.startswith(moved[:8]) for line in terminal.run("list").stdout.splitlines())
    assert terminal.run("send", moved, "say two").stdout == "two\n"
    shown = json.loads(terminal.run("show", moved, "--json").stdout)
    assert [message["role"] for message in shown["messages"]] == ["user", "assistant"] * 2
    again = terminal.run("import", "-", stdin=exported.stdout.replace(first, moved))
    assert again.stdout.startswith(f"{moved}  there already, ")


def test_a_backup_of_a_server_at_work_is_sound(terminal: Terminal, tmp_path: Path) -> None:
    with terminal.start("run", "-m", "demo:demo", "run `sleep 3` and count to 40") as busy:
        assert busy.stderr is not None
        while not (line := busy.stderr.readline()).startswith("→ execute"):
            assert line, "the command ended"
        copied = terminal.run("backup", str(tmp_path / "copy"))
        checked = terminal.run("check", str(tmp_path / "copy"))
        beside = terminal.run("check")
        busy.communicate(timeout=120)
    assert (copied.returncode, checked.returncode, beside.returncode, busy.returncode) == (0, 0, 0, 0), (
        copied.stderr + checked.stdout + beside.stdout
    )
