"""No call is left without a result, and the result says what is known. Three texts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from jupyter_chatd.errors import ConflictError
from jupyter_chatd.messages import ActionKind, CallKey, NewMessage, Role
from jupyter_chatd.store import State
from jupyter_chatd.store.actions import CancelAction, ClaimAction, EnterAction
from jupyter_chatd.store.calls import NO_CLIENT, NOT_RUN, UNKNOWN_OUTCOME
from jupyter_chatd.store.conversation import BusyBehavior, InterruptChat, SendMessage
from jupyter_chatd.store.work import (
    CommitStep,
    FinishError,
    FinishInterruption,
    FinishTools,
    FinishTurn,
    StartTools,
)

from . import build
from .lockstep import Lockstep
from .scenes import ask_model, begin, closing_texts, open_keys, reach

pytestmark = pytest.mark.anyio

Ending = Callable[[Lockstep], Awaitable[Any]]


async def _interrupted(both: Lockstep) -> None:
    await both.do(InterruptChat(chat_id="c"))
    await both.do(FinishInterruption(claim=both.claim()))


ENDINGS: dict[str, Ending] = {
    "FinishTurn": lambda both: both.do(FinishTurn(claim=both.claim())),
    "FinishError": lambda both: both.do(FinishError(claim=both.claim(), error=build.FAILED)),
    "FinishInterruption": _interrupted,
}


@pytest.mark.parametrize("ending", ENDINGS)
async def test_each_call_is_closed_with_what_the_journal_knows(both: Lockstep, ending: str) -> None:
    """Finished keeps its result, started is unknown, the rest was not run. All have the vendor's same id."""
    await begin(both)
    finished, started, _ = await ask_model(both, calls=3)
    await both.do(StartTools(claim=both.claim(), calls=[build.start(finished), build.start(started)]))
    await both.do(FinishTools(claim=both.claim(), results=[(finished, build.output("42"))]))
    await ENDINGS[ending](both)
    assert closing_texts(both) == [{"output": "42"}, {"error": UNKNOWN_OUTCOME}, {"error": NOT_RUN}]
    rows = [row for row in both.record().visible if row.role is Role.TOOL]
    assert [row.answers.index for row in rows if row.answers] == [1, 2, 3]


async def test_call_that_a_client_had_claimed_is_unknown(both: Lockstep) -> None:
    await reach(both, State.A0, calls=2)
    key = open_keys(both)[0]
    await both.do(ClaimAction(chat_id="c", keys=(key,), client="kernel"))
    await both.do(InterruptChat(chat_id="c"))
    assert closing_texts(both) == [{"error": UNKNOWN_OUTCOME}, {"error": NOT_RUN}]


async def test_deadline_says_that_no_client_came(both: Lockstep) -> None:
    await reach(both, State.A0)
    both.now += 1000
    await both.do(CancelAction(chat_id="c"))
    assert closing_texts(both) == [{"error": NO_CLIENT}]
    assert both.record().state == "R0"


async def test_without_a_client_the_waiting_ends_early(both: Lockstep) -> None:
    await reach(both, State.A0, calls=2)
    await both.do(CancelAction(chat_id="c", reason="Nobody.", is_unattended=True))
    assert closing_texts(both) == [{"error": "Nobody."}] * 2


async def test_what_a_client_has_claimed_has_its_time(both: Lockstep) -> None:
    await reach(both, State.A0, calls=2)
    await both.do(ClaimAction(chat_id="c", keys=(open_keys(both)[0],), client="page"))
    with pytest.raises(ConflictError):
        await both.do(CancelAction(chat_id="c", is_unattended=True))


async def test_result_rows_come_before_the_message_that_closes_the_calls(both: Lockstep) -> None:
    await reach(both, State.A1)
    await both.do(SendMessage(chat_id="c", message=build.user("enough"), busy=BusyBehavior.INTERRUPT))
    roles = [row.role for row in both.record().visible]
    assert roles == [Role.USER, Role.ASSISTANT, Role.TOOL, Role.USER]


async def test_calls_of_a_partial_answer_are_closed_with_it(both: Lockstep) -> None:
    await reach(both, State.I0)
    await both.do(FinishInterruption(claim=both.claim(), partial=(build.assistant("half", "execute"),)))
    assert closing_texts(both) == [{"error": NOT_RUN}]
    assert both.record().state == "W"


async def test_calls_whose_rows_are_there_are_left_alone(both: Lockstep) -> None:
    await begin(both)
    keys = await ask_model(both, calls=2)
    await both.do(CommitStep(claim=both.claim(), rows=_result_rows(keys)))
    await both.do(FinishTurn(claim=both.claim()))
    assert closing_texts(both) == [{"output": "done"}, {"output": "done"}]


def _result_rows(keys: Sequence[CallKey]) -> tuple[NewMessage, ...]:
    return tuple(NewMessage(role=Role.TOOL, parts=(build.output(),), answers=key) for key in keys)


async def test_no_step_hides_open_calls_behind_it(both: Lockstep) -> None:
    """A runner that forgot the results of a step gets them closed for it, and is told so."""
    await begin(both)
    await ask_model(both)
    committed = await both.do(CommitStep(claim=both.claim(), rows=(build.assistant("next"),)))
    assert [row.role for row in committed.rows] == [Role.TOOL, Role.ASSISTANT]


async def test_compaction_in_the_middle_of_a_step_leaves_its_calls_open(both: Lockstep) -> None:
    """Compressed rows do not count as history."""
    await begin(both)
    keys = await ask_model(both)
    await both.do(CommitStep(claim=both.claim(), rows=(build.summary("so far", 1),), compacted=True))
    assert open_keys(both) == keys
    await both.do(EnterAction(claim=both.claim(), asks=build.asks(keys, ActionKind.QUESTION)))
    assert both.record().state == "A0"
