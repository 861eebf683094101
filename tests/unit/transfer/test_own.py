"""An export that is not as it must be is refused with file, line and reason, and nothing is stored."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest

from jupyter_chatd.transfer.lines import UnreadableExportError

from .place import Place, lines_of, text_of
from .samples import CHILD, ROOT, call, chat, file, header, message, result, text

pytestmark = pytest.mark.anyio

FIRST = {"message": 1, "index": 0}
GOOD = [header(), chat(), file(), message(1), message(2, "assistant", call()), message(3, "tool", result())]

OTHER = "11111111-2222-4333-8444-555555555555"
BEFORE = [header(), chat(OTHER), message(1)]
"""A family that is as it must be, before the lines that are not."""

WRONG: dict[str, tuple[list[dict[str, Any]], str]] = {
    "unknown line": ([{"type": "surprise"}], "Expected type to be one of chat, file"),
    "second header": ([header()], "Expected type to be one of chat, file"),
    "unknown field": ([chat(colour="red")], "colour: Unknown field. Known are: type, id"),
    "unknown role": ([chat(), message(1, "robot")], "role: Input should be 'system', 'user'"),
    "wrong type": ([chat(title=5)], "title: Input should be a valid string; came a number"),
    "no UUID": ([chat("abc")], "id: Expected a UUID in lower case, came 'abc'"),
    "no time": ([chat(created_at="now")], "created_at: Expected a time like"),
    "no such time": ([chat(created_at="0001-01-01T00:00:00+14:00")], "created_at: Expected a time"),
    "blank model": ([chat(model=" ")], "model: Expected provider:model"),
    "chat twice": ([chat(), chat()], "id: Expected every chat once"),
    "number": ([chat(), message(1), message(3)], "number: Expected message 2 of the chat, came 3"),
    "content": ([chat(), message(1, content="hi")], "content: Expected an array of parts"),
    "newer content": ([chat(), message(1, content_version=2)], "content version 2 is unknown"),
    "author": ([chat(), message(1, "assistant", created_by="a")], "created_by: Expected an author"),
    "answer of a user": ([chat(), message(1, answers=FIRST)], "answers: Expected a call that a tool"),
    "later call": ([chat(), message(1, "tool", answers=FIRST)], "answers: Expected a message before 1"),
    "no summary": ([chat(), message(1, covers_until=0)], "covers_until: Expected it on a summary"),
    "summary of the future": (
        [chat(), message(1, compressed=True, covers_until=1)],
        "covers_until: Expected a message before 1",
    ),
    "tokens": ([chat(), message(1, usage={"input_tokens": -1})], "usage.input_tokens: Expected"),
    "cost": ([chat(), message(1, total_cost_micros=10**13)], "total_cost_micros: Expected"),
    "parent": ([chat(parent_chat_id=CHILD)], "parent_chat_id: Expected a chat of the same family"),
    "spawned by": (
        [chat(), chat(CHILD, parent_chat_id=ROOT, spawned_by=FIRST)],
        "spawned_by: Expected a message between 1 and 0",
    ),
    "labels": ([chat(labels={str(n): "" for n in range(51)})], "labels: Expected at most 50"),
    "late file": ([chat(), message(1), file()], "type: Expected the files of a chat before"),
    "other bytes": ([chat(), file(sha256="0" * 64)], "data: Expected the bytes"),
    "digest": ([chat(), file(sha256="../../etc/passwd")], "sha256: Expected 64"),
    "empty file": ([chat(), file(size_bytes=0)], "size_bytes: Expected at least 1"),
    "base64": ([chat(), {**file(), "data": "*"}], "data: Expected base64"),
    "HTML": ([chat(), file(b"<html><script>")], "The file is an HTML document"),
    "file id": ([chat(), file(id="x")], "id: Expected a UUID"),
}


@pytest.mark.parametrize("lines, reason", WRONG.values(), ids=list(WRONG))
async def test_what_is_wrong_is_told_and_nothing_is_stored(
    here: Place, lines: list[dict[str, Any]], reason: str
) -> None:
    with pytest.raises(UnreadableExportError) as caught:
        await here.take(text_of([*BEFORE, *lines]))
    number = len(BEFORE) + len(lines)
    assert str(caught.value).startswith(f"{here.folder / 'came.jsonl'}, line {number}: ")
    assert reason in str(caught.value)
    assert await here.chats() == {}


async def test_a_message_needs_a_chat(here: Place) -> None:
    with pytest.raises(UnreadableExportError, match="line 2: type: Expected a line of type chat first"):
        await here.take(text_of([header(), message(1)]))


CUTS: dict[str, Callable[[bytes], bytes]] = {
    "without its end": lambda export: b"".join(export.splitlines(keepends=True)[:-1]),
    "in the middle of a line": lambda export: export[:-30],
    "packed": lambda export: gzip.compress(export)[:-20],
    "without a message": lambda export: export.replace(export.splitlines(keepends=True)[5], b""),
}


@pytest.mark.parametrize("cut", CUTS.values(), ids=list(CUTS))
async def test_an_export_that_was_cut_off_is_refused(here: Place, cut: Callable[[bytes], bytes]) -> None:
    with pytest.raises(UnreadableExportError):
        await here.take(cut(text_of(GOOD).encode()))
    assert await here.chats() == {}
    assert len(await here.take(text_of(GOOD))) == 1


async def test_an_export_of_a_newer_release_is_refused(here: Place) -> None:
    newer = text_of([header(version=2, fancy=True), {"type": "novelty"}])
    with pytest.raises(UnreadableExportError, match=r"line 1: It has format version 2; .* Upgrade"):
        await here.take(newer)


@pytest.mark.parametrize(
    "junk", [b"", b"\n\n", b"hello", b"\xff\xfe", b"[1]", b'{"type": "export"}', b"\x1f\x8b\x00"]
)
async def test_what_is_no_export_at_all_is_refused(here: Place, junk: bytes) -> None:
    with pytest.raises(UnreadableExportError, match=r"came\.jsonl"):
        await here.take(junk)


async def test_half_a_character_is_refused(here: Place) -> None:
    line = json.dumps(message(1, "user", text("X"))).replace("X", "\\ud800")
    export = text_of([header(), chat(), message(1)]).replace(json.dumps(message(1)), line)
    with pytest.raises(UnreadableExportError, match="half a character"):
        await here.take(export)


async def test_order_of_fields_and_blank_lines_do_not_matter(here: Place) -> None:
    lines = [dict(reversed(line.items())) for line in GOOD]
    (imported,) = await here.take("\n" + text_of(lines).replace("\n", "\n\n"))
    assert (imported.messages, imported.lost_files) == (3, 0)
    answered = {**GOOD[5], "answers": {"message": 2, "index": 0}}
    assert lines_of(here.export())[:-1] == [*GOOD[:2], *GOOD[3:5], answered]
