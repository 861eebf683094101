"""What model calls used, kept as sums per chat, day and model, so that no question reads the messages.

A row is added to with every call, in the transaction that stores the answer. Rows outlive what they tell of:
edits and deletions give no money back. Questions to them: usage_report.py.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self, TypeAlias

from ..messages import Chat, Message, NewMessage, Role, Usage

_COUNT = """
INSERT INTO usage (
    chat_id, day, model, owner_id, root_chat_id, priced_message_count, unpriced_message_count,
    total_cost_micros, input_tokens, output_tokens, reasoning_tokens, cache_read_tokens,
    cache_creation_tokens, runtime_ms
) VALUES (?, date(?, 'unixepoch'), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET
    priced_message_count = priced_message_count + excluded.priced_message_count,
    unpriced_message_count = unpriced_message_count + excluded.unpriced_message_count,
    total_cost_micros = total_cost_micros + excluded.total_cost_micros,
    input_tokens = input_tokens + excluded.input_tokens,
    output_tokens = output_tokens + excluded.output_tokens,
    reasoning_tokens = reasoning_tokens + excluded.reasoning_tokens,
    cache_read_tokens = cache_read_tokens + excluded.cache_read_tokens,
    cache_creation_tokens = cache_creation_tokens + excluded.cache_creation_tokens,
    runtime_ms = runtime_ms + excluded.runtime_ms
"""

_NO_USAGE = Usage()

Addend: TypeAlias = tuple[str | int | float, ...]
"""What one call adds, in the order of `_COUNT`; the chat's id comes first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaidCall:
    """One model call that has ended, whatever became of its answer."""

    model: str | None
    """`provider:model`."""
    usage: Usage | None
    cost_micros: int | None
    """`None` when it is not known."""
    runtime_ms: int | None = None

    @classmethod
    def of(cls, answer: Message | NewMessage) -> Self:
        """Return the call that gave this answer."""
        return cls(
            model=answer.model,
            usage=answer.usage,
            cost_micros=answer.total_cost_micros,
            runtime_ms=answer.runtime_ms,
        )


def is_paid(message: Message) -> bool:
    """Whether a row is what a model said; a note of our own has no model."""
    return message.role is Role.ASSISTANT and message.model is not None


def addend(chat: Chat, call: PaidCall, *, now: float) -> Addend:
    """Return what a call adds to the sums of its chat, on the day of *now* (UTC seconds)."""
    usage = call.usage or _NO_USAGE
    is_priced = call.cost_micros is not None
    return (
        chat.id,
        now,
        call.model or "",
        chat.owner_id,
        chat.family_id,
        int(is_priced),
        int(not is_priced),
        call.cost_micros or 0,
        usage.input_tokens or 0,
        usage.output_tokens or 0,
        usage.reasoning_tokens or 0,
        usage.cache_read_tokens or 0,
        usage.cache_creation_tokens or 0,
        call.runtime_ms or 0,
    )


def add_up(conn: sqlite3.Connection, addends: Iterable[Addend]) -> None:
    """Add calls to the sums."""
    conn.executemany(_COUNT, addends)


def count_call(conn: sqlite3.Connection, chat: Chat, call: PaidCall, *, now: float) -> None:
    """Add one call to the sums of its chat, on the day of *now* (UTC seconds)."""
    add_up(conn, (addend(chat, call, now=now),))


def is_counted(conn: sqlite3.Connection, chat_id: str) -> bool:
    """Whether a chat has sums, perhaps from before it was deleted here."""
    return conn.execute("SELECT 1 FROM usage WHERE chat_id = ? LIMIT 1", (chat_id,)).fetchone() is not None
