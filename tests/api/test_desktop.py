"""`chats/{id}/desktop` with the fake desktop: what is checked, what viewers may do, when it ends."""

from __future__ import annotations

import asyncio
import shutil
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from jupyter_server.auth import Authorizer
from tornado.websocket import WebSocketClientConnection

from jupyter_chatd.desktop.launchers.fake import FakeDesktop, FakeLauncher

from .client import PATIENCE, Api, eventually
from .test_activity import last_activity
from .test_permissions import cookies_of

FAKE = {"desktop_launcher": "fake", "desktop_size": "64x64"}
HELLO = b"RFB 003.008\n\x01\x01"
POINT = struct.pack(">BBHH", 5, 1, 30, 40)
KEY = struct.pack(">BBxxI", 4, 1, ord("a"))
LOOK = struct.pack(">BBHHHH", 3, 0, 0, 0, 64, 64)

needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")


class OnlyLooks(Authorizer):
    """Lets everybody do everything but use desktops."""

    def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:
        return (action, resource) != ("execute", "desktops")


@pytest.fixture
def settings() -> dict[str, Any]:
    return FAKE


@pytest.fixture
def chat_id(api: Api, jp_asyncio_loop: asyncio.AbstractEventLoop) -> str:
    return jp_asyncio_loop.run_until_complete(api.finished())["id"]


def launcher_of(chatd: Any) -> FakeLauncher:
    launcher = chatd._running.runtime.desktops.manager.launcher
    assert isinstance(launcher, FakeLauncher)
    return launcher


def desktop_of(chatd: Any) -> FakeDesktop:
    """The newest one."""
    return launcher_of(chatd).launched[-1]


class Viewer:
    """Speaks RFB over the WebSocket, as little as the tests need."""

    def __init__(self, socket: WebSocketClientConnection) -> None:
        self.socket = socket
        self._came = bytearray()

    async def send(self, data: bytes) -> None:
        await self.socket.write_message(data, binary=True)

    async def read(self, count: int) -> bytes:
        async with asyncio.timeout(PATIENCE):
            while len(self._came) < count:
                message = await self.socket.read_message()
                assert isinstance(message, bytes), f"closed: {self.closed}"
                self._came += message
        data = bytes(self._came[:count])
        del self._came[:count]
        return data

    async def greet(self) -> None:
        await self.send(HELLO)
        assert await self.read(12) == b"RFB 003.008\n"
        await self.read(2 + 4)
        width, height, *_, name = struct.unpack(">HH16sI", await self.read(24))
        assert (width, height) == (64, 64)
        assert await self.read(name) == b"fake desktop"

    async def look(self) -> bytes:
        """A picture of the screen, which also tells that all that was sent before it has arrived."""
        await self.send(LOOK)
        kind, count, *_, encoding = struct.unpack(">BxHHHHHi", await self.read(16))
        assert (kind, count, encoding) == (0, 1, 0)
        return await self.read(64 * 64 * 4)

    async def wait_closed(self) -> None:
        async with asyncio.timeout(PATIENCE):
            while await self.socket.read_message() is not None:
                pass

    @property
    def closed(self) -> tuple[int | None, str | None]:
        return self.socket.close_code, self.socket.close_reason


@asynccontextmanager
async def viewing(api: Api, chat_id: str, **query: str) -> AsyncIterator[Viewer]:
    async with api.socket(f"/{chat_id}/desktop", **query) as socket:
        viewer = Viewer(socket)
        await viewer.greet()
        yield viewer


# How it stands


async def test_a_desktop_starts_with_its_first_use_and_tells_how_it_stands(api: Api, chat_id: str) -> None:
    stopped = {
        "state": "stopped",
        "launcher": "fake",
        "width": 64,
        "height": 64,
        "problem": None,
        "can_control": True,
        "controlled_by": None,
        "agent_at_work": False,
    }
    assert await api.get(f"/{chat_id}/desktop") == stopped
    assert await api.post(f"/{chat_id}/desktop/start") == stopped | {"state": "running"}
    assert await api.get(f"/{chat_id}/desktop") == stopped | {"state": "running"}
    assert await api.post(f"/{chat_id}/desktop/stop") == stopped
    assert await api.post(f"/{chat_id}/desktop/stop") == stopped


async def test_actions_are_done_in_order(api: Api, chat_id: str, chatd: Any) -> None:
    actions = [
        {"action": "move", "at": [0, 0]},
        {"action": "click", "at": [10, 20]},
        {"action": "type", "text": "hi"},
        {"action": "cursor"},
        {"action": "screenshot"},
    ]
    reply = await api.post(f"/{chat_id}/desktop/action", {"actions": actions})
    *nothing, cursor, picture = reply["results"]
    assert nothing == [{}, {}, {}]
    assert cursor == {"cursor": [10, 20]}
    assert (picture["screenshot"]["width"], picture["screenshot"]["height"]) == (64, 64)
    assert desktop_of(chatd).server.canvas.text == "hi"


@pytest.mark.parametrize(
    "actions, detail",
    [
        ([{"action": "fly"}], "actions[0]: There is no action 'fly'."),
        ([{"action": "cursor"}, {"action": "key", "keys": "NoSuchKey"}], "actions[1]: "),
        ([{"action": "type", "text": "x" * 1_000_000}], "actions[0]: Expected at most 50000 characters"),
        ([{"action": "type", "text": "a\x1b[31m"}], "actions[0]: Expected text to type, came the control"),
        ([7], "actions[0]: Expected an action as an object"),
        ([], "actions"),
        ([{"action": "cursor"}] * 51, "actions"),
    ],
)
async def test_a_wrong_action_starts_nothing(api: Api, chat_id: str, actions: list[Any], detail: str) -> None:
    reply = await api.call("POST", f"/{chat_id}/desktop/action", {"actions": actions})
    assert reply.status == 400
    assert reply.json["detail"].startswith(detail)
    assert (await api.get(f"/{chat_id}/desktop"))["state"] == "stopped"


async def test_a_point_outside_of_the_screen_is_refused(api: Api, chat_id: str, chatd: Any) -> None:
    actions = [{"action": "type", "text": "hi"}, {"action": "move", "at": [64, 0]}]
    reply = await api.call("POST", f"/{chat_id}/desktop/action", {"actions": actions})
    assert (reply.status, "x from 0 to 63" in reply.json["message"]) == (400, True)
    corner = [{"action": "click", "at": [0, 0]}, {"action": "cursor"}]
    reply = await api.post(f"/{chat_id}/desktop/action", {"actions": corner})
    assert reply["results"][-1] == {"cursor": [0, 0]}
    assert desktop_of(chatd).server.canvas.text == ""


async def test_a_screenshot_is_a_picture_of_what_runs(api: Api, chat_id: str) -> None:
    assert (await api.call("GET", f"/{chat_id}/desktop/screenshot")).status == 409
    await api.post(f"/{chat_id}/desktop/start")
    reply = await api._fetch(
        f"api/experimental/chats/{chat_id}/desktop/screenshot", headers=dict(api.headers)
    )
    assert reply.headers["Content-Type"] == "image/png"
    assert reply.headers["Cache-Control"] == "no-store"
    assert png_size(reply.body) == (64, 64)


@pytest.mark.parametrize(("width", "size"), [("16", (16, 16)), ("1000", (64, 64))])
async def test_a_screenshot_may_be_smaller(api: Api, chat_id: str, width: str, size: tuple[int, int]) -> None:
    await api.post(f"/{chat_id}/desktop/start")
    path = f"api/experimental/chats/{chat_id}/desktop/screenshot"
    reply = await api._fetch(path, params={"width": width}, headers=dict(api.headers))
    assert png_size(reply.body) == size


async def test_the_width_of_a_screenshot_is_checked(api: Api, chat_id: str) -> None:
    assert (await api.call("GET", f"/{chat_id}/desktop/screenshot", params=[("width", "0")])).status == 400


def png_size(data: bytes) -> tuple[int, int]:
    """Width and height that a PNG names."""
    assert data.startswith(b"\x89PNG")
    return int.from_bytes(data[16:20]), int.from_bytes(data[20:24])


# Viewers


async def test_a_viewer_sees_and_uses_the_desktop(api: Api, chat_id: str, chatd: Any) -> None:
    async with viewing(api, chat_id) as viewer:
        await viewer.send(POINT + KEY)
        await viewer.look()
        canvas = desktop_of(chatd).server.canvas
        assert (canvas.pointer.x, canvas.pointer.y) == (30, 40)
        assert canvas.text == "a"
        # the agent knows where a person left the pointer
        reply = await api.post(f"/{chat_id}/desktop/action", {"actions": [{"action": "cursor"}]})
        assert reply["results"] == [{"cursor": [30, 40]}]


async def test_subagents_share_their_familys_desktop_and_other_chats_do_not(
    api: Api, chat_id: str, chatd: Any
) -> None:
    parent = await api.finished('delegate "say one", then wait for the subagents')
    (child,) = await api.get(f"/{parent['id']}/children")
    for one in (parent["id"], child["id"]):
        await api.post(f"/{one}/desktop/start")
    assert len(launcher_of(chatd).launched) == 1
    await api.post(f"/{chat_id}/desktop/start")
    assert len(launcher_of(chatd).launched) == 2


async def test_input_of_a_viewer_who_only_looks_is_dropped(api: Api, chat_id: str, chatd: Any) -> None:
    async with viewing(api, chat_id, view_only="true") as viewer:
        before = await viewer.look()
        await viewer.send(POINT + KEY + struct.pack(">Bxxxi", 6, 5) + b"hello")
        assert await viewer.look() == before
        canvas = desktop_of(chatd).server.canvas
        assert canvas.text == ""
        assert (canvas.pointer.x, canvas.pointer.y) != (30, 40)


@pytest.mark.parametrize("server_settings", [{"authorizer_class": OnlyLooks}])
async def test_who_may_not_use_desktops_may_look_at_them(api: Api, chat_id: str, chatd: Any) -> None:
    assert (await api.refused(f"/{chat_id}/desktop")).status == 409
    for route in ("action", "start", "stop"):
        assert (await api.call("POST", f"/{chat_id}/desktop/{route}", {})).status == 403
    desktop = chatd._running.runtime.desktops.get(chat_id)
    await desktop.socket()
    assert not (await api.get(f"/{chat_id}/desktop"))["can_control"]
    async with viewing(api, chat_id, view_only="false") as viewer:
        await viewer.send(POINT + KEY)
        await viewer.look()
        assert desktop_of(chatd).server.canvas.text == ""


@pytest.mark.parametrize("garbage", [b"GET / HTTP/1.1\r\n\r\n", HELLO + b"\x99", b"\xff" * 10_000])
async def test_garbage_of_a_viewer_closes_it_and_nothing_else(api: Api, chat_id: str, garbage: bytes) -> None:
    async with viewing(api, chat_id) as other:
        for only_looks in ("true", "false"):
            async with api.socket(f"/{chat_id}/desktop", view_only=only_looks) as socket:
                viewer = Viewer(socket)
                await viewer.send(garbage)
                await viewer.wait_closed()
                if only_looks == "true":
                    assert viewer.closed[0] == 1002
        await other.look()


async def test_fifty_viewers_see_the_same(api: Api, chat_id: str) -> None:
    async def see() -> bytes:
        async with viewing(api, chat_id, view_only="true") as viewer:
            picture = await viewer.look()
            await arrived.wait()
            return picture

    await api.post(f"/{chat_id}/desktop/start")
    arrived = asyncio.Barrier(50)
    pictures = await asyncio.gather(*(see() for _ in range(50)))
    assert len(set(pictures)) == 1


async def test_a_viewer_is_told_when_the_desktop_stops(api: Api, chat_id: str) -> None:
    async with viewing(api, chat_id) as viewer:
        await api.post(f"/{chat_id}/desktop/stop")
        await viewer.wait_closed()
        assert viewer.closed == (1001, "the desktop has stopped")
    refused = await api.refused(f"/{chat_id}/desktop", start="false")
    assert (refused.status, refused.json["state"]) == (409, "stopped")


async def test_a_viewer_does_not_wait_for_what_the_agent_does(api: Api, chat_id: str) -> None:
    await api.post(f"/{chat_id}/desktop/start")
    acting = asyncio.create_task(
        api.call("POST", f"/{chat_id}/desktop/action", {"actions": [{"action": "wait", "seconds": 2}]})
    )
    await asyncio.sleep(0.05)
    async with viewing(api, chat_id) as viewer:
        await viewer.look()
        assert not acting.done()
    await acting


async def test_all_viewers_are_closed_when_the_server_stops(api: Api, chat_id: str, chatd: Any) -> None:
    async with viewing(api, chat_id) as viewer:
        await chatd.stop_extension()
        await viewer.wait_closed()
        assert viewer.closed[0] == 1001


# Refusals, all before the upgrade


async def test_a_chat_without_a_desktop_says_why(api: Api, chat_id: str) -> None:
    unknown = await api.refused("/00000000-0000-0000-0000-000000000000/desktop")
    assert unknown.status == 404
    wrong = await api.refused(f"/{chat_id}/desktop", view_only="maybe")
    assert (wrong.status, wrong.json["message"]) == (400, "Invalid query.")
    await api.patch(f"/{chat_id}", {"archived": True}, status=204)
    archived = await api.refused(f"/{chat_id}/desktop")
    assert (archived.status, "archived" in archived.json["message"]) == (400, True)


@pytest.mark.parametrize(
    "settings",
    [
        {"desktop_launcher": "socket", "desktop_socket": "/no/such.socket"},
        {"desktop_launcher": "socket"},
        {"desktop_launcher": "fake", "sandbox": "required"},
    ],
)
async def test_a_desktop_that_cannot_start_says_what_is_missing(api: Api, chat_id: str) -> None:
    refused = await api.refused(f"/{chat_id}/desktop")
    assert refused.status == 500
    assert (await api.call("POST", f"/{chat_id}/desktop/start")).json == refused.json
    reply = await api.call("GET", f"/{chat_id}/desktop")
    assert reply.status == 200
    assert reply.json["problem"] == refused.json["message"]


@pytest.mark.parametrize("settings", [FAKE | {"policy": {"desktop": "off"}}])
async def test_a_policy_switches_desktops_off(api: Api, chat_id: str) -> None:
    refused = await api.refused(f"/{chat_id}/desktop")
    assert (refused.status, refused.json["message"][:19]) == (403, "Not possible here: ")
    assert (await api.call("POST", f"/{chat_id}/desktop/start")).json == refused.json
    action = {"actions": [{"action": "cursor"}]}
    assert (await api.call("POST", f"/{chat_id}/desktop/action", action)).json == refused.json
    assert (await api.get(f"/{chat_id}/desktop"))["problem"] == refused.json["message"]


async def test_as_many_desktops_run_as_may(api: Api, chat_id: str, chatd: Any) -> None:
    chatd._running.runtime.desktops.manager._limit = 1
    await api.post(f"/{chat_id}/desktop/start")
    other = await api.create_id()
    assert (await api.refused(f"/{other}/desktop")).status == 429
    await api.post(f"/{chat_id}/desktop/stop")
    await api.post(f"/{other}/desktop/start")


async def test_a_page_of_another_site_sees_no_desktop(api: Api, chat_id: str) -> None:
    host = urlsplit(api.url).netloc  # which the cookie is named after
    own = api.with_headers(Authorization="", Cookie=(await cookies_of(api))["Cookie"], Host=host)
    async with viewing(own, chat_id) as viewer:
        await viewer.look()
    stranger = own.with_headers(Origin="https://elsewhere.example")
    assert (await stranger.refused(f"/{chat_id}/desktop")).status == 404
    assert (await api.with_headers(Authorization="").refused(f"/{chat_id}/desktop")).status == 403


# When it ends


async def test_archiving_stops_the_desktop(api: Api, chat_id: str, chatd: Any) -> None:
    async with viewing(api, chat_id) as viewer:
        await api.patch(f"/{chat_id}", {"archived": True}, status=204)
        await viewer.wait_closed()
    await eventually(lambda: chatd._running.runtime.desktops.find(chat_id) is None)
    assert not desktop_of(chatd).is_alive


@pytest.mark.parametrize(
    "settings", [{"desktop_launcher": "fake", "desktop_size": "64x64", "desktop_idle_timeout": 1}]
)
async def test_looking_does_not_keep_a_desktop_and_using_it_does(api: Api, chat_id: str, chatd: Any) -> None:
    loop = asyncio.get_running_loop()
    async with viewing(api, chat_id) as user, viewing(api, chat_id, view_only="true") as viewer:
        began = loop.time()
        while loop.time() - began < 1.5:
            await user.send(POINT)
            await asyncio.sleep(0.1)
        assert desktop_of(chatd).is_alive
        while desktop_of(chatd).is_alive:
            assert loop.time() - began < PATIENCE
            await viewer.send(KEY + LOOK)
            await asyncio.sleep(0.1)
        await viewer.wait_closed()


async def test_looking_is_no_activity_and_input_is(api: Api, chat_id: str) -> None:
    await api.post(f"/{chat_id}/desktop/start")
    before = await last_activity(api)
    async with viewing(api, chat_id) as viewer:
        await viewer.look()
        await api.get(f"/{chat_id}/desktop")
        assert await last_activity(api) == before
        await viewer.send(KEY)
        await viewer.look()
        assert await last_activity(api) > before


async def test_a_desktop_that_was_taken_is_its_takers_until_it_is_given_back(api: Api, chat_id: str) -> None:
    taken = await api.post(f"/{chat_id}/desktop/take")
    assert (taken["state"], taken["controlled_by"]) == ("running", "local")
    assert (await api.get(f"/{chat_id}/desktop"))["controlled_by"] == "local"
    assert (await api.post(f"/{chat_id}/desktop/release"))["controlled_by"] is None
    assert (await api.post(f"/{chat_id}/desktop/release"))["controlled_by"] is None


# Recordings


@needs_ffmpeg
async def test_what_is_filmed_becomes_a_file_of_the_chat(api: Api, chat_id: str) -> None:
    filmed = await api.post(f"/{chat_id}/desktop/recording/start")
    assert filmed == {"recording": True, "problem": None}
    await api.post(f"/{chat_id}/desktop/action", {"actions": [{"action": "click", "at": [30, 40]}]})
    kept = await api.post(f"/{chat_id}/desktop/recording/stop")
    assert [file["id"] for file in await api.get(f"/{chat_id}/files")] == [
        kept["video"]["id"],
        kept["thumbnail"]["id"],
    ]
    assert (kept["video"]["media_type"], kept["thumbnail"]["media_type"]) == ("video/mp4", "image/jpeg")
    assert kept["video"]["name"].startswith("desktop-")
    assert kept["seconds"] > 0
    assert (await api.get(f"/{chat_id}/desktop/recording"))["recording"] is False


@needs_ffmpeg
async def test_a_recording_may_be_forgotten(api: Api, chat_id: str) -> None:
    await api.post(f"/{chat_id}/desktop/recording/start")
    dropped = await api.post(f"/{chat_id}/desktop/recording/stop", {"keep": False})
    assert dropped == {"video": None, "thumbnail": None, "seconds": None}
    assert await api.get(f"/{chat_id}/files") == []
    assert (await api.call("POST", f"/{chat_id}/desktop/recording/stop")).status == 409


async def test_ffmpeg_has_to_be_installed(
    api: Api, chat_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    told = await api.get(f"/{chat_id}/desktop/recording")
    assert told["recording"] is False
    assert "apt-get install ffmpeg" in told["problem"]
    reply = await api.call("POST", f"/{chat_id}/desktop/recording/start")
    assert (reply.status, "needs ffmpeg" in reply.json["message"]) == (500, True)
