"""From rows to a prompt: what is left out, what is repaired, what is marked."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from itertools import groupby, pairwise
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_chatd.loop.prompt import PromptBuilder, prompt_rows, safe_id
from jupyter_chatd.messages import (
    CallKey,
    FilePart,
    Message,
    Part,
    ReasoningPart,
    Role,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    Visibility,
)
from jupyter_chatd.providers.protocol import PromptMessage
from jupyter_chatd.store.calls import INTERRUPTED

from .rows import Rows, call, result_of, text


def built(rows: Sequence[Message], system: Sequence[str] = ()) -> list[tuple[Role, tuple[Part, ...]]]:
    """The prompt without its marks."""
    return [(message.role, message.parts) for message in PromptBuilder(rows).build(system)]


def interrupted(asked: ToolCallPart) -> ToolResultPart:
    return result_of(asked, {"error": INTERRUPTED}, is_error=True)


def calls_of(work: Callable[[], object]) -> int:
    """How many functions *work* calls, Python's and C's."""
    calls = 0

    def count(_frame: FrameType, event: str, _arg: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return calls


def steps_of(count: int) -> Rows:
    rows = Rows()
    rows.user()
    for _ in range(count):
        rows.answer(rows.assistant(text("Well."), call("look")), 1)
    return rows


# What a step costs


def test_a_long_history_is_not_looked_through_at_each_step() -> None:
    short, long = (PromptBuilder(steps_of(count)) for count in (5, 500))
    assert calls_of(long.build) <= 2 * calls_of(short.build)


# What is left out, and what is changed


def test_rows_for_people_only_and_rows_without_content_are_left_out() -> None:
    rows = Rows()
    rows.system("  \n")
    rows.user("Hello.")
    rows.assistant(text(" \n"), ReasoningPart(text=""))
    rows.add(Role.ASSISTANT, text("For your eyes."), visibility=Visibility.USER)
    rows.user("Still there?")
    assert built(rows) == [(Role.USER, (text("Hello."),)), (Role.USER, (text("Still there?"),))]


def test_blank_parts_are_left_out_but_not_signed_reasoning() -> None:
    signed = ReasoningPart(text="", provider_metadata={"anthropic": {"signature": "x"}})
    rows = Rows()
    rows.assistant(ReasoningPart(text=" "), signed, text(""), text("So."))
    assert built(rows) == [(Role.ASSISTANT, (signed, text("So.")))]


def test_a_system_row_is_its_first_text() -> None:
    rows = Rows()
    rows.add(Role.SYSTEM, FilePart(file_id="f"), text("Be helpful."), text("Be brief."))
    assert built(rows) == [(Role.SYSTEM, (text("Be helpful."),))]


def test_extra_system_messages_stand_between_the_stored_ones_and_the_conversation() -> None:
    rows = Rows()
    rows.system("Be helpful.")
    rows.user("Hello.")
    assert built(rows, ["You are here.", " ", "And there."]) == [
        (Role.SYSTEM, (text("Be helpful."),)),
        (Role.SYSTEM, (text("You are here."),)),
        (Role.SYSTEM, (text("And there."),)),
        (Role.USER, (text("Hello."),)),
    ]


@pytest.mark.parametrize(
    "given_id, sent", [("call_1-B", "call_1-B"), ("call.1:x y", "call_1_x_y"), ("ü", "_"), ("", "")]
)
def test_ids_have_only_characters_that_every_vendor_takes(given_id: str, sent: str) -> None:
    assert safe_id(given_id) == sent


def test_ids_are_changed_in_calls_and_results_alike() -> None:
    rows = Rows()
    row = rows.assistant(call("s", "a.b"))
    rows.answer(row, 0)
    assert [part for _, parts in built(rows) for part in parts] == [
        call("s", "a_b"),
        result_of(call("s", "a_b")),
    ]


def test_calls_of_one_step_with_the_same_id_are_told_apart() -> None:
    rows = Rows()
    row = rows.assistant(call("s", "x"), call("t", "x"), call("u", ""))
    for index in (2, 0, 1):
        rows.answer(row, index, {"answers": index})
    assert built(rows) == [
        (Role.ASSISTANT, (call("s", "x"), call("t", "x_1_1"), call("u", "call_1_2"))),
        (Role.TOOL, (result_of(call("u", "call_1_2"), {"answers": 2}),)),
        (Role.TOOL, (result_of(call("s", "x"), {"answers": 0}),)),
        (Role.TOOL, (result_of(call("t", "x_1_1"), {"answers": 1}),)),
    ]


@pytest.mark.parametrize("args", [None, "text", [1], 3])
def test_arguments_that_are_no_object_are_sent_as_an_empty_one(args: Any) -> None:
    rows = Rows()
    rows.answer(rows.assistant(call("s", args=args)), 0)
    assert built(rows)[0] == (Role.ASSISTANT, (call("s", args={}),))


@pytest.mark.parametrize("result, sent", [("", {}), (None, {}), (0, 0), (False, False), ({"a": 1}, {"a": 1})])
def test_an_empty_result_is_sent_as_an_empty_object(result: Any, sent: Any) -> None:
    rows = Rows()
    row = rows.assistant(call("s"))
    bare = ToolResultPart(tool_call_id="id-s", tool_name="s", result=result)
    rows.add(Role.TOOL, bare, answers=CallKey(message_id=row.id, index=0))
    part = built(rows)[1][1][0]
    assert isinstance(part, ToolResultPart)
    assert part.result == sent
    assert type(part.result) is type(sent)


# Repairs


def test_repair_1_a_call_without_result_gets_an_error_directly_after_it() -> None:
    rows = Rows()
    row = rows.assistant(call("a"), call("b"), call("c"))
    rows.answer(row, 1)
    rows.user("Well?")
    assert built(rows) == [
        (Role.ASSISTANT, (call("a"), call("b"), call("c"))),
        (Role.TOOL, (result_of(call("b")),)),
        (Role.TOOL, (interrupted(call("a")),)),
        (Role.TOOL, (interrupted(call("c")),)),
        (Role.USER, (text("Well?"),)),
    ]


def test_repair_1_at_the_end_of_the_history() -> None:
    rows = Rows()
    rows.assistant(call("a"))
    assert built(rows)[1:] == [(Role.TOOL, (interrupted(call("a")),))]


def test_repair_1_leaves_the_vendors_own_calls_alone() -> None:
    rows = Rows()
    rows.assistant(call("w", provider_executed=True), text("So."))
    assert len(built(rows)) == 1


def test_repair_2_a_result_without_call_gets_one_before_it() -> None:
    rows = Rows()
    first = rows.assistant(call("a"))
    rows.answer(first, 0)
    rows.assistant(text("So."))
    late = ToolResultPart(tool_call_id="id-a", result={"late": True})
    rows.add(Role.TOOL, late)
    assert built(rows)[2:] == [
        (Role.ASSISTANT, (text("So."),)),
        (Role.ASSISTANT, (call("a"),)),
        (Role.TOOL, (late,)),
    ]


def test_repair_2_drops_an_orphan_that_the_vendor_made() -> None:
    rows = Rows()
    rows.user("Hello.")
    rows.add(Role.TOOL, ToolResultPart(tool_call_id="w", tool_name="w", provider_executed=True))
    assert built(rows) == [(Role.USER, (text("Hello."),))]


# Cache marks


@pytest.mark.parametrize(
    "roles, marked",
    [
        ("ssuau", [1, 3, 4]),
        ("suau", [0, 2, 3]),
        ("su", [0, 1]),
        ("u", [0]),
        ("s", [0]),
        ("ss", [0, 1]),
        ("", []),
    ],
)
def test_marks_stand_on_the_last_system_message_and_on_the_last_two(roles: str, marked: list[int]) -> None:
    rows = Rows()
    for letter in roles:
        {"s": rows.system, "u": rows.user, "a": lambda words: rows.assistant(text(words))}[letter]("words")
    prompt = PromptBuilder(rows).build()
    assert [index for index, message in enumerate(prompt) if message.cache] == marked


def test_marks_do_not_stay_on_what_was_marked_before() -> None:
    rows = Rows()
    rows.user()
    builder = PromptBuilder(rows)
    assert [message.cache for message in builder.build()] == [True]
    rows.assistant(text("a"))
    rows.user("b")
    builder.extend(rows[1:])
    assert [message.cache for message in builder.build()] == [False, True, True]


# Summaries


def test_the_newest_summary_stands_for_what_it_covers() -> None:
    rows = Rows()
    rows.system("Be helpful.")
    rows.user("One.")
    rows.assistant(text("First."))
    rows.summary("They began.", covers_until=3)
    rows.user("Two.")
    rows.assistant(text("Second."))
    waiting = rows.user("Three.")
    rows.summary("They went on.", covers_until=8)
    rows.user("Four.")
    assert built(prompt_rows(rows)) == [
        (Role.SYSTEM, (text("Be helpful."),)),
        (Role.USER, (text("They went on."),)),
        (Role.USER, waiting.parts),
        (Role.USER, (text("Four."),)),
    ]


def test_a_cleared_context_has_no_summary() -> None:
    rows = Rows()
    rows.system("Be helpful.")
    rows.user("One.")
    rows.assistant(text("First."))
    rows.add(Role.USER, visibility=Visibility.MODEL, compressed=True, covers_until=3)
    rows.user("Two.")
    assert built(prompt_rows(rows)) == [
        (Role.SYSTEM, (text("Be helpful."),)),
        (Role.USER, (text("Two."),)),
    ]


def test_without_a_summary_all_rows_are_read() -> None:
    rows = Rows()
    rows.system("Be helpful.")
    rows.user("One.")
    assert prompt_rows(rows) == rows


# Any rows, also such as no transition makes: imported ones, and those of other releases

ids = st.sampled_from(["a", "b", "a.b", "a_b", ""])
calls = st.builds(call, st.sampled_from("st"), ids, provider_executed=st.booleans())
results = st.builds(
    ToolResultPart,
    tool_call_id=ids,
    tool_name=st.sampled_from(["", "s"]),
    result=st.sampled_from([None, "", {"x": 1}]),
    provider_executed=st.booleans(),
)
words = st.builds(TextPart, text=st.sampled_from(["", " ", "So."]))
assistants = st.lists(words | calls | results.filter(lambda part: part.provider_executed), max_size=4)


@st.composite
def any_rows(draw: st.DrawFn) -> Rows:
    rows = Rows()
    for _ in range(draw(st.integers(0, 8))):
        role = draw(st.sampled_from([*Role, Role.TOOL, Role.ASSISTANT]))
        parts = {Role.ASSISTANT: assistants, Role.TOOL: st.lists(results, min_size=1, max_size=2)}
        answers = None
        if rows and role is Role.TOOL and draw(st.booleans()):
            answers = CallKey(message_id=len(rows), index=draw(st.integers(0, 3)))
        rows.add(
            role,
            *draw(parts.get(role, st.lists(words, max_size=2))),
            visibility=draw(st.sampled_from(Visibility)),
            answers=answers,
        )
    return rows


def local_calls(message: PromptMessage) -> list[str]:
    return [
        part.tool_call_id
        for part in message.parts
        if isinstance(part, ToolCallPart) and not part.provider_executed
    ]


def answered(messages: Sequence[PromptMessage]) -> list[str]:
    return [
        part.tool_call_id
        for message in messages
        for part in message.parts
        if isinstance(part, ToolResultPart)
    ]


@given(any_rows())
def test_each_call_has_its_result_directly_after_it_and_each_result_its_call_before_it(rows: Rows) -> None:
    prompt = PromptBuilder(rows).build()
    waiting: list[str] = []
    for is_tool, group in groupby(prompt, key=lambda message: message.role is Role.TOOL):
        messages = list(group)
        if is_tool:
            assert sorted(answered(messages)) == sorted(waiting)
            waiting = []
            continue
        for message in messages:
            assert waiting == []
            waiting = local_calls(message) if message.role is Role.ASSISTANT else []
    assert waiting == []


@given(any_rows())
def test_every_part_is_fit_to_be_sent(rows: Rows) -> None:
    for message in PromptBuilder(rows).build():
        assert message.parts
        own = local_calls(message)
        assert len(set(own)) == len(own)
        for part in message.parts:
            match part:
                case TextPart():
                    assert part.text.strip()
                case ToolCallPart():
                    assert isinstance(part.args, dict)
                    assert part.tool_call_id == safe_id(part.tool_call_id)
                case ToolResultPart():
                    assert part.result not in (None, "")
                case _:
                    pass


@given(any_rows(), st.lists(st.integers(0, 8), max_size=4))
def test_a_prompt_that_grew_is_the_one_that_is_built_at_once(rows: Rows, cuts: list[int]) -> None:
    builder = PromptBuilder()
    bounds = [0, *sorted(cuts), len(rows)]
    for begin, end in pairwise(bounds):
        builder.extend(rows[begin:end])
        assert builder.build(["Here."]) == PromptBuilder(rows[:end]).build(["Here."])
