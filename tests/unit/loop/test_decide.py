"""`decide` against the table of spec/state-machine.md, "What the engine does for a state"."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_chatd.loop.decide import (
    EXCLUSIVE_ALONE,
    AskClients,
    CallModel,
    CloseInterruption,
    Compact,
    Decision,
    EndTurn,
    Fail,
    Limits,
    Rest,
    RunTools,
    Situation,
    decide,
)
from jupyter_chatd.loop.history import History
from jupyter_chatd.messages import (
    ActionKind,
    Approval,
    CallKey,
    ChatStatus,
    Message,
    RetryState,
    ToolCallPart,
    ToolRun,
)
from jupyter_chatd.store.calls import UNKNOWN_OUTCOME

from .rows import Rows, Rules, call, chat, result_of, text

LIMITS = Limits(steps=2, attempts=3)


def situation(
    rows: Rows, *, journal: Mapping[CallKey, ToolRun] | None = None, over: bool = False, **fields: Any
) -> Situation:
    return Situation(
        chat=chat(**fields), history=History(rows), journal=journal or {}, is_over_threshold=over
    )


def decided(rows: Rows, **fields: Any) -> Decision:
    return decide(situation(rows, **fields), Rules(), LIMITS)


def asked(*parts: Any) -> tuple[Rows, Message]:
    """A turn whose newest row is an assistant row of these parts."""
    rows = Rows()
    rows.user()
    return rows, rows.assistant(*parts)


def run_of(key: CallKey, asked_for: ToolCallPart, **fields: Any) -> ToolRun:
    return ToolRun(
        message_id=key.message_id,
        call_index=key.index,
        chat_id="chat-1",
        tool_call_id=asked_for.tool_call_id,
        tool_name=asked_for.tool_name,
        **fields,
    )


# The whole table at once


@dataclass(frozen=True)
class Case:
    """One combination of everything that the table looks at."""

    status: ChatStatus
    archived: bool
    requested: bool
    last_step: str
    """What the newest step is: no answer yet, calls that are open, calls that were answered, a text."""
    long_turn: bool
    spent: bool
    over: bool

    def situation(self) -> Situation:
        rows = Rows()
        rows.user()
        if self.long_turn:
            earlier = rows.assistant(call("s"))
            rows.answer(earlier, 0)
        add_last_step(rows, self.last_step)
        return situation(
            rows,
            over=self.over,
            status=self.status,
            archived=self.archived,
            compaction_requested_at=1.0 if self.requested else None,
            generation_attempt=3 if self.spent else 0,
        )

    @property
    def steps(self) -> int:
        return self.long_turn + (self.last_step != "none")


OPEN = {
    "approval": "a",
    "server and client": "sc",
    "server": "s",
    "client": "c",
    "question": "q",
    "stop-after": "p",
}
ANSWERED = {"answered": "s", "stop-after succeeded": "p", "stop-after failed": "p"}
TEXTS = ("text", "paused", "empty")
LAST_STEPS = ("none", *OPEN, *ANSWERED, *TEXTS)


def add_last_step(rows: Rows, kind: str) -> None:
    if kind in OPEN:
        rows.assistant(*map(call, OPEN[kind]))
    elif kind in ANSWERED:
        row = rows.assistant(*map(call, ANSWERED[kind]))
        rows.answer(row, 0, is_error=kind == "stop-after failed")
    elif kind in TEXTS:
        rows.assistant(*([] if kind == "empty" else [text("So.")]), paused=kind == "paused")


def by_the_table(case: Case) -> type[Decision]:
    """The table of the specification, read aloud; the first match wins."""
    idle = (ChatStatus.WAITING, ChatStatus.ERROR, ChatStatus.REQUIRES_ACTION)
    rows: list[tuple[bool, type[Decision]]] = [
        (case.archived or case.status in idle, Rest),  # 1
        (case.status is ChatStatus.INTERRUPTING, CloseInterruption),  # 2
        (case.requested, Compact),  # 3
        (case.last_step == "approval", AskClients),  # 4
        (case.last_step in ("server", "server and client", "stop-after"), RunTools),  # 5
        (case.last_step in ("client", "question"), AskClients),  # 6
        (case.last_step == "stop-after succeeded", EndTurn),  # 7
        (case.last_step in ("text", "empty"), EndTurn),  # 8
        (case.steps >= LIMITS.steps, EndTurn),  # 9
        (case.spent, Fail),  # 10
        (case.over, Compact),  # 11
        (True, CallModel),  # 12
    ]
    return next(decision for matches, decision in rows if matches)


def test_every_combination_is_decided_by_the_first_row_that_matches() -> None:
    flags = (False, True)
    cases = [Case(*values) for values in product(ChatStatus, flags, flags, LAST_STEPS, flags, flags, flags)]
    wrong = [
        case for case in cases if type(decide(case.situation(), Rules(), LIMITS)) is not by_the_table(case)
    ]
    assert wrong == []
    assert len(cases) == 5 * 2 * 2 * len(LAST_STEPS) * 8


# Row by row: what exactly


@pytest.mark.parametrize("archived", [False, True])
@pytest.mark.parametrize("status", ["waiting", "error", "requires_action"])
def test_row_1_nothing_to_do(status: str, archived: bool) -> None:
    rows = Rows()
    rows.user()
    assert decided(rows, status=ChatStatus(status), archived=archived) == Rest()


def test_row_4_asks_for_the_undecided_before_anything_of_the_step_runs() -> None:
    rows, row = asked(call("s"), call("a1"), call("c"), call("a2"))
    assert decided(rows) == AskClients(
        calls=(
            (CallKey(message_id=row.id, index=1), call("a1"), ActionKind.APPROVAL),
            (CallKey(message_id=row.id, index=3), call("a2"), ActionKind.APPROVAL),
        ),
        has_deadline=False,
    )


def test_row_4_allowed_and_denied_calls_are_decided() -> None:
    rows, row = asked(call("a1"), call("a2"))
    first, second = (CallKey(message_id=row.id, index=index) for index in (0, 1))
    denial = result_of(call("a2"), {"error": "denied"}, is_error=True)
    journal = {
        first: run_of(first, call("a1"), action=ActionKind.APPROVAL, approval=Approval.ALLOWED),
        second: run_of(
            second, call("a2"), action=ActionKind.APPROVAL, approval=Approval.DENIED, result=denial
        ),
    }
    assert decided(rows, journal=journal) == RunTools(start=((first, call("a1")),), ready=((second, denial),))


def test_row_4_pending_is_undecided() -> None:
    rows, row = asked(call("a1"))
    key = CallKey(message_id=row.id, index=0)
    journal = {key: run_of(key, call("a1"), action=ActionKind.APPROVAL, approval=Approval.PENDING)}
    assert isinstance(decided(rows, journal=journal), AskClients)


def test_row_5_starts_all_calls_of_the_server_and_leaves_the_clients_open() -> None:
    rows, row = asked(text("First"), call("s1"), call("c"), call("s2"))
    assert decided(rows) == RunTools(
        start=(
            (CallKey(message_id=row.id, index=1), call("s1")),
            (CallKey(message_id=row.id, index=3), call("s2")),
        ),
        ready=(),
    )


@pytest.mark.parametrize(
    "name, journalled, expected",
    [
        ("s", "nothing", "start"),
        ("s", "started", "unknown"),
        ("s", "finished", "kept"),
        ("r", "nothing", "start"),
        ("r", "started", "start"),
        ("r", "finished", "kept"),
        ("c", "finished", "kept"),
    ],
)
def test_row_5_after_a_crash(name: str, journalled: str, expected: str) -> None:
    rows, row = asked(call(name))
    key = CallKey(message_id=row.id, index=0)
    kept = result_of(call(name), {"kept": True})
    journal = {
        "nothing": {},
        "started": {key: run_of(key, call(name), started_at=1.0)},
        "finished": {key: run_of(key, call(name), started_at=1.0, finished_at=2.0, result=kept)},
    }[journalled]
    unknown = result_of(call(name), {"error": UNKNOWN_OUTCOME}, is_error=True)
    assert (
        decided(rows, journal=journal)
        == {
            "start": RunTools(start=((key, call(name)),), ready=()),
            "unknown": RunTools(start=(), ready=((key, unknown),)),
            "kept": RunTools(start=(), ready=((key, kept),)),
        }[expected]
    )


def test_row_5_an_exclusive_tool_with_others_runs_none_of_them() -> None:
    rows, row = asked(call("s"), call("x"), call("c"))
    error = {"error": EXCLUSIVE_ALONE.format(name="x")}
    assert decided(rows) == RunTools(
        start=(),
        ready=tuple(
            (CallKey(message_id=row.id, index=index), result_of(call(name), error, is_error=True))
            for index, name in enumerate("sxc")
        ),
    )


def test_row_5_an_exclusive_tool_alone_runs() -> None:
    rows, row = asked(call("x"))
    assert decided(rows) == RunTools(start=((CallKey(message_id=row.id, index=0), call("x")),), ready=())


def test_row_5_what_the_vendor_ran_itself_is_not_run() -> None:
    rows, _ = asked(call("s", provider_executed=True), text("So."))
    assert decided(rows) == EndTurn()


def test_row_6_client_tools_have_a_deadline_questions_have_none() -> None:
    rows, row = asked(call("c"))
    ask = (CallKey(message_id=row.id, index=0), call("c"), ActionKind.CLIENT_TOOL)
    assert decided(rows) == AskClients(calls=(ask,), has_deadline=True)

    rows, row = asked(call("c"), call("q"))
    asks = (
        (CallKey(message_id=row.id, index=0), call("c"), ActionKind.CLIENT_TOOL),
        (CallKey(message_id=row.id, index=1), call("q"), ActionKind.QUESTION),
    )
    assert decided(rows) == AskClients(calls=asks, has_deadline=False)


def test_row_7_only_in_the_turn_that_it_was_called_in() -> None:
    rows, row = asked(call("p"))
    rows.answer(row, 0)
    assert decided(rows) == EndTurn()
    rows.user("Go on.")
    assert decided(rows) == CallModel()


def test_row_8_an_answer_of_an_earlier_turn_is_none_of_this_one() -> None:
    rows, _ = asked(text("Hello."))
    assert decided(rows) == EndTurn()
    rows.user("And now?")
    assert decided(rows) == CallModel()


def test_row_9_says_why_the_turn_ended() -> None:
    rows, row = asked(call("s"))
    rows.answer(row, 0)
    rows.answer(rows.assistant(call("s")), 0)
    ended = decided(rows)
    assert isinstance(ended, EndTurn)
    assert ended.note is not None
    assert "2 steps" in ended.note


def test_row_10_tells_the_last_error() -> None:
    rows = Rows()
    rows.user()
    retry = RetryState(
        attempt=3, delay_ms=1, error="It is overloaded.", retrying_at=9.0, kind="overloaded", status_code=529
    )
    failed = decided(rows, generation_attempt=3, retry_state=retry)
    assert isinstance(failed, Fail)
    assert (failed.error.kind, failed.error.status_code) == ("overloaded", 529)
    assert "3 attempts" in failed.error.message
    assert "It is overloaded." in failed.error.message


def test_compressed_rows_do_not_count() -> None:
    rows, _ = asked(text("Hello."))
    rows.user("And now?")
    rows.summary("They greeted.", covers_until=2)
    assert decided(rows) == CallModel()


# Any history


@st.composite
def histories(draw: st.DrawFn) -> Rows:
    """A history as transitions make it: only the newest assistant row has open calls."""
    rows = Rows()
    if draw(st.booleans()):
        rows.system("Be helpful.")
    rows.user()
    for _ in range(draw(st.integers(0, 5))):
        kind = draw(st.sampled_from("uasc"))
        if kind == "u":
            rows.user()
        elif kind == "c" and len(rows) > 1:
            rows.summary("Before.", covers_until=draw(st.integers(1, len(rows))))
        else:
            add_answered_step(draw, rows)
    if draw(st.booleans()):
        rows.assistant(*draw(st.lists(st.builds(call, st.sampled_from("srcqaxp")), max_size=4)))
    return rows


def add_answered_step(draw: st.DrawFn, rows: Rows) -> None:
    row = rows.assistant(
        text("So."),
        *draw(st.lists(st.builds(call, st.sampled_from("srp")), max_size=2)),
        paused=draw(st.booleans()),
    )
    for index, _ in row.tool_calls:
        rows.answer(row, index, is_error=draw(st.booleans()))


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    rows = draw(histories())
    history = History(rows)
    journal = {
        key: run_of(
            key,
            asked_for,
            started_at=draw(st.sampled_from([None, 1.0])),
            approval=draw(st.sampled_from([None, *Approval])),
            result=draw(st.sampled_from([None, result_of(asked_for)])),
        )
        for key, asked_for in history.open_calls()
        if draw(st.booleans())
    }
    state = chat(
        draw(st.sampled_from(ChatStatus)),
        archived=draw(st.booleans()),
        compaction_requested_at=draw(st.sampled_from([None, 1.0])),
        generation_attempt=draw(st.integers(0, 4)),
    )
    return Situation(chat=state, history=history, journal=journal, is_over_threshold=draw(st.booleans()))


@given(situations())
def test_decide_is_total_and_says_the_same_again(now: Situation) -> None:
    assert decide(now, Rules(), LIMITS) == decide(now, Rules(), LIMITS)


@given(situations())
def test_carrying_out_a_decision_about_calls_leaves_none_of_them_open(now: Situation) -> None:
    """However often it is asked again: the engine never goes round in circles over the same calls."""
    running = replace(now, chat=chat())
    decision = decide(running, Rules(), LIMITS)
    if not isinstance(decision, RunTools):
        return
    done = {key for key, _ in decision.start} | {key for key, _ in decision.ready}
    assert done
    assert done <= {key for key, _ in now.history.open_calls()}
    assert len(done) == len(decision.start) + len(decision.ready)
