"""`kill -9` of a whole server in the middle of a family: a parent and twenty children in all phases.

What must hold: after the restart every child ends once, no command runs twice, and the parent hears every
report once.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from acceptance.chats import Chats
from acceptance.families import MODEL, Family, delegating, playing
from fakes.responder import Conversation
from fakes.steps import Answer, call, say, wait
from servers import Dirs, JupyterServer
from soak.leftovers import in_log

from jupyter_chatd.store.calls import NOT_RUN, UNKNOWN_OUTCOME

pytestmark = pytest.mark.slow

LINES = 2  # appended by each child that works, one call a step
SLOW = 60.0  # seconds until the test gives up: the machine may be busy
QUICK, TALK, WORK = range(4), range(4, 12), range(12, 20)
TASKS = [
    *(f"quick {number}" for number in QUICK),
    *(f"talk {number}" for number in TALK),
    *(f"work {number}" for number in WORK),
]


def number_of(conversation: Conversation) -> int:
    return int(conversation.users[0].split()[1])


def quick(conversation: Conversation) -> Answer:
    return [say(f"Report of {number_of(conversation)}.")]


def talk(conversation: Conversation) -> Answer:
    """Stream for a while, each child a little longer than the one before."""
    number = number_of(conversation)
    return [say("At first. "), wait(0.6 + 0.1 * number), say(f"Report of {number}.")]


def work(conversation: Conversation) -> Answer:
    """Append a line by each of some commands, one a step."""
    number, step = number_of(conversation), conversation.steps
    if step < LINES:
        return [call("execute", {"command": f"sleep 0.6; echo {number}-{step} >> lines.txt"})]
    return [say(f"Report of {number}.")]


ROLES = {"parent": delegating(TASKS), "quick": quick, "talk": talk, "work": work}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    with playing(ROLES) as env:
        dirs = Dirs(tmp_path_factory.mktemp("killed"))
        with JupyterServer(dirs, env=env) as server:
            yield server
            assert in_log(server.log) == []


def reaches(is_so: Callable[[Family], bool], family: Family) -> None:
    """Return the moment that it is so."""
    give_up_at = time.monotonic() + SLOW
    while not is_so(family):
        assert time.monotonic() < give_up_at, f"not within {SLOW} s: {family.phases}"
        time.sleep(0.005)


MOMENTS: dict[str, tuple[Callable[[Family], bool], set[str]]] = {
    "while they are made": (lambda family: family.children >= 1, set()),
    "as the parent begins to wait": (lambda family: family.awaited > 0, {"streaming", "in a tool"}),
    "after the first reports": (lambda family: family.reported >= 4, {"finished", "streaming", "in a tool"}),
    "after half of the reports": (lambda family: family.reported >= 10, {"finished"}),
    "when the last one has ended": (lambda family: family.phases["finished"] == len(TASKS), {"finished"}),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_l2_a_family_survives_a_kill(server: JupyterServer, moment: str) -> None:
    is_so, phases = MOMENTS[moment]
    lines = server.dirs.work / "lines.txt"
    lines.unlink(missing_ok=True)
    with Chats(server, model=MODEL) as chats:
        family = Family(server.dirs.database, chats.begin("parent of twenty"))
        reaches(is_so, family)
        server.kill()
        seen = family.phases
        server.start()
        assert phases <= set(seen), "the kill missed the moment: the test proves little"
        reaches(lambda family: chats.status(family.root_id) in ("waiting", "error"), family)
        children = chats.children(family.root_id)
        check_parent(chats, family.root_id)
        told = {child["title"]: chats.rows(child["id"]) for child in children}
    assert [child["title"] for child in children] == TASKS
    assert {child["status"] for child in children} == {"waiting"}
    for number, rows in enumerate(told.values()):
        check_child(rows, number)
    check_lines(Counter(lines.read_text().split()), told)


def check_parent(chats: Chats, root_id: str) -> None:
    """It spawned once, waited once, and heard every report once."""
    results = chats.parts(root_id, "tool-result")
    reports = [part["result"]["report"] for part in results if part["tool_name"] == "wait_agent"]
    assert [report.removeprefix("At first. ") for report in reports] == [
        f"Report of {number}." for number in range(len(TASKS))
    ]
    assert len(results) == 2 * len(TASKS)
    assert not any(part.get("is_error") for part in results)
    assert chats.texts(root_id) == ["parent of twenty", " | ".join(reports)]


def check_child(rows: list[dict[str, Any]], number: int) -> None:
    """It has its task once, one last word, and a result for every call."""
    parts = [part for row in rows for part in row["content"]]
    ends = [row for row in rows if row["role"] == "assistant" and row["content"][0]["type"] == "text"]
    assert [row["content"][0]["text"] for row in ends] == [
        f"At first. Report of {number}." if number in TALK else f"Report of {number}."
    ]
    assert rows[-1] == ends[-1]
    assert [row["role"] for row in rows].count("user") == 1
    calls = [part["tool_call_id"] for part in parts if part["type"] == "tool-call"]
    assert len(calls) == (LINES if number in WORK else 0)
    assert calls == [part["tool_call_id"] for part in parts if part["type"] == "tool-result"]


def check_lines(written: Counter[str], told: dict[str, list[dict[str, Any]]]) -> None:
    """No command ran twice, and what is told of each is true."""
    assert max(written.values()) == 1, "a command ran twice"
    for number in WORK:
        parts = [part for row in told[f"work {number}"] for part in row["content"]]
        results = [part["result"] for part in parts if part["type"] == "tool-result"]
        for step, result in enumerate(results):
            times = written[f"{number}-{step}"]
            if error := result.get("error"):
                assert (error, times) in ((UNKNOWN_OUTCOME, 0), (UNKNOWN_OUTCOME, 1), (NOT_RUN, 0))
            else:
                assert times == 1
