"""Types are told from the bytes; what a sender says only has to agree."""

from __future__ import annotations

import pytest

from jupyter_chatd.errors import InvalidInputError
from jupyter_chatd.files.kind import (
    HTML,
    OTHER,
    PLAIN,
    SVG,
    UPLOADABLE,
    check_attachment,
    check_upload,
    detect,
)

from . import samples

KNOWN = [
    ("image/png", samples.PNG),
    ("image/jpeg", samples.JPEG),
    ("image/gif", samples.GIF),
    ("image/gif", b"GIF87a\x01\0"),
    ("image/webp", samples.WEBP),
    ("application/pdf", samples.PDF),
    ("video/mp4", b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41"),
    (OTHER, b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"),
    (PLAIN, samples.CSV),
    (PLAIN, "\ufeffa text with a mark, an escape \x1b[1m and a form feed \f".encode()),
    (PLAIN, b'<?xml version="1.0"?><note/>'),
    (PLAIN, b'<p align="center">A README</p>'),
    (PLAIN, b"<!-- a comment -->\n# A README"),
    (PLAIN, b"<!-- never closed <html>"),
    (HTML, samples.HTML),
    (HTML, b"\xef\xbb\xbf \n<!-- a\ncomment --> <HTML lang=en>"),
    (HTML, b"<script>alert(1)</script>"),
    (HTML, b'<?xml version="1.0"?><x:html xmlns:x="http://www.w3.org/1999/xhtml">'),
    (SVG, samples.SVG),
    (SVG, b'<?xml version="1.0"?><!-- made by hand --><!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "">'),
    (OTHER, samples.ZIP),
    (OTHER, "text in UTF-16".encode("utf-16")),
    (OTHER, b"caf\xe9 in latin-1"),
    (OTHER, b"cut in the middle of a character: \xe2\x82"),
    (OTHER, b"RIFF\x24\0\0\0WAVEfmt "),
]


@pytest.mark.parametrize("media_type, data", KNOWN)
def test_the_type_is_told_from_the_bytes(media_type: str, data: bytes) -> None:
    assert detect(data) == media_type


def test_a_character_may_lie_across_two_pieces_of_a_long_text() -> None:
    text = "x" * (1024 * 1024 - 1) + "€" * 10
    assert detect(text.encode()) == PLAIN
    assert detect(text.encode()[:-1]) == OTHER


def test_binary_bytes_late_in_a_file_are_found() -> None:
    assert detect(b"x" * 3_000_000 + b"\0") == OTHER


@pytest.mark.parametrize("media_type", sorted(UPLOADABLE))
def test_what_is_what_it_claims_to_be_is_taken(media_type: str) -> None:
    data = next((sample for name, sample in KNOWN if name == media_type), samples.CSV)
    assert check_upload(f"{media_type.upper()}; charset=utf-8", data) == media_type


def test_an_image_under_the_name_of_another_is_stored_as_what_it_is() -> None:
    assert check_upload("image/png", samples.JPEG) == "image/jpeg"


LIES = [
    ("image/png", samples.HTML, "says image/png, but the file is an HTML document"),
    ("image/png", samples.SVG, "says image/png, but the file is an SVG document"),
    ("image/gif", samples.PDF, "says image/gif, but the file is application/pdf"),
    ("image/jpeg", samples.ZIP, "its bytes are of no known type"),
    ("image/webp", samples.CSV, "says image/webp, but the file is text"),
    ("application/pdf", samples.PNG, "says application/pdf, but the file is image/png"),
    ("text/plain", samples.HTML, "says text/plain, but the file is an HTML document"),
    ("text/markdown", samples.SVG, "says text/markdown, but the file is an SVG document"),
    ("text/csv", samples.PNG, "says text/csv, but the file is image/png"),
    ("application/json", b'{"a": "\0"}', "its bytes are of no known type"),
]


@pytest.mark.parametrize("declared, data, told", LIES)
def test_an_upload_that_lies_about_its_type_is_refused(declared: str, data: bytes, told: str) -> None:
    with pytest.raises(InvalidInputError, match=told):
        check_upload(declared, data)


@pytest.mark.parametrize(
    "declared",
    [None, "", "application/octet-stream", "text/html", "image/svg+xml", "image/bmp", "multipart/form-data"],
)
def test_types_that_models_do_not_take_are_refused_whatever_the_bytes(declared: str | None) -> None:
    with pytest.raises(InvalidInputError, match="Expected a file of one of the types application/json, "):
        check_upload(declared, samples.PNG)


def test_nothing_is_no_file() -> None:
    for refused in (lambda: check_upload("text/plain", b""), lambda: check_attachment("a.txt", b"")):
        with pytest.raises(InvalidInputError, match="The file is empty"):
            refused()


@pytest.mark.parametrize(
    "name, data, media_type",
    [
        ("plot.png", samples.PNG, "image/png"),
        ("plot.txt", samples.PNG, "image/png"),
        ("notes.MD", samples.CSV, "text/markdown"),
        ("table.csv", samples.CSV, "text/csv"),
        ("a.json", b"{}", "application/json"),
        ("a.py", b"print()", PLAIN),
        ("data.xlsx", samples.ZIP, OTHER),
        ("page.pdf", samples.PDF, "application/pdf"),
    ],
)
def test_tools_may_attach_anything_that_browsers_do_not_run(name: str, data: bytes, media_type: str) -> None:
    assert check_attachment(name, data) == media_type


@pytest.mark.parametrize("data", [samples.HTML, samples.SVG])
def test_tools_may_not_attach_html_and_svg_under_any_name(data: bytes) -> None:
    with pytest.raises(InvalidInputError, match="which chats do not hold"):
        check_attachment("plot.png", data)
