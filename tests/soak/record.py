"""What is known of one chat from outside, and what must hold of it when it has come to rest."""

from __future__ import annotations

import collections
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from jupyter_chatd.messages import Message, Role, ToolCallPart, ToolResultPart
from jupyter_chatd.store.calls import NOT_RUN, UNKNOWN_OUTCOME

from .plan import Plan

Counts: TypeAlias = Mapping[str, int]


@dataclass(slots=True)
class Record:
    """The markers of a chat's messages by what the server said of them."""

    chat: str
    """The chat's marker."""
    acknowledged: set[str] = field(default_factory=set[str])
    """They must be there."""
    unsure: set[str] = field(default_factory=set[str])
    """They may be there: nobody answered, or a history was cut off while they waited."""
    returned: set[str] = field(default_factory=set[str])
    """They must not be there: the server gave them back."""
    is_rewritten: bool = False
    """A message was edited: calls may have run that are in no history any more."""

    def acknowledge(self, marker: str) -> None:
        """The server has taken a message."""
        self.acknowledged.add(marker)

    def doubt(self, markers: Iterable[str]) -> None:
        """Nobody knows what became of these."""
        for marker in markers:
            self.acknowledged.discard(marker)
            self.unsure.add(marker)

    def give_back(self, markers: Iterable[str]) -> None:
        """The server has said that these are not part of the chat any more."""
        for marker in markers:
            self.acknowledged.discard(marker)
            self.unsure.discard(marker)
            self.returned.add(marker)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call of the history and all its results."""

    part: ToolCallPart
    results: tuple[ToolResultPart, ...]

    @property
    def line(self) -> str | None:
        """The line that it was to leave; `None` when it leaves none, or its arguments were broken."""
        args: Mapping[str, Any] = self.part.args if isinstance(self.part.args, Mapping) else {}
        command = args.get("command")
        if self.part.tool_name == "execute" and isinstance(command, str):
            return command.removeprefix("echo ").split(" >> ")[0]
        return str(args["line"]) if self.part.tool_name == "note" and "line" in args else None

    @property
    def has_run(self) -> bool:
        """Whether its result says that it ran to its end; of one in the background it does not."""
        result = self.results[0].result if len(self.results) == 1 else None
        if not isinstance(result, Mapping) or "background_process_id" in result:
            return False
        if self.part.tool_name == "note":
            return "noted" in result
        return bool(result.get("success")) or result.get("exit_code") == 3

    @property
    def is_reported_as_not_run(self) -> bool:
        """Whether its result says that it never began."""
        return [result.result for result in self.results] == [{"error": NOT_RUN}]

    @property
    def is_reported_as_unknown(self) -> bool:
        """Whether its result says that it began, and no more."""
        return [result.result for result in self.results] == [{"error": UNKNOWN_OUTCOME}]


def problems(record: Record, history: Sequence[Message], seen: Sequence[Message], lines: Counts) -> list[str]:
    """Return what is wrong with a chat at rest; empty when all is well.

    Args:
        record: What the server said.
        history: What is stored.
        seen: What the stream told, reduced.
        lines: How often each call left its line.
    """
    calls = list(calls_of(history))
    found = [*_lost(record, history), *_answers(calls), *_effects(calls, lines)]
    if not record.is_rewritten:
        found += _strange(calls, lines)
    if tuple(seen) != tuple(history):
        found.append(f"the stream told {_outline(seen)}, stored is {_outline(history)}")
    return [f"chat {record.chat}: {problem}" for problem in found]


def calls_of(history: Sequence[Message]) -> Iterator[Call]:
    """Yield the calls, each with the results that follow its row; vendors reuse ids, but not at once."""
    for place, row in enumerate(history):
        results = [
            part
            for answer in _answering(history[place + 1 :])
            for part in answer.parts
            if isinstance(part, ToolResultPart)
        ]
        for _, part in row.tool_calls:
            mine = tuple(result for result in results if result.tool_call_id == part.tool_call_id)
            yield Call(part=part, results=mine)


def _answering(rows: Sequence[Message]) -> Iterator[Message]:
    """Yield the rows up to the next one of the assistant."""
    for row in rows:
        if row.role is Role.ASSISTANT:
            return
        yield row


def markers_of(rows: Iterable[Message]) -> list[str]:
    """Return the markers of the user's messages."""
    plans = (Plan.find(row.text) for row in rows if row.role is Role.USER)
    return [plan.marker for plan in plans if plan is not None]


def _lost(record: Record, history: Sequence[Message]) -> Iterator[str]:
    there = collections.Counter(markers_of(history))
    for marker in sorted(record.acknowledged - set(there)):
        yield f"message {marker} was acknowledged and is lost"
    for marker in sorted(set(there) & record.returned):
        yield f"message {marker} was given back and is there"
    for marker in sorted(set(there) - record.acknowledged - record.unsure - record.returned):
        yield f"message {marker} was never sent"
    for marker, count in there.items():
        if count > 1:
            yield f"message {marker} is there {count} times"


def _answers(calls: Sequence[Call]) -> Iterator[str]:
    for call in calls:
        if len(call.results) != 1:
            yield f"call {call.part.tool_call_id} has {len(call.results)} results"


def _effects(calls: Sequence[Call], lines: Counts) -> Iterator[str]:
    for line, count in lines.items():
        if count > 1:
            yield f"{line} was left {count} times: its call ran again"
    for call in calls:
        if call.line is None:
            continue
        count = lines.get(call.line, 0)
        if call.has_run and count == 0:
            yield f"{call.line} is missing: its call is reported as run"
        if call.is_reported_as_not_run and count:
            yield f"{call.line} was left: its call is reported as not run"


def _strange(calls: Sequence[Call], lines: Counts) -> Iterator[str]:
    for line in sorted(set(lines) - {call.line for call in calls}):
        yield f"{line} was left, and its call is in no history"


def _outline(rows: Sequence[Message]) -> str:
    return " ".join(f"{row.id}:{row.role}" for row in rows) or "nothing"
