"""Vendors' own computer tools, from a whole server to a terminal on a real desktop and back.

All on one server, in one chat, on one desktop: each model is the chat's for one turn, in which it has
its subagent click into the terminal and write a file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from acceptance.chats import Chats, eventually
from computer.test_vendors import TEXT, WIRES, Wire, without_marks
from desktop.stages import needs_xvnc
from fakes.anthropic_server import FakeAnthropic
from fakes.azure_server import FakeAzure
from fakes.certificates import certify
from fakes.google_server import FakeGoogle
from fakes.responder import Conversation
from fakes.responses_server import FakeResponses
from fakes.steps import Answer, call, say
from fakes.threaded import in_thread
from fakes.vendor import FakeVendor
from providers.asking import API_KEY
from servers import Dirs, JupyterServer

from jupyter_chatd.providers.computer import TOOLSET

pytestmark = [needs_xvnc, pytest.mark.slow]

TASK = "write the greeting with "
BROWSERS = ("chrom", "firefox", "epiphany", "falkon", "google-chrome", "microsoft-edge")
"""Without one a desktop begins with a terminal, and no other window covers it."""
OPENAI_HOST = "api.openai.com"
PROXY = "HTTPS_PROXY"
VARIABLES: Mapping[type[FakeVendor], tuple[str, str, str]] = {
    FakeResponses: ("openai", "OPENAI_API_KEY", PROXY),
    FakeAnthropic: ("anthropic", "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"),
    FakeAzure: ("azure", "AZURE_OPENAI_API_KEY", "AZURE_OPENAI_ENDPOINT"),
    FakeGoogle: ("google", "GOOGLE_API_KEY", "GOOGLE_GEMINI_BASE_URL"),
}
"""What a fake is called, and how a server finds it. OpenAI is meant only at its own address: by a proxy."""
OWN = {name: wire for name, wire in WIRES.items() if wire.fake in VARIABLES}


def file_of(work: Path, name: str) -> Path:
    return work / name.replace(" ", "-")


def filled(value: Any, path: Path) -> Any:
    """A script's text, with what a shell needs to keep it."""
    return json.loads(json.dumps(value).replace(json.dumps(TEXT)[1:-1], f"echo h\\u00e9llo > {path}\\n"))


class Script:
    """What the models say: a parent that delegates, and its child, which clicks, types and reports."""

    def __init__(self, work: Path) -> None:
        self._work = work

    def answer(self, asked: Conversation) -> Answer:
        """Continue the conversation."""
        if asked.last_user.startswith(TASK):
            name = asked.last_user.removeprefix(TASK)
            return self._child(name)[asked.steps]
        return self._parent(asked)

    def _child(self, name: str) -> list[Answer]:
        wire, path = OWN[name], file_of(self._work, name)
        calls = zip(wire.names, (wire.click, wire.write), strict=True)
        return [*([call(tool, filled(args, path))] for tool, args in calls), [say("Written.")]]

    def _parent(self, asked: Conversation) -> Answer:
        if asked.steps == 0:
            prompt = TASK + asked.last_user.removeprefix("use ")
            return [call("spawn_agent", {"type": "computer_use", "prompt": prompt})]
        if asked.steps == 1:
            child = json.loads(asked.results[-1])["chat_id"]
            return [call("wait_agent", {"chat_id": child, "timeout_seconds": 120})]
        return [say(json.loads(asked.results[-1])["report"])]


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Dirs:
    return Dirs(tmp_path_factory.mktemp("vendors")).make()


@pytest.fixture(scope="module")
def vendors(work: Dirs) -> Iterator[Mapping[type[FakeVendor], FakeVendor]]:
    tls, _ = certify(OPENAI_HOST, work.root)
    answer = Script(work.work).answer
    with ExitStack() as stack:
        yield {
            kind: stack.enter_context(in_thread(kind(answer, api_key=API_KEY, tls=tls))) for kind in VARIABLES
        }


@pytest.fixture(scope="module")
def server(work: Dirs, vendors: Mapping[type[FakeVendor], FakeVendor]) -> Iterator[JupyterServer]:
    env = {
        "PATH": programs_without_browser(work.root / "bin"),
        "SSL_CERT_FILE": str(work.root / f"{OPENAI_HOST}.pem"),
    }
    for kind, vendor in vendors.items():
        _, key, address = VARIABLES[kind]
        env |= {key: API_KEY, address: vendor.origin if address == PROXY else vendor.base_url}
    with JupyterServer(work, env=env, settings={"JupyterChatd": {"desktop_launcher": "xvnc"}}) as server:
        yield server


def programs_without_browser(folder: Path) -> str:
    """A path with all programs but browsers."""
    folder.mkdir()
    for program in (path for place in ("/usr/bin", "/bin") for path in Path(place).iterdir()):
        if not program.name.startswith(BROWSERS) and not (folder / program.name).is_symlink():
            (folder / program.name).symlink_to(program)
    return str(folder)


@pytest.fixture(scope="module")
def chats(server: JupyterServer) -> Iterator[Chats]:
    with Chats(server) as chats:
        yield chats


@pytest.fixture(scope="module")
def chat_id(server: JupyterServer, chats: Chats) -> str:
    """A chat on whose desktop a terminal takes text."""
    chat_id = chats.begin("say hello")
    chats.settle(chat_id)
    ready = server.dirs.work / "ready"

    def is_ready() -> bool:
        command = {"action": "type", "text": f"touch {ready}\n"}
        chats.use_desktop(chat_id, command, {"action": "wait", "seconds": 0.3})
        return ready.exists()

    eventually(is_ready)
    return chat_id


@pytest.mark.parametrize("name", OWN)
def test_d2_a_vendors_model_writes_a_file_through_a_terminal(
    name: str,
    server: JupyterServer,
    chats: Chats,
    chat_id: str,
    vendors: Mapping[type[FakeVendor], FakeVendor],
) -> None:
    wire, vendor = OWN[name], vendors[OWN[name].fake]
    path = file_of(server.dirs.work, name)
    before = len(vendor.generations)
    chats.patch(chat_id, model=f"{VARIABLES[wire.fake][0]}:{wire.model}")
    chats.send(chat_id, f"use {name}")
    chats.settle(chat_id)
    assert chats.texts(chat_id)[-1] == "Written."
    eventually(lambda: path.exists() and path.read_text())
    assert path.read_text() == "héllo\n"
    assert chats.use_desktop(chat_id, {"action": "cursor"}) == [{"cursor": [640, 400]}]
    asked = [each for each in vendor.generations[before:] if is_of_child(each.json)]
    assert as_json(wire.replayed(asked[-1].json)) == filled(wire.expected, path)
    check_requests(wire, asked)


def as_json(value: Any) -> Any:
    return json.loads(json.dumps(value))


def is_of_child(body: Mapping[str, Any]) -> bool:
    return "spawn_agent" not in json.dumps(body["tools"])


def check_requests(wire: Wire, asked: list[Any]) -> None:
    """The tool is told as the vendor wants it, and calls go back, with a picture where it wants one."""
    last = asked[-1]
    assert len(asked) == 3
    assert wire.entry in [without_marks(tool) for tool in last.json["tools"]]
    if VARIABLES[wire.fake][2] == PROXY:
        assert last.headers["host"] == OPENAI_HOST
    if wire.header:
        assert wire.header[1] in last.headers[wire.header[0]]
    wants_picture = wire.entry.get("type") != TOOLSET  # which asks for it with an action of its own
    assert ("iVBORw0KGgo" in json.dumps(last.json)) == wants_picture  # how a PNG begins in base64
