"""What the model said, whole and as it grows."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from jupyter_chatd.client.text import TextGrowth, last_answer, said_since
from jupyter_chatd.client.view import ChatView, LiveBlock
from jupyter_chatd.messages import Message, ReasoningPart, Role, TextPart, ToolCallPart


def row(number: int, role: Role, words: str) -> Message:
    return Message(id=number, chat_id="c", role=role, parts=(TextPart(text=words),), created_at=0.0)


VIEW = ChatView(
    chat_id="c",
    messages=(
        row(1, Role.USER, "first"),
        row(2, Role.ASSISTANT, "early"),
        row(3, Role.USER, "second"),
        row(4, Role.ASSISTANT, "I will look."),
        row(5, Role.TOOL, "no text of the model"),
    ),
    live=(
        LiveBlock(role=Role.ASSISTANT, index=0, part=ReasoningPart(text="hm")),
        LiveBlock(role=Role.ASSISTANT, index=1, part=TextPart(text="It is")),
        LiveBlock(role=Role.ASSISTANT, index=2, part=ToolCallPart(tool_name="t")),
    ),
)


def test_all_that_was_said_since_a_message_and_is_being_said() -> None:
    assert said_since(VIEW, 3) == "I will look.\n\nIt is"
    assert said_since(VIEW, 0) == "early\n\nI will look.\n\nIt is"


def test_the_last_answer_is_of_this_turn() -> None:
    assert last_answer(VIEW) == "It is"
    assert last_answer(ChatView(chat_id="c", messages=VIEW.messages[:3])) == ""


@given(st.lists(st.text(max_size=20), max_size=20))
def test_pieces_of_a_growing_text_join_to_it(pieces: list[str]) -> None:
    growth = TextGrowth()
    given_out = [growth.next("".join(pieces[: end + 1])) for end in range(len(pieces))]
    assert "".join(given_out) == "".join(pieces)


def test_a_text_that_lost_its_end_and_came_again_is_given_once() -> None:
    growth = TextGrowth()
    assert [growth.next(text) for text in ("one two", "", "one", "one two three")] == [
        "one two",
        "",
        "",
        " three",
    ]


def test_a_text_that_goes_on_differently_is_given_from_the_line_on() -> None:
    growth = TextGrowth()
    growth.next("First line.\nSecond, wr")
    assert growth.next("First line.\nSecond, right") == "\nSecond, right"
    assert growth.next("First line.\nSecond, right.") == "."
