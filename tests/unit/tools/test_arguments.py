from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pytest
from pydantic import with_config

from jupyter_chatd.messages import JsonValue
from jupyter_chatd.tools.arguments import STRICT_OBJECT, Arguments, WrongArgumentsError


@with_config(STRICT_OBJECT)
@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part."""

    text: str
    """What it says."""


@with_config(STRICT_OBJECT)
@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """Not shown: the tool's text says more."""

    parts: list[Part]
    """Its parts."""
    kind: Literal["a", "b"] | None = None
    """Which kind."""


ARGUMENTS = Arguments(Whole)


def test_the_schema_is_plain_and_has_the_docstrings() -> None:
    assert ARGUMENTS.schema == {
        "type": "object",
        "additionalProperties": False,
        "required": ["parts"],
        "properties": {
            "parts": {
                "type": "array",
                "description": "Its parts.",
                "items": {
                    "type": "object",
                    "description": "One part.",
                    "additionalProperties": False,
                    "required": ["text"],
                    "properties": {"text": {"type": "string", "description": "What it says."}},
                },
            },
            "kind": {"type": "string", "enum": ["a", "b"], "description": "Which kind."},
        },
    }


def test_arguments_become_values() -> None:
    expected = Whole(parts=[Part(text="é")], kind=None)
    assert ARGUMENTS.parse({"parts": [{"text": "é"}], "kind": None}) == expected


@pytest.mark.parametrize(
    ("args", "complaint"),
    [
        (None, "parts: required, and missing"),
        ({}, "parts: required, and missing"),
        ([], "arguments: Input should be an object, but [] came"),
        ("text", 'arguments: Input should be an object, but "text" came'),
        ({"parts": [{"text": 3}]}, "parts.0.text: Input should be a valid string, but 3 came"),
        ({"parts": [], "kind": "c"}, "kind: Input should be 'a' or 'b', but \"c\" came"),
        ({"parts": [], "more": 1}, "more: Unexpected keyword argument, but 1 came"),
        ({"parts": "x" * 500}, 'but "' + "x" * 79 + "… came"),
        ({"parts": [{"text": "\ud800"}]}, "not valid Unicode"),
    ],
)
def test_wrong_arguments_say_what_came_and_what_was_expected(args: JsonValue, complaint: str) -> None:
    with pytest.raises(WrongArgumentsError) as caught:
        ARGUMENTS.parse(args)
    assert complaint in str(caught.value)
    if "Unicode" not in complaint:
        assert '"required": ["parts"]' in str(caught.value)
