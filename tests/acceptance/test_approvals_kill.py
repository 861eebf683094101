"""Approvals on whole servers: asked before `kill -9` and given after it, decided by several at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx
import pytest
from acceptance.chats import Chats, eventually
from acceptance.families import MODEL, Family, delegating, family_server
from fakes.responder import Conversation
from fakes.steps import Answer, call, say
from servers import JupyterServer

from jupyter_chatd.store.actions import DENIED

pytestmark = pytest.mark.slow

CALLS = 8


def work(conversation: Conversation) -> Answer:
    """Run a command that leaves a line each time that it runs, and tell how it went."""
    if conversation.steps:
        return [say(f"Report: {conversation.results[0]}")]
    return [call("execute", {"command": f"echo ran >> {conversation.users[0].split()[1]}.txt"})]


def many(conversation: Conversation) -> Answer:
    """Ask for several commands in one step."""
    if conversation.steps:
        return [say("All decided.")]
    name = conversation.users[0].split()[1]
    return [call("execute", {"command": f"echo {n} >> {name}.txt"}) for n in range(CALLS)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    roles = {"parent": delegating(["work child"]), "work": work, "many": many}
    with family_server(tmp_path_factory.mktemp("approvals"), roles) as server:
        yield server


def lines(server: JupyterServer, name: str) -> list[str]:
    """What the commands have written."""
    file = server.dirs.work / f"{name}.txt"
    return file.read_text().split() if file.exists() else []


def test_an_approval_asked_before_a_kill_is_given_after_it_once(server: JupyterServer) -> None:
    """By a child, whose parent waits all the while."""
    with Chats(server, model=MODEL) as chats:
        family = Family(server.dirs.database, chats.begin("parent", approval_mode="ask"))
        eventually(lambda: family.phases == {"asking": 1} and family.awaited == 1)
        server.restart()
        (child,) = chats.children(family.root_id)
        assert child["status"] == "requires_action"
        ((message_id, index),) = family.pending(child["id"])
        assert lines(server, "child") == []
        replies = [chats.decide(child["id"], message_id, index, decision="allow") for _ in range(2)]
        assert [reply.status_code for reply in replies] == [200, 200]
        chats.settle(family.root_id)
        late = chats.decide(child["id"], message_id, index, decision="allow")
        assert late.status_code == 200
        assert chats.settle(child["id"])["status"] == "waiting"
        assert len(chats.results(child["id"])) == 1
        assert chats.texts(family.root_id)[-1].startswith("Report: ")
    assert lines(server, "child") == ["ran"]


def test_two_who_decide_at_the_same_moment_get_one_decision(server: JupyterServer) -> None:
    """Of one server, and of two on one file."""
    with ExitStack() as stack:
        other = stack.enter_context(server.beside())
        ada, bob, eve = (stack.enter_context(Chats(on, model=MODEL)) for on in (server, server, other))
        family = Family(server.dirs.database, ada.begin("many decisions", approval_mode="ask"))
        calls = eventually(lambda: len(found := family.pending(family.root_id)) == CALLS and found)
        won: list[str] = []
        for number, (message_id, index) in enumerate(calls):
            pair = (ada, bob) if number % 2 else (ada, eve)
            won.append(race(pair, family.root_id, message_id, index))
        ada.settle(family.root_id)
        results = ada.results(family.root_id)
    ran = [str(number) for number, decision in enumerate(won) if decision == "allow"]
    assert sorted(lines(server, "decisions")) == ran
    denied = [number for number, result in enumerate(results) if result.get("error") == DENIED]
    assert denied == [number for number, decision in enumerate(won) if decision == "deny"]


def race(pair: tuple[Chats, Chats], chat_id: str, message_id: int, index: int) -> str:
    """Let one allow and the other deny; return what was decided, after a look at what the loser was told."""
    line = threading.Barrier(2)

    def decide(chats: Chats, decision: str) -> httpx.Response:
        line.wait()
        return chats.decide(chat_id, message_id, index, decision=decision)

    with ThreadPoolExecutor(2) as pool:
        allowed, denied = pool.map(decide, pair, ("allow", "deny"))
    assert sorted((allowed.status_code, denied.status_code)) == [200, 409]
    won, loser = ("allow", denied) if allowed.status_code == 200 else ("deny", allowed)
    done = {"allow": "allowed", "deny": "denied"}[won]
    assert loser.json()["message"] == f"This call was {done} already."
    return won
