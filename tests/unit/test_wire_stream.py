"""Events of the stream, and the way back that our own client goes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from pydantic import ValidationError
from strategies import parts

from jupyter_chatd import wire
from jupyter_chatd.events import (
    ActionRequiredEvent,
    ChildrenEvent,
    ChildState,
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
    Chat,
    ChatStatus,
    ErrorDetail,
    Message,
    Part,
    QueuedMessage,
    RetryState,
    Role,
    StopReason,
    TextPart,
    ToolCallPart,
    UnknownPart,
    Usage,
)
from jupyter_chatd.usage import Totals

NO_USAGE = {
    "total_cost_micros": 0,
    "message_count": 0,
    "priced_message_count": 0,
    "unpriced_message_count": 0,
    "total_input_tokens": 0,
    "total_output_tokens": 0,
    "total_reasoning_tokens": 0,
    "total_cache_read_tokens": 0,
    "total_cache_creation_tokens": 0,
    "total_runtime_ms": 0,
}
NOON = 1763726400.0
NOON_TEXT = "2025-11-21T12:00:00.000000Z"

LIVE = LivePart(role=Role.ASSISTANT, part=TextPart(text="hel"), index=0, history_version=3, attempt=1, seq=2)
MESSAGE = Message(
    id=7,
    chat_id="c1",
    role=Role.ASSISTANT,
    parts=(
        TextPart(text="a"),
        ToolCallPart(tool_call_id="1", tool_name="f", args={"x": [1]}, created_at=NOON),
    ),
    created_at=NOON,
    model="demo:demo",
    usage=Usage(input_tokens=5),
    stop_reason=StopReason.TOOL_CALLS,
    compressed=True,
)
QUEUED = QueuedMessage(id=3, chat_id="c1", parts=(TextPart(text="a"),), created_at=NOON, created_by=None)
RETRY = RetryState(
    attempt=1, delay_ms=1000, error="busy", retrying_at=NOON, kind="overloaded", provider="anthropic"
)
ACTION = Action(
    kind=ActionKind.CLIENT_TOOL,
    message_id=7,
    call_index=1,
    tool_call_id="1",
    tool_name="f",
    args={"x": 1},
    deadline_at=NOON,
)

EVENTS: list[tuple[StreamEvent, dict[str, Any]]] = [
    (StatusEvent(chat_id="c1", status="pending"), {"status": {"status": "pending"}}),
    (MessageEvent(chat_id="c1", message=MESSAGE), {"message": wire.message_json(MESSAGE)}),
    (
        MessagePartEvent(chat_id="c1", message_part=LIVE),
        {
            "message_part": {
                "role": "assistant",
                "part": {"type": "text", "text": "hel"},
                "index": 0,
                "history_version": 3,
                "attempt": 1,
                "seq": 2,
            }
        },
    ),
    (
        PreviewResetEvent(chat_id="c1", history_version=3, attempt=2),
        {"preview_reset": {"history_version": 3, "attempt": 2}},
    ),
    (HistoryResetEvent(chat_id="c1"), {}),
    (
        QueueUpdateEvent(chat_id="c1", queued_messages=(QUEUED,)),
        {"queued_messages": [wire.queued_json(QUEUED)]},
    ),
    (QueueUpdateEvent(chat_id="c1", queued_messages=()), {"queued_messages": []}),
    (
        ErrorEvent(chat_id="c1", error=ErrorDetail(message="no", kind="auth")),
        {"error": {"message": "no", "kind": "auth", "retryable": False}},
    ),
    (
        RetryEvent(chat_id="c1", retry=RETRY),
        {
            "retry": {
                "attempt": 1,
                "delay_ms": 1000,
                "error": "busy",
                "retrying_at": NOON_TEXT,
                "kind": "overloaded",
                "provider": "anthropic",
            }
        },
    ),
    (
        ActionRequiredEvent(chat_id="c1", actions=(ACTION,)),
        {
            "action_required": {
                "actions": [
                    {
                        "kind": "client_tool",
                        "message_id": 7,
                        "call_index": 1,
                        "tool_call_id": "1",
                        "tool_name": "f",
                        "args": {"x": 1},
                        "deadline_at": NOON_TEXT,
                    }
                ]
            }
        },
    ),
    (
        ChildrenEvent(
            chat_id="c1",
            children=(
                ChildState(
                    id="c2",
                    type="explore",
                    title="Look",
                    status="error",
                    last_error=ErrorDetail(message="no", kind="auth"),
                    usage=Totals(message_count=1, unpriced_message_count=1, total_cost_micros=None),
                ),
            ),
            usage=Totals(message_count=2, priced_message_count=2, total_cost_micros=5),
        ),
        {
            "children": [
                {
                    "id": "c2",
                    "type": "explore",
                    "title": "Look",
                    "status": "error",
                    "archived": False,
                    "has_unread": False,
                    "last_error": {"message": "no", "kind": "auth", "retryable": False},
                    "usage": NO_USAGE
                    | {"message_count": 1, "unpriced_message_count": 1, "total_cost_micros": None},
                }
            ],
            "usage": NO_USAGE | {"message_count": 2, "priced_message_count": 2, "total_cost_micros": 5},
        },
    ),
]


def test_every_type_of_event_is_in_the_table() -> None:
    assert {type(event) for event, _ in EVENTS} == set(get_args(StreamEvent))


@pytest.mark.parametrize(("event", "payload"), EVENTS)
def test_an_event_as_subscribers_get_it(event: StreamEvent, payload: dict[str, Any]) -> None:
    assert wire.event_json(event) == {"type": event.type, "chat_id": "c1", **payload}


@pytest.mark.parametrize(("event", "payload"), EVENTS)
def test_our_client_reads_back_what_the_server_sends(event: StreamEvent, payload: dict[str, Any]) -> None:
    sent = wire.load_json(wire.dump_json({**wire.event_json(event), "new_field": [1]}))
    assert wire.event_from_json(sent) == event


@given(parts)
@settings(deadline=None)
def test_live_parts_of_all_types_arrive_without_their_internals(part: Part) -> None:
    event = MessagePartEvent(chat_id="c1", message_part=replace(LIVE, part=part))
    arrived = wire.event_from_json(wire.load_json(wire.dump_json(wire.event_json(event))))
    assert isinstance(arrived, MessagePartEvent)
    assert wire.part_json(arrived.message_part.part) == wire.part_json(part)
    assert wire.strip_internal(arrived.message_part.part) == arrived.message_part.part


@pytest.mark.parametrize(
    "value", [{"type": "siblings", "chat_id": "c1"}, {"type": 5}, {"type": ["status"]}, {}]
)
def test_events_that_this_release_does_not_know_are_none(value: dict[str, Any]) -> None:
    assert wire.event_from_json(value) is None


@pytest.mark.parametrize("kind", ["status", "message", "message_part", "preview_reset", "error", "retry"])
def test_an_event_without_its_payload_names_what_is_missing(kind: str) -> None:
    with pytest.raises(ValueError, match=r"Field required|expected an array") as caught:
        wire.event_from_json({"type": kind, "chat_id": "c1"})
    assert isinstance(caught.value, (ValidationError, ValueError))


def test_a_message_of_a_newer_server_is_read_as_far_as_it_is_known() -> None:
    sent = {
        **wire.message_json(MESSAGE),
        "stop_reason": "moonrise",
        "new_field": 1,
        "content": [{"type": "hologram", "x": 1}],
    }
    expected = replace(MESSAGE, stop_reason=None, parts=(UnknownPart(raw={"type": "hologram", "x": 1}),))
    assert wire.message_from_json(sent) == expected


def test_a_chat_is_read_back() -> None:
    chat = Chat(
        id="c1",
        owner_id="local",
        title="t",
        status=ChatStatus.ERROR,
        archived=True,
        model="demo:demo",
        created_at=NOON,
        updated_at=NOON + 1,
        model_config_id="m",
        parent_chat_id="p",
        root_chat_id="p",
        workspace_id="w",
        last_error=ErrorDetail(message="no", status_code=401),
        labels={"a": "b"},
        mcp_server_ids=("x",),
        pin_order=2,
        mode="explore",
        plan_mode="plan",
        client_type="ui",
        has_unread=True,
        snapshot_version=5,
        history_version=4,
    )
    sent = wire.load_json(wire.dump_json({**wire.chat_json(chat, pending=False), "new_field": {}}))
    assert wire.chat_from_json(sent) == chat


def test_a_pending_chat_reads_as_a_running_root() -> None:
    chat = Chat(
        id="c1",
        owner_id="local",
        title="t",
        status=ChatStatus.RUNNING,
        archived=False,
        model="demo:demo",
        created_at=NOON,
        updated_at=NOON,
    )
    assert wire.chat_from_json(wire.chat_json(chat, pending=True)) == chat
