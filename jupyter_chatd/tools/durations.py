"""Durations as text, the way models write them: `30s`, `5m`, `1m30s`, `1.5h`."""

from __future__ import annotations

import re

MAX_SECONDS = 4 * 3600.0
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_PIECE = re.compile(r"(\d+\.?\d*|\.\d+)(h|ms|m|s|us|µs|ns)")
_WHOLE = re.compile(rf"(?:{_PIECE.pattern})+", re.ASCII)


class DurationError(ValueError):
    """The text is no duration; the message says what is."""


def parse_seconds(text: str) -> float:
    """Return the seconds that *text* names, at most four hours; `0` needs no unit.

    Raises:
        DurationError: it is no duration, or negative.
    """
    stripped = text.strip()
    if stripped == "0":
        return 0.0
    if not _WHOLE.fullmatch(stripped):
        raise DurationError(
            f"{text!r} is not a duration: write a number and a unit, such as 30s, 5m or 1m30s."
        )
    seconds = sum(float(number) * _UNITS[unit] for number, unit in _PIECE.findall(stripped))
    return min(seconds, MAX_SECONDS)
