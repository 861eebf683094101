"""A chat's history in a runner's memory, with the facts that `decide` asks for kept up to date row by row."""

from __future__ import annotations

from collections.abc import Iterable

from ..messages import CallKey, Message, Role, ToolCallPart, ToolResultPart


class History:
    """Rows that are not deleted, oldest first. Appending is O(1); compressed rows do not count as history."""

    def __init__(self, rows: Iterable[Message] = ()) -> None:
        self.rows: list[Message] = []
        self.turn_row: Message | None = None
        """The newest user row: the present turn began with it."""
        self.last_assistant: Message | None = None
        self.steps = 0
        """Model calls of the present turn."""
        self.results: dict[CallKey, ToolResultPart] = {}
        """Results of the newest assistant row's calls."""
        for row in rows:
            self.append(row)

    def append(self, row: Message) -> None:
        """Add the next row."""
        self.rows.append(row)
        if row.compressed:
            return
        if row.role is Role.USER:
            self.turn_row, self.steps = row, 0
        elif row.role is Role.ASSISTANT:
            self.last_assistant, self.results = row, {}
            self.steps += 1
        elif row.role is Role.TOOL and row.answers is not None:
            self.results |= {row.answers: part for part in row.parts if isinstance(part, ToolResultPart)}

    @property
    def last(self) -> Message | None:
        """The newest row that counts."""
        return next((row for row in reversed(self.rows) if not row.compressed and row.role is not Role.SYSTEM), None)

    def open_calls(self) -> tuple[tuple[CallKey, ToolCallPart], ...]:
        """The calls of the newest assistant row that have no result row, in call order."""
        row = self.last_assistant
        if row is None:
            return ()
        keyed = ((CallKey(message_id=row.id, index=index), call) for index, call in row.tool_calls)
        return tuple((key, call) for key, call in keyed if key not in self.results)

    def successful_tools(self) -> frozenset[str]:
        """Names of the last step's tools whose result is no error."""
        return frozenset(result.tool_name for result in self.results.values() if not result.is_error)
