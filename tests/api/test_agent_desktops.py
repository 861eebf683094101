"""Desktops that an agent has for chats of another server: asked in this process, and over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import pytest
from tornado.websocket import WebSocketClientConnection

from jupyter_chatd.desktop.actions import Cursor, Move, Type
from jupyter_chatd.desktop.driver import Driver
from jupyter_chatd.desktop.geometry import Point, Size
from jupyter_chatd.desktop.launchers.fake import FakeLauncher
from jupyter_chatd.desktop.rfb import Connection
from jupyter_chatd.extension import JupyterChatd
from jupyter_chatd.workspace.agent import remote
from jupyter_chatd.workspace.agent.operations import Hello
from jupyter_chatd.workspace.desktops import AgentDesktops, DesktopFacts
from jupyter_chatd.workspace.protocol import PROTOCOL_VERSION, WorkspaceError

from .client import Api, eventually
from .test_agent import connect, refused

FAKE = {"desktop_launcher": "fake", "desktop_size": "64x64"}
ONE, OTHER = "é b", "other"
WIDE = {"desktop_launcher": "fake", "desktop_size": "1280x800"}


@pytest.fixture
def settings() -> dict[str, Any]:
    return FAKE


@pytest.fixture(params=["server", "http"])
def way(request: pytest.FixtureRequest) -> str:
    """How the agent is asked: nobody can tell them apart."""
    return request.param


@asynccontextmanager
async def asking(way: str, api: Api, chatd: JupyterChatd) -> AsyncIterator[AgentDesktops]:
    if way == "server":
        yield chatd._agent.desktops
        return
    agent = connect(api)
    try:
        yield agent.desktops
    finally:
        await agent.aclose()


@asynccontextmanager
async def seen(desktops: AgentDesktops, desktop_id: str) -> AsyncIterator[Driver]:
    driver = Driver(await Connection.open(await desktops.socket(desktop_id)))
    try:
        yield driver
    finally:
        await driver.close()


def launched(chatd: JupyterChatd) -> FakeLauncher:
    launcher = chatd._running.hosted_desktops.manager.launcher
    assert isinstance(launcher, FakeLauncher)
    return launcher


async def test_a_desktop_is_started_seen_used_and_stopped(way: str, api: Api, chatd: JupyterChatd) -> None:
    async with asking(way, api, chatd) as desktops:
        assert await desktops.facts() == DesktopFacts(launcher="fake")
        await desktops.start(ONE)
        await desktops.start(ONE)
        assert len(launched(chatd).launched) == 1
        async with seen(desktops, ONE) as one, seen(desktops, ONE) as other:
            await one.perform(Move(at=Point(x=30, y=40)))
            await one.perform(Type(text="here"))
            assert (await one.perform(Cursor())).cursor == Point(x=30, y=40)
            assert (await one.picture()).size == Size(width=64, height=64)
            assert (await other.picture()).png == (await one.picture()).png
            assert launched(chatd).launched[-1].server.canvas.text == "here"
            await desktops.stop(ONE)
            await eventually(lambda: not (one.is_open or other.is_open))
        assert not launched(chatd).launched[-1].is_alive
        await desktops.stop(ONE)
        assert "no such desktop" in await refused(desktops.socket(ONE))


async def test_each_desktop_is_another(way: str, api: Api, chatd: JupyterChatd) -> None:
    async with asking(way, api, chatd) as desktops:
        await desktops.start(ONE)
        await desktops.start(OTHER)
        async with seen(desktops, ONE) as driver:
            await driver.perform(Type(text="first"))
            await driver.perform(Cursor())
        assert [one.server.canvas.text for one in launched(chatd).launched] == ["first", ""]
        await desktops.stop(ONE)
        async with seen(desktops, OTHER) as driver:
            assert (await driver.picture()).size.width == 64


@pytest.mark.parametrize("settings", [FAKE | {"desktop_limit": 1}])
async def test_no_more_desktops_than_the_server_allows(way: str, api: Api, chatd: JupyterChatd) -> None:
    async with asking(way, api, chatd) as desktops:
        await desktops.start(OTHER)
        assert "at most 1 desktops" in await refused(desktops.start(ONE))


@pytest.mark.parametrize("settings", [{"desktop_launcher": "socket"}])
async def test_what_is_missing_is_told(way: str, api: Api, chatd: JupyterChatd) -> None:
    async with asking(way, api, chatd) as desktops:
        facts = await desktops.facts()
        assert (facts.launcher, "c.JupyterChatd.desktop_socket" in str(facts.problem)) == ("socket", True)
        assert "c.JupyterChatd.desktop_socket" in await refused(desktops.start(ONE))


@pytest.mark.parametrize("settings", [WIDE])
async def test_a_large_screen_comes_whole(way: str, api: Api, chatd: JupyterChatd) -> None:
    async with asking(way, api, chatd) as desktops:
        await desktops.start(ONE)
        async with seen(desktops, ONE) as driver:
            assert (await driver.picture()).size == Size(width=1280, height=800)


async def test_a_desktop_that_broke_is_mended_by_the_next_connection(
    way: str, api: Api, chatd: JupyterChatd
) -> None:
    async with asking(way, api, chatd) as desktops:
        await desktops.start(ONE)
        async with seen(desktops, ONE) as driver:
            await launched(chatd).launched[-1].server.stop()
            await eventually(lambda: not driver.is_open)
        if way == "server":  # a socket of its own again
            await desktops.socket(ONE)
        async with seen(desktops, ONE) as driver:
            assert (await driver.picture()).size.width == 64


async def test_an_agent_that_is_let_go_leaves_no_socket(api: Api) -> None:
    agent = connect(api)
    await agent.desktops.start(ONE)
    path = await agent.desktops.socket(ONE)
    assert path.stat().st_mode & 0o077 == 0 or path.parent.stat().st_mode & 0o077 == 0
    driver = Driver(await Connection.open(path))
    await agent.aclose()
    await eventually(lambda: not driver.is_open)
    assert not path.parent.exists()
    await driver.close()


async def test_desktops_do_not_wait_for_each_other_and_none_is_left_by_who_hangs_up(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent, gate, asked = connect(api), asyncio.Event(), asyncio.Event()
    dial = agent.desktops._dial

    async def slow(desktop_id: str) -> WebSocketClientConnection:
        if desktop_id == ONE:
            asked.set()
            await gate.wait()
        return await dial(desktop_id)

    monkeypatch.setattr(agent.desktops, "_dial", slow)
    await agent.desktops.start(ONE)
    await agent.desktops.start(OTHER)
    connecting = asyncio.create_task(agent.desktops.socket(ONE))
    async with asyncio.timeout(60):
        await asked.wait()
        other = await agent.desktops.socket(OTHER)
        leaving = asyncio.create_task(agent.aclose())
        await eventually(lambda: not other.parent.exists())
        gate.set()
        await leaving
        assert not (await connecting).parent.exists()
        with pytest.raises(remote.AgentUnreachableError):
            await agent.desktops.socket(ONE)


@pytest.mark.parametrize("settings", [FAKE | {"policy": {"desktop": "off"}}])
async def test_what_the_policy_forbids_here_nobody_starts_from_elsewhere(
    api: Api, chatd: JupyterChatd
) -> None:
    agent, told = connect(api), "Not possible in this workspace: desktop is switched off by whoever runs"
    assert told in await refused(agent.desktops.facts())
    assert told in await refused(agent.desktops.start(ONE))
    await chatd._agent.desktops.start(ONE)
    assert told in await refused(agent.desktops.socket(ONE))
    await agent.aclose()


async def test_an_agent_of_an_older_release_is_told_plainly(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = connect(api)
    agent._hello = Hello(protocol_version=PROTOCOL_VERSION, release="0.0.9")
    told = "of release 0.0.9, which has no desktops. Install the same release"
    assert told in await refused(agent.desktops.facts())
    assert told in await refused(agent.desktops.start(ONE))
    await agent.aclose()


async def test_a_stranger_reaches_no_desktop(api: Api, chatd: JupyterChatd) -> None:
    await chatd._agent.desktops.start(ONE)
    stranger = connect(api.with_headers(Authorization="token wrong"))
    with pytest.raises(WorkspaceError, match="access:servers!user"):
        await stranger.desktops.socket(ONE)
    await stranger.aclose()
    assert (await api.call("GET", f"/agent/desktops/{quote(ONE, safe='')}")).status == 400
    assert (await api.refused("/agent/desktops/none")).status == 422


async def test_nobody_can_be_dialled_where_nobody_answers(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    agent = remote.RemoteAgent("http://127.0.0.1:1/", token="t")
    with pytest.raises(remote.AgentUnreachableError, match="does not answer"):
        await agent.desktops.socket("one")
    await agent.aclose()
