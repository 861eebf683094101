"""The facts that a history keeps row by row are those that a look at all rows gives."""

from __future__ import annotations

from hypothesis import given

from jupyter_chatd.loop.history import History
from jupyter_chatd.messages import CallKey, Message, Role, ToolResultPart

from .rows import Rows, call, text
from .test_decide import histories


def counted(rows: list[Message]) -> list[Message]:
    return [row for row in rows if not row.compressed]


def last(rows: list[Message], role: Role) -> Message | None:
    return next((row for row in reversed(counted(rows)) if row.role is role), None)


def since_the_last_user(rows: list[Message]) -> list[Message]:
    user = last(rows, Role.USER)
    return [row for row in counted(rows) if user is None or row.id > user.id]


def results_by_call(rows: list[Message]) -> dict[CallKey, ToolResultPart]:
    return {
        row.answers: part
        for row in rows
        if row.answers is not None
        for part in row.parts
        if isinstance(part, ToolResultPart)
    }


@given(histories())
def test_facts_equal_a_recomputation(rows: Rows) -> None:
    history = History()
    for end, row in enumerate(rows, start=1):
        history.append(row)
        seen = rows[:end]
        assistant = last(seen, Role.ASSISTANT)
        assert history.rows == seen
        assert history.turn_row == last(seen, Role.USER)
        assert history.last_assistant == assistant
        assert history.steps == sum(row.role is Role.ASSISTANT for row in since_the_last_user(seen))
        assert history.covered_until == max((row.covers_until or 0 for row in seen), default=0)
        open_calls = {key for key, _ in history.open_calls()}
        results = results_by_call(seen)
        calls = assistant.tool_calls if assistant else ()
        keys = {CallKey(message_id=assistant.id, index=index) for index, _ in calls} if assistant else set()
        assert open_calls == keys - set(results)
        assert history.results == {key: results[key] for key in keys & set(results)}
        answered = [row.id for row in counted(seen) if row.role in (Role.ASSISTANT, Role.TOOL)]
        newest = max(answered, default=0)
        assert history.coverable_until == (newest if newest > history.covered_until else None)


def test_open_calls_are_in_call_order() -> None:
    rows = Rows()
    rows.user()
    row = rows.assistant(call("b"), text("and"), call("a"), call("c"))
    rows.answer(row, 2)
    assert [asked.tool_name for _, asked in History(rows).open_calls()] == ["b", "c"]


def test_only_results_without_error_are_successes() -> None:
    rows = Rows()
    rows.user()
    row = rows.assistant(call("b"), call("a"))
    rows.answer(row, 0, is_error=True)
    rows.answer(row, 1)
    assert History(rows).successful_tools() == {"a"}
