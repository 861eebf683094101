"""Workspaces that are other servers of their user, on a real JupyterHub that is set up as the guide says."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from fakes.openai_server import FakeOpenAI
from fakes.responder import respond
from fakes.threaded import in_thread
from servers import CHATS, ROOT
from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect

from jupyter_chatd.client.discovery import TOKEN_FILE_VARIABLE, URL_VARIABLE
from jupyter_chatd.workspace.procfs import find_stat
from jupyter_chatd.workspaces.hub_api import SCOPES
from jupyter_chatd.workspaces.templates import TemplateCatalog

from .chats import Chats, eventually
from .hub import Hub, UserServer, why_no_hub
from .test_hub import MODEL, SampleHub, environment, files_with, server_process

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(why_no_hub() is not None, reason=str(why_no_hub())),
]

MORE = """
c.JupyterHub.tornado_settings = {"slow_spawn_timeout": 0}

granted = c.Spawner.server_token_scopes
c.Spawner.server_token_scopes = lambda spawner: granted[:2] if spawner.user.name == "sid" else granted


def prepare_for_tests(spawner):
    prepare(spawner)
    options = spawner.user_options or {}
    if "fail" in options:
        raise RuntimeError(options["fail"])
    spawner.environment = {**spawner.environment, **options.get("environment", {})}


c.Spawner.pre_spawn_hook = prepare_for_tests
"""
"""Servers start slowly, as the hub sees it; their options say what goes wrong; sid's tokens may do little."""

TEMPLATES = [
    {"name": "failing", "origin": "hub", "options": {"fail": "no machine is free"}},
    {"name": "bare", "origin": "hub", "options": {"environment": {"JUPYTER_CHATD_ENABLED": "off"}}},
    {
        "name": "tame",
        "origin": "hub",
        "options": {
            "environment": {"JUPYTER_CHATD_POLICY_SHELL": "off", "JUPYTER_CHATD_POLICY_DESKTOP": "off"}
        },
    },
]
LAUNCHER = "xvnc" if shutil.which("Xvnc") else "fake"
PATIENCE = 180  # seconds
STOPPED = "is stopped. Use start_workspace"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    with (
        in_thread(FakeOpenAI(respond)) as vendor,
        SampleHub(tmp_path_factory.mktemp("hub"), vendor, more=MORE) as hub,
    ):
        for user in ("ada", "bob", "sid"):
            hub.add_user(user, groups=("staff",))
        hub.add_user("eve")
        yield hub


@pytest.fixture(scope="module")
def ada(hub: Hub) -> UserServer:
    settings = hub.home("ada") / ".jupyter" / "jupyter_server_config.py"
    settings.parent.mkdir(parents=True)
    settings.write_text(
        f"c.JupyterChatd.workspace_templates = {TEMPLATES!r}\n"
        'c.JupyterChatd.extra_environment = ["JUPYTERHUB_SERVER_NAME"]\n'
        f'c.JupyterChatd.desktop_launcher = "{LAUNCHER}"\n'
    )
    return hub.start_server("ada")


@pytest.fixture
def chats(hub: Hub, ada: UserServer) -> Iterator[Chats]:
    """Ada's, whose agent does what it is told; afterwards she has no other server."""
    with ada.chats(model=MODEL) as chats:
        yield chats
    for name in hub.server_names("ada"):
        hub.call("DELETE", f"users/ada/servers/{name}", {"remove": True})
    eventually(lambda: not hub.server_names("ada"))


def template_id(server: UserServer, name: str) -> str:
    found = server.get(f"{CHATS}/workspaces/templates").json()
    return next(template["id"] for template in found if template["name"] == name)


def use(chats: Chats, chat_id: str | None, tool: str, **args: Any) -> tuple[str, Any]:
    """Have the agent call a tool, in a new chat or in one that there is; returns the chat and the result."""
    text = f"call {tool} with {json.dumps(args)}"
    if chat_id is None:
        chat_id = chats.begin(text)
    else:
        chats.send(chat_id, text)
    chats.settle(chat_id, patience_s=PATIENCE)
    return chat_id, chats.results(chat_id)[-1]


def create(chats: Chats, server: UserServer, template: str, name: str) -> tuple[str, Any]:
    return use(chats, None, "create_workspace", template_id=template_id(server, template), name=name)


def terminal(server: UserServer, *words: str) -> subprocess.CompletedProcess[str]:
    """Give a command about workspaces in a terminal of the server's user."""
    token = server.home / "token"
    token.write_text(server.token)
    environment = {
        "HOME": str(server.home),
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        URL_VARIABLE: server.url,
        TOKEN_FILE_VARIABLE: str(token),
    }
    command = [sys.executable, "-m", "jupyter_chatd.cli", "workspaces", *words]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False
    )


def where(chats: Chats, chat_id: str) -> str:
    """The name of the server that the chat's commands run on."""
    result = use(chats, chat_id, "execute", command="echo $JUPYTERHUB_SERVER_NAME")[1]
    return result.get("output", str(result)).strip()


def build(server: UserServer, workspace_id: str, transition: str) -> str:
    """Start or stop over REST, and return what the build said."""
    url = f"{server.chats_url}/workspaces/{workspace_id}/builds"
    reply = httpx.post(url, json={"transition": transition}, headers=server.headers).raise_for_status()
    return server.get(f"{CHATS}/workspaces/{workspace_id}/builds/{reply.json()['id']}/log").text


def test_w1_w2_w3_an_agent_creates_uses_stops_and_starts_another_server(
    hub: Hub, ada: UserServer, chats: Chats, tmp_path: Path
) -> None:
    chat_id, made = create(chats, ada, "hub", "second")
    assert (made["created"], made["workspace_name"]) == (True, "ada/second"), made
    assert hub.server_state("ada", "second")["ready"]
    workspace_id = chats.get(chat_id).json()["workspace_id"]

    note = str(tmp_path / "note")
    assert use(chats, chat_id, "write_file", path=note, content="hello\n")[1] == {"ok": True}
    assert use(chats, chat_id, "execute", command=f"cat {note}")[1]["output"] == "hello\n"
    assert "2" in str(use(chats, chat_id, "execute_code", code="1 + 1")[1])
    assert where(chats, chat_id) == "second"

    # Restarted from a terminal, by the hub behind our back, and stopped by it: the chat finds what there is.
    build(ada, workspace_id, "stop")
    assert STOPPED in str(use(chats, chat_id, "execute", command="pwd")[1])
    started = terminal(ada, "start", "second")
    assert (started.stdout, "Server ready at" in started.stderr) == ("second runs.\n", True), started.stderr
    assert where(chats, chat_id) == "second"
    hub.stop_server("ada", "second")
    hub.start_server("ada", "second")
    assert where(chats, chat_id) == "second"
    hub.stop_server("ada", "second")
    assert STOPPED in str(use(chats, chat_id, "execute", command="pwd")[1])
    again = use(chats, chat_id, "create_workspace", template_id=template_id(ada, "hub"))[1]
    assert (again["created"], again["status"]) == (False, "stopped")
    assert use(chats, chat_id, "start_workspace")[1] == {"started": True, "workspace_name": "ada/second"}
    assert where(chats, chat_id) == "second"
    assert use(chats, chat_id, "stop_workspace")[1] == {"stopped": True, "workspace_name": "ada/second"}
    assert not hub.server_state("ada", "second")

    variables = environment(server_process(ada)).split(b"\0")
    (token,) = [text.decode()[21:] for text in variables if text.startswith(b"JUPYTERHUB_API_TOKEN=")]
    assert token not in json.dumps(chats.rows(chat_id))
    assert files_with(token, ada.home / ".local/share/jupyter/jupyter_chatd") == []
    assert token not in hub.log

    # Its server stays on the hub, unless the files are to go.
    assert hub.server_names("ada") == {"second"}
    assert terminal(ada, "delete", "second", "--remove-files").returncode == 0
    assert hub.server_names("ada") == set()
    assert "was deleted. Use create_workspace" in str(use(chats, chat_id, "execute", command="pwd")[1])


def test_a_start_that_fails_says_why_and_leaves_nothing(hub: Hub, ada: UserServer, chats: Chats) -> None:
    chat_id, failed = create(chats, ada, "failing", "doomed")
    assert "no machine is free" in failed["error"]
    assert not hub.server_state("ada", "doomed")
    broken = use(chats, chat_id, "execute", command="pwd")[1]
    assert "could not be started" in str(broken)
    made = use(chats, chat_id, "create_workspace", template_id=template_id(ada, "tame"), name="better")[1]
    assert made["created"], made
    # What is switched off there stays off, though it is on here.
    assert "shell is switched off" in str(use(chats, chat_id, "execute", command="pwd")[1])
    assert use(chats, chat_id, "read_file", path="/etc/hostname")[1]["content"]
    told = "desktop is switched off by whoever runs this server"
    assert told in str(use(chats, chat_id, "spawn_agent", type="computer_use", prompt="look")[1])
    assert told in chats.get(f"{chat_id}/desktop").json()["problem"]


def test_d1_d2_the_desktop_runs_on_the_other_server(hub: Hub, ada: UserServer, chats: Chats) -> None:
    chat_id, made = create(chats, ada, "hub", "screen")
    assert made["created"], made
    task = 'call computer with {"action": "screenshot"}'
    child = use(chats, chat_id, "spawn_agent", type="computer_use", prompt=task)[1]["chat_id"]
    chats.settle(child, patience_s=PATIENCE)
    (picture,) = [part for part in chats.parts(child, "tool-result") if part["is_media"]]
    assert picture["result"]["mime_type"] == "image/png", picture
    assert chats.get(f"{chat_id}/desktop").json()["launcher"] == LAUNCHER
    assert asyncio.run(server_init(ada, chat_id)) == (1280, 800)
    there = display_servers(server_process(UserServer(hub, "ada", ada.token, name="screen")))
    assert (len(there), display_servers(server_process(ada))) == (LAUNCHER == "xvnc", set())
    hub.stop_server("ada", "screen")
    url = f"{ada.chats_url}/{chat_id}/desktop/start"
    refused = httpx.post(url, json={}, headers=ada.headers, timeout=PATIENCE)
    assert STOPPED in refused.text
    assert chats.get(f"{chat_id}/desktop").status_code == 400
    eventually(lambda: not any((stat := find_stat(process)) and stat.is_alive for process in there))


async def server_init(server: UserServer, chat_id: str) -> tuple[int, int]:
    """What the desktop tells a viewer of its size, as RFB begins (RFC 6143, 7.1 to 7.3)."""
    url = "ws" + f"{server.chats_url}/{chat_id}/desktop?view_only=true".removeprefix("http")
    viewer = await websocket_connect(HTTPRequest(url, headers=server.headers, request_timeout=PATIENCE))
    came = b""

    async def read(count: int) -> bytes:
        nonlocal came
        while len(came) < count:
            message = await viewer.read_message()
            assert isinstance(message, bytes), (viewer.close_code, viewer.close_reason)
            came += message
        piece, came = came[:count], came[count:]
        return piece

    assert await read(12) == b"RFB 003.008\n"
    await viewer.write_message(b"RFB 003.008\n", binary=True)
    assert 1 in await read((await read(1))[0])  # no password
    await viewer.write_message(b"\x01", binary=True)
    assert await read(4) == bytes(4)
    await viewer.write_message(b"\x01", binary=True)
    width, height = struct.unpack(">HH", (await read(24))[:4])
    viewer.close()
    while await viewer.read_message() is not None:
        continue
    return width, height


def display_servers(process: int) -> set[int]:
    """The display servers that a process has started, itself or by others."""
    parents: dict[int, int] = {}
    found: set[int] = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has just ended
            name, _, fields = stat.read_text().partition("(")[2].rpartition(")")
            parents[int(stat.parent.name)] = int(fields.split()[1])
            found |= {int(stat.parent.name)} if "vnc" in name else set()
    return {one for one in found if process in lineage(one, parents)}


def lineage(process: int, parents: Mapping[int, int]) -> Iterator[int]:
    while process in parents:
        process = parents[process]
        yield process


def test_a_server_without_the_agent_is_told_and_stopped(hub: Hub, ada: UserServer, chats: Chats) -> None:
    _, failed = create(chats, ada, "bare", "bare")
    assert "has no agent" in failed["error"]
    assert not hub.server_state("ada", "bare")


def test_no_more_servers_than_the_hub_allows_and_none_of_a_name_that_there_is(
    hub: Hub, ada: UserServer, chats: Chats
) -> None:
    for name in ("one", "two", "three"):
        hub.call("PUT", f"users/ada/servers/{name}")
    assert "called two on the hub already" in create(chats, ada, "hub", "two")[1]["error"]
    refused = create(chats, ada, "hub", "four")[1]["error"]
    assert "already has the maximum of 3 named servers" in refused


def test_a_token_that_may_not_is_told_which_scopes_it_lacks(hub: Hub) -> None:
    sid = hub.start_server("sid")
    names = {template["name"] for template in sid.get(f"{CHATS}/workspaces/templates").json()}
    assert names == {"empty", "folder", "git"}
    body = {"template_id": TemplateCatalog(kinds=("hub",)).list()[0].id}
    refused = httpx.post(f"{sid.chats_url}/workspaces", json=body, headers=sid.headers)
    assert refused.status_code == 409
    for scope in SCOPES:
        assert scope in refused.json()["message"]
        assert scope in hub.log


def test_nobody_reaches_the_agent_of_another_user(hub: Hub, ada: UserServer, chats: Chats) -> None:
    chat_id, made = create(chats, ada, "hub", "third")
    assert made["created"], made
    third = UserServer(hub, "ada", ada.token, name="third")
    bob, eve = hub.start_server("bob"), hub.start_server("eve")
    for server in (ada, third):
        assert ask(server, "read_file", path="/etc/hostname", offset=1, limit=1) == 200
        for stranger in (bob, eve):
            foreign = server.seen_by(stranger)
            assert ask(foreign, "read_file", path="/etc/hostname", offset=1, limit=1) == 403
            for path in ("agent/hello", "workspaces", chat_id, f"{chat_id}/messages"):
                assert foreign.get(f"{CHATS}/{path}").status_code == 403
    assert bob.get(f"{CHATS}/workspaces").json() == []
    # Forced off: no route, for its own user neither.
    assert ask(eve, "read_file", path="/etc/hostname", offset=1, limit=1) == 404
    assert eve.get(f"{CHATS}/agent/hello").status_code == 404


def ask(server: UserServer, operation: str, **question: Any) -> int:
    """Ask a server's agent itself; returns the status."""
    url = f"{server.chats_url}/agent/{operation}"
    return httpx.post(url, json=question, headers=server.headers).status_code
