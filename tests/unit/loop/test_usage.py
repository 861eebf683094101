"""What a turn costs is written down with its answer, and nothing that was paid for is left out."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from world import World, outline

from jupyter_chatd.messages import ChatStatus, Role, Usage
from jupyter_chatd.providers.configured import ConfiguredModel
from jupyter_chatd.providers.prices import Prices
from jupyter_chatd.providers.protocol import CallSettings, Model
from jupyter_chatd.providers.scripted import Answer, ScriptedModel, call, say
from jupyter_chatd.store.conversation import RequestCompaction
from jupyter_chatd.store.usage_report import chat_usage
from jupyter_chatd.usage import UsageSummary

from .conftest import Start
from .test_interrupt import speaking, until_told

pytestmark = pytest.mark.anyio

USED = Usage(input_tokens=100, output_tokens=10, cache_read_tokens=1000)
PRICES = Prices(input=Decimal(3), output=Decimal(15), cache_read=Decimal("0.3"))
COST = 300 + 150 + 300  # micros, of `USED` at `PRICES`


def priced(*answers: Answer) -> Model:
    """A model each of whose answers costs `COST`."""
    model = ScriptedModel(answers, usage=USED)
    return ConfiguredModel(model, settings=CallSettings(), context_limit=None, prices=PRICES)


async def usage(world: World, chat_id: str) -> UsageSummary:
    return await world.runtime.store.read(lambda conn: chat_usage(conn, chat_id))


async def test_each_step_costs_what_its_call_took(start: Start) -> None:
    world = await start(priced([call("execute", {"command": "true"})], [say("Done.")]))
    chat_id = await world.create()
    await world.settled(chat_id)
    rows = await world.rows(chat_id)
    assert [row.total_cost_micros for row in rows] == [None, COST, None, COST]
    assert [row.usage for row in rows if row.role is Role.ASSISTANT] == [USED, USED]
    summary = await usage(world, chat_id)
    assert (summary.total_cost_micros, summary.priced_message_count) == (2 * COST, 2)
    assert summary.total_cache_read_tokens == 2000


async def test_prices_of_known_models_come_with_the_model_library(start: Start) -> None:
    world = await start(ScriptedModel([[say("Hi.")]], ref="openai:gpt-4o", usage=Usage(input_tokens=1000)))
    chat_id = await world.create()
    await world.settled(chat_id)
    cost = (await world.rows(chat_id))[-1].total_cost_micros
    assert cost is not None
    assert 0 < cost < 100_000
    assert (await usage(world, chat_id)).total_cost_micros == cost


async def test_an_interrupted_answer_is_counted_as_not_priced(start: Start) -> None:
    world = await start(priced(speaking("Half of")))
    chat_id = await world.create()
    await until_told(world, chat_id, "Half of")
    await world.interrupt(chat_id)
    await world.settled(chat_id)
    assert outline(await world.rows(chat_id))[-1] == "assistant: Half of"
    summary = await usage(world, chat_id)
    assert (summary.total_cost_micros, summary.unpriced_message_count) == (None, 1)


@pytest.mark.parametrize(("summary", "is_stored"), [("They spoke.", True), (" ", False)])
async def test_a_summary_costs_even_when_it_comes_to_nothing(
    start: Start, summary: str, is_stored: bool
) -> None:
    world = await start(priced([say("Hello.")], [say(summary)]))
    chat_id = await world.create()
    await world.settled(chat_id)
    await world.runtime.store.apply(RequestCompaction(chat_id=chat_id))
    await world.settled(chat_id, ChatStatus.WAITING if is_stored else ChatStatus.ERROR)
    costs = [row.total_cost_micros for row in await world.rows(chat_id) if row.role is Role.ASSISTANT]
    assert costs == [COST] * (2 if is_stored else 1)
    assert (await usage(world, chat_id)).total_cost_micros == 2 * COST


async def before_next(world: World, transition: str, act: Any) -> None:
    """Let *act* be committed right before the runner's next transition of that name."""
    apply, done = world.runtime.store.apply, asyncio.Event()

    async def acting(what: Any) -> Any:
        if what.transition.value == transition and not done.is_set():
            done.set()
            await act()
        return await apply(what)

    world.runtime.store.apply = acting  # type: ignore[method-assign]
    await done.wait()


async def test_an_answer_that_an_edit_overtook_was_paid_for(start: Start) -> None:
    """Its row is refused; the call is counted all the same, and once."""
    world = await start(priced([say("Old.")], [say("New.")]))
    chat_id = await world.create()
    first = (await world.rows(chat_id))[0]
    await before_next(world, "CommitStep", lambda: world.edit(chat_id, first.id, "Better."))
    await world.settled(chat_id)
    assert outline(await world.rows(chat_id)) == ["user: Better.", "assistant: New."]
    summary = await usage(world, chat_id)
    assert (summary.total_cost_micros, summary.message_count) == (2 * COST, 2)


async def test_an_answer_that_an_interruption_overtook_counts_once(start: Start) -> None:
    world = await start(priced([say("All of it.")]))
    chat_id = await world.create()
    await before_next(world, "CommitStep", lambda: world.interrupt(chat_id))
    await world.settled(chat_id)
    assert outline(await world.rows(chat_id))[-1] == "assistant: All of it."
    assert (await usage(world, chat_id)).message_count == 1


async def test_a_summary_that_an_edit_overtook_was_paid_for(start: Start) -> None:
    world = await start(priced([say("Old.")], [say("They spoke.")], [say("New.")]))
    chat_id = await world.create()
    await world.settled(chat_id)
    first = (await world.rows(chat_id))[0]
    await world.runtime.store.apply(RequestCompaction(chat_id=chat_id))
    await before_next(world, "CommitStep", lambda: world.edit(chat_id, first.id, "Better."))
    await world.settled(chat_id)
    assert outline(await world.rows(chat_id)) == ["user: Better.", "assistant: New."]
    assert (await usage(world, chat_id)).message_count == 3
