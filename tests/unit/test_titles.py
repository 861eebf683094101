from __future__ import annotations

import pytest

from jupyter_chatd.messages import FilePart, FileReferencePart, Part, TextPart
from jupyter_chatd.titles import flatten_reference, generated_title, initial_title


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("fix the tests", "fix the tests"),
        ("one two three four five six", "one two three four five six"),
        ("one two three four five six seven", "one two three four five six…"),
        ("  a\n\tb  ", "a b"),
        ("x" * 100, "x" * 80),
        ("a\0b\x1bc", "a b c"),
        ("\0\0", "New Chat"),
        ("", "New Chat"),
    ],
)
def test_a_title_is_the_first_six_words_in_80_characters(text: str, title: str) -> None:
    assert initial_title([TextPart(text=text)]) == title


def test_the_mark_of_dropped_words_counts_among_the_80_characters() -> None:
    assert (
        initial_title([TextPart(text=" ".join(["twelve-chars"] * 7))]) == ("twelve-chars " * 6).strip() + "…"
    )
    assert initial_title([TextPart(text=" ".join(["thirteen-char"] * 7))]) == ("thirteen-char " * 6)[:80]


def test_texts_and_references_are_joined_in_their_order() -> None:
    parts: list[Part] = [
        TextPart(text="look at"),
        FileReferencePart(file_name="a.py", start_line=3),
        TextPart(text="now"),
    ]
    assert initial_title(parts) == "look at [file-reference] a.py:3 now"


def test_files_alone_give_no_title() -> None:
    assert initial_title([FilePart(file_id="f", media_type="image/png")]) == "New Chat"


@pytest.mark.parametrize(
    ("part", "text"),
    [
        (FileReferencePart(file_name="a.py"), "[file-reference] a.py"),
        (FileReferencePart(file_name="a.py", start_line=2, end_line=2), "[file-reference] a.py:2"),
        (
            FileReferencePart(file_name="a.py", start_line=2, end_line=4, content="x = 1"),
            "[file-reference] a.py:2-4\n```\nx = 1\n```",
        ),
        (
            FileReferencePart(file_name="a.md", content="```\nx\n```"),
            "[file-reference] a.md\n````\n```\nx\n```\n````",
        ),
    ],
)
def test_a_reference_is_flattened_into_a_marker_and_a_fence_that_holds(
    part: FileReferencePart, text: str
) -> None:
    assert flatten_reference(part) == text


@pytest.mark.parametrize(
    ("answer", "title"),
    [
        ("Sorting large files", "Sorting large files"),
        (' "Sorting  large\nfiles". ', "Sorting large files"),
        ("**Große Dateien**", "Große Dateien"),
        ("“Why is C# fast?”", "Why is C# fast?"),
        ("one two three four five six seven eight", "one two three four five six seven eight"),
        ("one two three four five six seven eight nine", None),
        (" \n ", None),
        ('"."', None),
        ("x" * 100, "x" * 80),
    ],
)
def test_what_of_a_models_answer_is_a_title(answer: str, title: str | None) -> None:
    assert generated_title(answer) == title
