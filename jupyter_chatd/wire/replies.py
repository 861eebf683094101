"""What a client of ours reads: the objects of the REST API and of the stream, back as values.

Unknown fields are ignored, so a client may be older than its server. What does not fit raises
`pydantic.ValidationError`, a ValueError that names the field. Fields that never leave the server have their
defaults.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from ..events import (
    ActionRequiredEvent,
    ChildrenEvent,
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
from ..hits import Hit
from ..messages import Action, Chat, ChatStatus, Message, QueuedMessage, RetryState, StopReason
from .parts import objects, read_part, read_parts
from .public import PENDING
from .times import with_seconds
from .values import adapter_of

_STOP_REASONS = frozenset(StopReason)


def message_from_json(value: Mapping[str, Any]) -> Message:
    """Return a message; a stop reason that this release does not know is left out."""
    fields = {**with_seconds(value, ("created_at",)), "parts": read_parts(value.get("content"))}
    if fields.get("stop_reason") not in _STOP_REASONS:
        fields.pop("stop_reason", None)
    return adapter_of(Message).validate_python(fields)


def queued_from_json(value: Mapping[str, Any]) -> QueuedMessage:
    """Return a queued message."""
    fields = with_seconds(value, ("created_at",))
    return adapter_of(QueuedMessage).validate_python(
        {"created_by": None, **fields, "parts": read_parts(value.get("content"))}
    )


def chat_from_json(value: Mapping[str, Any]) -> Chat:
    """Return a chat. The API's `pending` is `running`: it says that nobody has picked the work up yet."""
    fields = {**with_seconds(value, ("created_at", "updated_at"))}
    fields["model_config_id"] = fields.pop("last_model_config_id", None)
    if fields.get("status") == PENDING:
        fields["status"] = ChatStatus.RUNNING
    if fields.get("root_chat_id") == fields.get("id"):
        del fields["root_chat_id"]
    return adapter_of(Chat).validate_python(fields)


def hit_from_json(value: Mapping[str, Any]) -> Hit:
    """Return a message that was found."""
    pieces = [
        {"text": piece.get("text"), "is_match": piece.get("match")} for piece in objects(value.get("snippet"))
    ]
    return adapter_of(Hit).validate_python({**with_seconds(value, ("created_at",)), "snippet": pieces})


def event_from_json(value: Mapping[str, Any]) -> StreamEvent | None:
    """Return an event of the stream; `None` for a type that this release does not know."""
    kind = value.get("type")
    read = _EVENTS.get(kind) if isinstance(kind, str) else None
    if read is None:
        return None
    event_type, payload = read(value)
    return adapter_of(event_type).validate_python({"chat_id": value.get("chat_id"), **payload})


def _status(value: Mapping[str, Any]) -> tuple[type, Mapping[str, Any]]:
    return StatusEvent, _object(value, "status")


def _message(value: Mapping[str, Any]) -> tuple[type, Mapping[str, Any]]:
    return MessageEvent, {"message": message_from_json(_object(value, "message"))}


def _message_part(value: Mapping[str, Any]) -> tuple[type, Mapping[str, Any]]:
    live = _object(value, "message_part")
    part = read_part(_object(live, "part"))
    return MessagePartEvent, {"message_part": adapter_of(LivePart).validate_python({**live, "part": part})}


def _preview_reset(value: Mapping[str, Any]) -> tuple[type, Mapping[str, Any]]:
    return PreviewResetEvent, _object(value, "preview_reset")


def _history_reset(_value: Mapping[str, Any]) -> tuple[type, Mapping[str, Any]]:
    return HistoryResetEvent, {}


def _queue_update(value: Mapping[str, Any]) -> tuple[type, Mapping[str, Any]]:
    queue = objects(value.get("queued_messages", []))
    return QueueUpdateEvent, {"queued_messages": tuple(map(queued_from_json, queue))}


def _error(value: Mapping[str, Any]) -> tuple[type, Mapping[str, Any]]:
    return ErrorEvent, {"error": _object(value, "error")}


def _retry(value: Mapping[str, Any]) -> tuple[type, Mapping[str, Any]]:
    fields = with_seconds(_object(value, "retry"), ("retrying_at",))
    return RetryEvent, {"retry": adapter_of(RetryState).validate_python(fields)}


def _action_required(value: Mapping[str, Any]) -> tuple[type, Mapping[str, Any]]:
    actions = objects(_object(value, "action_required").get("actions", []))
    return ActionRequiredEvent, {"actions": tuple(map(_action, actions))}


def _action(value: Mapping[str, Any]) -> Action:
    return adapter_of(Action).validate_python(with_seconds(value, ("deadline_at",)))


def _children(value: Mapping[str, Any]) -> tuple[type, Mapping[str, Any]]:
    return ChildrenEvent, {
        "children": tuple(objects(value.get("children", []))),
        "usage": _object(value, "usage"),
    }


def _object(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return a nested object; an empty one, in which the adapter then misses fields, when there is none."""
    nested = value.get(name)
    return cast("Mapping[str, Any]", nested) if isinstance(nested, Mapping) else {}


_EVENTS: Mapping[str, Callable[[Mapping[str, Any]], tuple[type, Mapping[str, Any]]]] = {
    "status": _status,
    "message": _message,
    "message_part": _message_part,
    "preview_reset": _preview_reset,
    "history_reset": _history_reset,
    "queue_update": _queue_update,
    "error": _error,
    "retry": _retry,
    "action_required": _action_required,
    "children": _children,
}
