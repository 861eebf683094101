"""What a chat has cost so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

from ..messages import Message, Usage

_SUMMED = tuple(field.name for field in fields(Usage) if field.name != "context_limit")


def total_usage(messages: Sequence[Message]) -> Usage:
    """Return the tokens of all model calls together; `None` for what no vendor told."""
    told = [message.usage for message in messages if message.usage is not None]
    sums = {name: sum(getattr(usage, name) or 0 for usage in told) or None for name in _SUMMED}
    limits = [usage.context_limit for usage in told if usage.context_limit is not None]
    return Usage(**sums, context_limit=limits[-1] if limits else None)
