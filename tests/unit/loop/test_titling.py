"""Titles that models write: when, from what, and that a person's own title stays."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from world import OWNER, World, eventually, script

from jupyter_chatd.errors import ConflictError, ModelError
from jupyter_chatd.loop.titling import GAP, MAX_SAMPLE, sample_of
from jupyter_chatd.messages import Chat, ErrorDetail, Message, Role, TextPart, Usage
from jupyter_chatd.providers.protocol import ModelCall
from jupyter_chatd.providers.scripted import Answer, ScriptedModel, fail, say, wait
from jupyter_chatd.store import reads

from .conftest import Start
from .rows import Rows, call, text
from .test_interrupt import NEVER

pytestmark = pytest.mark.anyio

SMALL = "scripted:small"
REFUSED = ModelError(ErrorDetail(message="The key is wrong.", kind="auth"))


async def titling(start: Start, small: ScriptedModel, *own: Answer, **options: Any) -> World:
    """A world whose titles come from *small*, else from the chat's own model."""
    world = await start(script(*own), **options)
    world.models.others[SMALL] = small
    world.models.for_titles = [(SMALL, None), ("scripted:model", None)]
    return world


def writes(*answers: Answer) -> ScriptedModel:
    return ScriptedModel(answers, ref=SMALL, usage=Usage(input_tokens=100, output_tokens=5))


async def titled(world: World, chat_id: str, title: str) -> Chat:
    return await world.when(chat_id, lambda change: change.chat.title == title)


def asked_for(call: ModelCall) -> str:
    (part,) = call.messages[-1].parts
    assert isinstance(part, TextPart)
    return part.text


QUESTION = "Please tell me which of these files are larger than 1 MB."


async def test_a_model_names_the_chat_for_its_first_message(start: Start) -> None:
    small = writes([say('"Finding large files."')])
    world = await titling(start, small, [say("These.")], [say("Yes.")])
    chat_id = await world.create(QUESTION)
    assert (await world.chat(chat_id)).title == "Please tell me which of these…"
    await titled(world, chat_id, "Finding large files")
    await world.settled(chat_id)
    await world.send(chat_id, "Sure?")
    await world.settled(chat_id)
    (asked,) = small.calls
    assert (asked.tools, asked_for(asked)) == ((), f"<conversation>\nUser: {QUESTION}\n</conversation>")


async def test_the_answer_does_not_wait_for_the_title(start: Start) -> None:
    gate = asyncio.Event()
    world = await titling(start, writes([wait(gate), say("Large files")]), [say("These.")])
    chat_id = await world.create(QUESTION)
    await world.settled(chat_id)
    gate.set()
    await titled(world, chat_id, "Large files")


async def test_a_stopped_turn_gets_its_title_all_the_same(start: Start) -> None:
    gate = asyncio.Event()
    world = await titling(start, writes([wait(gate), say("Large files")]), [wait(NEVER)])
    chat_id = await world.create(QUESTION)
    await eventually(lambda: world.model.calls)
    await world.interrupt(chat_id)
    await world.settled(chat_id)
    gate.set()
    await titled(world, chat_id, "Large files")


async def test_a_name_that_a_person_gave_meanwhile_stays(start: Start) -> None:
    gate = asyncio.Event()
    small = writes([wait(gate), say("Large files")])
    world = await titling(start, small, [say("These.")])
    chat_id = await world.create(QUESTION)
    await eventually(lambda: small.calls)
    await world.runtime.service.update(chat_id, {"title": "Mine"})
    gate.set()
    await eventually(lambda: not world.runtime.titler._tasks)
    assert (await world.chat(chat_id)).title == "Mine"


@pytest.mark.parametrize(
    "first", [[fail(REFUSED)], [say("I would be glad to help you with your large files!")]]
)
async def test_when_the_small_model_fails_the_chats_own_helps_out(start: Start, first: Answer) -> None:
    own = ScriptedModel(
        lambda call: [say("Large files" if "<conversation>" in asked_for(call) else "These.")],
    )
    world = await start(own)
    world.models.others[SMALL] = writes(first)
    world.models.for_titles = [(SMALL, None), ("scripted:model", None)]
    await titled(world, await world.create(QUESTION), "Large files")


async def test_when_all_fail_the_first_title_stays_and_the_turn_is_not_disturbed(start: Start) -> None:
    world = await start(script([say("These.")]))
    world.models.others[SMALL] = small = writes([fail(REFUSED)])
    world.models.for_titles = [(SMALL, None)]
    chat_id = await world.create(QUESTION)
    chat = await world.settled(chat_id)
    await eventually(lambda: small.calls and not world.runtime.titler._tasks)
    assert (chat.last_error, chat.title) == (None, "Please tell me which of these…")


async def test_a_setting_switches_it_off_and_another_one_chooses_the_model(start: Start) -> None:
    small = writes()
    world = await titling(start, small, [say("These.")], generate_titles=False)
    await world.settled(await world.create(QUESTION))
    assert small.calls == []
    other = await start(script([say("These.")]), title_model=SMALL, folder=world.folder / "other")
    other.models.others[SMALL] = writes([say("Large files")])
    await titled(other, await other.create(QUESTION), "Large files")


async def test_it_is_counted_as_what_the_chat_has_used(start: Start) -> None:
    world = await titling(start, writes([say("Large files")]), [say("These.")])
    chat_id = await world.create(QUESTION)
    await titled(world, chat_id, "Large files")
    used = await world.runtime.store.read(
        lambda conn: conn.execute(
            "SELECT chat_id, input_tokens, output_tokens FROM usage WHERE model = ?", (SMALL,)
        ).fetchone()
    )
    assert tuple(used) == (chat_id, 100, 5)


async def test_what_is_being_written_ends_with_the_server(start: Start) -> None:
    small = writes([wait(NEVER)])
    world = await titling(start, small, [say("These.")])
    await world.create(QUESTION)
    await eventually(lambda: small.calls)
    await world.stop()  # the fixture looks for tasks that are left


# On request


async def test_a_new_title_is_made_from_all_that_was_said(start: Start) -> None:
    small = writes([say("Large files")], [say("Files and folders")])
    world = await titling(start, small, [say("These.")], [say("Those.")])
    chat_id = await world.create(QUESTION)
    await world.settled(chat_id)
    await world.send(chat_id, "And folders?")
    await world.settled(chat_id)
    chat = await titled(world, chat_id, "Large files")
    renamed = await world.runtime.titler.regenerate(chat)
    assert renamed.title == "Files and folders"
    assert asked_for(small.calls[1]) == (
        f"<conversation>\nUser: {QUESTION}\n\nAssistant: These.\n\nUser: And folders?\n\nAssistant: Those.\n"
        "</conversation>"
    )


async def test_one_at_a_time(start: Start) -> None:
    gate = asyncio.Event()
    small = writes([wait(gate), say("Large files")])
    world = await titling(start, small, [say("These.")])
    chat_id = await world.create(QUESTION)
    await eventually(lambda: small.calls)
    with pytest.raises(ConflictError):
        await world.runtime.titler.regenerate(await world.chat(chat_id))
    gate.set()
    await titled(world, chat_id, "Large files")


async def test_a_failure_is_told_and_the_title_stays(start: Start) -> None:
    world = await start(script([say("These.")]))
    world.models.others[SMALL] = writes([fail(REFUSED)])
    chat_id = await world.create(QUESTION)
    await world.settled(chat_id)
    world.models.for_titles = [(SMALL, None)]
    chat = await world.runtime.store.read(lambda conn: reads.get_chat(conn, chat_id, owner_id=OWNER))
    with pytest.raises(ModelError, match="The key is wrong"):
        await world.runtime.titler.regenerate(chat)
    assert await world.chat(chat_id) == chat


# What it is made from


def conversation(turns: int, *, length: int = 5) -> list[Message]:
    rows = Rows()
    for number in range(turns):
        rows.user(f"question {number} " + "x" * length)
        rows.assistant(call("execute"))
        rows.assistant(text(f"answer {number}"))
    return list(rows)


def test_of_a_long_conversation_the_first_turn_and_the_last_three() -> None:
    lines = sample_of(conversation(9)).split("\n\n")
    assert [line.split(" x")[0] for line in lines] == [
        "User: question 0",
        "Assistant: answer 0",
        GAP,
        *[f"{who} {number}" for number in (6, 7, 8) for who in ("User: question", "Assistant: answer")],
    ]


def test_long_messages_are_cut() -> None:
    assert len(sample_of(conversation(1, length=5000))) < 1100
    assert len(sample_of(conversation(9, length=5000))) < MAX_SAMPLE
    assert sample_of([row for row in conversation(3) if row.role is Role.TOOL]) == ""
