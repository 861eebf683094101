"""Prompts that the model refuses because they are too long: compact and go on, once, else say so."""

from __future__ import annotations

import pytest
from world import World, outline, script

from jupyter_chatd.errors import ModelError
from jupyter_chatd.loop.compaction import SUMMARY_PREFIX, TOOL_NAME
from jupyter_chatd.loop.shorten import LEFT_OUT
from jupyter_chatd.messages import ChatStatus, ErrorDetail, Message, Role, TextPart, Usage
from jupyter_chatd.model_settings import CompactionChoice
from jupyter_chatd.providers.protocol import ModelCall
from jupyter_chatd.providers.scripted import Answer, ScriptedModel, call, fail, say

from .conftest import Start

pytestmark = pytest.mark.anyio

STEP = [call("execute", {"command": "echo hi"})]


def too_long(limit: int | None = None) -> Answer:
    return [fail(ModelError(ErrorDetail(message="Too long.", kind=ModelError.OVERFLOW), context_limit=limit))]


def texts(asked: ModelCall) -> list[str]:
    """What was said in a prompt, without system messages."""
    parts = (message.parts[0] for message in asked.messages if message.role is not Role.SYSTEM)
    return [part.text for part in parts if isinstance(part, TextPart)]


async def test_it_is_compacted_and_the_turn_goes_on(start: Start) -> None:
    world = await start(script(STEP, too_long(), [say("They said hi.")], [say("Done.")]))
    chat_id = await world.create()
    chat = await world.settled(chat_id)
    assert chat.last_error is None
    assert outline(await world.rows(chat_id)) == [
        "user: Begin.",
        "assistant: <execute>",
        "tool: <execute>",
        f"user: {SUMMARY_PREFIX}They said hi.",
        f"assistant: <{TOOL_NAME}>",
        f"tool: <{TOOL_NAME}>",
        "assistant: Done.",
    ]
    assert texts(world.model.calls[3]) == [f"{SUMMARY_PREFIX}They said hi."]


async def test_a_message_that_is_too_long_itself_is_a_clear_error(start: Start) -> None:
    world = await start(
        script([say("Hello.")], too_long(), [say("They said hello.")], too_long(), [say("OK.")])
    )
    chat_id = await world.create()
    await world.settled(chat_id)
    await world.send(chat_id, "A very long text.")
    chat = await world.settled(chat_id, ChatStatus.ERROR)
    assert chat.last_error is not None
    assert (chat.last_error.kind, chat.last_error.retryable) == (ModelError.OVERFLOW, False)
    assert len(world.model.calls) == 4
    await world.send(chat_id, "Something shorter.")
    await world.settled(chat_id)


async def test_with_nothing_to_compact_nothing_is_tried(start: Start) -> None:
    world = await start(script(too_long()))
    chat_id = await world.create()
    await world.settled(chat_id, ChatStatus.ERROR)
    assert len(world.model.calls) == 1


async def test_where_compaction_is_off_the_error_stays(start: Start) -> None:
    world = await start(script(STEP, too_long()), compaction_threshold=100)
    chat_id = await world.create()
    chat = await world.settled(chat_id, ChatStatus.ERROR)
    assert chat.last_error == ErrorDetail(message="Too long.", kind=ModelError.OVERFLOW)


async def test_a_turn_that_gets_on_may_be_compacted_again(start: Start) -> None:
    answers = [STEP, too_long(), [say("One.")], STEP, too_long(), [say("Two.")], [say("Done.")]]
    world = await start(script(*answers))
    chat_id = await world.create()
    await world.settled(chat_id)
    assert outline(await world.rows(chat_id))[-1] == "assistant: Done."


async def test_a_history_that_is_too_long_to_be_summarised_is_halved_until_it_is(start: Start) -> None:
    steps = [[call("write_file", {"path": f"/tmp/{number}", "content": "x" * 900})] for number in range(4)]
    answers = [*steps, too_long(), too_long(), too_long(), [say("They wrote.")], [say("Done.")]]
    world = await start(script(*answers))
    chat_id = await world.create()
    await world.settled(chat_id)
    tries = [str(asked.messages) for asked in world.model.calls[5:8]]
    assert [LEFT_OUT in prompt for prompt in tries] == [False, True, True]
    lengths = [len(prompt) for prompt in tries]
    assert lengths == sorted(lengths, reverse=True)
    assert outline(await world.rows(chat_id))[-1] == "assistant: Done."


async def test_what_cannot_be_summarised_at_all_ends_in_an_error(start: Start) -> None:
    world = await start(script(STEP, *[too_long()] * 5))
    chat_id = await world.create()
    chat = await world.settled(chat_id, ChatStatus.ERROR)
    assert chat.last_error is not None
    assert chat.last_error.message == "The chat could not be compacted. Too long."
    assert not any(row.compressed for row in await world.rows(chat_id))
    assert len(world.model.calls) == 6


async def test_the_limit_that_the_vendor_named_is_kept_in_mind(start: Start) -> None:
    """The next prompt that fills 70 % of it is compacted before it fails."""
    model = ScriptedModel(
        [STEP, too_long(100_000), [say("One.")], STEP, [say("Two.")], [say("Done.")]],
        usage=Usage(input_tokens=71_000),
    )
    world = await start(model)
    chat_id = await world.create()
    await world.settled(chat_id)
    rows = await world.rows(chat_id)
    limits = [row.usage.context_limit for row in rows if row.usage and not row.compressed]
    assert limits == [None, 100_000, 100_000]
    assert outline(rows)[-2:] == [f"tool: <{TOOL_NAME}>", "assistant: Done."]


async def test_an_answer_that_leaves_no_room_for_the_prompt_is_made_shorter(start: Start) -> None:
    """Vendors add the two: 32,000 tokens of answer fit into no context of 8,192."""
    world = await start(script(too_long(8192), [say("Short.")]))
    chat_id = await world.create()
    await world.settled(chat_id)
    asked = [one.settings.max_output_tokens for one in world.model.calls]
    assert asked == [32_000, 4096]


async def test_a_small_context_that_is_known_is_respected_at_once(start: Start) -> None:
    world = await start(ScriptedModel([[say("Short.")]], context_limit=8192))
    chat_id = await world.create()
    await world.settled(chat_id)
    assert world.model.calls[0].settings.max_output_tokens == 4096


# A model of its own for summaries


CHEAP = "cheap:model"
REFUSED = ModelError(ErrorDetail(message="The key is wrong.", kind="auth"))


def cheap(*answers: Answer) -> ScriptedModel:
    return ScriptedModel(answers, ref=CHEAP)


async def compacted(start: Start, summaries: ScriptedModel | None, *own: Answer, by: str) -> World:
    """A world in which a chat of one turn was compacted; its model then gives the answers in *own*."""
    options = {"compaction_model": CHEAP} if by == "setting" else {}
    world = await start(script([say("Hello.")], *own), **options)
    if by == "config":
        world.models.choice = CompactionChoice(model=CHEAP)
    if summaries is not None:
        world.models.others[CHEAP] = summaries
    chat_id = await world.create()
    await world.settled(chat_id)
    await world.runtime.service.compact(chat_id)
    chat = await world.settled(chat_id)
    assert chat.last_error is None
    return world


async def summary_row(world: World) -> Message:
    (chat_id,) = await world.runtime.store.read(
        lambda conn: [row["id"] for row in conn.execute("SELECT id FROM chats")]
    )
    return next(row for row in await world.rows(chat_id) if row.compressed and row.model)


@pytest.mark.parametrize("by", ["setting", "config"])
async def test_another_model_can_write_the_summary(start: Start, by: str) -> None:
    world = await compacted(start, cheap([say("They said hello.")]), by=by)
    assert len(world.model.calls) == 1
    assert (await summary_row(world)).model == CHEAP


async def test_the_chats_own_model_helps_out(start: Start) -> None:
    world = await compacted(start, cheap([fail(REFUSED)]), [say("They said hello.")], by="setting")
    assert (await summary_row(world)).model == "scripted:model"


async def test_a_summary_model_that_reads_less_gets_less(start: Start) -> None:
    summaries = cheap(too_long(1000), [say("They said hello.")])
    world = await compacted(start, summaries, by="config")
    assert [one.settings.max_output_tokens for one in summaries.calls] == [32_000, 500]
    assert (await summary_row(world)).model == CHEAP


# What a model config says


@pytest.mark.parametrize("percent,compacts", [(30, True), (50, False), (100, False)])
async def test_a_model_config_has_its_own_threshold(start: Start, percent: int, compacts: bool) -> None:
    step = [[say("So.")]] if compacts else []
    model = ScriptedModel([STEP, *step, [say("Done.")]], context_limit=1000, usage=Usage(input_tokens=400))
    world = await start(model, compaction_threshold=30 if percent > 30 else 90)
    world.models.choice = CompactionChoice(threshold_percent=percent)
    chat_id = await world.create()
    await world.settled(chat_id)
    rows = await world.rows(chat_id)
    assert any(row.compressed for row in rows) is compacts
    assert outline(rows)[-1] == "assistant: Done."
