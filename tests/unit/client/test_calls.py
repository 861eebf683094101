"""Tool calls and what came of them."""

from __future__ import annotations

import pytest

from jupyter_chatd.client.calls import CallStatus, ToolCall, ToolCalls, tool_calls
from jupyter_chatd.client.view import ChatView, LiveBlock
from jupyter_chatd.messages import CallKey, Message, Part, Role, ToolCallPart, ToolResultPart


def row(number: int, role: Role, *parts: Part) -> Message:
    return Message(id=number, chat_id="c", role=role, parts=parts, created_at=0.0)


def call(tool_call_id: str, **fields: object) -> ToolCallPart:
    return ToolCallPart(tool_call_id=tool_call_id, tool_name="execute", **fields)  # type: ignore[arg-type]


def result(tool_call_id: str, value: object, **fields: object) -> ToolResultPart:
    return ToolResultPart(tool_call_id=tool_call_id, tool_name="execute", result=value, **fields)  # type: ignore[arg-type]


def test_results_are_found_behind_the_message_that_called() -> None:
    view = ChatView(
        chat_id="c",
        messages=(
            row(1, Role.ASSISTANT, call("a", args={"command": "ls"}), call("b", args={"command": "false"})),
            row(2, Role.TOOL, result("a", {"output": "x\n", "exit_code": 0, "wall_duration_ms": 5})),
            row(3, Role.TOOL, result("b", {"error": "broken"}, is_error=True)),
        ),
    )
    first, second = tool_calls(view)
    assert (first.status, first.output, first.exit_code, first.duration_ms) == (CallStatus.DONE, "x\n", 0, 5)
    assert (second.status, second.output, second.exit_code) == (CallStatus.FAILED, "broken", None)
    assert (first.key, second.key) == (CallKey(message_id=1, index=0), CallKey(message_id=1, index=1))
    assert repr(tool_calls(view)) == "execute: ls  exit code 0, 5 ms\nexecute: false  failed"


def test_a_vendor_may_use_an_id_again() -> None:
    step = row(1, Role.ASSISTANT, call("same"), call("same"))
    results = (row(2, Role.TOOL, result("same", 1)), row(3, Role.TOOL, result("same", 2)))
    again = (row(4, Role.ASSISTANT, call("same")), row(5, Role.TOOL, result("same", 3)))
    found = tool_calls(ChatView(chat_id="c", messages=(step, *results, *again)))
    assert [one.result for one in found] == [1, 2, 3]


def test_a_step_under_way_shows_live_output_and_early_results() -> None:
    view = ChatView(
        chat_id="c",
        messages=(row(1, Role.ASSISTANT, call("a"), call("b"), call("c")),),
        live=(
            LiveBlock(role=Role.TOOL, index=0, part=result("a", None, result_delta="so far")),
            LiveBlock(role=Role.TOOL, index=2, part=result("c", {"exit_code": 0})),
        ),
    )
    found = tool_calls(view)
    assert [one.status for one in found] == [CallStatus.RUNNING, CallStatus.RUNNING, CallStatus.DONE]
    assert [one.output for one in found] == ["so far", "", ""]


def test_a_call_that_is_being_written_is_told_apart() -> None:
    part = call("a", args_delta='{"comm')
    (found,) = tool_calls(ChatView(chat_id="c", live=(LiveBlock(role=Role.ASSISTANT, index=0, part=part),)))
    assert (found.status, found.args, found.key) == (CallStatus.CALLING, '{"comm', None)
    assert found.summary == "execute"


@pytest.mark.parametrize(
    "args, summary",
    [
        (None, "t"),
        ({"path": "/a", "content": "long"}, "t: /a"),
        ({"city": "Oslo"}, "t: Oslo"),
        ({"days": 3}, "t: 3"),
        ({"files": [{"path": "/a", "edits": []}, {"path": "/b"}, 5]}, "t: /a, /b"),
        ({"files": "none"}, "t: none"),
        ({"city": "Oslo", "days": 3}, 't: {"city": "Oslo", "days": 3}'),
    ],
)
def test_a_summary_names_what_is_acted_on(args: object, summary: str) -> None:
    assert ToolCall(name="t", args=args, status=CallStatus.DONE).summary == summary


def test_a_frame_needs_pandas_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    with pytest.raises(ImportError, match="pip install pandas"):
        ToolCalls().to_frame()
