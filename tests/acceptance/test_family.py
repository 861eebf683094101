"""A family seen from outside: by the Python client, in a terminal, and beside another server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from acceptance.test_cli import Terminal
from servers import Dirs, JupyterServer

from jupyter_chatd.client import AsyncClient, Chat, ChatSession, ChatView, Server, UsageReport
from jupyter_chatd.events import ChildrenEvent
from jupyter_chatd.usage import Totals

SLOW = 'delegate "run `sleep 2`" and delegate exploring "say hello", then wait for the subagents'
PATIENCE = 30.0  # seconds


@pytest.fixture
def begin(shared_server: JupyterServer) -> Callable[[str], Chat]:
    return lambda text: Chat(text, model="demo:demo", url=shared_server.url, token=shared_server.token)


@pytest.fixture
def terminal(shared_server: JupyterServer) -> Terminal:
    return Terminal(shared_server.dirs, shared_server.dirs.work)


def eventually(holds: Callable[[], Any]) -> None:
    """Wait for something that comes by itself."""
    give_up_at = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < give_up_at, "it did not come"
        time.sleep(0.02)


def test_children_keep_up_with_how_they_stand(begin: Callable[[str], Chat]) -> None:
    chat = begin(SLOW.replace("sleep 2", "sleep 5"))  # until somebody looks
    eventually(lambda: len(chat.children) == 2)
    children = chat.children
    eventually(lambda: [child.state and child.state.type for child in children] == ["general", "explore"])
    eventually(lambda: children[0].last_status == "running")
    eventually(lambda: children[0].last_status == "waiting")
    chat.wait()
    assert "sleep 5" in children._repr_html_()


def test_events_tell_of_the_family_until_the_agent_is_done(begin: Callable[[str], Chat]) -> None:
    chat = begin(SLOW)
    events = [event for event in chat.events() if isinstance(event, ChildrenEvent)]
    seen = {child.status for event in events for child in event.children}
    assert {"running", "waiting"} <= seen
    assert [child.status for child in events[-1].children] == ["waiting", "waiting"]
    assert events[-1].usage.message_count >= 4
    eventually(lambda: chat._session.view.family_usage == totals_of(chat.usage))
    assert "└─ say hello (explore): done" in str(chat._repr_mimebundle_()["text/plain"])


def totals_of(report: UsageReport) -> Totals:
    return Totals(**{field.name: getattr(report, field.name) for field in fields(Totals)})


def test_a_terminal_watches_the_tree(begin: Callable[[str], Chat], terminal: Terminal) -> None:
    chat = begin(SLOW.replace("sleep 2", "sleep 20"))  # until the command looks
    watched = terminal.run("tree", chat.id, "--watch")
    assert watched.returncode == 0, watched.stderr
    lines = watched.stdout.splitlines()
    assert lines[0].startswith(chat.title)
    assert sum("└─ run `sleep 20` (general): running" in line for line in lines) == 1
    assert any(line.startswith("└─ run `sleep 20` (general): done") for line in lines)
    assert "calls" in lines[-1]


def test_a_turn_in_a_terminal_tells_of_its_subagents(terminal: Terminal) -> None:
    ran = terminal.run("run", "--server", "running", "--model", "demo:demo", SLOW)
    assert "run `sleep 2` (general): running" in ran.stderr
    assert "run `sleep 2` (general): done" in ran.stderr


def test_watching_gives_no_json(terminal: Terminal) -> None:
    refused = terminal.run("tree", "last", "--watch", "--json")
    assert (refused.returncode, "Expected --watch or --json" in refused.stderr) == (2, True)


# Two servers of one user


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[tuple[JupyterServer, JupyterServer]]:
    dirs = Dirs(tmp_path)
    with JupyterServer(dirs) as one, JupyterServer(dirs) as two:
        yield one, two


@pytest.fixture
async def clients(
    servers: tuple[JupyterServer, JupyterServer],
) -> AsyncIterator[tuple[AsyncClient, AsyncClient]]:
    one, two = (AsyncClient(Server(url=server.url, token=server.token)) for server in servers)
    async with one, two:
        yield one, two


@pytest.mark.anyio
async def test_a_family_that_another_server_drives_is_told_of(
    clients: tuple[AsyncClient, AsyncClient],
) -> None:
    driver, other = clients
    chat = await driver.create(SLOW, model="demo:demo")
    async with asyncio.timeout(PATIENCE), ChatSession(other, chat.id) as session:
        await session.until(lambda view: statuses(view) in (["running", "running"], ["running", "waiting"]))
        view = await session.until(lambda view: statuses(view) == ["waiting", "waiting"])
        await session.settled()
    assert [child.type for child in view.children] == ["general", "explore"]
    assert view.family_usage is not None
    assert view.family_usage.message_count >= 4


def statuses(view: ChatView) -> list[str]:
    return [child.status for child in view.children]
