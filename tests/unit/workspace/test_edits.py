from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_chatd.workspace.edits import EditError, apply_edit, apply_edits
from jupyter_chatd.workspace.protocol import Edit

TEXT = "def f():  \n    a = 1\t\n    b = 2\n\ndef g():\n    a = 1\n"


def edit(search: str, replace: str, *, replace_all: bool = False) -> Edit:
    return Edit(search=search, replace=replace, replace_all=replace_all)


def test_an_exact_match_wins() -> None:
    assert apply_edit(TEXT, edit("b = 2", "b = 3")) == TEXT.replace("b = 2", "b = 3")


def test_blanks_at_line_ends_are_ignored_next() -> None:
    assert apply_edit(TEXT, edit("def f():\n    a = 1\n", "X\n")) == "X\n    b = 2\n\ndef g():\n    a = 1\n"


def test_blanks_at_both_ends_are_ignored_last() -> None:
    assert apply_edit(TEXT, edit("a = 1\nb = 2", "X")) == "def f():  \nX\n\ndef g():\n    a = 1\n"


def test_the_replacement_is_put_in_as_it_is() -> None:
    assert apply_edit("if x:\n    y\n", edit("\ty", r"  \1 $&")) == "if x:\n  \\1 $&\n"


def test_an_exact_match_hides_looser_ones() -> None:
    assert apply_edit("a \na\n", edit("a\n", "b\n")) == "a \nb\n"


def test_several_matches_need_replace_all() -> None:
    with pytest.raises(EditError, match=r"2 times.*replace_all"):
        apply_edit(TEXT, edit("a = 1", "c"))
    assert apply_edit(TEXT, edit("a = 1", "c", replace_all=True)) == TEXT.replace("a = 1", "c")


def test_several_loose_matches_need_replace_all_too() -> None:
    text = "  x\n y\n  x \n\ty\n"
    with pytest.raises(EditError, match="2 times"):
        apply_edit(text, edit("x\ny\n", "z\n"))
    assert apply_edit(text, edit("x\ny\n", "z\n", replace_all=True)) == "z\nz\n"


def test_windows_line_ends_stay_where_the_search_has_none() -> None:
    assert apply_edit("a\r\nb\r\nc\r\n", edit("a\nb", "x")) == "x\r\nc\r\n"


def test_a_last_line_without_newline_matches() -> None:
    assert apply_edit("a\n  b", edit("\tb", "c")) == "a\nc"
    assert apply_edit("a\n  b", edit("\tb\n", "c\n")) == "a\nc\n"


@pytest.mark.parametrize("search", ["nowhere", "a = 1 b", " \n \n \n "])
def test_no_match_is_an_error_that_says_what_to_do(search: str) -> None:
    with pytest.raises(EditError, match=r"not found.*Read the file again"):
        apply_edit(TEXT, edit(search, "x"))


def test_an_empty_search_is_refused() -> None:
    with pytest.raises(EditError, match="empty"):
        apply_edit(TEXT, edit("", "x", replace_all=True))


def test_each_edit_sees_the_result_of_the_one_before() -> None:
    assert apply_edits("a", [edit("a", "b"), edit("b", "c")]) == "c"
    with pytest.raises(EditError, match=r"edit 2: .*not found"):
        apply_edits("a", [edit("a", "b"), edit("a", "c")])


@given(st.text(alphabet="ab \n", max_size=20), st.text(alphabet="ab \n", min_size=1, max_size=4))
def test_replacing_all_exact_matches_is_str_replace(text: str, search: str) -> None:
    if search in text:
        assert apply_edit(text, edit(search, "Z", replace_all=True)) == text.replace(search, "Z")


@given(st.lists(st.sampled_from(["a", "b", " a", "a ", ""]), min_size=1, max_size=8), st.data())
def test_any_lines_of_a_text_are_found_in_it(lines: list[str], data: st.DataObject) -> None:
    """Whatever whole lines are taken, trimmed or not, they match unless they are blank."""
    start = data.draw(st.integers(0, len(lines) - 1))
    end = data.draw(st.integers(start + 1, len(lines)))
    search = "\n".join(line.strip() for line in lines[start:end])
    if search.strip():
        assert "Z" in apply_edit("\n".join(lines), edit(search, "Z", replace_all=True))
