"""`chats/{id}/desktop` of a chat whose workspace is another server: the desktop runs there.

The other server is this one, asked over HTTP as any other: it keeps the desktops of its agent apart.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from jupyter_chatd.api import agent as api_agent
from jupyter_chatd.capabilities import Capabilities, Capability
from jupyter_chatd.desktop import desktop as desktop_module
from jupyter_chatd.desktop.launchers.fake import FakeDesktop, FakeLauncher
from jupyter_chatd.extension import JupyterChatd
from jupyter_chatd.store.workspaces import bind_chat, insert_workspace
from jupyter_chatd.workspace.agent.operations import Hello
from jupyter_chatd.workspace.agent.remote import AgentUnreachableError, RemoteAgent
from jupyter_chatd.workspace.agent.remote_desktops import RemoteDesktops
from jupyter_chatd.workspace.desktops import DesktopFacts
from jupyter_chatd.workspaces.lookup import Connection
from jupyter_chatd.workspaces.values import Workspace

from .client import Api, eventually
from .test_agent import connect
from .test_desktop import FAKE, KEY, POINT, launcher_of, needs_ffmpeg, png_size, viewing

ACTIONS = [{"action": "move", "at": [30, 40]}, {"action": "type", "text": "there"}, {"action": "cursor"}]


@pytest.fixture
def settings() -> dict[str, Any]:
    return FAKE


class Elsewhere:
    """A chat, and the server that is its workspace."""

    def __init__(self, api: Api, chatd: JupyterChatd, chat_id: str, agent: RemoteAgent) -> None:
        self.api = api
        self.chat_id = chat_id
        self.agent = agent
        self.chatd = chatd
        self.url = f"/{chat_id}/desktop"
        self.runtime = chatd._running.runtime
        self.workspace = Workspace(
            id=str(uuid.uuid4()),
            owner_id="local",
            name="far",
            kind="hub",
            template_id="t",
            parameters={},
            directory=None,
            created_at=0.0,
        )

    async def move(self) -> None:
        """Make the server the chat's workspace."""
        place = self.workspace
        await self.runtime.store.write(lambda conn: insert_workspace(conn, place))
        self.reconnect(self.agent)
        await self.runtime.store.write_and_tell(lambda conn: (None, bind_chat(conn, self.chat_id, place.id)))

    def reconnect(self, agent: RemoteAgent) -> None:
        """Ask the server through *agent* from now on."""
        self.agent = agent
        self.runtime.lookup._connections[self.workspace.id] = Connection(build_id="b", agent=agent)

    @property
    def launched(self) -> list[FakeDesktop]:
        """There."""
        launcher = self.chatd._running.hosted_desktops.manager.launcher
        assert isinstance(launcher, FakeLauncher)
        return launcher.launched

    @property
    def launched_here(self) -> list[FakeDesktop]:
        return launcher_of(self.chatd).launched


@pytest.fixture
def elsewhere(
    api: Api, chatd: JupyterChatd, jp_asyncio_loop: asyncio.AbstractEventLoop
) -> Iterator[Elsewhere]:
    run = jp_asyncio_loop.run_until_complete
    made = Elsewhere(api, chatd, run(api.finished())["id"], connect(api))
    yield made
    run(made.agent.aclose())


async def test_it_runs_there_and_all_routes_reach_it(api: Api, elsewhere: Elsewhere) -> None:
    await elsewhere.move()
    status = await api.get(elsewhere.url)
    assert (status["state"], status["launcher"], status["problem"]) == ("stopped", "fake", None)
    reply = await api.post(elsewhere.url + "/action", {"actions": ACTIONS})
    assert reply["results"][-1] == {"cursor": [30, 40]}
    assert (await api.get(elsewhere.url))["state"] == "running"
    (there,) = elsewhere.launched
    assert (there.server.canvas.text, elsewhere.launched_here) == ("there", [])
    path = f"api/experimental/chats{elsewhere.url}/screenshot"
    assert png_size((await api._fetch(path, headers=dict(api.headers))).body) == (64, 64)
    assert (await api.post(elsewhere.url + "/take"))["controlled_by"] == "local"
    assert (await api.post(elsewhere.url + "/release"))["controlled_by"] is None
    assert (await api.post(elsewhere.url + "/stop"))["state"] == "stopped"
    assert not there.is_alive


async def test_viewers_see_it_and_who_only_looks_changes_nothing(api: Api, elsewhere: Elsewhere) -> None:
    await elsewhere.move()
    async with (
        viewing(api, elsewhere.chat_id) as user,
        viewing(api, elsewhere.chat_id, view_only="true") as viewer,
    ):
        before = await viewer.look()
        await viewer.send(POINT + KEY)
        assert await viewer.look() == before
        await user.send(POINT + KEY)
        await user.look()
        canvas = elsewhere.launched[-1].server.canvas
        assert (canvas.text, canvas.pointer.x, canvas.pointer.y) == ("a", 30, 40)
        await api.post(elsewhere.url + "/stop")
        await viewer.wait_closed()
        await user.wait_closed()
        assert user.closed == (1001, "the desktop has stopped")


@needs_ffmpeg
async def test_its_recording_becomes_a_file_of_the_chat(api: Api, elsewhere: Elsewhere) -> None:
    await elsewhere.move()
    assert (await api.post(elsewhere.url + "/recording/start"))["recording"]
    await api.post(elsewhere.url + "/action", {"actions": ACTIONS})
    kept = await api.post(elsewhere.url + "/recording/stop", {})
    assert (kept["video"]["media_type"], len(elsewhere.launched)) == ("video/mp4", 1)
    assert elsewhere.launched_here == []


async def test_a_chat_that_moves_leaves_its_desktop(api: Api, elsewhere: Elsewhere) -> None:
    await api.post(elsewhere.url + "/start")
    (here,) = elsewhere.launched_here
    await elsewhere.move()
    await eventually(lambda: not here.is_alive)
    await api.post(elsewhere.url + "/start")
    assert (len(elsewhere.launched), len(elsewhere.launched_here)) == (1, 1)


async def test_archiving_stops_it_there(api: Api, elsewhere: Elsewhere) -> None:
    await elsewhere.move()
    await api.post(elsewhere.url + "/start")
    await api.patch(f"/{elsewhere.chat_id}", {"archived": True}, status=204)
    await eventually(lambda: not elsewhere.launched[-1].is_alive)


async def test_the_end_of_this_server_stops_it_there(elsewhere: Elsewhere, api: Api) -> None:
    await elsewhere.move()
    await api.post(elsewhere.url + "/start")
    await elsewhere.runtime.stop()
    assert not elsewhere.launched[-1].is_alive


async def test_its_windows_survive_a_network_that_breaks(api: Api, elsewhere: Elsewhere) -> None:
    await elsewhere.move()
    await api.post(elsewhere.url + "/action", {"actions": ACTIONS})
    desktop = elsewhere.runtime.desktops.find(elsewhere.chat_id)
    assert desktop is not None
    elsewhere.chatd._running.sockets.close()
    await eventually(lambda: desktop.status.state.value == "stopped")
    await api.post(elsewhere.url + "/action", {"actions": ACTIONS})
    (there,) = elsewhere.launched
    assert there.server.canvas.text == "therethere"


async def test_its_windows_survive_an_agent_that_was_lost(api: Api, elsewhere: Elsewhere) -> None:
    """One answer that does not come makes the next call connect anew, and hangs up all there was."""
    await elsewhere.move()
    await api.post(elsewhere.url + "/action", {"actions": ACTIONS})
    desktop = elsewhere.runtime.desktops.find(elsewhere.chat_id)
    assert desktop is not None
    elsewhere.runtime.lookup._forget(elsewhere.workspace.id)
    elsewhere.reconnect(connect(api))
    await eventually(lambda: desktop.status.state.value == "stopped")
    await api.post(elsewhere.url + "/action", {"actions": ACTIONS})
    (there,) = elsewhere.launched
    assert there.server.canvas.text == "therethere"


async def test_its_windows_survive_a_network_that_stays_broken(
    api: Api, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(_id: str) -> None:
        raise AgentUnreachableError("There is no network.")

    async def act_without_network() -> int:
        with monkeypatch.context() as broken:
            broken.setattr(elsewhere.agent.desktops, "_dial", refuse)
            broken.setattr(desktop_module, "CONNECT_LIMIT", 0.05)
            elsewhere.chatd._running.sockets.close()
            desktop = elsewhere.runtime.desktops.find(elsewhere.chat_id)
            await eventually(lambda: desktop is not None and desktop.status.state.value == "stopped")
            return (await api.call("POST", elsewhere.url + "/action", {"actions": ACTIONS})).status

    await elsewhere.move()
    await api.post(elsewhere.url + "/action", {"actions": ACTIONS})
    assert await act_without_network() == 500
    await api.post(elsewhere.url + "/action", {"actions": ACTIONS})
    (there,) = elsewhere.launched
    assert there.server.canvas.text == "therethere"
    assert await act_without_network() == 500
    await api.post(elsewhere.url + "/stop")
    assert not there.is_alive


async def test_what_is_switched_off_there_is_told(
    api: Api, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def capabilities(_handler: object) -> Capabilities:
        return Capabilities(choices={Capability.DESKTOP: False})

    monkeypatch.setattr(api_agent._AgentHandler, "find_capabilities", capabilities)
    await elsewhere.move()
    told = "Not possible in this workspace: desktop is switched off"
    assert told in (await api.get(elsewhere.url))["problem"]
    for refused in (
        await api.refused(elsewhere.url),
        await api.call("POST", elsewhere.url + "/start"),
        await api.call("POST", elsewhere.url + "/action", {"actions": ACTIONS}),
    ):
        assert (refused.status, told in refused.json["message"]) == (500, True)


async def test_a_view_of_a_stopped_desktop_is_no_use_of_the_server(
    api: Api, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    facts = RemoteDesktops.facts

    async def counted(desktops: RemoteDesktops) -> DesktopFacts:
        asked.append("facts")
        return await facts(desktops)

    monkeypatch.setattr(RemoteDesktops, "facts", counted)
    await elsewhere.move()
    assert elsewhere.chatd.serverapp is not None
    settings = elsewhere.chatd.serverapp.web_app.settings
    before = settings["api_last_activity"]
    for _ in range(3):
        assert (await api.get(elsewhere.url))["launcher"] == "fake"
    assert (asked, settings["api_last_activity"]) == (["facts"], before)
    await api.post(elsewhere.url + "/start")
    assert settings["api_last_activity"] > before


async def test_a_server_of_an_older_release_is_told(api: Api, elsewhere: Elsewhere) -> None:
    await elsewhere.move()
    elsewhere.agent._hello = Hello(protocol_version=1, release="0.0.9")
    refused = await api.call("POST", elsewhere.url + "/start")
    assert "release 0.0.9, which has no desktops" in refused.json["message"]


async def test_a_workspace_that_is_stopped_has_no_desktop(api: Api, elsewhere: Elsewhere) -> None:
    await elsewhere.move()
    await api.post(elsewhere.url + "/start")
    elsewhere.runtime.lookup._forget(elsewhere.workspace.id)
    refused = await api.call("GET", elsewhere.url)
    assert (refused.status, refused.json["message"]) == (400, "The workspace of this chat does not run.")
