"""What each event makes of a chat that is followed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jupyter_chatd.client.view import ChatView, apply, reconnected
from jupyter_chatd.events import (
    ActionRequiredEvent,
    Episode,
    ErrorEvent,
    HistoryResetEvent,
    LivePart,
    MessageEvent,
    MessagePartEvent,
    PreviewResetEvent,
    QueueUpdateEvent,
    RetryEvent,
    StatusEvent,
    StreamEvent,
)
from jupyter_chatd.messages import (
    Action,
    ActionKind,
    ErrorDetail,
    Message,
    Part,
    QueuedMessage,
    RetryState,
    Role,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)

ID = "a-chat"
EMPTY = ChatView(chat_id=ID)


def message(number: int, role: Role = Role.USER, text: str = "text") -> MessageEvent:
    row = Message(id=number, chat_id=ID, role=role, parts=(TextPart(text=text),), created_at=0.0)
    return MessageEvent(chat_id=ID, message=row)


def piece(
    part: Part, seq: int, *, index: int = 0, attempt: int = 1, role: Role = Role.ASSISTANT
) -> MessagePartEvent:
    live = LivePart(role=role, part=part, index=index, history_version=5, attempt=attempt, seq=seq)
    return MessagePartEvent(chat_id=ID, message_part=live)


def text(words: str, seq: int, *, attempt: int = 1) -> MessagePartEvent:
    return piece(TextPart(text=words), seq, attempt=attempt)


def status(word: str) -> StatusEvent:
    return StatusEvent(chat_id=ID, status=word)


def reset(attempt: int) -> PreviewResetEvent:
    return PreviewResetEvent(chat_id=ID, history_version=5, attempt=attempt)


def queue(*numbers: int) -> QueueUpdateEvent:
    queued = (
        QueuedMessage(id=number, chat_id=ID, parts=(), created_at=0.0, created_by=None) for number in numbers
    )
    return QueueUpdateEvent(chat_id=ID, queued_messages=tuple(queued))


def live(view: ChatView) -> list[Part]:
    return [block.part for block in view.live]


def test_the_messages_of_a_snapshot_are_all_there_when_its_queue_comes() -> None:
    view = apply(EMPTY, [status("waiting"), message(1)])
    assert not view.is_settled
    view = apply(view, [message(4, Role.ASSISTANT), queue()])
    assert view.is_settled
    assert ([one.id for one in view.messages], view.last_id) == ([1, 4], 4)


def test_a_message_that_comes_again_changes_nothing() -> None:
    view = apply(EMPTY, [message(1), message(2), text("begun", 1)])
    assert apply(view, [message(2, Role.ASSISTANT, "other")]) == view


def test_deltas_of_a_block_add_up_and_a_whole_part_replaces_them() -> None:
    call = ToolCallPart(tool_call_id="c", tool_name="execute", args={"command": "ls"})
    view = apply(
        EMPTY,
        [
            text("Let", 1),
            text(" me", 2),
            piece(replace(call, args=None, args_delta='{"comm'), 3, index=1),
            piece(replace(call, args=None, args_delta='and":'), 4, index=1),
        ],
    )
    assert live(view) == [TextPart(text="Let me"), replace(call, args=None, args_delta='{"command":')]
    assert live(apply(view, [piece(call, 5, index=1)])) == [TextPart(text="Let me"), call]


def test_output_of_a_running_tool_adds_up_until_its_result_comes() -> None:
    result = ToolResultPart(tool_call_id="c", tool_name="execute", result={"exit_code": 0})
    deltas = [replace(result, result=None, result_delta=words) for words in ("one\n", "two\n")]
    view = apply(EMPTY, [piece(part, seq, role=Role.TOOL) for seq, part in enumerate(deltas, 1)])
    assert live(view) == [replace(result, result=None, result_delta="one\ntwo\n")]
    assert live(apply(view, [piece(result, 3, role=Role.TOOL)])) == [result]


def test_parts_that_came_before_are_passed_over() -> None:
    view = apply(EMPTY, [text("a", 1), text("b", 2)])
    assert apply(view, [text("a", 1), text("b", 2)]) == view


@pytest.mark.parametrize(
    "event", [reset(2), text("other", 1, attempt=2), HistoryResetEvent(chat_id=ID), status("waiting")]
)
def test_what_ends_an_episode_clears_the_preview(event: StreamEvent) -> None:
    view = apply(EMPTY, [status("running"), text("lost", 3), event])
    assert TextPart(text="lost") not in live(view)


@pytest.mark.parametrize("role", [Role.ASSISTANT, Role.TOOL])
def test_a_stored_answer_takes_the_place_of_the_preview(role: Role) -> None:
    view = apply(EMPTY, [status("running"), message(1), text("an ans", 3), message(2, role)])
    assert (view.live, view.episode) == ((), None)
    assert view.cursor == {"after_id": "2"}


def test_a_user_message_leaves_the_preview_alone() -> None:
    view = apply(EMPTY, [status("running"), text("an ans", 3), message(1)])
    assert live(view) == [TextPart(text="an ans")]


def test_the_cursor_names_the_place_inside_an_answer() -> None:
    view = apply(EMPTY, [status("running"), message(7), reset(2), text("half", 9, attempt=2)])
    assert view.cursor == {"after_id": "7", "episode": "5.2.9"}
    assert view.episode == Episode(history_version=5, attempt=2)


def test_to_a_settled_chat_a_reset_says_that_the_episode_is_over() -> None:
    view = apply(EMPTY, [status("waiting"), message(7), queue(), reset(1)])
    assert view.cursor == {"after_id": "7"}


def test_a_history_reset_starts_over_and_keeps_what_is_not_history() -> None:
    view = apply(EMPTY, [status("running"), message(1), message(9), queue(3), HistoryResetEvent(chat_id=ID)])
    assert (view.messages, view.last_id, len(view.queue)) == ((), 0, 1)
    assert [one.id for one in apply(view, [message(1), message(10)]).messages] == [1, 10]


def test_an_error_lasts_as_long_as_its_status() -> None:
    error = ErrorDetail(message="No key.")
    view = apply(EMPTY, [ErrorEvent(chat_id=ID, error=error), status("error")])
    assert view.error == error
    assert apply(view, [message(3), status("running")]).error is None


def test_actions_last_as_long_as_their_status() -> None:
    action = Action(kind=ActionKind.CLIENT_TOOL, message_id=1, call_index=0, tool_call_id="c", tool_name="t")
    event = ActionRequiredEvent(chat_id=ID, actions=(action,))
    view = apply(EMPTY, [event, status("requires_action")])
    assert view.actions == (action,)
    assert not view.is_settled
    assert apply(view, [status("running")]).actions == ()


def test_a_retry_is_over_when_the_next_attempt_begins() -> None:
    retry = RetryState(attempt=1, delay_ms=1000, error="Overloaded.", retrying_at=0.0)
    view = apply(EMPTY, [status("running"), RetryEvent(chat_id=ID, retry=retry)])
    assert view.retry == retry
    assert apply(view, [reset(2)]).retry is None


def test_a_new_connection_keeps_only_what_cannot_have_changed() -> None:
    action = Action(kind=ActionKind.CLIENT_TOOL, message_id=1, call_index=0, tool_call_id="c", tool_name="t")
    view = apply(
        EMPTY,
        [status("requires_action"), message(1), queue(), ActionRequiredEvent(chat_id=ID, actions=(action,))],
    )
    again = reconnected(view)
    assert again == replace(view, is_complete=False, actions=())
    assert again.cursor == view.cursor
