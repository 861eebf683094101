"""What others may observe of a chat: the stream's events, and the change that a commit announces.

Delivery: a `Change` is announced after its commit, in commit order, to all in this process. `MessagePart`
events never touch the disk; a crash may lose them, nothing reorders them within an episode.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from .messages import Action, Chat, ErrorDetail, Message, Part, QueuedMessage, RetryState, Role
from .usage import Totals


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Episode:
    """One streamed answer, or the tools of one step; no two have the same name."""

    history_version: int
    attempt: int
    """Model calls count 1, 2, … The tools of a step have 0, and more when they run again after a crash."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusEvent:
    """The chat's status as the API shows it."""

    type: Literal["status"] = "status"
    chat_id: str
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageEvent:
    """A stored message; `message.id` is the cursor to resume from."""

    type: Literal["message"] = "message"
    chat_id: str
    message: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class LivePart:
    """A piece of the answer that is being made."""

    role: Role
    part: Part
    """A delta for text and reasoning and for `args_delta`/`result_delta`; whole otherwise."""
    index: int
    """Which block of the answer it belongs to; a whole part replaces the block's deltas."""
    history_version: int
    attempt: int
    seq: int
    """The last sequence number that this piece covers; counts from 1 within the episode."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagePartEvent:
    """Live only: superseded by the `message` that follows."""

    type: Literal["message_part"] = "message_part"
    chat_id: str
    message_part: LivePart


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewResetEvent:
    """A new episode begins: whatever live parts the client shows are void."""

    type: Literal["preview_reset"] = "preview_reset"
    chat_id: str
    history_version: int
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryResetEvent:
    """Rows that the client may have were removed: forget all, the remaining history follows."""

    type: Literal["history_reset"] = "history_reset"
    chat_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueUpdateEvent:
    """The whole queue, also when it is empty."""

    type: Literal["queue_update"] = "queue_update"
    chat_id: str
    queued_messages: tuple[QueuedMessage, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorEvent:
    """The run failed."""

    type: Literal["error"] = "error"
    chat_id: str
    error: ErrorDetail


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryEvent:
    """The model call failed and is tried again."""

    type: Literal["retry"] = "retry"
    chat_id: str
    retry: RetryState


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionRequiredEvent:
    """The chat waits for a client; empty when it no longer does."""

    type: Literal["action_required"] = "action_required"
    chat_id: str
    actions: tuple[Action, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildState:
    """How a subagent stands."""

    id: str
    type: str
    """`general`, `explore` or `computer_use`."""
    title: str
    status: str
    """As the API shows it."""
    archived: bool = False
    has_unread: bool = False
    last_error: ErrorDetail | None = None
    usage: Totals = field(default_factory=Totals)
    """Of this chat alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildrenEvent:
    """How all of a chat's own subagents stand, in the order in which they were made; at most ten a second."""

    type: Literal["children"] = "children"
    chat_id: str
    children: tuple[ChildState, ...]
    usage: Totals
    """Of the whole family, the chat itself included."""


StreamEvent: TypeAlias = (
    StatusEvent
    | MessageEvent
    | MessagePartEvent
    | PreviewResetEvent
    | HistoryResetEvent
    | QueueUpdateEvent
    | ErrorEvent
    | RetryEvent
    | ActionRequiredEvent
    | ChildrenEvent
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What one committed transition changed in one chat."""

    chat: Chat
    """The chat as it is after the commit."""
    inserted: tuple[Message, ...] = ()
    """Rows added, oldest first."""
    history: tuple[Message, ...] | None = None
    """The whole remaining history when rows were marked deleted: what subscribers have is void."""
    queue: tuple[QueuedMessage, ...] | None = None
    """The whole queue when it changed."""
    actions: tuple[Action, ...] | None = None
    """What the chat waits for, when that changed."""
    status_changed: bool = False
    error_set: bool = False
    retry_set: bool = False
    kind: Literal["created", "deleted", "status_change", "title_change", "updated"] = "updated"
    """What watchers of the chat list are told."""
    purged: bool = False
    """The chat is gone for good."""
    foreign: bool = False
    """Another process did it: only `chat` is told, the rest is to be read."""
