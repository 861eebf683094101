"""Children of a chat, on a real store. Rules: spec/chatd.md §5."""

from __future__ import annotations

import asyncio
import time
import uuid
from dataclasses import replace
from typing import Any

import pytest

from jupyter_chatd.errors import StaleWorkError
from jupyter_chatd.events import Change
from jupyter_chatd.messages import ChatStatus, Role, TextPart
from jupyter_chatd.store import families
from jupyter_chatd.store.conversation import InterruptChat
from jupyter_chatd.store.transaction import visible_messages
from jupyter_chatd.store.work import FinishInterruption, FinishTurn
from jupyter_chatd.subagents import waiting
from jupyter_chatd.subagents.catalog import Catalog, SubagentType
from jupyter_chatd.subagents.manager import SubagentError, Until, Waited
from jupyter_chatd.subagents.waiting import Seen

from .conftest import OWNER, Family, MakeFamily, claim_of

pytestmark = pytest.mark.anyio

SOON = 30.0  # seconds


# spawn_agent (S1, S2, S3)


async def test_s1_a_child_begins_with_its_prompts_and_its_task(family: Family) -> None:
    child = await family.spawn("  Count the files.  ", title="Files")
    rows = await family.store.read(lambda conn: visible_messages(conn, child.id))
    assert [(row.role, row.created_by) for row in rows] == [
        (Role.SYSTEM, None),
        (Role.SYSTEM, None),
        (Role.USER, OWNER),
    ]
    assert rows[0].parts == (TextPart(text="Be helpful."),)
    assert rows[2].parts == (TextPart(text="Count the files."),)
    parent = family.caller.chat
    assert (child.title, child.status, child.parent_chat_id, child.root_chat_id) == (
        "Files",
        ChatStatus.RUNNING,
        parent.id,
        parent.id,
    )


@pytest.mark.parametrize(
    ("prompt", "title"),
    [
        ("one two three four five six", "one two three four five six"),
        ("one two three four five six seven", "one two three four five six..."),
        ("with\nline\tbreaks", "with line breaks"),
    ],
)
async def test_a_child_without_title_is_called_by_its_first_words(
    family: Family, prompt: str, title: str
) -> None:
    assert (await family.spawn(prompt, title="   ")).title == title


async def test_s1_one_call_makes_one_child(family: Family) -> None:
    """After a crash the call runs again: S1 with L5."""
    first = await family.spawn(index=0)
    again = await family.spawn(index=0)
    other = await family.spawn(index=1)
    assert again.id == first.id
    assert other.id != first.id
    assert len(await family.manager.children(family.caller.chat)) == 2


async def test_s2_a_general_child_takes_after_its_parent(make_family: MakeFamily) -> None:
    family = await make_family(plan_mode="plan", mcp_server_ids=("a", "b"), approval_mode="ask")
    child = await family.spawn()
    assert (child.mode, child.plan_mode, child.model, child.mcp_server_ids, child.approval_mode) == (
        None,
        "plan",
        "scripted:parent",
        ("a", "b"),
        "ask",
    )


async def test_s2_an_explore_child_has_the_turns_model_and_no_plan_mode(make_family: MakeFamily) -> None:
    family = await make_family(plan_mode="plan", mcp_server_ids=("a", "b"), servers=("a",))
    child = await family.spawn(type_name="explore")
    assert (child.mode, child.plan_mode, child.model, child.mcp_server_ids) == (
        "explore",
        None,
        "scripted:of-the-turn",
        ("a",),
    )


async def test_s2_a_type_may_have_a_model_of_its_own(make_family: MakeFamily) -> None:
    family = await make_family(Catalog(models={SubagentType.EXPLORE: "demo:demo"}))
    assert (await family.spawn(type_name="explore")).model == "demo:demo"
    assert (await family.spawn(index=1)).model == "scripted:parent"


@pytest.mark.parametrize("name", ["worker", "", "   ", "General"])
async def test_s3_an_unknown_type_is_told_those_that_there_are(family: Family, name: str) -> None:
    with pytest.raises(SubagentError, match=r"Available now: general, explore\.$"):
        await family.spawn(type_name=name)


async def test_a_type_may_have_blanks_around_it(family: Family) -> None:
    assert (await family.spawn(type_name=" explore\n")).mode == "explore"


async def test_s3_what_is_not_available_gives_its_reason(make_family: MakeFamily) -> None:
    with pytest.raises(SubagentError, match="computer_use is not available: no virtual desktop is set up"):
        await (await make_family()).spawn(type_name="computer_use")
    with pytest.raises(SubagentError, match="computer_use is not available: in plan mode nothing is changed"):
        await (await make_family(plan_mode="plan")).spawn(type_name="computer_use")


async def test_s2_a_computer_use_child_is_told_its_task_twice(make_family: MakeFamily) -> None:
    async def there_is(_chat: object) -> None:
        return None

    family = await make_family(Catalog(why_no_desktop=there_is))
    child = await family.spawn("Open the browser.", type_name="computer_use")
    rows = await family.store.read(lambda conn: visible_messages(conn, child.id))
    prompt = rows[1].parts[0]
    assert isinstance(prompt, TextPart)
    assert prompt.text.endswith("\n\nOpen the browser.")
    assert child.mode == "computer_use"


@pytest.mark.parametrize("prompt", ["", " \n "])
async def test_a_task_is_needed(family: Family, prompt: str) -> None:
    with pytest.raises(SubagentError, match="prompt is empty"):
        await family.spawn(prompt)


# Who may (S4)


async def test_s4_a_child_has_no_children(family: Family) -> None:
    child = await family.spawn()
    inside = replace(family, caller=replace(family.caller, chat=child))
    with pytest.raises(SubagentError, match="cannot have subagents of their own"):
        await inside.spawn()


async def test_s4_what_is_stored_counts_not_what_the_caller_believes(family: Family) -> None:
    child = await family.spawn()
    liar = replace(child, parent_chat_id=None)
    inside = replace(family, caller=replace(family.caller, chat=liar))
    with pytest.raises(SubagentError, match="cannot have subagents of their own"):
        await inside.spawn()


async def test_s4_a_chat_that_explores_has_no_children(family: Family) -> None:
    explorer = replace(family.caller.chat, mode="explore")
    inside = replace(family, caller=replace(family.caller, chat=explorer))
    with pytest.raises(SubagentError, match="explores cannot have subagents"):
        await inside.spawn()


async def test_a_turn_that_is_over_makes_no_child(family: Family) -> None:
    await family.store.apply(InterruptChat(chat_id=family.caller.chat.id))
    with pytest.raises(StaleWorkError):
        await family.spawn()


async def test_s4_only_so_many_work_at_the_same_time(make_family: MakeFamily) -> None:
    family = await make_family(limit=2)
    first, _ = [await family.spawn(index=index) for index in range(2)]
    with pytest.raises(SubagentError, match=r"has 2 subagents that have not ended.* wait_agent, or stop one"):
        await family.spawn(index=2)
    assert (await family.spawn(index=0)).id == first.id  # the same call again makes no other
    await family.finish(first.id, "Done.")
    await family.spawn(index=2)
    with pytest.raises(SubagentError, match="has 2 subagents that have not ended"):
        await family.manager.message(family.caller, first.id, "Once more.", interrupt=False)
    assert (await family.chat(first.id)).status is ChatStatus.WAITING


@pytest.mark.parametrize("target", ["", "7", "not-an-id", "' OR 1=1"])
async def test_ids_must_be_ids(family: Family, target: str) -> None:
    with pytest.raises(SubagentError, match="is not the id of a chat"):
        await family.manager.wait(family.caller.chat, target, timeout_s=SOON)


async def test_l6_only_descendants_are_reached(family: Family, make_family: MakeFamily) -> None:
    """Strangers, siblings of the caller, the caller itself and unknown chats are told alike."""
    child = await family.spawn()
    sibling = await family.spawn(index=1)
    stranger = (await make_family()).caller.chat
    root = family.caller.chat
    for caller, target in (
        (root, stranger.id),
        (root, root.id),
        (root, str(uuid.uuid4())),
        (child, sibling.id),
        (child, root.id),
    ):
        with pytest.raises(SubagentError, match="is not a subagent of this chat") as caught:
            await family.manager.close_child(caller, target)
        assert caught.value.kind is None


# Ancestry (L6)


async def _insert(family: Family, *pairs: tuple[str, str | None]) -> None:
    """Put chats with these parents into the file, whatever the rules say."""

    def run(conn: object) -> None:
        conn.execute("PRAGMA defer_foreign_keys = ON")  # type: ignore[attr-defined]
        for chat_id, parent in pairs:
            conn.execute(  # type: ignore[attr-defined]
                "INSERT INTO chats (id, owner_id, title, status, model, parent_chat_id, snapshot_version,"
                " history_version, created_at, updated_at)"
                " VALUES (?, 'ada', '', 'waiting', 'm', ?, 1, 1, 0, 0)",
                (chat_id, parent),
            )

    await family.store.write(run)


async def _is_below(family: Family, chat_id: str, ancestor_id: str) -> bool:
    return await family.store.read(
        lambda conn: families.is_descendant(conn, ancestor_id=ancestor_id, chat_id=chat_id)
    )


async def test_l6_descendants_are_found_upwards(family: Family) -> None:
    await _insert(family, ("a", None), ("b", "a"), ("c", "b"), ("x", None), ("y", "x"))
    answers = {
        pair: await _is_below(family, *pair)
        for pair in [
            ("b", "a"),
            ("c", "a"),
            ("a", "a"),
            ("a", "c"),
            ("y", "a"),
            ("nobody", "a"),
            ("c", "nobody"),
        ]
    }
    assert [pair for pair, answer in answers.items() if answer] == [("b", "a"), ("c", "a")]


async def test_l6_a_cycle_ends_in_no(family: Family) -> None:
    await _insert(family, ("a", "c"), ("b", "a"), ("c", "b"), ("self", "self"))
    assert not await _is_below(family, "a", "elsewhere")
    assert not await _is_below(family, "self", "elsewhere")


async def test_l6_takes_one_query_a_level(family: Family) -> None:
    await _insert(family, ("c0", None), *((f"c{n}", f"c{n - 1}") for n in range(1, 101)))
    queries: list[str] = []

    def count(conn: object) -> bool:
        conn.set_trace_callback(queries.append)  # type: ignore[attr-defined]
        try:
            return families.is_descendant(conn, ancestor_id="c0", chat_id="c100")  # type: ignore[arg-type]
        finally:
            conn.set_trace_callback(None)  # type: ignore[attr-defined]

    assert await family.store.read(count)
    assert len(queries) == 100


# wait_agent (L2)


async def test_l2_waiting_is_woken_by_the_childs_end(family: Family, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "FALLBACK", 60.0)
    child = await family.spawn()
    wait = asyncio.create_task(family.manager.wait(family.caller.chat, child.id, timeout_s=SOON))
    await family.say(child.id, "Working.")
    assert not wait.done()
    await family.finish(child.id, "There are 7.")
    ended = time.perf_counter()
    outcome = await wait
    assert time.perf_counter() - ended < SOON / 2
    assert (outcome.chat.status, outcome.report) == (ChatStatus.WAITING, "There are 7.")


async def test_l2_a_child_that_nobody_tells_of_is_looked_at(
    family: Family, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "FALLBACK", 0.05)
    child = await family.spawn()
    family.manager._bells.close()
    wait = asyncio.create_task(family.manager.wait(family.caller.chat, child.id, timeout_s=SOON))
    await family.finish(child.id, "There are 7.")
    assert (await wait).report == "There are 7."


async def test_l2_a_silent_child_costs_few_queries(family: Family, monkeypatch: pytest.MonkeyPatch) -> None:
    """60 s with a look every 5 s, here a hundred times as fast."""
    monkeypatch.setattr(waiting, "FALLBACK", 0.05)
    child = await family.spawn()
    queries = 0
    read = family.store.read

    async def counted(run: object) -> object:
        def traced(conn: object) -> object:
            conn.set_trace_callback(note)  # type: ignore[attr-defined]
            try:
                return run(conn)  # type: ignore[operator]
            finally:
                conn.set_trace_callback(None)  # type: ignore[attr-defined]

        return await read(traced)

    def note(_sql: str) -> None:
        nonlocal queries
        queries += 1

    monkeypatch.setattr(family.store, "read", counted)
    with pytest.raises(SubagentError):
        await family.manager.wait(family.caller.chat, child.id, timeout_s=0.6)
    assert 2 <= queries <= 15


async def test_the_end_of_a_child_is_heard_and_not_read(
    family: Family, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = await family.spawn()
    wait = asyncio.create_task(family.manager.wait(family.caller.chat, child.id, timeout_s=SOON))
    await family.say(child.id, "There are 7.")
    claim = claim_of(await family.chat(child.id))

    async def read(_run: object) -> None:
        raise AssertionError("the database was read")

    monkeypatch.setattr(family.store, "read", read)
    await family.store.apply(FinishTurn(claim=claim))
    assert (await wait).report == "There are 7."


@pytest.mark.parametrize("unheard", [{"foreign": True}, {"history": ()}])
async def test_a_report_is_forgotten_when_rows_change_unheard(
    family: Family, unheard: dict[str, Any]
) -> None:
    child = await family.spawn()
    with family.manager._bells.bell(child.id) as bell:
        await family.say(child.id, "Working.")
        seen = await bell.hear()
        assert seen is not None
        assert seen.report == "Working."
        bell.ring(Change(chat=child, **unheard))
        assert await bell.hear() == Seen(chat=child, report=None)


async def test_an_end_that_is_told_late_is_no_end(family: Family) -> None:
    """What is announced was committed before the chat was read: since then it has started again."""
    child = await family.spawn()
    await family.finish(child.id, "There are 7.")
    ended = await family.chat(child.id)
    await family.manager.message(family.caller, child.id, "Count again.", interrupt=False)
    wait = asyncio.create_task(family.manager.wait(family.caller.chat, child.id, timeout_s=0.2))
    await asyncio.sleep(0.05)
    family.manager._bells._ring(Change(chat=ended))
    with pytest.raises(SubagentError, match="has not ended"):
        await wait


async def test_a_child_that_is_deleted_has_no_report(family: Family) -> None:
    child = await family.spawn()
    wait = asyncio.create_task(family.manager.wait(family.caller.chat, child.id, timeout_s=SOON))
    await asyncio.sleep(0.05)
    await family.store.write(lambda conn: conn.execute("DELETE FROM chats WHERE id = ?", (child.id,)))
    family.manager._bells._ring(Change(chat=child, kind="deleted", purged=True))
    with pytest.raises(SubagentError, match="was deleted meanwhile"):
        await wait


async def test_the_report_is_the_last_text_that_is_not_empty(family: Family) -> None:
    child = await family.spawn()
    await family.say(child.id, "Found it.")
    await family.finish(child.id, "  ")
    outcome = await family.manager.wait(family.caller.chat, child.id, timeout_s=SOON)
    assert outcome.report == "Found it."


async def test_a_child_that_failed_has_ended(family: Family) -> None:
    child = await family.spawn()
    await family.fail(child.id, "no key")
    outcome = await family.manager.wait(family.caller.chat, child.id, timeout_s=SOON)
    assert (outcome.chat.status, outcome.report) == (ChatStatus.ERROR, "")


async def test_a_wait_that_is_too_short_leaves_the_child_alone(family: Family) -> None:
    child = await family.spawn()
    with pytest.raises(SubagentError, match=r"has not ended within 0\.1 s and goes on") as caught:
        await family.manager.wait(family.caller.chat, child.id, timeout_s=0.1)
    assert caught.value.kind is SubagentType.GENERAL
    await family.finish(child.id, "Late.")
    outcome = await family.manager.wait(family.caller.chat, child.id, timeout_s=SOON)
    assert outcome.report == "Late."


async def test_l2_many_are_waited_for_at_once(family: Family) -> None:
    children = [await family.spawn(index=index) for index in range(20)]
    waits = [
        asyncio.create_task(family.manager.wait(family.caller.chat, child.id, timeout_s=SOON))
        for child in children
    ]
    for child in reversed(children):
        await family.finish(child.id, f"Report of {child.id}.")
    outcomes = await asyncio.gather(*waits)
    assert [outcome.report for outcome in outcomes] == [f"Report of {child.id}." for child in children]


async def waiting_for(
    family: Family, *children: str, until: Until = Until.ALL, within_s: float = SOON
) -> Waited:
    return await family.manager.wait_for_several(
        family.caller.chat, children, timeout_s=within_s, until=until
    )


def reports(waited: Waited) -> list[str]:
    return [outcome.report for outcome in waited.ended]


async def test_l2_one_wait_for_several_ends_with_the_last_of_them(
    family: Family, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "FALLBACK", 60.0)
    one, two, other = [(await family.spawn(index=index)).id for index in range(3)]
    wait = asyncio.create_task(waiting_for(family, two, one, two))
    await family.finish(two, "Second.")
    await asyncio.sleep(0.05)
    assert not wait.done()
    await family.finish(one, "First.")
    ended = time.perf_counter()
    waited = await wait
    assert time.perf_counter() - ended < 0.5
    assert (reports(waited), waited.going_on, waited.is_over) == (["Second.", "First."], (), True)
    assert (await family.chat(other)).status is ChatStatus.RUNNING


async def test_l2_one_wait_may_end_with_the_first_of_several(
    family: Family, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "FALLBACK", 60.0)
    one, two = [(await family.spawn(index=index)).id for index in range(2)]
    wait = asyncio.create_task(waiting_for(family, one, two, until=Until.ANY))
    await family.finish(two, "Second.")
    waited = await wait
    assert (reports(waited), [chat.id for chat in waited.going_on]) == (["Second."], [one])
    await family.finish(one, "First.")
    assert reports(await waiting_for(family, one, two, until=Until.ANY)) == ["First.", "Second."]
    assert family.manager._bells._bells == {}


async def test_a_wait_for_several_that_is_too_short_has_the_reports_that_there_are(family: Family) -> None:
    one, two = [(await family.spawn(index=index)).id for index in range(2)]
    await family.finish(one, "First.")
    waited = await waiting_for(family, one, two, within_s=0.1)
    assert (reports(waited), [chat.id for chat in waited.going_on], waited.is_over) == (
        ["First."],
        [two],
        False,
    )
    assert (await family.chat(two)).status is ChatStatus.RUNNING
    await family.finish(two, "Second.")
    assert reports(await waiting_for(family, one, two)) == ["First.", "Second."]


async def test_one_wrong_id_among_several_spoils_the_wait(family: Family) -> None:
    child = await family.spawn()
    for wrong, says in (("7", "is not the id of a chat"), (str(uuid.uuid4()), "is not a subagent")):
        with pytest.raises(SubagentError, match=says):
            await waiting_for(family, child.id, wrong)
    with pytest.raises(SubagentError, match="no id in the list"):
        await waiting_for(family)


async def test_a_wait_for_several_that_is_cancelled_leaves_nothing(family: Family) -> None:
    children = [(await family.spawn(index=index)).id for index in range(3)]
    wait = asyncio.create_task(waiting_for(family, *children))
    await asyncio.sleep(0.05)
    wait.cancel()
    await asyncio.gather(wait, return_exceptions=True)
    assert family.manager._bells._bells == {}
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "chatd-wait-agent"]


async def test_a_wait_that_is_cancelled_leaves_nothing(family: Family) -> None:
    child = await family.spawn()
    wait = asyncio.create_task(family.manager.wait(family.caller.chat, child.id, timeout_s=SOON))
    await asyncio.sleep(0.05)
    wait.cancel()
    await asyncio.gather(wait, return_exceptions=True)
    assert family.manager._bells._bells == {}
    assert (await family.chat(child.id)).status is ChatStatus.RUNNING


# message_agent, close_agent


async def test_a_message_to_a_child_that_works_waits_in_its_queue(family: Family) -> None:
    child = await family.spawn()
    told = await family.manager.message(family.caller, child.id, " Also the hidden ones. ", interrupt=False)
    assert told.status is ChatStatus.RUNNING
    queue = await family.service.queue(child.id)
    assert [(one.parts, one.created_by) for one in queue] == [
        ((TextPart(text="Also the hidden ones."),), OWNER)
    ]


async def test_a_message_may_stop_what_the_child_does(family: Family) -> None:
    child = await family.spawn()
    await family.say(child.id, "Working.")
    told = await family.manager.message(family.caller, child.id, "Stop.", interrupt=True)
    assert told.status is ChatStatus.INTERRUPTING


async def test_a_child_that_has_ended_starts_again(family: Family) -> None:
    child = await family.spawn()
    await family.finish(child.id, "There are 7.")
    told = await family.manager.message(family.caller, child.id, "Count again.", interrupt=False)
    assert told.status is ChatStatus.RUNNING


async def test_an_empty_message_is_refused_with_the_type(family: Family) -> None:
    child = await family.spawn(type_name="explore")
    with pytest.raises(SubagentError, match="message is empty") as caught:
        await family.manager.message(family.caller, child.id, " ", interrupt=False)
    assert caught.value.kind is SubagentType.EXPLORE


async def test_closing_stops_a_child_and_leaves_it_there(family: Family) -> None:
    child = await family.spawn()
    await family.say(child.id, "Working.")
    closing = asyncio.create_task(family.manager.close_child(family.caller.chat, child.id))
    with family.manager._bells.bell(child.id) as bell:
        assert await bell.hear() is not None
    chat = await family.chat(child.id)
    await family.store.apply(FinishInterruption(claim=claim_of(chat)))
    assert (await closing).status is ChatStatus.WAITING
    assert (await family.manager.close_child(family.caller.chat, child.id)).status is ChatStatus.WAITING


async def test_a_child_that_does_not_stop_is_told(family: Family, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jupyter_chatd.subagents.manager.CLOSE_LIMIT", 0.1)
    child = await family.spawn()
    await family.say(child.id, "Working.")
    with pytest.raises(SubagentError, match=r"did not stop within 0\.1 s"):
        await family.manager.close_child(family.caller.chat, child.id)


async def test_a_message_of_a_turn_that_is_over_does_not_begin_anew_what_was_stopped(family: Family) -> None:
    child = await family.spawn()
    await family.store.apply(InterruptChat(chat_id=family.caller.chat.id))
    with pytest.raises(StaleWorkError):
        await family.manager.message(family.caller, child.id, "Go on.", interrupt=False)
    assert await family.service.queue(child.id) == ()


async def test_a_child_that_was_archived_is_over(family: Family) -> None:
    child = await family.spawn()
    await family.finish(child.id, "There are 7.")
    await family.service.set_archived(child.id, archived=True)
    outcome = await family.manager.wait(family.caller.chat, child.id, timeout_s=SOON)
    assert (outcome.chat.archived, outcome.report) == (True, "There are 7.")
    assert (await family.manager.close_child(family.caller.chat, child.id)).archived
    with pytest.raises(SubagentError, match=r"was archived .* spawn another one"):
        await family.manager.message(family.caller, child.id, "Count again.", interrupt=False)
