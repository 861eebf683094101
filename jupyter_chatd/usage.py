"""What model calls have used and cost, in sums: values that leave the server as they are.

Names are the original's. Money is in millionths of a dollar, days are UTC days, `2026-11-21`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Sums over model calls."""

    total_cost_micros: int | None = 0
    """Of the calls whose price is known; `None` when there are calls and none of them has a price."""
    message_count: int = 0
    """Model calls: answers, summaries and titles alike."""
    priced_message_count: int = 0
    unpriced_message_count: int = 0
    """Calls that `total_cost_micros` is without: of models with no known price, and interrupted ones."""
    total_input_tokens: int = 0
    """Without cached tokens."""
    total_output_tokens: int = 0
    """Reasoning included."""
    total_reasoning_tokens: int = 0
    total_cache_read_tokens: int = 0
    total_cache_creation_tokens: int = 0
    total_runtime_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelTotals(Totals):
    """Sums over the calls of one model."""

    provider: str
    model: str
    """As the provider names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatTotals(Totals):
    """Sums over the calls of one chat."""

    chat_id: str
    root_chat_id: str
    chat_title: str | None = None
    """`None` when the chat was deleted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DayTotals(Totals):
    """Sums over the calls of one day."""

    day: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageSummary(Totals):
    """Sums, and the same taken apart in three ways; each part is in the order that its field says."""

    by_model: tuple[ModelTotals, ...] = ()
    """The dearest first."""
    by_chat: tuple[ChatTotals, ...] = ()
    """The dearest first."""
    by_day: tuple[DayTotals, ...] = ()
    """Days with calls, oldest first."""
    start_date: str | None = None
    """RFC 3339, the beginning of the first day; `None` when all days count."""
    end_date: str | None = None
    """RFC 3339, the end of the last day."""
