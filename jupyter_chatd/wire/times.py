"""Points in time: UTC seconds inside and in the database, RFC 3339 for clients."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any


def rfc3339(seconds: float) -> str:
    """Return UTC *seconds* as `2026-11-21T07:30:00.000000Z`."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def utc_seconds(text: str) -> float:
    """Return the UTC seconds of an RFC 3339 time; digits below microseconds are dropped.

    Raises:
        ValueError: *text* is not a time.
    """
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def with_seconds(raw: Mapping[str, Any], names: Iterable[str]) -> Mapping[str, Any]:
    """Return *raw* with those of its fields that are RFC 3339 times as seconds, and all else as it is."""
    spelled = {name: _seconds_or_text(raw[name]) for name in names if isinstance(raw.get(name), str)}
    return {**raw, **spelled} if spelled else raw


def _seconds_or_text(text: str) -> float | str:
    try:
        return utc_seconds(text)
    except ValueError:
        return text  # whoever checks the types names the field
