from __future__ import annotations

import pytest

from jupyter_chatd.skills.front_matter import split_front_matter


@pytest.mark.parametrize(
    ("source", "fields"),
    [
        ("name: a\ndescription: Does it.", {"name": "a", "description": "Does it."}),
        ('description: "It: does"', {"description": "It: does"}),
        ("description: >\n  One\n  line.", {"description": "One line.\n"}),
        ("description: Übt größer.", {"description": "Übt größer."}),
        ("name: 1\nallowed-tools: [a]\ndescription: x", {"description": "x"}),
        # Unquoted colons are no YAML, and common.
        ("name: a\ndescription: Use it: now", {"name": "a", "description": "Use it: now"}),
        ("- a\n- b", {}),
        ("", {}),
        ("date: 2020-99-99\ndescription: x", {"date": "2020-99-99", "description": "x"}),
    ],
)
def test_plain_fields_are_read(source: str, fields: dict[str, str]) -> None:
    assert split_front_matter(f"---\n{source}\n---\nBody\n---\n") == (fields, "Body\n---\n")


@pytest.mark.parametrize("text", ["# No front matter\n", "---\nname: open\n", "", " ---\na: b\n---\n"])
def test_text_without_front_matter_is_all_body(text: str) -> None:
    assert split_front_matter(text) == ({}, text)


def test_windows_line_ends_and_a_byte_order_mark_are_fine() -> None:
    assert split_front_matter("\ufeff---\r\nname: a\r\n---\r\nBody") == ({"name": "a"}, "Body")


def test_nothing_is_built_from_yaml_tags() -> None:
    text = "---\nname: !!python/object/apply:os.getcwd []\ndescription: x\n---\n"
    fields, _ = split_front_matter(text)
    assert fields["description"] == "x"
    assert "!!python" in fields["name"]


def test_an_alias_bomb_is_harmless() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30)]
    assert split_front_matter("---\n" + "\n".join(lines) + "\ndescription: x\n---\n")[0] == {
        "description": "x"
    }
