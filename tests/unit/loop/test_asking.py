"""A chat that asks, in a running agent."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from world import OWNER, PATIENCE, World, said, script

from jupyter_chatd.errors import AlreadyDecidedError
from jupyter_chatd.loop.service import NewChat
from jupyter_chatd.messages import ActionKind, CallKey, ChatStatus, Part, Role, TextPart, ToolResultPart
from jupyter_chatd.providers.protocol import ModelCall
from jupyter_chatd.providers.scripted import Answer, ScriptedModel, call, say

from .conftest import Start

pytestmark = pytest.mark.anyio


async def create(world: World) -> str:
    new = NewChat(owner_id=OWNER, parts=said("Begin."), model="scripted:model", created_by=OWNER)
    return (await world.runtime.service.create(replace(new, approval_mode="ask"))).id


async def until(world: World, chat_id: str, status: ChatStatus) -> None:
    async with asyncio.timeout(PATIENCE):
        while (await world.chat(chat_id)).status is not status:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def pending(world: World, chat_id: str) -> list[tuple[CallKey, Any]]:
    await until(world, chat_id, ChatStatus.REQUIRES_ACTION)
    asked = sorted((await world.journal(chat_id)).items())
    return [(key, run.args) for key, run in asked if run.action is ActionKind.APPROVAL and run.result is None]


async def decide(world: World, chat_id: str, key: CallKey, *, allow: bool, by: str = OWNER) -> None:
    await world.runtime.service.decide(chat_id, key, allow=allow, decided_by=by)


async def outputs(world: World, chat_id: str) -> list[Any]:
    await until(world, chat_id, ChatStatus.WAITING)
    rows = await world.rows(chat_id)
    return [part for row in rows for part in row.parts if isinstance(part, ToolResultPart)]


def touching(name: str) -> Any:
    return call("execute", {"command": f"touch {name}"})


def is_there(world: World, name: str) -> bool:
    return (world.work / name).exists()


async def test_a_call_waits_with_its_whole_input_until_it_is_allowed(start: Start) -> None:
    world = await start(script([touching("made")], [say("Done.")]))
    chat_id = await create(world)
    ((key, args),) = await pending(world, chat_id)
    assert args == {"command": "touch made"}
    assert not is_there(world, "made")
    await decide(world, chat_id, key, allow=True, by="ada")
    assert [part.is_error for part in await outputs(world, chat_id)] == [False]
    assert is_there(world, "made")


async def test_a_denied_call_is_a_result_that_the_model_reads(start: Start) -> None:
    world = await start(script([touching("made")], [say("As you like.")]))
    chat_id = await create(world)
    ((key, _),) = await pending(world, chat_id)
    await decide(world, chat_id, key, allow=False)
    (output,) = await outputs(world, chat_id)
    assert output.is_error
    assert "denied" in output.result["error"]
    assert not is_there(world, "made")


async def test_nothing_of_a_step_happens_before_all_is_decided(start: Start) -> None:
    step = [touching("one"), touching("two"), call("read_file", {"path": "/none"})]
    world = await start(script(step, [say("Done.")]))
    chat_id = await create(world)
    (first, _), (second, _) = await pending(world, chat_id)
    await decide(world, chat_id, first, allow=True)
    await asyncio.sleep(0.3)
    assert not is_there(world, "one")
    await decide(world, chat_id, second, allow=False)
    await outputs(world, chat_id)
    assert (is_there(world, "one"), is_there(world, "two")) == (True, False)


async def test_the_same_call_is_not_asked_about_twice(start: Start) -> None:
    world = await start(script([touching("a")], [touching("a")], [touching("b")], [say("Done.")]))
    chat_id = await create(world)
    ((first, _),) = await pending(world, chat_id)
    await decide(world, chat_id, first, allow=True)
    await until(world, chat_id, ChatStatus.RUNNING)
    ((_, args),) = await pending(world, chat_id)
    assert args == {"command": "touch b"}


async def test_writing_in_the_workspace_is_asked_about_once(start: Start) -> None:
    def writing(name: str) -> Any:
        return call("write_file", {"path": f"{world.work}/{name}", "content": "x"})

    steps = [lambda: [writing("a")], lambda: [writing("b")], lambda: [say("Done.")]]
    world = await start(ScriptedModel(lambda asked: steps[count(asked)]()))
    chat_id = await create(world)
    ((first, _),) = await pending(world, chat_id)
    await decide(world, chat_id, first, allow=True)
    await outputs(world, chat_id)
    assert (is_there(world, "a"), is_there(world, "b")) == (True, True)


def count(asked: Any) -> int:
    return sum(message.role == "assistant" for message in asked.messages)


async def test_two_who_decide_at_once_get_one_decision(start: Start) -> None:
    world = await start(script([touching("made")], [say("Done.")]))
    chat_id = await create(world)
    ((key, _),) = await pending(world, chat_id)
    answers = await asyncio.gather(
        decide(world, chat_id, key, allow=True, by="ada"),
        decide(world, chat_id, key, allow=False, by="bob"),
        return_exceptions=True,
    )
    refused = [answer for answer in answers if answer is not None]
    assert [type(answer) for answer in refused] == [AlreadyDecidedError]
    await outputs(world, chat_id)


async def test_a_decision_may_come_after_a_restart(start: Start, tmp_path: Path) -> None:
    world = await start(script([touching("made")]))
    chat_id = await create(world)
    ((key, _),) = await pending(world, chat_id)
    await world.stop()
    again = await start(script([say("Done.")]), folder=tmp_path)
    await decide(again, chat_id, key, allow=True)
    await decide(again, chat_id, key, allow=True)
    assert [part.is_error for part in await outputs(again, chat_id)] == [False]
    assert is_there(again, "made")


async def test_a_chat_that_plans_writes_its_plan_without_asking(start: Start) -> None:
    """Its commands ask as ever."""

    def answer(asked: ModelCall) -> Answer:
        system = " ".join(part.text for part in parts_of(asked) if isinstance(part, TextPart))
        (plan,) = re.findall(r"The plan file is (\S+\.md)", system)
        edits = [{"search": "Plan", "replace": "New plan"}]
        steps: list[Answer] = [
            [call("write_file", {"path": plan, "content": "# Plan\n"})],
            [call("edit_files", {"files": [{"path": plan, "edits": edits}]})],
            [call("execute", {"command": "true"})],
        ]
        return steps[sum(message.role is Role.ASSISTANT for message in asked.messages)]

    world = await start(ScriptedModel(answer))
    new = NewChat(
        owner_id=OWNER,
        parts=said("Begin."),
        model="scripted:model",
        created_by=OWNER,
        approval_mode="ask",
        plan_mode="plan",
    )
    chat_id = (await world.runtime.service.create(new)).id
    ((_, args),) = await pending(world, chat_id)
    assert args == {"command": "true"}
    assert (world.work / f".agents/plans/{chat_id}.md").read_text() == "# New plan\n"


def parts_of(asked: ModelCall) -> list[Part]:
    return [part for message in asked.messages for part in message.parts]
