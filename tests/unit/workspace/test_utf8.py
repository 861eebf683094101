from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from jupyter_chatd.workspace import utf8

TEXTS = st.text(alphabet="aé€😀\n", max_size=40).map(str.encode)


@given(TEXTS, st.integers(0, 60))
def test_a_cut_loses_less_than_a_character_and_stays_valid(data: bytes, limit: int) -> None:
    start, end = utf8.prefix(data, limit), utf8.suffix(data, limit)
    assert data.startswith(start)
    assert data.endswith(end)
    for kept in (start, end):
        kept.decode()
        assert min(limit, len(data)) - 3 <= len(kept) <= limit


@given(st.binary(max_size=40), st.integers(0, 60))
def test_bytes_that_are_not_utf8_are_cut_too(data: bytes, limit: int) -> None:
    assert len(utf8.prefix(data, limit)) <= limit
    assert len(utf8.suffix(data, limit)) <= limit


@given(TEXTS, st.integers(0, 60))
def test_unfinished_counts_the_bytes_of_a_torn_character(data: bytes, length: int) -> None:
    torn = data[:length]
    torn[: len(torn) - utf8.unfinished(torn)].decode()
    assert utf8.unfinished(torn) <= 3


def test_a_long_line_is_cut_and_marked() -> None:
    assert utf8.cut_line("aé".encode(), 2, b"~") == b"a~"
    assert utf8.cut_line(b"ab", 2, b"~") == b"ab"
