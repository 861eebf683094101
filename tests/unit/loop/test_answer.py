"""What is told of an answer while it comes, and what is kept of it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from world import script

from jupyter_chatd.loop.answer import Answer
from jupyter_chatd.messages import (
    Part,
    ReasoningPart,
    Role,
    StopReason,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    Usage,
)
from jupyter_chatd.providers.configured import ConfiguredModel
from jupyter_chatd.providers.prices import Prices
from jupyter_chatd.providers.protocol import (
    CallSettings,
    Finished,
    ModelEvent,
    PartDone,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
)
from jupyter_chatd.providers.scripted import ScriptedModel

Told = list[tuple[Role, Part, int]]


def taken(*events: ModelEvent) -> tuple[Answer, Told]:
    """An answer that took these events, and what it told."""
    told: Told = []
    answer = Answer(lambda role, part, index: told.append((role, part, index)))
    for event in events:
        answer.take(event)
    return answer, told


def row_of(answer: Answer) -> Any:
    return answer.row(script(), model_config_id=None)


def test_text_is_told_in_deltas_and_kept_as_it_was_finished() -> None:
    whole = TextPart(text="Hello.", provider_metadata={"x": 1})
    answer, told = taken(
        TextDelta(block=0, text="Hel"),
        TextDelta(block=0, text="lo."),
        PartDone(block=0, part=whole),
        Finished(stop_reason=StopReason.END, usage=Usage(input_tokens=3), response_id="r"),
    )
    assert told == [(Role.ASSISTANT, TextPart(text="Hel"), 0), (Role.ASSISTANT, TextPart(text="lo."), 0)]
    row = row_of(answer)
    assert (row.parts, row.usage, row.provider_response_id) == ((whole,), Usage(input_tokens=3), "r")


def test_a_call_is_told_in_deltas_and_then_whole() -> None:
    call = ToolCallPart(tool_call_id="c", tool_name="execute", args={"command": "ls"})
    _, told = taken(
        ToolCallDelta(block=0, tool_call_id="c", tool_name="execute", args_delta='{"command":'),
        PartDone(block=0, part=call),
    )
    delta = ToolCallPart(tool_call_id="c", tool_name="execute", args_delta='{"command":')
    assert told == [(Role.ASSISTANT, delta, 0), (Role.ASSISTANT, call, 0)]


def test_what_comes_whole_is_told_whole() -> None:
    found = ToolResultPart(tool_call_id="w", tool_name="web_search", result={}, provider_executed=True)
    _, told = taken(PartDone(block=0, part=TextPart(text="So.")), PartDone(block=1, part=found))
    assert told == [(Role.ASSISTANT, TextPart(text="So."), 0), (Role.TOOL, found, 1)]


def test_reasoning_is_stored_with_its_time() -> None:
    answer, _ = taken(
        ReasoningDelta(block=0, text="Hm."),
        PartDone(block=0, part=ReasoningPart(text="Hm.")),
        Finished(stop_reason=StopReason.END),
    )
    (part,) = row_of(answer).parts
    assert part.text == "Hm."
    assert 0 < part.created_at <= part.completed_at


def test_parts_are_in_block_order_however_they_finished() -> None:
    answer, _ = taken(
        TextDelta(block=0, text="a"),
        PartDone(block=1, part=TextPart(text="b")),
        PartDone(block=0, part=TextPart(text="a")),
        Finished(stop_reason=StopReason.END),
    )
    assert [part.text for part in row_of(answer).parts] == ["a", "b"]


def test_of_a_broken_off_answer_what_can_be_sent_again_is_kept() -> None:
    answer, _ = taken(
        PartDone(block=0, part=TextPart(text="One.")),
        TextDelta(block=1, text="Tw"),
        ToolCallDelta(block=2, tool_call_id="c", tool_name="execute", args_delta='{"comm'),
    )
    row = answer.partial_row(model="m", model_config_id="config")
    assert row is not None
    assert row.parts == (TextPart(text="One."), TextPart(text="Tw"))
    assert (row.stop_reason, row.model, row.model_config_id) == (StopReason.INTERRUPTED, "m", "config")


def test_of_nothing_nothing_is_kept() -> None:
    answer, _ = taken(TextDelta(block=0, text=" "))
    assert answer.partial_row(model="m", model_config_id=None) is None


@pytest.mark.parametrize(
    ("prices", "ref", "told", "micros"),
    [
        (Prices(input=Decimal(2)), "openrouter:openai/gpt-4o", 77, 2000),
        (None, "openrouter:openai/gpt-4o", 77, 77),
        (None, "openrouter:openai/gpt-4o", None, 2500),
        (None, "own:gpt-4o", None, None),
    ],
)
def test_the_users_prices_count_before_the_vendors_bill_and_that_before_its_list(
    prices: Prices | None, ref: str, told: int | None, micros: int | None
) -> None:
    used = Usage(input_tokens=1000)
    answer, _ = taken(Finished(stop_reason=StopReason.END, usage=used, cost_micros=told))
    model = ConfiguredModel(
        ScriptedModel([], ref=ref), settings=CallSettings(), context_limit=None, prices=prices
    )
    assert answer.row(model, model_config_id=None).total_cost_micros == micros
