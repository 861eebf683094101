"""Which server a command talks to."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tornado import httpserver, netutil, web

from jupyter_chatd.cli.target import (
    AUTO,
    RUNNING,
    find_running,
    prefer_running,
    running_server,
    server_for_prompt,
)
from jupyter_chatd.client.errors import ClientError, NoServerError
from jupyter_chatd.client.server import Server
from jupyter_chatd.providers.presets import MODEL_VARIABLES

pytestmark = pytest.mark.anyio

VARIABLES = (
    *("JUPYTER_CHATD_URL", "JPY_PARENT_PID", "JUPYTER_SERVER_URL", "JUPYTERHUB_API_TOKEN"),
    *MODEL_VARIABLES,
)
OWN = Server(url="http://own/")


class Chats(web.RequestHandler):
    """All that a probe asks."""

    def get(self) -> None:
        self.finish("[]")


@asynccontextmanager
async def agents(runtime: Path, *roots: Path, routes: bool = True) -> AsyncGenerator[list[str], None]:
    """Run servers that serve *roots*, each with a record; gives their addresses."""
    servers: list[httpserver.HTTPServer] = []
    urls: list[str] = []
    for number, root in enumerate(roots):
        sockets = netutil.bind_sockets(0, "127.0.0.1")
        handlers = [("/api/experimental/chats", Chats)] if routes else []
        server = httpserver.HTTPServer(web.Application(handlers))
        server.add_sockets(sockets)
        servers.append(server)
        urls.append(f"http://127.0.0.1:{sockets[0].getsockname()[1]}/")
        value = {"pid": os.getppid() if number else os.getpid(), "url": urls[-1], "root_dir": str(root)}
        (runtime / f"jpserver-{number}.json").write_text(json.dumps(value))
    try:
        yield urls
    finally:
        for server in servers:
            server.stop()
            await server.close_all_connections()


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "runtime"
    folder.mkdir()
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(folder))

    @asynccontextmanager
    async def own(_root: Path) -> AsyncGenerator[Server, None]:
        yield OWN

    monkeypatch.setattr("jupyter_chatd.cli.target.private_server", own)
    return folder


async def chosen(choice: str, cwd: Path, note: Callable[[str], None] = lambda _text: None) -> str:
    async with server_for_prompt(choice, note, cwd=cwd) as server:
        return server.url


async def test_a_prompt_goes_to_the_server_of_this_folder(runtime: Path, tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    async with agents(runtime, here, there) as (url, _):
        assert await chosen(AUTO, here / "below") == url


async def test_where_none_serves_the_folder_it_gets_one_of_its_own(runtime: Path, tmp_path: Path) -> None:
    notes: list[str] = []
    async with agents(runtime, tmp_path / "there") as (url,):
        assert await chosen(AUTO, tmp_path / "here", notes.append) == OWN.url
        assert notes == [f"Starting a server for this command, in {tmp_path / 'here'} …"]
        assert await chosen(RUNNING, tmp_path / "here") == url


async def test_a_key_of_this_shell_counts(
    runtime: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    async with agents(runtime, tmp_path) as (url,):
        assert await chosen(AUTO, tmp_path) == OWN.url
        assert await chosen(RUNNING, tmp_path) == url
        assert await chosen(url, tmp_path) == url
        monkeypatch.setenv("JUPYTER_CHATD_URL", url)
        assert await chosen(AUTO, tmp_path) == url


async def test_several_servers_are_listed(runtime: Path, tmp_path: Path) -> None:
    async with agents(runtime, tmp_path, tmp_path) as urls:
        for choice in (AUTO, RUNNING):
            with pytest.raises(ClientError, match="Choose one") as error:
                await chosen(choice, tmp_path)
            assert all(f"--server {url}" in str(error.value) for url in urls)
        assert await find_running(AUTO, cwd=tmp_path) is None


async def test_a_server_without_agent_does_not_count(runtime: Path, tmp_path: Path) -> None:
    async with agents(runtime, tmp_path, routes=False):
        assert await chosen(AUTO, tmp_path) == OWN.url
        with pytest.raises(NoServerError, match="running servers of this user: 1, with the agent: 0"):
            await running_server(AUTO, cwd=tmp_path)


async def test_a_terminal_of_a_server_belongs_to_it(
    runtime: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with agents(runtime, tmp_path, tmp_path) as urls:
        record = runtime / "jpserver-1.json"
        record.write_text(json.dumps({**json.loads(record.read_text()), "token": "of the second"}))
        monkeypatch.setenv("JUPYTER_SERVER_URL", urls[1])
        found = await running_server(AUTO, cwd=tmp_path)
        assert (found.url, found.token) == (urls[1], "of the second")


async def test_going_on_starts_a_server_only_where_it_is_of_use(runtime: Path, tmp_path: Path) -> None:
    assert await prefer_running(AUTO, cwd=tmp_path, may_start=True) == "own"
    with pytest.raises(NoServerError):
        await prefer_running(AUTO, cwd=tmp_path, may_start=False)
    async with agents(runtime, tmp_path / "elsewhere"):
        assert await prefer_running(AUTO, cwd=tmp_path, may_start=True) == RUNNING
