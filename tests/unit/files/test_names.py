from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_chatd.files.names import (
    MAX_NAME,
    clean_name,
    disposition_header,
    is_pasted_text,
    name_from_header,
)


@pytest.mark.parametrize(
    "text, name",
    [
        ("plot.png", "plot.png"),
        ("/home/ada/plot.png", "plot.png"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\ada\\plot.png", "plot.png"),
        ("..", ""),
        ("a/..", ""),
        ("a\r\nSet-Cookie: x\0.png", "aSet-Cookie: x.png"),
        ("innocent\u202egnp.exe", "innocentgnp.exe"),
        (" größe 🙂.txt ", "größe 🙂.txt"),
        ("half \ud83d.txt", "half .txt"),
    ],
)
def test_a_name_is_the_last_step_of_a_path_and_one_line(text: str, name: str) -> None:
    assert clean_name(text) == name


def test_a_long_name_is_cut_between_characters() -> None:
    assert clean_name("€" * 200) == "€" * 85
    assert len(clean_name("x" * 10_000)) == MAX_NAME


@pytest.mark.parametrize(
    "header, name",
    [
        (None, ""),
        ("inline", ""),
        ('attachment; filename="plot.png"', "plot.png"),
        ("attachment; filename=plot.png", "plot.png"),
        ('attachment; filename="a \\"b\\".png"', 'a "b".png'),
        ("attachment; filename*=UTF-8''gr%C3%B6%C3%9Fe.png", "größe.png"),
        ("attachment; filename*=UTF-8''..%2F..%2Fetc%2Fpasswd", "passwd"),
        ('attachment; filename="größe.png"'.encode().decode("latin-1"), "größe.png"),
    ],
)
def test_the_name_is_read_from_the_header(header: str | None, name: str) -> None:
    assert name_from_header(header) == name


@given(st.sampled_from(["{}", 'a; filename="{}"', "a; filename={}", "a; filename*={}"]), st.text())
def test_whatever_a_header_says_it_gives_a_clean_name(header: str, text: str) -> None:
    name = name_from_header(header.format(text))
    assert name == clean_name(name)


def test_a_wrong_encoding_of_a_name_does_no_harm() -> None:
    for value in ("UTF-8''%ff.txt", "no-such-code''a.txt", "''a.txt", "a.txt", "'", "UTF-8'en'%"):
        assert isinstance(name_from_header(f"attachment; filename*={value}"), str)


@given(st.text(min_size=1))
def test_every_name_survives_the_header_that_it_is_served_with(text: str) -> None:
    name = clean_name(text)
    header = disposition_header(name, inline=False)
    assert header.isascii()
    assert header.isprintable()
    assert name_from_header(header) == name


def test_only_what_may_be_shown_is_inline() -> None:
    assert disposition_header("a.png", inline=True) == "inline; filename=\"a.png\"; filename*=UTF-8''a.png"
    assert disposition_header("", inline=False) == "attachment"


def test_pasted_text_is_known_by_its_name() -> None:
    assert is_pasted_text("pasted-text-2026-01-31-23-59-59.txt")
    assert not is_pasted_text("pasted-text-2026-01-31.txt")
    assert not is_pasted_text("my-pasted-text-2026-01-31-23-59-59.txt")
