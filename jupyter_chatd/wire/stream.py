"""The object that subscribers get for each event of a chat's stream: `{type, chat_id, …}`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, assert_never

from ..events import (
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
from .public import action_json, error_json, message_json, part_json, queued_json, retry_json


def event_json(event: StreamEvent) -> dict[str, Any]:
    """Return the event for clients. An empty queue is sent too: it says that the queue was emptied."""
    return {"type": event.type, "chat_id": event.chat_id, **_payload(event)}


def _payload(event: StreamEvent) -> dict[str, Any]:
    match event:
        case MessagePartEvent():
            return {"message_part": _live_part_json(event.message_part)}
        case MessageEvent():
            return {"message": message_json(event.message)}
        case StatusEvent():
            return {"status": {"status": event.status}}
        case QueueUpdateEvent():
            return {"queued_messages": [queued_json(queued) for queued in event.queued_messages]}
        case PreviewResetEvent():
            return {"preview_reset": {"history_version": event.history_version, "attempt": event.attempt}}
        case HistoryResetEvent():
            return {}
        case ErrorEvent():
            return {"error": error_json(event.error)}
        case RetryEvent():
            return {"retry": retry_json(event.retry)}
        case ActionRequiredEvent():
            return {"action_required": {"actions": [action_json(action) for action in event.actions]}}
        case ChildrenEvent():
            return {
                "children": [_child_json(child) for child in event.children],
                "usage": asdict(event.usage),
            }
        case _:
            assert_never(event)


def _child_json(child: ChildState) -> dict[str, Any]:
    return {
        "id": child.id,
        "type": child.type,
        "title": child.title,
        "status": child.status,
        "archived": child.archived,
        "has_unread": child.has_unread,
        "last_error": error_json(child.last_error) if child.last_error else None,
        "usage": asdict(child.usage),
    }


def _live_part_json(live: LivePart) -> dict[str, Any]:
    return {
        "role": live.role.value,
        "part": part_json(live.part),
        "index": live.index,
        "history_version": live.history_version,
        "attempt": live.attempt,
        "seq": live.seq,
    }
