"""Questions to the sums of model calls: what a chat used, what an owner used in some days.

They read a few rows per chat and day, however many messages there are.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any, TypeVar

from ..usage import ChatTotals, DayTotals, ModelTotals, Totals, UsageSummary
from .reads import snapshot_of

T = TypeVar("T", bound=Totals)

_SUMS = """
    CASE WHEN TOTAL(priced_message_count) = 0 AND TOTAL(unpriced_message_count) > 0 THEN NULL
         ELSE COALESCE(SUM(total_cost_micros), 0) END AS total_cost_micros,
    COALESCE(SUM(priced_message_count + unpriced_message_count), 0) AS message_count,
    COALESCE(SUM(priced_message_count), 0) AS priced_message_count,
    COALESCE(SUM(unpriced_message_count), 0) AS unpriced_message_count,
    COALESCE(SUM(input_tokens), 0) AS total_input_tokens,
    COALESCE(SUM(output_tokens), 0) AS total_output_tokens,
    COALESCE(SUM(reasoning_tokens), 0) AS total_reasoning_tokens,
    COALESCE(SUM(cache_read_tokens), 0) AS total_cache_read_tokens,
    COALESCE(SUM(cache_creation_tokens), 0) AS total_cache_creation_tokens,
    COALESCE(SUM(runtime_ms), 0) AS total_runtime_ms
"""

_DEAREST = "ORDER BY total_cost_micros DESC NULLS LAST, message_count DESC"


def chat_usage(conn: sqlite3.Connection, chat_id: str) -> UsageSummary:
    """Return all that a chat and its children used; `by_chat` tells them apart."""
    return _summary(conn, "(chat_id = :chat OR root_chat_id = :chat)", {"chat": chat_id})


def family_usage(conn: sqlite3.Connection, chat_id: str) -> tuple[Totals, Mapping[str, Totals]]:
    """Return what a chat and those below it used, in one sum and by chat; who used nothing is left out."""
    where, values = "(chat_id = :chat OR root_chat_id = :chat)", {"chat": chat_id}
    (row,) = conn.execute(f"SELECT {_SUMS} FROM usage WHERE {where}", values)  # noqa: S608 - literals
    rows = conn.execute(f"SELECT chat_id, {_SUMS} FROM usage WHERE {where} GROUP BY chat_id", values)  # noqa: S608
    by_chat = [_fields(one) for one in rows]
    return Totals(**_fields(row)), {fields.pop("chat_id"): Totals(**fields) for fields in by_chat}


def owner_usage(conn: sqlite3.Connection, owner_id: str, *, first_day: str, last_day: str) -> UsageSummary:
    """Return what an owner's chats used on the days from *first_day* to *last_day*, both included."""
    values = {"owner": owner_id, "first": first_day, "last": last_day}
    return _summary(conn, "owner_id = :owner AND day BETWEEN :first AND :last", values)


def whole_usage(conn: sqlite3.Connection, *, first_day: str, last_day: str) -> UsageSummary:
    """Return what the chats of all owners used on those days."""
    return _summary(conn, "day BETWEEN :first AND :last", {"first": first_day, "last": last_day})


def _summary(conn: sqlite3.Connection, where: str, values: Mapping[str, str]) -> UsageSummary:
    """Return the sums over rows of usage. One scan over few rows each, in one snapshot."""
    with snapshot_of(conn):
        (row,) = conn.execute(f"SELECT {_SUMS} FROM usage WHERE {where}", values)  # noqa: S608 - literals
        return UsageSummary(
            **_fields(row),
            by_model=_by_model(conn, where, values),
            by_chat=_by_chat(conn, where, values),
            by_day=_grouped(conn, DayTotals, "day", where, values, "ORDER BY day"),
        )


def _by_model(conn: sqlite3.Connection, where: str, values: Mapping[str, str]) -> tuple[ModelTotals, ...]:
    provider = "substr(model, 1, instr(model, ':') - 1) AS provider"
    name = "substr(model, instr(model, ':') + 1) AS model"
    return _grouped(conn, ModelTotals, "usage.model", where, values, _DEAREST, show=f"{provider}, {name}")


def _by_chat(conn: sqlite3.Connection, where: str, values: Mapping[str, str]) -> tuple[ChatTotals, ...]:
    title = "(SELECT title FROM chats WHERE id = chat_id) AS chat_title"
    return _grouped(
        conn, ChatTotals, "chat_id", where, values, _DEAREST, show=f"chat_id, root_chat_id, {title}"
    )


def _grouped(
    conn: sqlite3.Connection,
    kind: type[T],
    key: str,
    where: str,
    values: Mapping[str, str],
    order: str,
    *,
    show: str | None = None,
) -> tuple[T, ...]:
    rows = conn.execute(
        f"SELECT {show or key}, {_SUMS} FROM usage WHERE {where} GROUP BY {key} {order}",  # noqa: S608
        values,
    )
    return tuple(kind(**_fields(row)) for row in rows)


def _fields(row: sqlite3.Row) -> dict[str, Any]:
    return dict(zip(row.keys(), row, strict=True))
