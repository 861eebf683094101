"""Files of a prompt: stored as ids, sent as content."""

from __future__ import annotations

import base64
from collections.abc import Collection, Mapping
from typing import Any

import pytest

from jupyter_chatd.loop.attachments import CUT, PASTED_BYTES, TEXT_BYTES, with_files
from jupyter_chatd.messages import FilePart, Part, Role, TextPart
from jupyter_chatd.providers.protocol import PromptMessage

pytestmark = pytest.mark.anyio

PASTED = "pasted-text-2026-01-31-23-59-59.txt"


class Shelf:
    """Has some files, and takes note of each look-up."""

    def __init__(self, **contents: bytes) -> None:
        self.contents = contents
        self.asked: list[list[str]] = []

    async def __call__(self, file_ids: Collection[str]) -> Mapping[str, bytes]:
        self.asked.append(sorted(file_ids))
        return {file_id: self.contents[file_id] for file_id in file_ids if file_id in self.contents}


def file(file_id: str | None, media_type: str = "image/png", **fields: Any) -> FilePart:
    return FilePart(file_id=file_id, media_type=media_type, **fields)


def says(*parts: Part, role: Role = Role.USER, cache: bool = False) -> PromptMessage:
    return PromptMessage(role=role, parts=parts, cache=cache)


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


async def filled(shelf: Shelf, *parts: Part) -> tuple[Part, ...]:
    """The parts of one user message, filled."""
    (message,) = await with_files([says(*parts)], shelf)
    return message.parts


async def test_all_files_are_looked_up_at_once_and_keep_their_places() -> None:
    shelf = Shelf(a=b"one", b=b"two")
    look = TextPart(text="Look:")
    messages = [says(look, file("a")), says(file("b"), look, file("a"), cache=True)]
    assert await with_files(messages, shelf) == (
        says(look, file("a", data=encoded(b"one"))),
        says(file("b", data=encoded(b"two")), look, file("a", data=encoded(b"one")), cache=True),
    )
    assert shelf.asked == [["a", "b"]]


async def test_a_prompt_without_files_asks_for_nothing() -> None:
    shelf = Shelf()
    messages = (says(TextPart(text="Hi.")), says(file(None, data="aGk=")))
    assert await with_files(messages, shelf) == messages
    assert shelf.asked == []


async def test_files_that_the_model_or_a_tool_made_are_not_looked_up() -> None:
    shelf = Shelf(a=b"one")
    messages = tuple(says(file("a"), role=role) for role in (Role.ASSISTANT, Role.TOOL, Role.SYSTEM))
    assert await with_files(messages, shelf) == messages
    assert shelf.asked == []


async def test_a_missing_file_is_left_out_and_an_empty_message_says_so() -> None:
    shelf = Shelf(a=b"one")
    assert await filled(shelf, file("gone"), file("a")) == (file("a", data=encoded(b"one")),)
    assert await filled(shelf, file("gone", name="plot.png"), file("gone too")) == (
        TextPart(text="[file] plot.png, unnamed: the content is no longer there"),
    )


async def test_pasted_text_becomes_text() -> None:
    shelf = Shelf(a=b"a line\n```\nanother")
    (part,) = await filled(shelf, file("a", "text/plain", name=PASTED))
    assert part == TextPart(text=f"[pasted text] {PASTED}\n````\na line\n```\nanother\n````")


async def test_pasted_text_is_cut_between_characters_with_a_notice() -> None:
    text = "x" + "€" * PASTED_BYTES
    (part,) = await filled(Shelf(a=text.encode()), file("a", "text/markdown", name=PASTED))
    assert isinstance(part, TextPart)
    assert part.text.endswith(f"€\n```{CUT}")
    assert len(part.text.encode()) < PASTED_BYTES + 200
    whole = b"x" * PASTED_BYTES
    (part,) = await filled(Shelf(a=whole), file("a", "text/plain", name=PASTED))
    assert isinstance(part, TextPart)
    assert CUT not in part.text


async def test_an_image_that_is_called_like_pasted_text_stays_an_image() -> None:
    (part,) = await filled(Shelf(a=b"one"), file("a", name=PASTED))
    assert part == file("a", name=PASTED, data=encoded(b"one"))


async def test_of_a_long_text_no_more_is_sent_than_a_prompt_takes() -> None:
    (part,) = await filled(Shelf(a=b"x" * 2_000_000), file("a", "text/csv", name="a.csv"))
    assert part == file("a", "text/csv", name="a.csv", data=encoded(b"x" * TEXT_BYTES))


async def test_long_images_are_encoded_whole() -> None:
    data = bytes(range(256)) * 10_000
    (part,) = await filled(Shelf(a=data), file("a"))
    assert part == file("a", data=encoded(data))
