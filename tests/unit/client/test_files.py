"""Files of this machine as parts of messages."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from jupyter_chatd.client.errors import ClientError
from jupyter_chatd.client.files import TYPES, file_reference, media_type_of, pasted_text, read_upload
from jupyter_chatd.files.kind import UPLOADABLE
from jupyter_chatd.files.names import is_pasted_text, name_from_header

pytestmark = pytest.mark.anyio


def test_files_are_sent_as_what_the_server_takes() -> None:
    assert {*TYPES.values(), media_type_of("notes")} == UPLOADABLE
    assert (media_type_of("a.PNG"), media_type_of("a.py"), media_type_of("Makefile")) == (
        "image/png",
        "text/plain",
        "text/plain",
    )


async def test_the_server_reads_the_name_that_the_file_has(tmp_path: Path) -> None:
    path = tmp_path / 'größe "2"; x.csv'
    path.write_bytes(b"a,b\n")
    upload = await read_upload(path)
    assert (upload.data, upload.headers["Content-Type"]) == (b"a,b\n", "text/csv")
    assert name_from_header(upload.headers["Content-Disposition"]) == path.name


async def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ClientError, match=r"nowhere\.png cannot be read: No such file"):
        await read_upload(tmp_path / "nowhere.png")


def test_pasted_text_has_the_name_by_which_the_server_knows_it() -> None:
    upload = pasted_text("a\nb", now=datetime(2026, 11, 21, 7, 30, tzinfo=UTC))
    assert (upload.name, upload.data) == ("pasted-text-2026-11-21-07-30-00.txt", b"a\nb")
    assert is_pasted_text(upload.name)


@pytest.fixture
def poem(tmp_path: Path) -> Path:
    path = tmp_path / "poem.txt"
    path.write_text("one\ntwo\nthree\n")
    return path


def test_a_reference_holds_the_lines_it_names(poem: Path) -> None:
    named = {"type": "file-reference", "file_name": str(poem)}
    assert file_reference(poem) == named
    assert file_reference(poem, 2) == named | {"start_line": 2, "end_line": 2, "content": "two"}
    assert file_reference(poem, 2, 3) == named | {"start_line": 2, "end_line": 3, "content": "two\nthree"}


@pytest.mark.parametrize("lines", [(0, None), (2, 1), (3, 4), (4, None)])
def test_lines_that_are_not_there_are_refused(poem: Path, lines: tuple[int, int | None]) -> None:
    with pytest.raises(ClientError, match=r"Expected lines of .*poem\.txt between 1 and 3"):
        file_reference(poem, *lines)


def test_lines_of_an_image_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\xff")
    with pytest.raises(ClientError, match="attach it as a file instead"):
        file_reference(tmp_path / "a.png", 1)
