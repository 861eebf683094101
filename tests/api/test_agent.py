"""The server's own agent, asked as another server of the user asks it: over HTTP, behind Jupyter's doors."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from jupyter_chatd.api import agent as api_agent
from jupyter_chatd.extension import JupyterChatd
from jupyter_chatd.workspace.agent.operations import VERSION_HEADER
from jupyter_chatd.workspace.agent.remote import AgentUnreachableError, RemoteAgent
from jupyter_chatd.workspace.kernels.protocol import CodeSpec
from jupyter_chatd.workspace.protocol import PROTOCOL_VERSION, ProcessSpec, WorkspaceError
from jupyter_chatd.workspaces.hub import AgentAbsentError, explain

from .client import BASE, Api
from .test_lifecycle import NOT_STARTED, make_newer, start, stop
from .users import USER_HEADER, HeaderUsers

CHAT = "chat-of-another-server"
CAT = {"command": "cat", "args": ["-"]}


def connect(api: Api) -> RemoteAgent:
    """Return what asks it, as a workspace of the kind `hub` does."""
    token = api.headers["Authorization"].removeprefix("token ")
    return RemoteAgent(api.url.removesuffix(BASE), token=token, explain=explain)


async def run(agent: RemoteAgent, command: str) -> str:
    """Run a command and return what it wrote, as live output tells it."""
    process_id = await agent.start_process(ProcessSpec(command=command, chat_id=CHAT))
    return "".join([piece async for piece in agent.follow_process(CHAT, process_id)])


async def test_it_does_what_an_agent_does(api: Api, jp_root_dir: Path) -> None:
    agent = connect(api)
    assert (await agent.hello()).protocol_version == PROTOCOL_VERSION
    path = str(jp_root_dir / "note")
    await agent.write_file(path, "hello\n")
    assert (await agent.read_file(path)).content == "1\thello\n2\t"
    assert await run(agent, "pwd; cat note") == f"{jp_root_dir}\nhello\n"
    with pytest.raises(WorkspaceError, match="does not exist"):
        await agent.read_file(f"{path}s")
    await agent.aclose()


async def test_it_says_its_version_with_errors_too(api: Api) -> None:
    for name, body, status in (("no_such", b"{}", 404), ("read_file", b"[1", 400), ("follow_code", b"", 400)):
        reply = await api.call("POST", f"/agent/{name}", raw=body)
        assert (reply.status, reply.headers[VERSION_HEADER]) == (status, str(PROTOCOL_VERSION))
        assert json.loads(reply.text)["message"]


async def test_a_stranger_is_told_that_he_is_one(api: Api) -> None:
    agent = connect(api.with_headers(Authorization="token wrong"))
    with pytest.raises(WorkspaceError, match="access:servers!user"):
        await agent.hello()
    await agent.aclose()


@pytest.mark.parametrize("settings", [{"enabled": False}])
async def test_where_it_is_forced_off_there_is_none(api: Api) -> None:
    api.is_described = False
    assert (await api.call("GET", "/agent/hello")).status == 404
    agent = connect(api)
    with pytest.raises(AgentAbsentError, match="switched off"):
        await agent.hello()
    await agent.aclose()


async def refused(asking: Any) -> str:
    with pytest.raises(WorkspaceError) as caught:
        await asking
    assert type(caught.value) is WorkspaceError
    return str(caught.value)


async def no_shell(agent: RemoteAgent, who: str) -> None:
    told = f"Not possible in this workspace: shell is switched off {who}."
    code = CodeSpec(execution_id="e", chat_id=CHAT, code="1")
    assert await refused(agent.start_process(ProcessSpec(command="pwd", chat_id=CHAT))) == told
    assert await refused(agent.kernels.run_code(code)) == told
    assert await refused(agent.kernels.restart(CHAT)) == told


@pytest.mark.parametrize("settings", [{"policy": {"shell": "off"}}])
async def test_what_the_policy_forbids_here_nobody_does_from_elsewhere(api: Api, jp_root_dir: Path) -> None:
    agent = connect(api)
    await no_shell(agent, "by whoever runs this server")
    await agent.write_file(str(jp_root_dir / "note"), "files may be written")
    assert await agent.list_processes(CHAT) == []
    await agent.aclose()


async def test_what_the_user_switches_off_is_off_at_once(api: Api) -> None:
    agent = connect(api)
    assert await run(agent, "echo on") == "on\n"
    assert (await api.call("PATCH", "/policy", {"shell": False})).status == 200
    await no_shell(agent, "in the settings of this server")
    await agent.aclose()


@pytest.mark.parametrize("settings", [{"policy": {"file_writes": "off"}}])
async def test_without_file_writes_commands_only_read(
    api: Api, chatd: JupyterChatd, jp_root_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent, told = connect(api), "Not possible in this workspace: file_writes is switched off"
    path = str(jp_root_dir / "note")
    assert told in await refused(agent.write_file(path, "x"))
    assert told in await refused(agent.edit_files([]))
    assert told in await refused(agent.kernels.run_code(CodeSpec(execution_id="e", chat_id=CHAT, code="1")))
    specs: list[ProcessSpec] = []
    started = chatd._agent.start_process

    async def start_process(spec: ProcessSpec) -> str:
        specs.append(spec)
        return await started(spec)

    monkeypatch.setattr(chatd._agent, "start_process", start_process)
    await run(agent, "true")
    assert [spec.read_only for spec in specs] == [True]
    await agent.aclose()


@NOT_STARTED
async def test_it_works_where_the_chats_cannot_be_opened(
    api: Api, jp_serverapp: Any, jp_data_dir: Path
) -> None:
    make_newer(jp_data_dir / "jupyter_chatd" / "chats.db")
    await start(jp_serverapp)
    assert (await api.call("GET")).status == 503
    agent = connect(api)
    assert await run(agent, "echo here") == "here\n"
    await agent.aclose()


async def test_a_server_that_stops_does_nothing_more(api: Api, jp_serverapp: Any) -> None:
    agent = connect(api)
    await agent.hello()
    await stop(jp_serverapp)
    with pytest.raises(AgentUnreachableError):
        await agent.start_process(ProcessSpec(command="pwd", chat_id=CHAT))
    await agent.aclose()


async def test_a_command_that_is_silent_is_followed_all_the_same(
    api: Api, monkeypatch: pytest.MonkeyPatch, jp_root_dir: Path
) -> None:
    """A proxy sees something all the time; whoever follows reads only what the command wrote."""
    monkeypatch.setattr(api_agent, "SILENCE", 0.05)
    agent = connect(api)
    assert await run(agent, "sleep 0.5; echo done") == "done\n"
    process_id = await agent.start_process(ProcessSpec(command="sleep 0.5", chat_id=CHAT))
    reply = await api.call("POST", "/agent/follow_process", {"chat_id": CHAT, "process_id": process_id})
    first, *_, last = reply.text.splitlines()
    assert (first, last) == ('""', "null")
    with pytest.raises(WorkspaceError):
        await anext(agent.follow_process(CHAT, "no-such-process"))
    await agent.aclose()


async def test_who_uses_it_keeps_the_server(api: Api, chatd: JupyterChatd) -> None:
    agent, extension = connect(api), chatd._running
    process_id = await agent.start_process(ProcessSpec(command="sleep 60", chat_id=CHAT, background=True))
    assert extension.agent_uses == 0
    waiting = asyncio.create_task(agent.wait_process(CHAT, process_id, timeout_s=60))
    while not extension.agent_uses:  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0.01)
    await agent.kill_process(CHAT, process_id)
    assert not (await waiting).running
    assert extension.agent_uses == 0
    await agent.aclose()


@pytest.mark.parametrize("settings", [{"desktop_socket": "/tmp/chatd-a-desktop-of-the-user"}])
async def test_a_desktop_that_all_chats_share_is_not_for_its_tools(api: Api) -> None:
    """Its programs run outside of the sandbox: commands do not see the socket, file tools refuse it."""
    asked = {"path": "/tmp/chatd-a-desktop-of-the-user", "offset": 1, "limit": 1}
    assert (await api.post("/agent/read_file", asked, status=422))["error"] == "ProtectedPathError"


# A server that a hub has let somebody else into


@pytest.fixture
def server_settings(request: pytest.FixtureRequest) -> dict[str, Any]:
    return {"identity_provider_class": HeaderUsers} if "as_users" in request.fixturenames else {}


@pytest.fixture
def as_users(api: Api, monkeypatch: pytest.MonkeyPatch) -> tuple[Api, Api]:
    """Ada, whose server it is, and Bob, whom the hub lets in."""
    monkeypatch.setenv(api_agent.HUB_USER, "ada")
    return api.with_headers(**{USER_HEADER: "ada"}), api.with_headers(**{USER_HEADER: "bob"})


async def test_a_guest_has_chats_of_his_own_and_no_agent(
    as_users: tuple[Api, Api], jp_root_dir: Path
) -> None:
    """Its operations name a chat: they would show him, and end, what runs in chats of the user."""
    ada, bob = as_users
    spec = {"command": "echo secret", "chat_id": CHAT}
    started = await ada.post("/agent/start_process", spec)
    waiting = {"chat_id": CHAT, "process_id": started["process_id"], "timeout_s": 60}
    assert (await ada.post("/agent/wait_process", waiting))["output"] == "secret\n"
    for method, path, body in (
        ("GET", "hello", None),
        ("POST", "start_process", spec),
        ("POST", "wait_process", waiting),
        ("POST", "follow_process", {"chat_id": CHAT, "process_id": started["process_id"]}),
        ("POST", "follow_code", {"chat_id": CHAT, "execution_id": "e"}),
        ("POST", "inspect_variables", {"chat_id": CHAT, "names": []}),
        ("POST", "write_file", {"path": str(jp_root_dir / "note"), "content": "x"}),
        ("POST", "start_piped", CAT),
    ):
        reply = await bob.call(method, f"/agent/{path}", body)
        assert (path, reply.status) == (path, 403)
        assert reply.json["message"] == "This agent works for the other servers of its own user."
    assert not (jp_root_dir / "note").exists()
    assert (await bob.finished())["owner_id"] == "bob"


# Programs of project files


async def test_a_program_is_spoken_with_line_by_line(api: Api) -> None:
    program_id = (await api.post("/agent/start_piped", CAT))["program_id"]
    await api.post("/agent/write_piped", {"program_id": program_id, "text": "hello\n"})
    asked = {"program_id": program_id, "after": 0, "timeout_s": 30}
    assert (await api.post("/agent/read_piped", asked))["line"] == "hello\n"
    await api.post("/agent/end_piped", {"program_id": program_id})
    gone = await api.post("/agent/read_piped", asked, status=422)
    assert gone["error"] == "PipedError"


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"policy": {"mcp": "off"}}, "Not possible in this workspace"),
        ({"allowed": {"mcp_servers": ["npx *"]}}, "does not allow this MCP server"),
    ],
)
async def test_what_is_not_allowed_here_is_not_started(api: Api, why: str) -> None:
    assert why in (await api.post("/agent/start_piped", CAT, status=422))["message"]


@pytest.mark.parametrize("settings", [{"allowed": {"mcp_servers": ["cat *"]}}])
async def test_what_is_allowed_here_is_started(api: Api) -> None:
    assert (await api.post("/agent/start_piped", CAT))["program_id"]
