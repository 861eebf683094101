"""What a file is, told from its bytes. What a sender says of it only has to agree.

Signatures: the MIME Sniffing Standard (https://mimesniff.spec.whatwg.org), for the types that models take.
"""

from __future__ import annotations

import codecs
import re

from ..errors import InvalidInputError

IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
"""Raster images: the only files that a browser may show on the server's origin."""

PDF = "application/pdf"
MP4 = "video/mp4"
PLAIN = "text/plain"
HTML = "text/html"
SVG = "image/svg+xml"
OTHER = "application/octet-stream"

TEXTS = frozenset({PLAIN, "text/markdown", "text/csv", "application/json"})
"""Names for text in UTF-8. Bytes do not tell them apart, so the sender's word counts."""

UPLOADABLE = IMAGES | TEXTS | {PDF}
"""What people may send to a model."""

HEAD = 4096  # bytes in which a document shows what it is
_PIECE = 1024 * 1024  # bytes that are looked at in one go

_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", PDF),
)
_MP4_BRANDS = frozenset({b"isom", b"iso2", b"iso4", b"iso5", b"iso6", b"mp41", b"mp42", b"avc1"})
"""Of files that browsers play as video; the box `ftyp` begins those of pictures and sound as well."""
_BINARY = bytes((*range(0x09), 0x0B, *range(0x0E, 0x1B), *range(0x1C, 0x20)))
"""Bytes that no text has: control characters but tab, line breaks, form feed and escape."""

_PREAMBLE = re.compile(rb"(?:\xef\xbb\xbf|\s|<!--.*?-->|<\?.*?\?>)*", re.DOTALL)
_SVG_ROOT = re.compile(rb"<(?:!doctype\s+svg|(?:\w+:)?svg)[\s/>]", re.IGNORECASE)
# Not the tags of fragments (p, div, h1, …), as browsers have it: README files begin with those.
_HTML_ROOT = re.compile(
    rb"<(?:!doctype\s+html|(?:\w+:)?html|head|body|script|iframe|style|title)[\s/>]", re.IGNORECASE
)

_SUFFIXES = {".md": "text/markdown", ".csv": "text/csv", ".json": "application/json"}


def detect(data: bytes) -> str:
    """Return the type that all the bytes show: an image, PDF, MP4, HTML, SVG, plain text, or `OTHER`."""
    for signature, media_type in _SIGNATURES:
        if data.startswith(signature):
            return media_type
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    if data[4:8] == b"ftyp" and data[8:12] in _MP4_BRANDS:
        return MP4
    return _markup(data[:HEAD]) or (PLAIN if _is_text(data) else OTHER)


def check_upload(declared: str | None, data: bytes) -> str:
    """Return the type to store for a file that a person sends.

    Args:
        declared: The Content-Type that came with it.
        data: All of it.

    Raises:
        InvalidInputError: it is empty, of a type that models do not take, or not of the type that it claims.
    """
    _require_bytes(data)
    claimed = (declared or OTHER).partition(";")[0].strip().lower()
    if claimed not in UPLOADABLE:
        raise InvalidInputError(
            f"Expected a file of one of the types {', '.join(sorted(UPLOADABLE))}; its Content-Type says "
            f"{claimed[:80]!r}. Put other files into the workspace and name their path."
        )
    found = detect(data)
    if found == PLAIN and claimed in TEXTS:
        return claimed
    if found == claimed or {found, claimed} <= IMAGES:
        return found
    raise InvalidInputError(
        f"Its Content-Type says {claimed}, but the file is {_NAMES.get(found, found)}. Send it as what it "
        "is, and text in UTF-8; put HTML, SVG and other files into the workspace and name their path."
    )


def check_attachment(name: str, data: bytes) -> str:
    """Return the type to store for a file that a tool attaches: anything but what browsers would run.

    Raises:
        InvalidInputError: it is empty, HTML or SVG.
    """
    _require_bytes(data)
    found = detect(data)
    if found in (HTML, SVG):
        raise InvalidInputError(
            f"The file is {_NAMES[found]}, which chats do not hold, because browsers run it. "
            "Tell the user its path instead, or attach a PNG or PDF made of it."
        )
    if found == PLAIN:
        return next((word for suffix, word in _SUFFIXES.items() if name.lower().endswith(suffix)), PLAIN)
    return found


_NAMES = {
    HTML: "an HTML document",
    SVG: "an SVG document",
    PLAIN: "text",
    OTHER: "something else: its bytes are of no known type",
}


def _require_bytes(data: bytes) -> None:
    if not data:
        raise InvalidInputError("The file is empty: expected at least one byte.")


def _markup(head: bytes) -> str | None:
    preamble = _PREAMBLE.match(head)
    start = preamble.end() if preamble else 0
    if _SVG_ROOT.match(head, start):
        return SVG
    return HTML if _HTML_ROOT.match(head, start) else None


def _is_text(data: bytes) -> bool:
    """Whether the bytes are UTF-8 without binary characters; other threads run between its pieces."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(data), _PIECE):
            piece = data[start : start + _PIECE]
            if len(piece.translate(None, _BINARY)) != len(piece):
                return False
            decoder.decode(piece)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True
