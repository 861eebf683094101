from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import json_values

from jupyter_chatd.errors import FieldProblem, InvalidInputError
from jupyter_chatd.messages import FilePart, FileReferencePart, Part, TextPart
from jupyter_chatd.wire import parse_input_parts

PICTURE = FilePart(file_id="f1", media_type="image/png", name="a.png")


def _find(file_id: str) -> FilePart | None:
    return PICTURE if file_id == "f1" else None


@pytest.mark.parametrize(
    ("value", "part"),
    [
        ({"type": "text", "text": "  hello\n"}, TextPart(text="hello")),
        ({"type": " TEXT ", "text": "a\0b"}, TextPart(text="a\0b")),
        ({"type": "file", "file_id": "f1"}, PICTURE),
        ({"type": "file-reference", "file_name": "a.py"}, FileReferencePart(file_name="a.py")),
        (
            {"type": "File-Reference", "file_name": "a.py", "start_line": 9, "end_line": -2, "content": ""},
            FileReferencePart(file_name="a.py", start_line=9, end_line=-2, content=""),
        ),
        (
            {"type": "file-reference", "file_name": "a.py", "start_line": None, "content": None},
            FileReferencePart(file_name="a.py"),
        ),
    ],
)
def test_parts_that_a_client_may_send(value: Any, part: Part) -> None:
    assert parse_input_parts([value], find_file=_find) == (part,)


def test_parts_keep_their_order() -> None:
    value = [{"type": "file", "file_id": "f1"}, {"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert parse_input_parts(value, find_file=_find) == (PICTURE, TextPart(text="a"), TextPart(text="b"))


@pytest.mark.parametrize(
    ("value", "came"),
    [(None, "null"), ("hi", "a string"), ({}, "an object"), (5, "a number"), (True, "true")],
)
def test_content_must_be_an_array(value: Any, came: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse_input_parts(value)
    assert caught.value.detail == f"content: Expected an array of parts, came {came}."


def test_content_is_required() -> None:
    with pytest.raises(InvalidInputError, match=r"^Content is required\.$") as caught:
        parse_input_parts([], path="messages[0].content")
    assert caught.value.problems[0].field == "messages[0].content"


@pytest.mark.parametrize(
    ("value", "field", "detail"),
    [
        ("hi", "content[0]", "Expected an object with a type, came a string."),
        (None, "content[0]", "Expected an object with a type, came null."),
        ({}, "content[0].type", "Expected a string, came nothing."),
        ({"type": 5}, "content[0].type", "Expected a string, came a number."),
        ({"type": "reasoning", "text": "x"}, "content[0].type", "came 'reasoning'"),
        ({"type": "tool-result"}, "content[0].type", "Expected text, file or file-reference"),
        ({"type": "text"}, "content[0].text", "Expected a string, came nothing."),
        ({"type": "text", "text": ["x"]}, "content[0].text", "Expected a string, came an array."),
        ({"type": "text", "text": " \n"}, "content[0].text", "not blank"),
        ({"type": "text", "text": "\ud800"}, "content[0].text", "lone surrogate"),
        (
            {"type": "text", "text": "x", "provider_metadata": {}},
            "content[0].provider_metadata",
            "Unknown field",
        ),
        ({"type": "file"}, "content[0].file_id", "Expected a string, came nothing."),
        ({"type": "file", "file_id": ""}, "content[0].file_id", "not blank"),
        ({"type": "file", "file_id": "f2"}, "content[0].file_id", "There is no such file."),
        (
            {"type": "file", "file_id": "f1", "data": "AAAA"},
            "content[0].data",
            "A file part has: type, file_id.",
        ),
        ({"type": "file-reference"}, "content[0].file_name", "Expected a string"),
        ({"type": "file-reference", "file_name": " "}, "content[0].file_name", "not blank"),
        (
            {"type": "file-reference", "file_name": "a", "start_line": "1"},
            "content[0].start_line",
            "came a string",
        ),
        ({"type": "file-reference", "file_name": "a", "end_line": True}, "content[0].end_line", "came true"),
        ({"type": "file-reference", "file_name": "a", "end_line": 2**63}, "content[0].end_line", "at most"),
        ({"type": "file-reference", "file_name": "a", "content": 5}, "content[0].content", "came a number"),
        (
            {"type": "file-reference", "file_name": "a", "content": "\udfff"},
            "content[0].content",
            "surrogate",
        ),
    ],
)
def test_a_wrong_part_is_named_with_its_field(value: Any, field: str, detail: str) -> None:
    with pytest.raises(InvalidInputError, match=r"^Invalid input part\.$") as caught:
        parse_input_parts([value], find_file=_find)
    (problem,) = caught.value.problems
    assert problem.field == field
    assert detail in problem.detail
    assert caught.value.detail == f"{field}: {problem.detail}"


def test_all_wrong_parts_are_named_up_to_a_limit() -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse_input_parts([{"type": "text", "text": "ok"}, *[{"type": "text", "text": ""}] * 30])
    blank = "Expected text that is not blank."
    assert caught.value.problems == tuple(
        FieldProblem(field=f"content[{index}].text", detail=blank) for index in range(1, 21)
    )


def test_files_cannot_be_attached_where_nothing_finds_them() -> None:
    with pytest.raises(InvalidInputError, match="Invalid input part"):
        parse_input_parts([{"type": "file", "file_id": "f1"}])


FIELDS = ("type", "text", "file_id", "file_name", "start_line", "end_line", "content")
REFUSABLE = {f"content[0].{name}" for name in FIELDS}
wild_parts = st.dictionaries(
    st.sampled_from(FIELDS), st.sampled_from(["text", "file", "file-reference", "f1"]) | json_values
)


def _parts_or_refused_fields(value: Any) -> list[Any]:
    try:
        return list(parse_input_parts(value, find_file=_find))
    except InvalidInputError as error:
        return [problem.field for problem in error.problems]


@given(wild_parts)
@settings(deadline=None)
def test_anything_in_a_part_is_either_read_or_refused_by_name(fields: dict[str, Any]) -> None:
    outcome = _parts_or_refused_fields([fields])
    assert outcome
    assert all(
        isinstance(item, (TextPart, FilePart, FileReferencePart)) or item in REFUSABLE for item in outcome
    )
