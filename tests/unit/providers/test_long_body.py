"""Bodies that are encoded in pieces say what they would say in one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jupyter_chatd.providers.long_body import LISTS, encode_apart, join_body

MESSAGE = {"role": "user", "content": 'Wie spät? "\u2603"'}


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("rest", [{}, {"model": "m", "tools": [{"name": "look"}]}])
def test_the_body_is_the_same(name: str, rest: dict[str, Any]) -> None:
    body = {**rest, name: [MESSAGE, {"nested": {"messages": [1]}}]}
    assert json.loads(encode_apart(body, json.dumps)) == body


def test_other_members_stay_as_they_are() -> None:
    assert join_body("messages", ["1", "2"], b'{"system": []}') == b'{"messages":[1,2],"system": []}'
    assert join_body("messages", [], b" { } ") == b'{"messages":[]}'


def test_each_message_is_encoded_by_itself() -> None:
    encoded: list[Any] = []

    def encode(value: Any) -> str:
        encoded.append(value)
        return json.dumps(value)

    encode_apart({"model": "m", "messages": [MESSAGE, MESSAGE]}, encode)
    assert encoded == [{"model": "m"}, MESSAGE, MESSAGE]


@pytest.mark.parametrize("body", [{"model": "m", "input": "a text"}, {"model": "m"}, {}])
def test_a_body_without_a_list_is_encoded_whole(body: dict[str, Any]) -> None:
    assert json.loads(encode_apart(body, json.dumps)) == body
