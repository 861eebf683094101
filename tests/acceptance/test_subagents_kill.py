"""`kill -9` of a whole server in the middle of a family: a parent and twenty children in all phases.

What must hold: after the restart every child ends once, no command runs twice, and the parent hears every
report once.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from acceptance.chats import Chats
from acceptance.families import MODEL, Family, delegating, family_server, reports
from fakes.responder import Conversation
from fakes.steps import Answer, call, say, wait
from servers import JupyterServer

from jupyter_chatd.store.calls import NOT_RUN, UNKNOWN_OUTCOME

pytestmark = pytest.mark.slow

LINES = 2  # appended by each child that works, one call a step
SLOW = 60.0  # seconds until the test gives up: the machine may be busy
QUICK, TALK, WORK = range(4), range(4, 12), range(12, 20)
ROLES = [*("quick" for _ in QUICK), *("talk" for _ in TALK), *("work" for _ in WORK)]
CHILDREN = len(ROLES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """When the server is killed."""

    name: str
    held: frozenset[str] = frozenset()
    """Children in these roles do not get ahead before the kill."""
    is_so: Callable[[Family], bool]
    in_one_call: bool = False
    """The parent waits for all by one call, instead of by one for each."""


MOMENTS = (
    Moment(name="while they are made", in_one_call=True, is_so=lambda family: family.children >= 1),
    Moment(
        name="as the parent waits by one call",
        held=frozenset({"talk", "work"}),
        in_one_call=True,
        is_so=lambda family: (
            family.awaited == 1 and family.phases == {"finished": 4, "streaming": 8, "in a tool": 8}
        ),
    ),
    Moment(
        name="as the parent waits for all",
        held=frozenset({"quick", "talk", "work"}),
        is_so=lambda family: (
            family.awaited == CHILDREN and family.phases == {"streaming": 12, "in a tool": 8}
        ),
    ),
    Moment(
        name="after the first reports",
        held=frozenset({"talk", "work"}),
        is_so=lambda family: (
            family.reported == 4 and family.phases == {"finished": 4, "streaming": 8, "in a tool": 8}
        ),
    ),
    Moment(
        name="after most reports",
        held=frozenset({"work"}),
        is_so=lambda family: family.reported == 12 and family.phases == {"finished": 12, "in a tool": 8},
    ),
    Moment(name="when the last one has ended", is_so=lambda family: family.phases["finished"] == CHILDREN),
)
released: set[int] = set()
"""The families whose server was killed."""


def tasks(family: int) -> list[str]:
    """What the children of one family are to do; each is told its number, and the family's."""
    return [f"{role} {number} of {family}" for number, role in enumerate(ROLES)]


def child(conversation: Conversation) -> Answer:
    """Do a task: say something at once, stream for a while, or append lines, one a step."""
    role, number, _, family = conversation.users[0].split()
    is_held = role in MOMENTS[int(family)].held and int(family) not in released
    if role == "work" and conversation.steps < LINES:
        line = f"echo {number}-{conversation.steps} >> lines-{family}.txt"
        return [call("execute", {"command": f"sleep {600 if is_held else 0.3}; {line}", "timeout": "20m"})]
    begin = [say("At first. ")] if role == "talk" else []
    pause = [] if role == "work" else [wait(600.0 if is_held else 0.3)]
    return [*begin, *pause, say(f"Report of {number}.")]


PLAYS = {
    **{
        f"parent{number}": delegating(tasks(number), in_one_call=moment.in_one_call)
        for number, moment in enumerate(MOMENTS)
    },
    **dict.fromkeys(ROLES, child),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    with family_server(tmp_path_factory.mktemp("killed"), PLAYS) as server:
        yield server


def reaches(is_so: Callable[[Family], bool], family: Family) -> None:
    """Return the moment that it is so."""
    give_up_at = time.monotonic() + SLOW
    while not is_so(family):
        assert time.monotonic() < give_up_at, f"not within {SLOW} s: {family.phases}"
        time.sleep(0.005)


@pytest.mark.parametrize("number", range(len(MOMENTS)), ids=[moment.name for moment in MOMENTS])
def test_l2_a_family_survives_a_kill(server: JupyterServer, number: int) -> None:
    with Chats(server, model=MODEL) as chats:
        family = Family(server.dirs.database, chats.begin(f"parent{number}"))
        reaches(MOMENTS[number].is_so, family)
        server.kill()
        released.add(number)
        server.start()
        reaches(lambda family: family.is_at_rest, family)
        children = chats.children(family.root_id)
        check_parent(chats.rows(family.root_id), waits=1 if MOMENTS[number].in_one_call else CHILDREN)
        told = [chats.rows(child["id"]) for child in children]
    assert [child["title"] for child in children] == tasks(number)
    assert {child["status"] for child in children} == {"waiting"}
    for index, rows in enumerate(told):
        check_child(rows, index)
    check_lines(server.dirs.work / f"lines-{number}.txt", told)


def check_parent(rows: list[dict[str, Any]], *, waits: int) -> None:
    """It spawned once, waited once, and heard every report once."""
    results = [part for row in rows for part in row["content"] if part["type"] == "tool-result"]
    told = reports([part["result"] for part in results if part["tool_name"] == "wait_agent"])
    assert told == [report_of(number) for number in range(CHILDREN)]
    assert [row["role"] for row in rows if row["role"] != "tool"] == ["user", *["assistant"] * 3]
    assert len(results) == CHILDREN + waits
    assert rows[-1]["content"][0]["text"] == " | ".join(told)


def report_of(number: int) -> str:
    return f"At first. Report of {number}." if number in TALK else f"Report of {number}."


def check_child(rows: list[dict[str, Any]], number: int) -> None:
    """It has its task once, one last word, and a result for every call."""
    parts = [part for row in rows for part in row["content"]]
    ends = [row for row in rows if row["role"] == "assistant" and row["content"][0]["type"] == "text"]
    assert [row["content"][0]["text"] for row in ends] == [report_of(number)]
    assert rows[-1] == ends[-1]
    assert [row["role"] for row in rows].count("user") == 1
    calls = [part["tool_call_id"] for part in parts if part["type"] == "tool-call"]
    assert len(calls) == (LINES if number in WORK else 0)
    assert calls == [part["tool_call_id"] for part in parts if part["type"] == "tool-result"]


def check_lines(file: Path, told: list[list[dict[str, Any]]]) -> None:
    """No command ran twice, and what is told of each is true."""
    written = Counter(file.read_text().split())
    assert max(written.values()) == 1, "a command ran twice"
    for number in WORK:
        parts = [part for row in told[number] for part in row["content"]]
        results = [part["result"] for part in parts if part["type"] == "tool-result"]
        for step, result in enumerate(results):
            times = written[f"{number}-{step}"]
            if error := result.get("error"):
                assert (error, times) in ((UNKNOWN_OUTCOME, 0), (UNKNOWN_OUTCOME, 1), (NOT_RUN, 0))
            else:
                assert times == 1
