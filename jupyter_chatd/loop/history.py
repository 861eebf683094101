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
        self.covered_until = 0
        """The last row that the newest summary replaces."""
        self._answered_until = 0
        for row in rows:
            self.append(row)

    def append(self, row: Message) -> None:
        """Add the next row."""
        self.rows.append(row)
        if row.compressed:
            self.covered_until = max(self.covered_until, row.covers_until or 0)
            return
        if row.role is Role.USER:
            self.turn_row, self.steps = row, 0
        elif row.role is Role.ASSISTANT:
            self.last_assistant, self.results = row, {}
            self.steps += 1
            self._answered_until = row.id
        elif row.role is Role.TOOL:
            self._take_results(row)
            self._answered_until = row.id

    def _take_results(self, row: Message) -> None:
        if row.answers is not None:
            for part in row.parts:
                if isinstance(part, ToolResultPart):
                    self.results[row.answers] = part

    @property
    def is_first_turn(self) -> bool:
        """Whether there is one message of the user and no answer yet."""
        said = [row for row in self.rows if row.role is not Role.SYSTEM]
        return len(said) == 1 and said[0] is self.turn_row

    @property
    def coverable_until(self) -> int | None:
        """The last row that a summary made now would replace; `None` when it would replace nothing.

        User rows that wait for their answer are never covered.
        """
        return self._answered_until if self._answered_until > self.covered_until else None

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
