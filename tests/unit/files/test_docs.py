"""docs/files.md says what the limits are."""

from __future__ import annotations

import re
from pathlib import Path

from jupyter_chatd.api.requests import MAX_LABELS
from jupyter_chatd.files.kind import IMAGES, PDF, TEXTS, UPLOADABLE
from jupyter_chatd.files.library import MAX_BYTES, UNSENT_S
from jupyter_chatd.files.names import is_pasted_text
from jupyter_chatd.loop.attachments import PASTED_BYTES
from jupyter_chatd.providers.prompt import MAX_INLINE_TEXT
from jupyter_chatd.store.files import MAX_CHAT_FILES

TEXT = (Path(__file__).parents[3] / "docs" / "files.md").read_text("utf-8")


def test_limits_are_those_of_the_code() -> None:
    for words in (
        f"at most {MAX_BYTES // 2**20} MiB each (`upload_limit`), {MAX_CHAT_FILES} files in one chat",
        f"the first {MAX_INLINE_TEXT:,} characters of each file",
        f"of pasted text the first {PASTED_BYTES:,} bytes",
        f"is forgotten after {UNSENT_S / 86_400:g} days",
        f"up to {MAX_LABELS} in a chat",
    ):
        assert words in TEXT


def test_types_are_those_that_are_taken() -> None:
    (texts,) = re.findall(r"\| Text in UTF-8 \| (.*?);", TEXT)
    (images,) = re.findall(r"\| Images \| (.*?) \|", TEXT)
    assert set(re.findall(r"`([^`]+)`", texts)) == TEXTS
    assert {f"image/{name.lower()}" for name in images.split(", ")} == IMAGES
    assert TEXTS | IMAGES | {PDF} == UPLOADABLE


def test_the_example_of_a_pasted_text_is_one() -> None:
    (name,) = re.findall(r"`(pasted-text-[^`]+)`", TEXT)
    assert is_pasted_text(name)
