"""Starting, being switched off, failing to start, and stopping: the server itself is fine in every case."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest

from jupyter_chatd.api import base
from jupyter_chatd.extension import NOT_LOADED, JupyterChatd
from jupyter_chatd.store.database import open_file

from .client import AT_REST, PATIENCE, Api, eventually
from .test_permissions import path_of, routes

NOT_STARTED = pytest.mark.parametrize("is_started", [False])


async def start(app: Any) -> None:
    """Call the start hooks, as the server does once its loop runs."""
    await app.extension_manager.start_all_extensions()


async def stop(app: Any) -> None:
    """Call the stop hooks, as the server does before it ends the kernels."""
    await app.extension_manager.stop_all_extensions()


async def is_fine(api: Api) -> bool:
    """Whether the rest of the server works."""
    reply = await api._fetch("api/status", headers=dict(api.headers))
    return reply.code == 200


# Switched off


def page_config(app: Any) -> str:
    """What the front end is told."""
    return app.web_app.settings["page_config_data"]["jupyterChatdEnabled"]


async def check_off(api: Api, app: Any, data_dir: Path) -> None:
    api.is_described = False
    for method, template in routes():
        reply = await api.call(method, path_of(template), {} if method in ("POST", "PATCH") else None)
        assert (method, template, reply.status) == (method, template, 404)
    assert (await api.refused("/watch")).status == 404
    assert await is_fine(api)
    assert page_config(app) == "false"
    assert "jupyter_chatd" not in os.listdir(data_dir)
    assert not chatd_threads()
    assert children() <= _others
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("chatd")]


@pytest.mark.parametrize("settings", [{"enabled": False}])
async def test_the_setting_switches_everything_off(api: Api, jp_serverapp: Any, jp_data_dir: Path) -> None:
    await check_off(api, jp_serverapp, jp_data_dir)
    await stop(jp_serverapp)


@pytest.fixture
def policy(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """A word in the environment of the server, there before it starts."""
    monkeypatch.setenv("JUPYTER_CHATD_ENABLED", request.param)
    return request.param


@pytest.mark.parametrize("policy", ["0", "Off "], indirect=True)
@pytest.mark.parametrize("settings", [{"enabled": True}])
async def test_the_environment_switches_off_what_a_config_switches_on(
    policy: str, api: Api, jp_serverapp: Any, jp_data_dir: Path
) -> None:
    await check_off(api, jp_serverapp, jp_data_dir)


@pytest.mark.parametrize("policy", ["yes"], indirect=True)
@pytest.mark.parametrize("settings", [{"enabled": False}])
async def test_the_environment_does_not_switch_on_what_a_config_switches_off(
    policy: str, api: Api, jp_serverapp: Any, jp_data_dir: Path
) -> None:
    await check_off(api, jp_serverapp, jp_data_dir)


@pytest.mark.parametrize("policy", ["", "TRUE"], indirect=True)
async def test_the_agent_is_there_otherwise(policy: str, api: Api, jp_serverapp: Any) -> None:
    assert await api.get() == []
    assert page_config(jp_serverapp) == "true"


@pytest.mark.parametrize("policy", ["nope"], indirect=True)
def test_a_policy_that_cannot_be_read_ends_the_server(
    policy: str, jp_configurable_serverapp: Any, jp_server_config: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        jp_configurable_serverapp(config=jp_server_config)
    assert caught.value.code == 1
    assert (
        "The server does not start: JUPYTER_CHATD_ENABLED is 'nope'; "
        "expected one of 0, 1, false, no, off, on, true, yes."
    ) in capfd.readouterr().err


# Starting


@NOT_STARTED
async def test_requests_that_come_too_early_wait(api: Api, jp_serverapp: Any) -> None:
    early = asyncio.create_task(api.get())
    follow = asyncio.create_task(api.call("GET", f"/{'0' * 8}/stream"))
    done, _ = await asyncio.wait([early, follow], timeout=0.2)
    assert not done
    assert await is_fine(api)
    await start(jp_serverapp)
    assert await early == []
    assert (await follow).status == 404


@NOT_STARTED
async def test_an_early_message_is_read_when_somebody_can(api: Api, jp_serverapp: Any) -> None:
    """Its body comes before the handlers are loaded."""
    text = " ".join(["long"] * 50_000)
    early = asyncio.create_task(api.create(text))
    await asyncio.sleep(0)
    await start(jp_serverapp)
    (message, *_) = await api.messages((await early)["id"])
    assert message["content"] == [{"type": "text", "text": text}]


@NOT_STARTED
async def test_an_early_socket_is_served(api: Api, jp_serverapp: Any) -> None:
    starting = asyncio.create_task(start(jp_serverapp))
    async with api.socket("/watch") as watch:
        await starting
        chat_id = await api.create_id()
        async with asyncio.timeout(PATIENCE):
            while chat_id not in (frame := str(await watch.read_message())):
                assert '"ping"' in frame


@NOT_STARTED
async def test_a_package_that_cannot_be_loaded_is_told(
    api: Api, chatd: JupyterChatd, jp_serverapp: Any, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    """All else works, and the log has the traceback."""
    monkeypatch.setattr(chatd, "_make_assembly", lambda: 1 // 0)
    await start(jp_serverapp)
    for method, path in (("GET", ""), ("POST", "/x/messages"), ("GET", "/x/stream")):
        reply = await api.call(method, path, {} if method == "POST" else None)
        assert (reply.status, reply.json["message"]) == (503, NOT_LOADED)
    assert await is_fine(api)
    assert "ZeroDivisionError" in caplog.text
    await stop(jp_serverapp)


@NOT_STARTED
async def test_strangers_do_not_wait(api: Api) -> None:
    stranger = api.with_headers(Authorization="")
    assert (await stranger.call("GET")).status == 403
    assert (await stranger.call("GET", "/x/stream")).status == 403


@NOT_STARTED
async def test_nobody_waits_for_ever(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "START_WAIT", 0.05)
    reply = await api.call("GET")
    assert (reply.status, reply.json["message"]) == (
        503,
        "The agent is still starting. Try again in a moment.",
    )


async def check_unavailable(api: Api, sentence: str) -> None:
    """Every route says why, and the rest of the server works."""
    for method, path in (("GET", ""), ("POST", ""), ("GET", "/models"), ("GET", "/x/stream")):
        reply = await api.call(method, path, {} if method == "POST" else None)
        assert (reply.status, reply.headers["Content-Type"]) == (503, "application/json")
        assert sentence in reply.json["message"]
    assert (await api.refused("/watch")).status == 503
    assert await is_fine(api)


@NOT_STARTED
async def test_a_database_of_a_newer_release_is_left_alone(
    api: Api, jp_serverapp: Any, jp_data_dir: Path
) -> None:
    path = jp_data_dir / "jupyter_chatd" / "chats.db"
    make_newer(path)
    before = path.read_bytes()
    await start(jp_serverapp)
    await check_unavailable(
        api, "was written by a newer release of jupyter_chatd (it has 9999_from_the_future)"
    )
    await stop(jp_serverapp)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.glob("chats.db*")] == ["chats.db"]


def make_newer(path: Path) -> None:
    """Write a database with a migration that this release does not have."""
    file = open_file(path, journal="delete")
    file.connection.execute(
        "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) "
        "VALUES ('jupyter_chatd', '9999_from_the_future', '2030-01-01')"
    )
    file.close()


@NOT_STARTED
async def test_a_database_of_another_program_is_left_alone(
    api: Api, jp_serverapp: Any, jp_data_dir: Path
) -> None:
    path = jp_data_dir / "jupyter_chatd" / "chats.db"
    path.parent.mkdir()
    conn = sqlite3.connect(path)
    conn.execute("CREATE TABLE recipes (name TEXT)")
    conn.close()
    await start(jp_serverapp)
    await check_unavailable(
        api, "is an SQLite database of another program. Point JupyterChatd.data_dir elsewhere."
    )


@NOT_STARTED
async def test_a_data_folder_that_cannot_be_made_is_named(
    api: Api, jp_serverapp: Any, jp_data_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = jp_data_dir / "jupyter_chatd"
    folder.write_text("a file is in the way")
    await start(jp_serverapp)
    await check_unavailable(api, f"The agent's data folder {folder} cannot be used: ")
    assert "set JupyterChatd.data_dir, and restart the server" in caplog.text
    await stop(jp_serverapp)


@NOT_STARTED
@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
async def test_a_data_folder_that_is_read_only_is_named(
    api: Api, jp_serverapp: Any, jp_data_dir: Path
) -> None:
    folder = jp_data_dir / "jupyter_chatd"
    folder.mkdir(mode=0o500)
    await start(jp_serverapp)
    await check_unavailable(api, f"The agent's data folder {folder} cannot be used: ")


# Stopping


def chatd_threads() -> list[str]:
    """Threads of the server; a client that other tests used in this process keeps its own."""
    names = (thread.name for thread in threading.enumerate())
    return [name for name in names if "chatd" in name and name != "jupyter-chatd-client"]


_others: set[int] = set()
"""Child processes that were there before the test's server: those of other tests."""


@pytest.fixture(autouse=True)
def note_others() -> None:
    """Autouse comes first: before the server starts."""
    _others.clear()
    _others.update(children())


def children() -> set[int]:
    """The child processes of this one."""
    return {pid for task in Path("/proc/self/task").iterdir() for pid in children_of(task)}


def children_of(task: Path) -> list[int]:
    """The processes that a thread started; none of one that has ended meanwhile."""
    try:
        return [int(pid) for pid in (task / "children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


@NOT_STARTED
async def test_stopping_leaves_nothing_behind(api: Api, jp_serverapp: Any, jp_data_dir: Path) -> None:
    tasks, processes = asyncio.all_tasks(), children()
    await start(jp_serverapp)
    chat_id = await api.create_id(
        "run `echo ready; sleep 60` with timeout 90s and run `sleep 61` in the background"
    )
    async with (
        api.follow(chat_id) as stream,
        api.follow_events(chat_id) as events,
        api.socket("/watch") as watch,
    ):
        await stream.part("tool-result")
        assert len(children() - processes) >= 3  # two commands, and the warden that would end them
        assert chatd_threads()
        await stop(jp_serverapp)
        assert await ends(stream)
        assert await ends(events)
        while await watch.read_message() is not None:
            pass
        assert watch.close_code == 1001
    await eventually(lambda: children() <= processes and not chatd_threads())
    await eventually(lambda: not [task for task in asyncio.all_tasks() - tasks if "chatd" in task.get_name()])
    assert not [file.name for file in (jp_data_dir / "jupyter_chatd" / "workers").iterdir()]
    await check_unavailable(api, "The server is stopping.")
    await stop(jp_serverapp)


async def ends(stream: Any) -> bool:
    while (frame := await stream.frame())["type"] != "end":
        assert frame["type"] in ("data", "ping")
    return True


@NOT_STARTED
async def test_stopping_what_was_never_started_is_nothing(api: Api, jp_serverapp: Any) -> None:
    await stop(jp_serverapp)
    await check_unavailable(api, "The server is stopping.")
    await start(jp_serverapp)
    await check_unavailable(api, "The server is stopping.")
    assert not chatd_threads()


@NOT_STARTED
async def test_stopping_while_it_starts_waits_for_the_start(jp_serverapp: Any) -> None:
    starting = asyncio.create_task(start(jp_serverapp))
    await asyncio.sleep(0)
    await stop(jp_serverapp)
    assert starting.done()
    assert not chatd_threads()


async def test_a_chat_goes_on_in_the_next_server(
    api: Api, chatd: JupyterChatd, jp_serverapp: Any, jp_data_dir: Path
) -> None:
    chat_id = await api.create_id("run `echo on; sleep 60` with timeout 90s then say done")
    async with api.follow(chat_id) as stream:
        await stream.part("tool-result")
    await stop(jp_serverapp)
    chatd.initialize_settings()
    await start(jp_serverapp)
    async with api.follow(chat_id) as stream:
        assert await stream.status(*AT_REST) == "waiting"
    (result,) = await api.results(chat_id)
    assert result["result"]["output"] == "on\n"
    assert "was interrupted and ended" in result["result"]["error"]
    assert (await api.messages(chat_id))[-1]["role"] == "assistant"


# Open doors


@pytest.mark.parametrize(("network", "told"), [(True, True), (False, False)])
@NOT_STARTED
async def test_a_server_that_asks_for_no_token_says_that_it_leads_out_of_the_sandbox(
    jp_serverapp: Any, caplog: pytest.LogCaptureFixture, network: bool, told: bool
) -> None:
    extension = jp_serverapp.extension_manager.extension_points["jupyter_chatd"].app
    extension.sandbox_network = network
    jp_serverapp.identity_provider.token = ""
    await start(jp_serverapp)
    assert ("asks nobody for a token" in caplog.text) is told


@NOT_STARTED
async def test_it_says_so_too_where_the_chats_cannot_be_opened(
    jp_serverapp: Any, jp_data_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Its agent works for other servers all the same."""
    make_newer(jp_data_dir / "jupyter_chatd" / "chats.db")
    jp_serverapp.identity_provider.token = ""
    await start(jp_serverapp)
    assert "asks nobody for a token" in caplog.text
