"""Tables for pandas, which is loaded when the first is asked for."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

from ..messages import Message
from . import display

_COLUMNS = ("id", "time", "who", "text", "tool calls", "tokens in", "tokens out", "cost")


def frame(columns: Sequence[str], rows: Iterable[Collection[Any]]) -> Any:
    """Return a pandas DataFrame.

    Raises:
        ImportError: pandas is not installed.
    """
    try:
        pandas: Any = import_module("pandas")
    except ImportError:
        raise ImportError("Expected pandas for a DataFrame: run pip install pandas.") from None
    return pandas.DataFrame([list(row) for row in rows], columns=list(columns))


class MessageList(tuple[Message, ...]):
    """Messages, oldest first. In a notebook it shows itself as a table."""

    __slots__ = ()

    def to_frame(self) -> Any:
        """Return the messages as a pandas DataFrame; times are UTC, costs in dollars.

        Raises:
            ImportError: pandas is not installed.
        """
        return frame(_COLUMNS, map(_row, self))

    def _repr_html_(self) -> str:
        return display.table(_COLUMNS, map(_row, self))


def _row(message: Message) -> tuple[Any, ...]:
    usage, cost = message.usage, message.total_cost_micros
    return (
        message.id,
        datetime.fromtimestamp(message.created_at, UTC).replace(microsecond=0),
        message.role.value,
        message.text,
        len(message.tool_calls),
        usage.input_tokens if usage else None,
        usage.output_tokens if usage else None,
        None if cost is None else cost / 1_000_000,
    )
