"""What model calls used and cost, as text and as tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, timedelta
from typing import Any, Self

from ..messages import Message
from ..usage import ChatTotals, ModelTotals, Totals, UsageSummary
from ..wire.values import adapter_of

MICROS = 1_000_000  # in a dollar
SHOWN_CHATS = 10  # of a summary over several, the dearest

COLUMNS = ("", "calls", "tokens in", "cached", "tokens out", "cost")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class UsageReport(UsageSummary):
    """Sums of model calls. In a notebook it shows itself as a table."""

    @classmethod
    def of_json(cls, reply: Mapping[str, Any]) -> Self:
        """Return what a server told; fields that this release does not know are left out."""
        return adapter_of(cls).validate_python(reply)

    @property
    def cost_usd(self) -> float | None:
        """Dollars; `None` when no call has a known price."""
        return None if self.total_cost_micros is None else self.total_cost_micros / MICROS

    def to_frame(self) -> Any:
        """Return the days as a pandas DataFrame.

        Raises:
            ImportError: pandas is not installed.
        """
        from .frames import frame

        names = ["day", *(field.name for field in fields(Totals))]
        return frame(names, ([getattr(day, name) for name in names] for day in self.by_day))

    def __repr__(self) -> str:
        return "\n".join([*_period(self), *_aligned([COLUMNS, *_rows(self)]), *_unpriced(self)])

    def _repr_html_(self) -> str:
        from .display import table

        return table(COLUMNS, _rows(self))


def period(first: date | None, last: date | None) -> Mapping[str, str]:
    """Return the query for the days from *first* to *last*, both included; `None` leaves it to the server."""
    start = {"start_date": f"{first}T00:00:00Z"} if first else {}
    return start | ({"end_date": f"{last + timedelta(days=1)}T00:00:00Z"} if last else {})


def dollars(micros: int | None) -> str:
    """Return a cost to read: cents, or as many digits as a small one needs."""
    if micros is None:
        return "unknown"
    if micros == 0 or micros >= MICROS:
        return f"${micros / MICROS:,.2f}"
    return f"${micros / MICROS:.6f}".rstrip("0")


def message_costs(messages: Iterable[Message]) -> int | None:
    """Return what these messages cost together; `None` when none of them says so."""
    told = [message.total_cost_micros for message in messages if message.total_cost_micros is not None]
    return sum(told) if told else None


def _rows(report: UsageSummary) -> list[tuple[str, ...]]:
    """Return a row for each model, each day if there are several, each chat likewise, and for all."""
    rows = [_row(_model_name(model), model) for model in report.by_model]
    if len(report.by_day) > 1:
        rows += [_row(day.day, day) for day in report.by_day]
    if len(report.by_chat) > 1:
        rows += [_row(_chat_name(chat), chat) for chat in report.by_chat[:SHOWN_CHATS]]
    return [*rows, _row("all", report)]


def _row(name: str, totals: Totals) -> tuple[str, ...]:
    cached = totals.total_cache_read_tokens + totals.total_cache_creation_tokens
    numbers = (totals.message_count, totals.total_input_tokens + cached, cached, totals.total_output_tokens)
    return name, *(f"{number:,}" for number in numbers), dollars(totals.total_cost_micros)


def _model_name(totals: ModelTotals) -> str:
    return f"{totals.provider}:{totals.model}" if totals.provider else totals.model or "unknown model"


def _chat_name(totals: ChatTotals) -> str:
    return f"{totals.chat_id[:8]} {totals.chat_title or '(deleted)'}"[:40]


def _period(report: UsageSummary) -> list[str]:
    if report.start_date is None or report.end_date is None:
        return []
    last = date.fromisoformat(report.end_date[:10]) - timedelta(days=1)
    return [f"From {report.start_date[:10]} to {last} (UTC days)"]


def _unpriced(report: UsageSummary) -> list[str]:
    """Say what the cost is without."""
    if not report.unpriced_message_count:
        return []
    return [f"The price of {report.unpriced_message_count:,} of {report.message_count:,} calls is not known."]


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows]
