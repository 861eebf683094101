"""The first promise, on the whole of Jupyter: a turn survives `kill -9` of its server.

A vendor at the wire asks for one call a step; the server is killed in the middle of one; `curl` resumes the
stream from its last id, and the turn ends by itself.
"""

from __future__ import annotations

import collections
import json
import random
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.servers import Dirs, JupyterServer

KILLS = 5
LINES = 5
RESUME_WITHIN = 5.0  # seconds

pytestmark = pytest.mark.slow


@pytest.fixture
def vendor() -> Iterator[str]:
    """The base URL of an OpenAI-compatible vendor in a process of its own."""
    command = [sys.executable, "-m", "tests.fakes.openai_server", "--port", "0", "--pace-ms", "5"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}/v1"
        process.terminate()


@pytest.fixture
def server(tmp_path: Path, vendor: str) -> Iterator[JupyterServer]:
    server = JupyterServer(Dirs(tmp_path), env={"OPENAI_API_KEY": "x", "OPENAI_BASE_URL": vendor})
    server.start()
    yield server
    server.terminate()


def curl(server: JupyterServer, chat_id: str, *, after_id: int) -> subprocess.Popen[str]:
    """Follow the stream as a person would."""
    url = f"{server.chats_url}/{chat_id}/stream?after_id={after_id}"
    command = ["curl", "-sN", "--max-time", "30", "-H", f"Authorization: token {server.token}", url]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def events(process: subprocess.Popen[str]) -> Iterator[dict[str, Any]]:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("data: "):
            yield from json.loads(line.removeprefix("data: "))["data"]


def follow(told: Iterator[dict[str, Any]], messages: list[dict[str, Any]], *, until_rows: int) -> None:
    """Collect messages until there are enough, or the chat waits."""
    for event in told:
        if event["type"] == "message":
            messages.append(event["message"])
        done = event["type"] == "status" and event["status"]["status"] == "waiting"
        if len(messages) >= until_rows or (done and len(messages) > 1):
            return


@pytest.fixture
def client(server: JupyterServer) -> Iterator[httpx.Client]:
    with httpx.Client(headers=server.headers, timeout=60) as client:
        yield client


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is what a person would use")
def test_a_turn_survives_kills_of_its_server(server: JupyterServer, client: httpx.Client) -> None:
    chance, resumed = random.Random(7), list[float]()
    for number in range(KILLS):
        text = f"sleep 0.1 and append line{number} to lines.txt {LINES} times one by one"
        body = {"content": [{"type": "text", "text": text}]}
        chat = client.post(server.chats_url, json=body).raise_for_status().json()
        messages: list[dict[str, Any]] = []
        with curl(server, chat["id"], after_id=0) as stream:
            follow(events(stream), messages, until_rows=chance.randint(2, 4))
            time.sleep(chance.uniform(0.0, 0.2))
            server.kill()
            stream.kill()
        seen = len(messages)
        server.start()
        started = time.monotonic()
        with curl(server, chat["id"], after_id=messages[-1]["id"]) as stream:
            told = events(stream)
            follow(told, messages, until_rows=seen + 1)
            resumed.append(time.monotonic() - started)
            follow(told, messages, until_rows=100)
            stream.kill()
        check_history(client, server, chat["id"], messages)
    assert statistics.median(resumed) < RESUME_WITHIN
    check_lines(server.dirs.work / "lines.txt")


def check_history(
    client: httpx.Client, server: JupyterServer, chat_id: str, messages: list[dict[str, Any]]
) -> None:
    """The stream, dropped and resumed, told exactly the stored history, which ends with an answer."""
    page = client.get(f"{server.chats_url}/{chat_id}/messages", params={"after_id": 0, "limit": 200}).json()
    assert messages == page["messages"]
    assert messages[-1]["role"] == "assistant"
    assert messages[-1]["content"][0]["text"] == f"Appended {LINES} lines."
    calls = sum(part["type"] == "tool-call" for row in messages for part in row["content"])
    results = sum(part["type"] == "tool-result" for row in messages for part in row["content"])
    assert calls == results == LINES


def check_lines(file: Path) -> None:
    written = collections.Counter(file.read_text().splitlines())
    assert max(written.values()) == 1, "a call ran twice"
    # One call of each turn may have been cut in its sleep, before it appended.
    assert KILLS * (LINES - 1) <= len(written) <= KILLS * LINES
