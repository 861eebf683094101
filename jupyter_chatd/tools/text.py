"""Text that came from outside, made fit to show, to store and to send: valid Unicode, no NUL, bounded."""

from __future__ import annotations

from ..wire.jsontext import clean_text
from ..workspace import utf8

OUTPUT_BYTES = 32 * 1024
"""Most bytes of a command's output in a result, in UTF-8."""

_CUT = "\n... [output cut here] ...\n"


def printable(text: str) -> str:
    """Return *text* as valid Unicode, with NUL, which some vendors refuse, shown as ␀."""
    return clean_text(text).replace("\0", "\N{SYMBOL FOR NULL}")


def clip_text(text: str, limit_bytes: int) -> str:
    """Return *text*, printable, in at most *limit_bytes* of UTF-8: its beginning, a marker, and its end."""
    data = printable(text).encode()
    if len(data) <= limit_bytes:
        return data.decode()
    mark = _CUT.encode()
    half = max(limit_bytes - len(mark), 0) // 2
    clipped = utf8.prefix(data, half) + mark + utf8.suffix(data, half)
    return utf8.prefix(clipped, limit_bytes).decode()
