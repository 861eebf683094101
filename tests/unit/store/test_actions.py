"""What only a client can do: run its own tool, approve, answer."""

from __future__ import annotations

import pytest

from jupyter_chatd.errors import AlreadyDecidedError, ConflictError, InvalidInputError, NotFoundError
from jupyter_chatd.messages import ActionKind, Approval, CallKey, FilePart, TextPart
from jupyter_chatd.store import State
from jupyter_chatd.store.actions import (
    DENIED,
    ActionResult,
    CancelAction,
    ClaimAction,
    CompleteAction,
    DecideApproval,
    EnterAction,
)
from jupyter_chatd.store.conversation import EditMessage, InterruptChat, SendMessage
from jupyter_chatd.store.work import Acquire, CommitStep, FinishTools, StartTools

from . import build
from .lockstep import Lockstep
from .scenes import ask_model, begin, open_keys, reach

pytestmark = pytest.mark.anyio


def claiming(*keys: CallKey, client: str = "kernel") -> ClaimAction:
    return ClaimAction(chat_id="c", keys=keys, client=client)


def completing(*keys: CallKey, result: object = 1, client: str = "kernel") -> CompleteAction:
    results = tuple(ActionResult(key=key, result={"value": result}) for key in keys)
    return CompleteAction(chat_id="c", results=results, client=client)


def deciding(key: CallKey, *, allow: bool) -> DecideApproval:
    return DecideApproval(chat_id="c", key=key, allow=allow, decided_by="ada")


# Entering


async def test_waiting_chat_belongs_to_nobody_and_tells_what_it_waits_for(both: Lockstep) -> None:
    await reach(both, State.A0, calls=2)
    assert (both.chat().worker_id, both.chat().runner_id) == (None, None)
    (change,) = both.changes
    assert change.actions is not None
    assert [(action.kind, action.call_index) for action in change.actions] == [
        (ActionKind.CLIENT_TOOL, 1),
        (ActionKind.CLIENT_TOOL, 2),
    ]
    assert {action.deadline_at for action in change.actions} == {both.chat().action_deadline_at}


async def test_waiting_for_nothing_is_refused(both: Lockstep) -> None:
    """It would be for ever."""
    await begin(both)
    (key,) = await ask_model(both)
    await both.do(StartTools(claim=both.claim(), calls=[build.start(key)]))
    await both.do(FinishTools(claim=both.claim(), results=[(key, build.output())]))
    for asks in ((), (build.ask(key, ActionKind.APPROVAL),)):
        with pytest.raises(ValueError, match="came none"):
            await both.do(EnterAction(claim=both.claim(), asks=asks))


# Client-side tools


async def test_first_client_to_claim_a_call_runs_it(both: Lockstep) -> None:
    await reach(both, State.A0)
    (key,) = open_keys(both)
    (run,) = await both.do(claiming(key, client="first"))
    assert (run.claimed_by, run.started_at) == ("first", both.now)
    with pytest.raises(AlreadyDecidedError, match="Another client runs this call"):
        await both.do(claiming(key, client="second"))
    with pytest.raises(AlreadyDecidedError, match="Another client runs this call"):
        await both.do(completing(key, client="second"))


async def test_of_several_claims_all_are_made_or_none(both: Lockstep) -> None:
    await reach(both, State.A0, calls=2)
    one, two = open_keys(both)
    await both.do(claiming(two, client="other"))
    with pytest.raises(AlreadyDecidedError):
        await both.do(claiming(one, two))
    assert [run.claimed_by for run in await both.do(claiming(one, client="third"))] == ["third"]


async def test_claiming_twice_is_claiming_once(both: Lockstep) -> None:
    await reach(both, State.A0)
    (key,) = open_keys(both)
    first = await both.do(claiming(key))
    assert await both.do(claiming(key)) == first
    assert both.changes == []


async def test_turn_goes_on_when_the_last_call_has_its_result(both: Lockstep) -> None:
    await reach(both, State.A1, calls=2)
    first, second = open_keys(both)
    await both.do(completing(first))
    assert both.record().state == "A1"
    await both.do(completing(second))
    assert (both.record().state, both.changes[0].actions) == ("R1", ())
    assert (both.chat().action_deadline_at, both.chat().worker_id) == (None, None)


async def test_same_result_again_changes_nothing_and_another_is_refused(both: Lockstep) -> None:
    """Also after the turn went on, and after it ended: a client that lost the reply repeats itself."""
    await reach(both, State.A0)
    (key,) = open_keys(both)
    await both.do(completing(key))
    for _ in range(2):
        assert await both.do(completing(key)) == both.chat()
        with pytest.raises(AlreadyDecidedError, match="another result"):
            await both.do(completing(key, result=2))
        await both.do(Acquire(worker_id="w", runner_ids=("r",)))


async def test_results_come_together_or_not_at_all(both: Lockstep) -> None:
    await reach(both, State.A0, calls=2)
    first, second = open_keys(both)
    await both.do(claiming(second, client="other"))
    with pytest.raises(AlreadyDecidedError):
        await both.do(completing(first, second))
    assert both.record().journal[first].result is None


async def test_call_named_twice_is_refused(both: Lockstep) -> None:
    await reach(both, State.A0)
    (key,) = open_keys(both)
    with pytest.raises(InvalidInputError, match="named twice"):
        await both.do(completing(key, key))


async def test_call_that_does_not_exist_or_was_edited_away_is_not_found(both: Lockstep) -> None:
    await reach(both, State.A0)
    (key,) = open_keys(both)
    with pytest.raises(NotFoundError, match=r"Call 99/0 was not found"):
        await both.do(completing(CallKey(message_id=99, index=0)))
    await both.do(EditMessage(chat_id="c", message_id=1, message=build.user("else")))
    for late in (completing(key), claiming(key)):
        with pytest.raises(NotFoundError):
            await both.do(late)


async def test_call_of_another_chat_is_not_found(both: Lockstep) -> None:
    await reach(both, State.A0, chat_id="d")
    await reach(both, State.A0)
    with pytest.raises(NotFoundError):
        await both.do(completing(*open_keys(both, "d")))


async def test_call_of_an_earlier_step_cannot_be_answered_in_a_later_one(both: Lockstep) -> None:
    await reach(both, State.A0)
    (old,) = open_keys(both)
    await both.do(InterruptChat(chat_id="c"))
    await both.do(SendMessage(chat_id="c", message=build.user("again")))
    await both.do(Acquire(worker_id="w", runner_ids=("r",)))
    keys = await ask_model(both)
    await both.do(EnterAction(claim=both.claim(), asks=build.asks(keys, ActionKind.CLIENT_TOOL)))
    for late in (completing(old), claiming(old)):
        with pytest.raises(AlreadyDecidedError, match="closed"):
            await both.do(late)


# The deadline


async def test_deadline_is_kept_to_the_second(both: Lockstep) -> None:
    await reach(both, State.A0)
    deadline = both.chat().action_deadline_at
    assert deadline is not None
    both.now = deadline - 2  # every step takes one
    with pytest.raises(ConflictError) as caught:
        await both.do(CancelAction(chat_id="c"))
    assert caught.value.detail == "The deadline has not passed."
    await both.do(CancelAction(chat_id="c"))
    assert both.record().state == "R0"


async def test_questions_have_no_deadline(both: Lockstep) -> None:
    await reach(both, State.A0, kind=ActionKind.QUESTION)
    both.now += 1e9
    with pytest.raises(ConflictError):
        await both.do(CancelAction(chat_id="c"))


# Approvals


async def test_decision_is_kept_with_who_and_when(both: Lockstep) -> None:
    await reach(both, State.A0, kind=ActionKind.APPROVAL)
    (key,) = open_keys(both)
    await both.do(deciding(key, allow=True))
    run = both.record().journal[key]
    assert (run.approval, run.decided_by, run.decided_at) == (Approval.ALLOWED, "ada", both.now)
    assert (both.record().state, run.result) == ("R0", None)


async def test_denied_call_has_its_result_at_once(both: Lockstep) -> None:
    await reach(both, State.A0, kind=ActionKind.APPROVAL)
    (key,) = open_keys(both)
    await both.do(deciding(key, allow=False))
    result = both.record().journal[key].result
    assert result is not None
    assert (result.result, result.is_error) == ({"error": DENIED}, True)


@pytest.mark.parametrize("allow", [True, False])
async def test_same_decision_again_is_fine_and_the_opposite_is_not(both: Lockstep, allow: bool) -> None:
    await reach(both, State.A0, kind=ActionKind.APPROVAL)
    (key,) = open_keys(both)
    await both.do(deciding(key, allow=allow))
    assert await both.do(deciding(key, allow=allow)) == both.chat()
    with pytest.raises(AlreadyDecidedError, match=r"was (allowed|denied) already"):
        await both.do(deciding(key, allow=not allow))


async def test_client_tool_can_need_an_approval_first(both: Lockstep) -> None:
    await reach(both, State.A0, kind=ActionKind.APPROVAL)
    keys = open_keys(both)
    await both.do(deciding(keys[0], allow=True))
    await both.do(Acquire(worker_id="w", runner_ids=("r",)))
    await both.do(EnterAction(claim=both.claim(), asks=build.asks(keys, ActionKind.CLIENT_TOOL)))
    assert both.record().state == "A0"
    await both.do(completing(*keys))
    assert both.record().state == "R0"


async def test_decision_is_remembered_when_the_call_is_asked_about_again(both: Lockstep) -> None:
    await reach(both, State.A0, kind=ActionKind.APPROVAL, calls=2)
    first, second = open_keys(both)
    await both.do(deciding(first, allow=True))
    await both.do(deciding(second, allow=True))
    await both.do(Acquire(worker_id="w", runner_ids=("r",)))
    with pytest.raises(ValueError, match="came none"):
        await both.do(EnterAction(claim=both.claim(), asks=build.asks([first, second], ActionKind.APPROVAL)))


async def test_each_kind_of_action_takes_its_own_kind_of_answer(both: Lockstep) -> None:
    await reach(both, State.A0, kind=ActionKind.APPROVAL)
    (key,) = open_keys(both)
    with pytest.raises(InvalidInputError, match="waits for an approval"):
        await both.do(completing(key))
    with pytest.raises(InvalidInputError, match="client-side"):
        await both.do(claiming(key))
    await reach(both, State.A0, kind=ActionKind.QUESTION, chat_id="d")
    (question,) = open_keys(both, "d")
    with pytest.raises(InvalidInputError, match="does not ask"):
        await both.do(DecideApproval(chat_id="d", key=question, allow=True, decided_by="ada"))


# Questions


async def test_message_answers_an_open_question(both: Lockstep) -> None:
    await reach(both, State.A1, kind=ActionKind.QUESTION)
    (key,) = open_keys(both)
    sent = await both.do(SendMessage(chat_id="c", message=build.user("the blue one", by="bob")))
    run = both.record().journal[key]
    assert run.result is not None
    assert (run.result.result, run.decided_by) == ({"answer": "the blue one"}, "bob")
    assert (sent.queued, sent.message, both.record().state) == (False, None, "R1")


async def test_message_with_a_file_is_no_answer(both: Lockstep) -> None:
    await reach(both, State.A0, kind=ActionKind.QUESTION)
    parts = (TextPart(text="see"), FilePart(file_id="f", media_type="image/png"))
    message = build.user().__class__(role=build.user().role, parts=parts, created_by="ada")
    sent = await both.do(SendMessage(chat_id="c", message=message))
    assert (sent.queued, both.record().state) == (True, "A1")


async def test_message_waits_while_more_than_questions_are_open(both: Lockstep) -> None:
    await begin(both)
    tool, question = await ask_model(both, calls=2)
    asks = (build.ask(tool, ActionKind.CLIENT_TOOL), build.ask(question, ActionKind.QUESTION))
    await both.do(EnterAction(claim=both.claim(), asks=asks))
    await both.do(SendMessage(chat_id="c", message=build.user("blue")))
    assert both.record().state == "A1"
    await both.do(completing(tool))
    await both.do(SendMessage(chat_id="c", message=build.user("blue")))
    assert both.record().state == "R1"


async def test_answers_are_given_to_the_model_in_the_next_step(both: Lockstep) -> None:
    """The journal keeps them until the runner commits the rows."""
    await reach(both, State.A0, kind=ActionKind.QUESTION)
    (key,) = open_keys(both)
    await both.do(completing(key, result="blue"))
    await both.do(Acquire(worker_id="w", runner_ids=("r",)))
    result = both.record().journal[key].result
    assert result is not None
    row = build.result_row_without_key("")
    await both.do(
        CommitStep(claim=both.claim(), rows=(row.__class__(role=row.role, parts=(result,), answers=key),))
    )
    assert open_keys(both) == []
