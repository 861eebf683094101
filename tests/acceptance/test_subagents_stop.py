"""The stop button of a root chat: it stops twelve children at once, whatever they do, and loses nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from acceptance.chats import Chats, eventually
from acceptance.families import MODEL, Family, delegating, family_server
from fakes.responder import Conversation
from fakes.steps import Answer, call, say, wait
from servers import JupyterServer
from soak.leftovers import running_in

from jupyter_chatd.store.calls import INTERRUPTED, NOT_RUN

pytestmark = pytest.mark.slow

STOPS_WITHIN = 1.0  # seconds
TALKING, WORKING, ASKING = range(4), range(4, 8), range(8, 12)
TASKS = [
    *(f"talk {number}" for number in TALKING),
    *(f"work {number}" for number in (*WORKING, *ASKING)),
]


def talk(conversation: Conversation) -> Answer:
    return [say(f"Half of {conversation.users[0]}."), wait(600.0), say(" The rest.")]


def work(conversation: Conversation) -> Answer:
    """Run something that somebody must allow, prints, and goes on for long."""
    number = conversation.users[0].split()[1]
    return [call("execute", {"command": f"echo begun-{number}; sleep 600; true", "timeout": "20m"})]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    roles = {"parent": delegating(TASKS), "talk": talk, "work": work}
    with family_server(tmp_path_factory.mktemp("stopped"), roles) as server:
        yield server


def in_all_phases(chats: Chats, family: Family) -> dict[str, str]:
    """Wait until four children have said something, four run a command, and four ask; return ids by task."""
    eventually(lambda: family.phases["asking"] == len(WORKING) + len(ASKING))
    ids = {child["title"]: child["id"] for child in chats.children(family.root_id)}
    for number in WORKING:
        ((message_id, index),) = family.pending(ids[f"work {number}"])
        chats.decide(ids[f"work {number}"], message_id, index, decision="allow").raise_for_status()
    for number in TALKING:
        chats.hear(ids[f"talk {number}"], f"Half of talk {number}")
    for number in WORKING:
        chats.hear(ids[f"work {number}"], f"begun-{number}")
    assert family.phases == {"streaming": len(TALKING), "in a tool": len(WORKING), "asking": len(ASKING)}
    return ids


@pytest.mark.parametrize("stop", ["interrupt", "archive"])
def test_l2_stopping_the_root_stops_every_child_and_keeps_what_it_said(
    server: JupyterServer, stop: str
) -> None:
    with Chats(server, model=MODEL) as chats:
        family = Family(server.dirs.database, chats.begin("parent of twelve", approval_mode="ask"))
        ids = in_all_phases(chats, family)
        began = time.monotonic()
        if stop == "interrupt":
            chats.interrupt(family.root_id)
        else:
            chats.patch(family.root_id, archived=True)
        eventually(lambda: family.is_at_rest)
        took = time.monotonic() - began
        eventually(lambda: len(running_in(server.dirs.work)) == 1)  # the server
        children = chats.children(family.root_id)
        assert {(child["status"], child["archived"]) for child in children} == {
            ("waiting", stop == "archive")
        }
        told = {task: chats.parts(child_id) for task, child_id in ids.items()}
        waits = chats.parts(family.root_id)[-len(TASKS) :]
    assert took < STOPS_WITHIN
    assert {part["result"]["error"] for part in waits} == {INTERRUPTED}
    for number in TALKING:
        assert told[f"talk {number}"][-1]["text"] == f"Half of talk {number}."
    for number in WORKING:
        assert f"begun-{number}" in str(told[f"work {number}"][-1]["result"])
    for number in ASKING:
        assert told[f"work {number}"][-1]["result"] == {"error": NOT_RUN}
