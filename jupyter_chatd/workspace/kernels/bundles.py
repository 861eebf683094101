"""What is shown of a value that a kernel offers in several forms (a "mime bundle")."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .protocol import Picture
from .tables import markdown_of

PICTURES = ("image/png", "image/jpeg", "image/webp", "image/gif")
_MAGIC = {
    "image/png": "iVBORw0KGgo",
    "image/jpeg": "/9j/",
    "image/gif": "R0lGOD",
    "image/webp": "UklGR",
}
"""How base64 of them begins."""
_NAMELESS = re.compile(r"<[\w.]+(?: object)?(?: at 0x[0-9a-f]+)?>|<Figure size .*>")
"""What objects say that have no text of their own."""
_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])")
_RETURNED = re.compile(r"[^\n]*\r(?!\n)")
"""What a carriage return sends the next words to overwrite."""


def picture_of(data: Mapping[str, Any]) -> Picture | None:
    """Return the picture of a bundle, `None` when it has none, or one that is not what it is called.

    A vendor refuses such a picture, and then every later turn with it.
    """
    for media_type in PICTURES:
        value = data.get(media_type)
        encoded = "".join(value.split()) if isinstance(value, str) else ""
        if encoded.startswith(_MAGIC[media_type]) and len(encoded) % 4 == 0:
            return Picture(data=encoded, media_type=media_type)
    return None


def text_of(data: Mapping[str, Any]) -> str:
    """Return the words of a bundle: a table as Markdown, else its plain text; with a newline at the end."""
    html, plain = _text(data.get("text/html")), _text(data.get("text/plain"))
    table = markdown_of(html) if html else None
    if table is not None:
        return table
    if not plain or _NAMELESS.fullmatch(plain):
        plain = _text(data.get("text/markdown")) or _text(data.get("text/latex")) or plain
    return without_codes(plain).rstrip("\n") + "\n" if plain else ""


def without_codes(text: str) -> str:
    """Return *text* without what colours it and moves the cursor."""
    return _ANSI.sub("", text)


def overwritten(text: str) -> str:
    """Return what of *text* a terminal would show in the end: progress bars write over themselves."""
    return _RETURNED.sub("", text)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
