"""The judges of the soak see what is wrong: each rule by one chat, or one row of samples, that breaks it."""

from __future__ import annotations

import mmap
import random
import subprocess
import sys
from pathlib import Path

import pytest

from jupyter_chatd.messages import JsonValue, Message, Part, Role, TextPart, ToolCallPart, ToolResultPart
from jupyter_chatd.store.calls import NOT_RUN
from soak import gauge, leftovers
from soak.extension import memory
from soak.gauge import MEGABYTE
from soak.plan import Plan, random_plan
from soak.record import Record, problems
from soak.tally import Tally

FIRST, SECOND, THIRD = (Plan(marker=f"c1.{number}") for number in (1, 2, 3))
RUN: JsonValue = {"success": True, "exit_code": 0}


def row(number: int, role: Role, *parts: Part) -> Message:
    return Message(id=number, chat_id="chat", role=role, parts=parts, created_at=0.0)


def user(number: int, plan: Plan) -> Message:
    return row(number, Role.USER, TextPart(text=plan.text))


def call(number: int, *lines: str) -> Message:
    parts = [
        ToolCallPart(
            tool_call_id=line, tool_name="execute", args={"command": f"echo {line} >> lines/c1; true"}
        )
        for line in lines
    ]
    return row(number, Role.ASSISTANT, *parts)


def result(number: int, line: str, value: JsonValue = RUN) -> Message:
    part = ToolResultPart(tool_call_id=line, tool_name="execute", result=value)
    return row(number, Role.TOOL, part)


def said(number: int) -> Message:
    return row(number, Role.ASSISTANT, TextPart(text="Done."))


HISTORY = (
    user(1, FIRST),
    call(2, "a", "b"),
    result(3, "a"),
    result(4, "b"),
    said(5),
    user(6, SECOND),
    said(7),
)


def record() -> Record:
    return Record(chat="c1", acknowledged={"c1.1", "c1.2"})


def judged(
    history: tuple[Message, ...] = HISTORY,
    lines: dict[str, int] | None = None,
    seen: tuple[Message, ...] | None = None,
    known: Record | None = None,
) -> list[str]:
    found = problems(known or record(), history, history if seen is None else seen, lines or {"a": 1, "b": 1})
    return [problem.removeprefix("chat c1: ") for problem in found]


def test_a_whole_chat_is_well() -> None:
    assert judged() == []


def test_a_lost_message() -> None:
    assert judged(HISTORY[:5]) == ["message c1.2 was acknowledged and is lost"]


def test_a_message_that_nobody_answered_may_be_there_or_not() -> None:
    known = record()
    known.doubt(["c1.2"])
    assert judged(known=known) == []
    assert judged(HISTORY[:5], known=known) == []


def test_a_message_that_was_given_back() -> None:
    known = record()
    known.give_back(["c1.2"])
    assert judged(known=known) == ["message c1.2 was given back and is there"]


def test_a_message_that_is_there_twice() -> None:
    assert judged((*HISTORY, user(8, SECOND), said(9))) == ["message c1.2 is there 2 times"]


def test_a_message_that_nobody_sent() -> None:
    assert judged((*HISTORY, user(8, THIRD), said(9))) == ["message c1.3 was never sent"]


def test_a_call_without_result_and_one_with_two() -> None:
    history = (*HISTORY[:3], result(4, "a"), *HISTORY[4:])
    assert judged(history) == ["call a has 2 results", "call b has 0 results"]


def test_a_call_that_ran_twice() -> None:
    assert judged(lines={"a": 2, "b": 1}) == ["a was left 2 times: its call ran again"]


def test_a_call_that_is_reported_as_run_and_left_nothing() -> None:
    assert judged(lines={"a": 1}) == ["b is missing: its call is reported as run"]


def test_a_call_that_was_only_begun_may_have_left_nothing() -> None:
    """A kill may come before a command in the background has done anything."""
    begun: JsonValue = {"success": True, "background_process_id": "p"}
    assert judged((*HISTORY[:3], result(4, "b", begun), *HISTORY[4:]), {"a": 1}) == []


def test_a_call_that_is_reported_as_not_run_and_left_its_line() -> None:
    history = (*HISTORY[:3], result(4, "b", {"error": NOT_RUN}), *HISTORY[4:])
    assert judged(history) == ["b was left: its call is reported as not run"]
    assert judged(history, lines={"a": 1}) == []


def test_a_call_that_is_in_no_history() -> None:
    lines = {"a": 1, "b": 1, "c": 1}
    assert judged(lines=lines) == ["c was left, and its call is in no history"]
    known = record()
    known.is_rewritten = True
    assert judged(lines=lines, known=known) == []


def test_a_stream_that_told_something_else() -> None:
    (problem,) = judged(seen=HISTORY[:-1])
    assert problem.startswith("the stream told 1:user")


def test_a_plan_survives_being_joined_to_others() -> None:
    plan = random_plan("c1.9", random.Random(1))
    assert Plan.find(f"{FIRST.text}\n{plan.text}") == plan
    assert Plan.find("Summarise the conversation.") is None


# The server


def sample(minute: float, *, memory_mb: float = 100.0, files: int = 20, tasks: int = 3) -> gauge.Sample:
    return gauge.Sample(
        minute=minute,
        memory_mb=memory_mb,
        anonymous_mb=memory_mb,
        files=files,
        tasks={"work": tasks},
        objects=1,
    )


@pytest.mark.parametrize(("per_hour", "is_well"), [(4.9, True), (5.1, False)])
def test_memory_that_grows(per_hour: float, is_well: bool) -> None:
    samples = [sample(minute, memory_mb=100 + per_hour * minute / 60) for minute in range(10, 60)]
    assert gauge.growth_per_hour(samples) == pytest.approx(per_hour)
    assert (gauge.problems(samples, minutes=60) == []) is is_well


MAPPER = """
import mmap, sys
with open(sys.argv[1], "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as pages:
    sum(pages[::4096])
    print("mapped", flush=True)
    sys.stdin.read()
"""


def test_memory_does_not_depend_on_who_else_uses_a_file(tmp_path: Path) -> None:
    """The code of a library belongs to one process alone as soon as the others that use it end."""
    library = tmp_path / "library"
    library.write_bytes(bytes(32 * MEGABYTE))
    with library.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as pages:
        assert sum(pages[::4096]) == 0
        alone = memory()
        command = [sys.executable, "-c", MAPPER, str(library)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
            assert other.stdout is not None
            assert other.stdout.readline() == b"mapped\n"
            together = memory()
            other.communicate()
    assert abs(together["Rss"] - alone["Rss"]) < 8 * MEGABYTE
    assert private(alone) - private(together) > 24 * MEGABYTE


def private(sizes: dict[str, int]) -> int:
    return sizes["Private_Clean"] + sizes["Private_Dirty"]


def test_files_and_tasks_that_stay() -> None:
    assert gauge.problems([sample(10), sample(60, files=25)], minutes=60) == []
    assert len(gauge.problems([sample(10), sample(60, files=26)], minutes=60)) == 1
    assert len(gauge.problems([sample(10), sample(60, files=14)], minutes=60)) == 1
    assert len(gauge.problems([sample(10), sample(60, tasks=4)], minutes=60)) == 1


def test_one_sample_says_nothing() -> None:
    assert len(gauge.problems([sample(10)], minutes=60)) == 1


def test_a_soak_in_which_nothing_happened_proves_nothing() -> None:
    assert "there were no kills" in Tally().gaps()


def test_what_is_left_running_is_found(tmp_path: Path) -> None:
    assert leftovers.running_in(tmp_path) == []
    with subprocess.Popen(["sleep", "60"], cwd=tmp_path) as process:
        assert len(leftovers.running_in(tmp_path)) == 1
        process.kill()


def test_a_traceback_in_the_log_is_found() -> None:
    assert leftovers.in_log("all is well\n") == []
    assert len(leftovers.in_log(f"before\n{leftovers.TRACEBACK}\nafter")) == 1
