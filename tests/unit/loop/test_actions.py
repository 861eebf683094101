"""Tools that a client runs: the chat waits, nobody owns it, and it goes on by itself."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest
from world import World, eventually, outline, results, script

from jupyter_chatd.errors import AlreadyDecidedError, InvalidInputError
from jupyter_chatd.events import ActionRequiredEvent
from jupyter_chatd.loop.approvals import ApprovalPolicy, Ask, Rule
from jupyter_chatd.loop.unattended import NOBODY_THERE
from jupyter_chatd.messages import ActionKind, CallKey, Chat, ChatStatus, ClientTool
from jupyter_chatd.providers.scripted import Call, call, say
from jupyter_chatd.store.actions import ActionResult
from jupyter_chatd.store.calls import NO_CLIENT
from jupyter_chatd.store.conversation import BusyBehavior

from .conftest import Start

pytestmark = pytest.mark.anyio

PLOT = ClientTool(name="plot", description="Draws.", input_schema={"type": "object"})
KERNEL = "kernel-1"


async def waiting(world: World, *calls: Call) -> tuple[str, Chat]:
    """A chat that waits for a client after the model made these calls."""
    chat_id = await world.create(tools=[PLOT])
    chat = await world.settled(chat_id, ChatStatus.REQUIRES_ACTION)
    return chat_id, chat


async def keys(world: World, chat_id: str) -> list[CallKey]:
    """The newest assistant row's calls."""
    rows = await world.rows(chat_id)
    row = [row for row in rows if row.tool_calls][-1]
    return [CallKey(message_id=row.id, index=index) for index, _ in row.tool_calls]


async def complete(world: World, chat_id: str, answers: Sequence[tuple[CallKey, object]]) -> Chat:
    return await world.runtime.service.complete(
        chat_id, [ActionResult(key=key, result=result) for key, result in answers], client=KERNEL
    )


async def test_the_model_is_told_of_the_clients_tools(start: Start) -> None:
    world = await start(script([say("Yes.")]))
    chat_id = await world.create(tools=[PLOT, ClientTool(name="execute", description="Mine.")])
    await world.settled(chat_id)
    told = {tool.name: tool.description for tool in world.model.calls[0].tools}
    assert told["plot"] == "Draws."
    assert told["execute"] == "Mine."


async def test_a_call_waits_for_its_client_and_the_turn_goes_on_with_the_result(start: Start) -> None:
    world = await start(script([call("plot", {"x": 1})], [say("Nice.")]))
    chat_id, chat = await waiting(world)
    assert (chat.worker_id, chat.runner_id) == (None, None)
    assert chat.action_deadline_at is not None
    assert 290 < chat.action_deadline_at - time.time() <= 300
    await eventually(lambda: world.runtime.worker.running == 0)

    (key,) = await keys(world, chat_id)
    (run,) = await world.runtime.service.claim(chat_id, [key], client=KERNEL)
    assert (run.action, run.args, run.claimed_by) == (ActionKind.CLIENT_TOOL, {"x": 1}, KERNEL)
    await complete(world, chat_id, [(key, {"drawn": True})])
    await world.settled(chat_id)
    rows = await world.rows(chat_id)
    assert outline(rows) == ["user: Begin.", "assistant: <plot>", "tool: <plot>", "assistant: Nice."]
    assert results(rows)[0].result == {"drawn": True}


@pytest.mark.parametrize("allow", [True, False])
async def test_a_clients_tool_that_a_rule_names_is_asked_about_first(start: Start, allow: bool) -> None:
    forced = ApprovalPolicy(forced=(Rule(tool="plot", ask=Ask.ALWAYS),))
    world = await start(script([call("plot")], [say("Nice.")]), approvals=forced)
    chat_id, _ = await waiting(world)
    (key,) = await keys(world, chat_id)
    with pytest.raises(InvalidInputError):
        await world.runtime.service.claim(chat_id, [key], client=KERNEL)
    await world.runtime.service.decide(chat_id, key, allow=allow, decided_by="ada")
    if allow:
        await world.when(chat_id, lambda change: change.chat.action_deadline_at is not None)
        (run,) = (await world.journal(chat_id)).values()
        assert (run.action, run.decided_by) == (ActionKind.CLIENT_TOOL, "ada")
        await complete(world, chat_id, [(key, "drawn")])
    await world.settled(chat_id)
    (run,) = await world.runtime.service.approvals(chat_id)
    assert run.decided_by == "ada"
    assert [part.is_error for part in results(await world.rows(chat_id))] == [not allow]


async def test_only_the_client_that_claimed_it_may_answer(start: Start) -> None:
    world = await start(script([call("plot")], [say("Nice.")]))
    chat_id, _ = await waiting(world)
    (key,) = await keys(world, chat_id)
    await world.runtime.service.claim(chat_id, [key], client="another kernel")
    with pytest.raises(AlreadyDecidedError):
        await world.runtime.service.claim(chat_id, [key], client=KERNEL)
    with pytest.raises(AlreadyDecidedError):
        await complete(world, chat_id, [(key, {})])


async def test_the_servers_calls_of_the_step_run_first(start: Start) -> None:
    world = await start(
        script([call("plot"), call("execute", {"command": "echo hi"}), call("plot")], [say("Nice.")])
    )
    chat_id, _ = await waiting(world)
    assert outline(await world.rows(chat_id))[1:] == ["assistant: <plot> <execute> <plot>", "tool: <execute>"]
    first, _, second = await keys(world, chat_id)

    await complete(world, chat_id, [(second, 2)])
    assert (await world.chat(chat_id)).status is ChatStatus.REQUIRES_ACTION
    await complete(world, chat_id, [(first, 1)])
    await world.settled(chat_id)
    rows = await world.rows(chat_id)
    assert [row.answers.index for row in rows if row.answers] == [1, 0, 2]
    assert [part.result for part in results(rows)[1:]] == [1, 2]
    assert len(world.model.calls) == 2


async def test_clients_hear_what_is_asked_and_that_it_is_no_longer(start: Start) -> None:
    world = await start(script([call("plot", {"x": 1})], [say("Nice.")]))
    chat_id, _ = await waiting(world)
    events = await world.listen_in(chat_id)
    (key,) = await keys(world, chat_id)
    await complete(world, chat_id, [(key, 1)])
    await world.settled(chat_id)
    await world.stop()
    asked = [event.actions for event in events if isinstance(event, ActionRequiredEvent)]
    assert [[action.tool_name for action in actions] for actions in asked] == [["plot"], []]
    assert asked[0][0].args == {"x": 1}


async def test_when_no_client_comes_in_time_the_turn_goes_on_without(start: Start) -> None:
    world = await start(script([call("plot")], [say("A pity.")]), action_timeout_s=0.1)
    chat_id, _ = await waiting(world)
    await world.settled(chat_id)
    rows = await world.rows(chat_id)
    assert [part.result for part in results(rows)] == [{"error": NO_CLIENT}]
    assert outline(rows)[-1] == "assistant: A pity."


async def test_when_no_client_is_there_the_turn_does_not_wait_for_one(start: Start) -> None:
    world = await start(script([call("plot")], [say("A pity.")]), unattended_timeout_s=0.1)
    chat_id, _ = await waiting(world)
    await world.settled(chat_id)
    assert [part.result for part in results(await world.rows(chat_id))] == [{"error": NOBODY_THERE}]


async def test_a_message_waits_or_ends_the_waiting(start: Start) -> None:
    world = await start(script([call("plot")], [say("Two.")], [say("Three.")]))
    chat_id, _ = await waiting(world)
    queued = await world.send(chat_id, "Second.")
    assert queued.queued
    assert (await world.chat(chat_id)).status is ChatStatus.REQUIRES_ACTION
    await world.send(chat_id, "Third.", busy=BusyBehavior.INTERRUPT)
    await world.settled(chat_id)
    assert outline(await world.rows(chat_id))[2:] == [
        "tool: <plot>",
        "user: Second.",
        "assistant: Two.",
        "user: Third.",
        "assistant: Three.",
    ]


async def test_a_tool_that_was_taken_away_is_an_error(start: Start) -> None:
    """The client that brought it is gone, and the call was not asked for yet."""
    world = await start(script([call("plot")], [say("A pity.")]))
    chat_id = await world.create()
    await world.settled(chat_id)
    (gone,) = results(await world.rows(chat_id))
    assert gone.is_error
    assert "no tool named 'plot'" in str(gone.result)
