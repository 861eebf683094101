"""What a model may get wrong about subagents, on a whole server: each is an error that says what would work.

The parent's turn goes on, and nothing else waits for it.
"""

from __future__ import annotations

import json
import sqlite3
import time
import uuid
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from acceptance.chats import Chats, eventually
from acceptance.families import MODEL, Family, family_server, spawn
from fakes.responder import Conversation
from fakes.steps import Answer, Call, Refuse, call, say, wait
from servers import Dirs, JupyterServer

from jupyter_chatd.cli import archive
from jupyter_chatd.client import AsyncClient, Server
from jupyter_chatd.store import families
from jupyter_chatd.subagents.manager import SUBAGENTS

pytestmark = pytest.mark.slow

SPAWNS = 200  # in one step
RESPONSIVE = 2.0  # seconds that another request may take meanwhile, on a busy machine
CHILDREN = ("quick", "broken", "endless", "nosy", "quick")


def confused(conversation: Conversation) -> Answer:
    """Spawn children; later, when it is told which ids there are, get everything wrong at once."""
    if len(conversation.users) == 1:
        tasks = [spawn(task) for task in CHILDREN]
        return tasks if conversation.steps == 0 else [say("Ready.")]
    ids = json.loads(conversation.users[-1])
    return [wrong for wrong, _ in mistakes(ids)] if conversation.steps == 0 else [say("So be it.")]


def mistakes(ids: dict[str, str]) -> list[tuple[Call, str]]:
    """Calls, and what their errors must say."""

    def awaiting(target: str, **values: Any) -> Call:
        return call("wait_agent", {"chat_id": target, **values})

    types = "Available now: general, explore."
    listed = "Ids come from spawn_agent; list_agents shows those of this chat."
    again = "Send it a message to let it go on, or do without it."
    return [
        (spawn("x", kind="worker"), types),
        (spawn("x", kind="  "), types),
        (spawn("x", kind="computer_use"), types),
        (spawn(" \n "), "say what the subagent is to do"),
        (call("spawn_agent", {"prompt": "x"}), "type: required, and missing"),
        (awaiting("child 7"), listed),
        (awaiting(str(uuid.uuid4())), listed),
        (awaiting(ids["foreign"]), listed),
        (awaiting(ids["self"]), listed),
        (awaiting(ids["cycle"]), listed),
        (call("message_agent", {"chat_id": ids["cycle"], "message": "x"}), listed),
        (call("close_agent", {"chat_id": ids["foreign"]}), listed),
        (awaiting(ids["broken"]), again),
        (awaiting(ids["archived"], timeout_seconds=10**30), "do without it, or spawn another one"),
        (call("message_agent", {"chat_id": ids["archived"], "message": "x"}), "spawn another one"),
        (call("message_agent", {"chat_id": ids["quick"], "message": " "}), "say what the subagent is to do"),
        (awaiting(ids["endless"], timeout_seconds=1), "Wait for it again, or stop it with close_agent."),
    ]


def nosy(conversation: Conversation) -> Answer:
    """A child that waits for its siblings."""
    if conversation.steps == 0:
        return [call("wait_agent", {"chat_id": str(uuid.uuid4())})]
    return [say(conversation.results[0])]


def swarm(conversation: Conversation) -> Answer:
    """Spawn far too many at once."""
    if conversation.steps == 0:
        return [spawn(f"endless {number}") for number in range(SPAWNS)]
    return [say("So be it.")]


ROLES = {
    "confused": confused,
    "swarm": swarm,
    "nosy": nosy,
    "quick": lambda _: [say("Done.")],
    "broken": lambda _: [Refuse(status=400)],
    "endless": lambda _: [say("Half of it."), wait(600.0)],
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    with family_server(tmp_path_factory.mktemp("confused"), ROLES) as server:
        yield server


@pytest.fixture
def chats(server: JupyterServer) -> Iterator[Chats]:
    with Chats(server, model=MODEL) as chats:
        yield chats


def change(dirs: Dirs, sql: str, *rows: tuple[str, ...]) -> None:
    """Write into the file what no transition would."""
    with closing(sqlite3.connect(dirs.database, timeout=10.0)) as conn, conn:
        conn.executemany(sql, rows)


LINK = "UPDATE chats SET parent_chat_id = ? WHERE id = ?"


def test_s3_every_mistake_is_an_error_that_says_what_would_work(server: JupyterServer, chats: Chats) -> None:
    root, foreign = chats.begin("confused"), chats.begin("quick")
    one, other = (chats.begin("quick") for _ in range(2))
    for chat_id in (root, foreign, one, other):
        chats.settle(chat_id)
    change(server.dirs, LINK, (one, other), (other, one))
    quick, broken, endless, nosy, archived = [child["id"] for child in chats.children(root)]
    for child in (quick, broken, nosy, archived):
        chats.settle(child)
    chats.patch(archived, archived=True)
    ids = {"foreign": foreign, "self": root, "cycle": one, "quick": quick, "broken": broken}
    ids |= {"archived": archived, "endless": endless}

    chats.send(root, json.dumps(ids))
    chats.settle(root)

    parts = chats.parts(root, "tool-result")[len(CHILDREN) :]
    errors = [(part["tool_name"], part["is_error"], part["result"]["error"]) for part in parts]
    assert len(errors) == len(mistakes(ids))
    for (wrong, text), (name, is_error, error) in zip(mistakes(ids), errors, strict=True):
        assert (name, is_error) == (wrong.tool_name, True)
        assert text in error
    assert chats.texts(root)[-1] == "So be it."
    assert chats.status(endless) == "running"
    assert "There is no tool named 'wait_agent' in this chat" in chats.texts(nosy)[-1]
    chats.interrupt(root)
    chats.settle(endless)


@pytest.mark.anyio
async def test_l6_a_family_that_is_a_circle_is_shown_stopped_and_archived(
    server: JupyterServer, chats: Chats
) -> None:
    one, other = (chats.begin("quick") for _ in range(2))
    for chat_id in (one, other):
        chats.settle(chat_id)
    change(server.dirs, LINK, (one, other), (other, one))
    async with AsyncClient(Server(url=server.url, token=server.token)) as client:
        seen = await client.tree(one)
    with closing(sqlite3.connect(server.dirs.database)) as conn:
        conn.row_factory = sqlite3.Row
        root = families.find(conn, one)
        assert root is not None
        read = archive.tree(conn, root)
    for tree in (seen, read):
        assert [child.chat.id for child in tree.children] == [other]
        assert tree.children[0].children == ()
    chats.send(one, "go on")
    assert chats.settle(one)["status"] == "waiting"
    chats.interrupt(one)
    chats.patch(one, archived=True)


def test_s4_of_200_spawns_in_one_step_some_work_and_the_rest_is_told(
    server: JupyterServer, chats: Chats
) -> None:
    root = chats.begin("swarm")
    slowest = 0.0
    while chats.status(root) != "waiting":
        asked = time.monotonic()
        chats.list()
        slowest = max(slowest, time.monotonic() - asked)
    assert slowest < RESPONSIVE

    results = chats.results(root)
    refused = [result["error"] for result in results if "error" in result]
    assert (len(results), len(refused)) == (SPAWNS, SPAWNS - SUBAGENTS)
    assert all("Wait for one with wait_agent, or stop one with close_agent" in error for error in refused)
    assert chats.texts(root)[-1] == "So be it."
    # All that work hang, and others get their answers.
    assert {child["status"] for child in chats.children(root)} == {"running"}
    assert chats.settle(chats.begin("quick"))["status"] == "waiting"
    chats.interrupt(root)
    eventually(lambda: Family(server.dirs.database, root).is_at_rest)


def test_s4_what_is_stopped_while_it_spawns_leaves_no_child_at_work(
    server: JupyterServer, chats: Chats
) -> None:
    family = Family(server.dirs.database, chats.begin("swarm"))
    eventually(lambda: family.children)
    chats.interrupt(family.root_id)
    eventually(lambda: family.is_at_rest)
    assert family.children <= SUBAGENTS
    assert {child["status"] for child in chats.children(family.root_id)} == {"waiting"}
