"""Cutting UTF-8 bytes without cutting a character. Bytes that are not UTF-8 are cut where they stand."""

from __future__ import annotations

import codecs

_LONGEST = 4  # bytes of one character


def prefix(data: bytes, limit: int) -> bytes:
    """Return the longest beginning of *data* of at most *limit* bytes that ends between characters."""
    if len(data) <= limit:
        return data
    for cut in range(limit, max(limit - _LONGEST, -1), -1):
        if not _is_continuation(data[cut]):
            return data[:cut]
    return data[:limit]


def suffix(data: bytes, limit: int) -> bytes:
    """Return the longest end of *data* of at most *limit* bytes that starts between characters."""
    if len(data) <= limit:
        return data
    start = len(data) - limit
    for cut in range(start, start + _LONGEST):
        if cut == len(data) or not _is_continuation(data[cut]):
            return data[cut:]
    return data[start:]


def unfinished(data: bytes) -> int:
    """Return how many bytes at the end of *data* begin a character whose other bytes are missing, 0-3."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    decoder.decode(data[-_LONGEST:])
    return len(decoder.getstate()[0])


def cut_line(line: bytes, limit: int, mark: bytes) -> bytes:
    """Return *line*, or its first *limit* bytes and *mark* when it is longer than *limit*."""
    return line if len(line) <= limit else prefix(line, limit) + mark


def _is_continuation(byte: int) -> bool:
    return byte & 0xC0 == 0x80
