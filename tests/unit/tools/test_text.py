from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from jupyter_chatd.tools.text import clip_text, printable


def test_nul_and_halves_of_pairs_are_replaced() -> None:
    assert printable("a\0b\ud800c") == "a␀b\N{REPLACEMENT CHARACTER}c"


@given(st.text(st.characters(codec=None), max_size=300), st.integers(0, 200))
def test_clipped_text_is_valid_and_within_the_limit(text: str, limit: int) -> None:
    clipped = clip_text(text, limit)
    assert len(clipped.encode()) <= limit
    if len(printable(text).encode()) <= limit:
        assert clipped == printable(text)


def test_both_ends_of_a_long_text_stay() -> None:
    clipped = clip_text("a" * 500 + "€" * 500, 200)
    assert clipped.startswith("a" * 80)
    assert clipped.endswith("€" * 28)
    assert "cut here" in clipped
