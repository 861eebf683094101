"""What is kept of an answer that was broken off."""

from __future__ import annotations

import pytest

from jupyter_chatd.messages import Part, ReasoningPart, TextPart, ToolCallPart, ToolResultPart
from jupyter_chatd.providers.partial import clean_partial, parse_args


def unfinished(text: str) -> ToolCallPart:
    return ToolCallPart(tool_call_id="c1", tool_name="execute", args_delta=text)


DONE = ToolCallPart(tool_call_id="c0", tool_name="execute", args={"command": "ls"})
NATIVE = ToolCallPart(tool_call_id="n1", tool_name="web_search", provider_executed=True)
NATIVE_RESULT = ToolResultPart(tool_call_id="n1", tool_name="web_search", provider_executed=True)
SIGNED = ReasoningPart(text="", provider_metadata={"pydantic_ai": {"signature": "s"}})


@pytest.mark.parametrize(
    "parts,kept",
    [
        ([TextPart(text="half an ans")], [TextPart(text="half an ans")]),
        ([TextPart(text=" \n")], []),
        ([ReasoningPart(text="so far")], [ReasoningPart(text="so far")]),
        ([ReasoningPart(text="")], []),
        ([SIGNED], [SIGNED]),
        ([DONE], [DONE]),
        ([unfinished("")], []),
        ([unfinished('{"command": "rm')], []),
        ([unfinished('"ls"')], []),
        (
            [unfinished('{"command": "ls"}')],
            [ToolCallPart(tool_call_id="c1", tool_name="execute", args={"command": "ls"})],
        ),
        ([NATIVE], []),
        ([NATIVE, NATIVE_RESULT], [NATIVE, NATIVE_RESULT]),
        ([], []),
    ],
)
def test_partial_answers(parts: list[Part], kept: list[Part]) -> None:
    assert list(clean_partial(parts)) == kept


@pytest.mark.parametrize("text", ["", "{", "NaN", '{"a": Infinity}', "undefined", "{'a': 1}"])
def test_arguments_that_are_no_json(text: str) -> None:
    assert parse_args(text) is None


def test_arguments_that_utf8_cannot_hold() -> None:
    assert parse_args('{"a": "\\ud83d\\ude42 \\ud800"}') == {"a": "🙂 \ufffd"}
