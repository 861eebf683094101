from __future__ import annotations

import json

import pytest

from jupyter_chatd.tools.protocol import ToolOutput, error_output
from jupyter_chatd.tools.results import exit_error, json_output, media_output, text_output


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ('{"a": [1, 2.5, null]}', {"a": [1, 2.5, None]}),
        ("[1]", [1]),
        ("12", 12),
        ('"quoted"', "quoted"),
        ("plain", {"output": "plain"}),
        ("", {"output": ""}),
        ("NaN", {"output": "NaN"}),
        ("[Infinity]", {"output": "[Infinity]"}),
        ("{'a': 1}", {"output": "{'a': 1}"}),
        ("[" * 100_000, {"output": "[" * 100_000}),
        ("9" * 5000, {"output": "9" * 5000}),
        ("a\0b\ud800", {"output": "a␀b\N{REPLACEMENT CHARACTER}"}),
        ('"\\ud800"', "\N{REPLACEMENT CHARACTER}"),
        (None, {}),
    ],
)
def test_text_is_stored_as_json_or_as_output(text: str | None, result: object) -> None:
    assert text_output(text) == ToolOutput(result=result)  # pyright: ignore[reportArgumentType]


def test_an_error_is_flagged_and_clean() -> None:
    assert error_output("no \ud800\0") == ToolOutput(
        result={"error": "no \N{REPLACEMENT CHARACTER}␀"}, is_error=True
    )


def test_media_are_base64_with_their_type() -> None:
    assert media_output(b"\x89PNG", mime_type="image/png", text="a \ud800picture") == ToolOutput(
        result={"data": "iVBORw==", "mime_type": "image/png", "text": "a \N{REPLACEMENT CHARACTER}picture"},
        is_media=True,
    )


def test_fields_without_a_value_are_left_out() -> None:
    assert json_output({"a": None, "b": 0, "c": "", "d": ["\udc80"]}) == ToolOutput(
        result={"b": 0, "c": "", "d": ["\N{REPLACEMENT CHARACTER}"]}
    )


def test_every_result_is_json() -> None:
    json.dumps(json_output({"a\ud800": {"b": float("nan")}}).result, allow_nan=False).encode()


def test_exit_codes_in_words() -> None:
    assert exit_error(0) is None
    assert exit_error(3) == "The command ended with exit code 3."
    assert exit_error(-1) == "The command was ended by a signal."
