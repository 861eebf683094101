"""What is stored, as events: of one commit, and of a whole chat for a subscriber that begins."""

from __future__ import annotations

from ..events import (
    ActionRequiredEvent,
    Change,
    ChildrenEvent,
    ChildState,
    ErrorEvent,
    HistoryResetEvent,
    MessageEvent,
    QueueUpdateEvent,
    RetryEvent,
    StatusEvent,
    StreamEvent,
)
from ..messages import Chat, ChatStatus, Message, Visibility
from ..store import families, reads
from ..usage import Totals


def shown_status(chat: Chat) -> str:
    """The status as the API shows it: `pending` when the chat should run and nobody drives it."""
    if chat.status is ChatStatus.RUNNING and chat.worker_id is None:
        return "pending"
    return chat.status.value


def change_events(change: Change) -> list[StreamEvent]:
    """Return what a committed change means for a subscriber, in the order to tell it."""
    chat = change.chat
    events: list[StreamEvent] = []
    rows = change.inserted
    if change.history is not None:
        events.append(HistoryResetEvent(chat_id=chat.id))
        rows = change.history
    events += (MessageEvent(chat_id=chat.id, message=row) for row in rows if _is_for_clients(row))
    if change.queue is not None:
        events.append(QueueUpdateEvent(chat_id=chat.id, queued_messages=change.queue))
    if change.actions is not None:
        events.append(ActionRequiredEvent(chat_id=chat.id, actions=change.actions))
    if change.retry_set and chat.retry_state is not None:
        events.append(RetryEvent(chat_id=chat.id, retry=chat.retry_state))
    if change.error_set and chat.last_error is not None:
        events.append(ErrorEvent(chat_id=chat.id, error=chat.last_error))
    if change.status_changed:
        events.append(StatusEvent(chat_id=chat.id, status=shown_status(chat)))
    return events


def children_event(chat_id: str, standing: families.Standing) -> ChildrenEvent:
    """Return how a chat's subagents stand as an event."""
    return ChildrenEvent(
        chat_id=chat_id,
        children=tuple(
            _child_state(child, standing.usage_of.get(child.id, Totals())) for child in standing.children
        ),
        usage=standing.usage,
    )


def _child_state(child: Chat, usage: Totals) -> ChildState:
    return ChildState(
        id=child.id,
        type=child.mode or "general",
        title=child.title,
        status=shown_status(child),
        archived=child.archived,
        has_unread=child.has_unread,
        last_error=child.last_error,
        usage=usage,
    )


def snapshot_events(view: reads.Snapshot, family: ChildrenEvent | None = None) -> list[StreamEvent]:
    """Return a snapshot as events: the status first, then subagents, messages, and what is pending."""
    chat = view.chat
    events: list[StreamEvent] = [HistoryResetEvent(chat_id=chat.id)] if view.reset else []
    events.append(StatusEvent(chat_id=chat.id, status=shown_status(chat)))
    events += [family] if family is not None else []
    events += (MessageEvent(chat_id=chat.id, message=message) for message in view.messages)
    events.append(QueueUpdateEvent(chat_id=chat.id, queued_messages=view.queue))
    if chat.retry_state is not None:
        events.append(RetryEvent(chat_id=chat.id, retry=chat.retry_state))
    if chat.last_error is not None:
        events.append(ErrorEvent(chat_id=chat.id, error=chat.last_error))
    if view.actions:
        events.append(ActionRequiredEvent(chat_id=chat.id, actions=view.actions))
    return events


def _is_for_clients(message: Message) -> bool:
    return message.visibility is not Visibility.MODEL
