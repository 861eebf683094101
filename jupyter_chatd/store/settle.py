"""Histories that come from elsewhere, made into ones that an idle chat can have.

Rows are counted from 1, in the order in which they come; what they say of each other they say by these
numbers. Pure: the same rows always settle in the same way, and settled rows settle as they are.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import replace

from ..messages import CallKey, NewMessage, Role, ToolCallPart, ToolResultPart, Visibility
from .calls import NOT_RUN, error_result, result_row


def settle(rows: Iterable[NewMessage]) -> Iterator[NewMessage]:
    """Yield the rows so that every call has its result before the history goes on.

    - A result that names no call (`answers`) answers the first open one with its `tool_call_id`; of a row
      with several results each becomes a row. A result that no open call waits for answers nothing.
    - Calls that are still open when a user or assistant row comes, or at the end, get an error as result.
    - A summary that does not say how far it reaches covers all rows before it.
    """
    settler = _Settler()
    for row in rows:
        yield from settler.add(row)
    yield from settler.close_calls()


class _Settler:
    """One pass; holds the open calls, and eight bytes for each row."""

    def __init__(self) -> None:
        self._open: dict[CallKey, ToolCallPart] = {}
        self._numbers = array("q", [0])
        """For each row that came, counted from 1, its number among those that went out."""
        self._last = 0
        """The number of the newest row that went out."""
        self._last_at: float | None = None

    def add(self, row: NewMessage) -> Iterator[NewMessage]:
        """Yield what goes out for a row."""
        if row.compressed:
            settled: Iterable[NewMessage] = [self._summary(row)]
        elif row.role is Role.TOOL:
            settled = self._results(row)
        elif row.role is Role.SYSTEM:
            settled = [row]
        else:
            yield from self.close_calls()
            settled = [row]
        for one in settled:
            yield self._out(one)
        self._numbers.append(self._last)
        if row.role is Role.ASSISTANT and not row.compressed:
            self._open = dict(_calls(row, self._last))

    def close_calls(self) -> Iterator[NewMessage]:
        """Yield an error for each open call, said when the newest row was."""
        for key, call in self._open.items():
            yield self._out(replace(result_row(key, error_result(call, NOT_RUN)), created_at=self._last_at))
        self._open = {}

    def _out(self, row: NewMessage) -> NewMessage:
        self._last += 1
        self._last_at = row.created_at
        return row

    def _summary(self, row: NewMessage) -> NewMessage:
        covered = self._last if row.covers_until is None else self._number(row.covers_until)
        is_summary = row.visibility is Visibility.MODEL and (row.covers_until is not None or covered)
        return replace(row, covers_until=covered if is_summary else None, answers=None)

    def _results(self, row: NewMessage) -> Iterable[NewMessage]:
        results = [part for part in row.parts if isinstance(part, ToolResultPart)]
        if row.answers is not None or len(results) < 2:
            return [replace(row, answers=self._answered(row.answers, results))]
        return [replace(row, parts=(part,), answers=self._answered(None, [part])) for part in results]

    def _answered(self, named: CallKey | None, results: Iterable[ToolResultPart]) -> CallKey | None:
        """Take the call that is answered off the open ones."""
        if named is not None:
            key = CallKey(message_id=self._number(named.message_id), index=named.index)
            return key if self._open.pop(key, None) else None
        wanted = {part.tool_call_id for part in results}
        found = next((key for key, call in self._open.items() if call.tool_call_id in wanted), None)
        if found is not None:
            del self._open[found]
        return found

    def _number(self, came: int) -> int:
        return self._numbers[came] if 0 <= came < len(self._numbers) else 0


def _calls(row: NewMessage, number: int) -> Iterator[tuple[CallKey, ToolCallPart]]:
    """Yield the calls of an assistant row that the engine answers, by what names them."""
    for index, part in enumerate(row.parts):
        if isinstance(part, ToolCallPart) and not part.provider_executed:
            yield CallKey(message_id=number, index=index), part
