"""A hostile script, run by `execute` on a whole server: in the sandbox it gets nothing, outside all of it."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import httpx
import pytest
from servers import Dirs, JupyterServer

from jupyter_chatd.short_folder import short_folder
from jupyter_chatd.workspaces.process import agents_folder

from .hostile import ATTACKS
from .kernels import started_kernel

HOSTILE = Path(__file__).with_name("hostile.py")
ALL = {attack.__name__ for attack in ATTACKS}
ONLY_FOR_ROOT = {"debugger", "program_of_the_kernel", "memory_of_the_server"}
"""These need rights outside too, which not every account and container has."""
NEEDS_DISPLAY = {"the_display"}
"""These need an X server, which is not installed everywhere."""
NEEDS_NETWORK = {"abstract_socket"}
KEY = "sk-of-the-tests"
WAIT = 60.0  # seconds for a turn
HAS_DISPLAY = shutil.which("Xvnc") is not None

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("bwrap") is None, reason="needs bubblewrap"),
]


class OrdinaryServer(JupyterServer):
    """A server that makes its own token, prints it, and writes it to its runtime folder."""

    @property
    def headers(self) -> dict[str, str]:
        """Those of a client that reads the runtime folder."""
        tokens = [json.loads(path.read_text())["token"] for path in self.dirs.runtime.glob("jpserver-*.json")]
        return {"Authorization": f"token {tokens[0]}"} if tokens else {}


@contextmanager
def listening(address: str) -> Iterator[None]:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(address)
        sock.listen()
        yield


@pytest.fixture
def abstract() -> Iterator[str]:
    """An abstract socket of another program."""
    name = f"chatd-of-the-tests-{os.getpid()}"
    with listening(f"\0{name}"):
        yield name


class Hub(BaseHTTPRequestHandler):
    """Tells who has the token that the user's server has."""

    def do_GET(self) -> None:
        is_known = self.headers["Authorization"] == f"token {KEY}"
        self.send_response(200 if is_known else 403)
        self.end_headers()
        self.wfile.write(b"user" if is_known else b"")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the base has it
        """Be quiet."""


@pytest.fixture
def hub() -> Iterator[str]:
    """The address of a hub."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/hub/api"
        server.shutdown()
        thread.join()


@pytest.fixture
def make_victim(dirs: Dirs, abstract: str, hub: str) -> Iterator[Callable[..., OrdinaryServer]]:
    """Start a server with all that is worth stealing beside it."""
    (dirs.home / ".bashrc").write_text("# of the user\n")
    (dirs.home / ".mozilla").mkdir()
    (dirs.home / ".mozilla" / "cookies.sqlite").write_text("cookie of the user")
    (dirs.data / "runtime").mkdir(mode=0o700)
    (dirs.data / "runtime" / "jpserver-1.json").write_text("token of another server of the user")
    env = {"JUPYTER_TOKEN": None, "SOME_API_KEY": KEY, "JUPYTERHUB_API_TOKEN": KEY, "JUPYTERHUB_API_URL": hub}
    launcher = "xvnc" if HAS_DISPLAY else "fake"

    def make(**traits: object) -> OrdinaryServer:
        traits = {"desktop_launcher": launcher, **traits}
        return stack.enter_context(OrdinaryServer(dirs, env=env, settings={"JupyterChatd": traits}))

    with ExitStack() as stack, listening(str(dirs.home / "agent")):
        yield make


class Person:
    """Talks to a server with its token. Closed when its context ends."""

    def __init__(self, server: JupyterServer) -> None:
        self._http = httpx.Client(base_url=server.url, headers=server.headers, timeout=WAIT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def post(self, path: str, body: object) -> Any:
        return self._http.post(path, json=body).raise_for_status().json()

    def delete(self, path: str) -> None:
        self._http.delete(f"api/experimental/chats/{path}").raise_for_status()

    def save(self, path: str, notebook: object) -> None:
        """Save a notebook as the front end does, which signs it."""
        body = {"type": "notebook", "format": "json", "content": notebook}
        self._http.put(f"api/contents/{path}", json=body).raise_for_status()

    def chat(self, text: str, **fields: object) -> str:
        """Begin a chat with the demo model; return its id."""
        content = [{"type": "text", "text": text}]
        body = {"content": content, "model": "demo:demo", **fields}
        return self.post("api/experimental/chats", body)["id"]

    def get(self, path: str) -> Any:
        return self._http.get(f"api/experimental/chats/{path}").raise_for_status().json()

    def wait_until(self, chat_id: str, status: str) -> None:
        give_up_at = time.monotonic() + 3 * WAIT
        while (chat := self.get(chat_id))["status"] != status:
            assert time.monotonic() < give_up_at, chat
            assert chat["status"] != "error", chat
            time.sleep(0.05)

    def execute(self, command: str, **fields: object) -> dict[str, Any]:
        """Let the agent run a command; return the tool's result."""
        args = json.dumps({"command": command, "timeout": "1m"})
        chat_id = self.chat(f"call execute with {args}", **fields)
        self.wait_until(chat_id, "waiting")
        return self.results(chat_id)[0]

    def results(self, chat_id: str) -> list[Any]:
        """The results of all calls, oldest first."""
        messages = self.get(f"{chat_id}/messages?limit=200")["messages"][::-1]
        parts = [part for message in messages for part in message["content"]]
        return [part["result"] for part in parts if part["type"] == "tool-result"]

    def call_that_waits(self) -> dict[str, Any]:
        """Let a call wait for an approval; return what decides it."""
        chat_id = self.chat('call execute with {"command": "true"}', approval_mode="ask")
        self.wait_until(chat_id, "requires_action")
        message = next(m for m in self.get(f"{chat_id}/messages")["messages"] if m["role"] == "assistant")
        (index,) = (i for i, part in enumerate(message["content"]) if part["type"] == "tool-call")
        return {"chat": chat_id, "call": {"message_id": message["id"], "call_index": index}}


@contextmanager
def running_workspace(person: Person) -> Iterator[None]:
    """A workspace with an agent of its own."""
    (template, *_) = person.get("workspaces/templates")
    made = person.post("api/experimental/chats/workspaces", {"template_id": template["id"]})
    try:
        give_up_at = time.monotonic() + WAIT
        while (standing := person.get(f"workspaces/{made['id']}"))["status"] != "running":
            assert time.monotonic() < give_up_at, standing
            time.sleep(0.05)
        yield
    finally:
        person.delete(f"workspaces/{made['id']}")


def attack(server: OrdinaryServer, abstract: str, hub: str, *, has_desktop: bool = True) -> set[str]:
    """Run the hostile script in a chat; return the names of the attacks that got something."""
    hints = hints_of(server) | {"abstract": abstract, "hub": hub}
    with Person(server) as person, started_kernel(server), running_workspace(person):
        person.post("api/experimental/chats/providers", {"provider": "openai", "api_key": KEY})
        person.save("saved.ipynb", {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": []})
        waiting = person.call_that_waits()
        person.execute("true")  # so that all that comes now was not there when the sandbox was made
        if has_desktop:
            person.post(f"api/experimental/chats/{waiting['chat']}/desktop/start", {})
        words = [sys.executable, "-I", str(HOSTILE), json.dumps({**hints, "waiting": waiting})]
        result = person.execute(f"cd {server.dirs.work} && {shlex.join(words)}")
        assert result["success"], result
        got = json.loads(result["output"])
        is_decided = person.get(waiting["chat"])["status"] != "requires_action"
        assert ("approval" in got) == is_decided, got
        return set(got)


def hints_of(server: OrdinaryServer) -> dict[str, Any]:
    """Where everything is."""
    dirs = server.dirs
    return {
        **{name: str(getattr(dirs, name)) for name in ("root", "home", "config", "data", "runtime")},
        "database": str(dirs.database),
        "url": server.url,
        "pid": server.pid,
        "prefix": sys.prefix,
        "socket": str(dirs.home / "agent"),
        "desktops": [str(dirs.runtime), str(short_folder())],
        "agents": str(agents_folder(dirs.data / "jupyter_chatd")),
    }


def test_unconfined_it_gets_everything(
    make_victim: Callable[..., OrdinaryServer], abstract: str, hub: str
) -> None:
    """Each attack works where nothing stops it, or it would prove nothing that it fails."""
    missing = ONLY_FOR_ROOT if HAS_DISPLAY else ONLY_FOR_ROOT | NEEDS_DISPLAY
    assert attack(make_victim(sandbox="off"), abstract, hub) >= ALL - missing


def test_in_the_sandbox_it_gets_nothing(
    make_victim: Callable[..., OrdinaryServer], abstract: str, hub: str, dirs: Dirs
) -> None:
    """Also where all that it wants lies in the folder that it may write to."""
    server = make_victim(workspace_dir=str(dirs.root), sandbox="preferred")
    assert attack(server, abstract, hub) == NEEDS_NETWORK


def test_without_network_it_gets_nothing_at_all(
    make_victim: Callable[..., OrdinaryServer], abstract: str, hub: str
) -> None:
    """Where commands must be confined there are no desktops."""
    server = make_victim(sandbox="required", sandbox_network=False)
    assert attack(server, abstract, hub, has_desktop=False) == set()
