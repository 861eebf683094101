"""A chat as a client has seen it so far, and what each event makes of it.

`apply` is pure: the same events give the same view, whether they came over one connection or over many.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from ..events import (
    ActionRequiredEvent,
    ChildrenEvent,
    ChildState,
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
from ..messages import (
    Action,
    ErrorDetail,
    Message,
    Part,
    QueuedMessage,
    ReasoningPart,
    RetryState,
    Role,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from ..usage import Totals

SETTLED = frozenset({"waiting", "error"})
"""Statuses in which nothing runs and nobody is waited for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveBlock:
    """One block of the answer that is being made, as far as it has come."""

    role: Role
    index: int
    part: Part
    """Text, reasoning, `args_delta` and `result_delta` hold all that was streamed of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatView:
    """What a follower of a chat knows."""

    chat_id: str
    status: str = ""
    """The API's word; empty before anything was received."""
    messages: tuple[Message, ...] = ()
    live: tuple[LiveBlock, ...] = ()
    """The running episode, in the order in which its blocks began."""
    queue: tuple[QueuedMessage, ...] = ()
    actions: tuple[Action, ...] = ()
    children: tuple[ChildState, ...] = ()
    """How the chat's subagents stand."""
    family_usage: Totals | None = None
    """Of the chat and its subagents; `None` while there are none."""
    error: ErrorDetail | None = None
    retry: RetryState | None = None
    is_complete: bool = False
    """All that the server had when the connection was made has come."""
    last_id: int = 0
    """The newest durable message: the cursor."""
    episode: Episode | None = None
    seq: int = 0
    """How far into `episode` the live blocks are."""

    @property
    def is_settled(self) -> bool:
        """Nothing runs, and that is not old news."""
        return self.is_complete and self.status in SETTLED

    @property
    def cursor(self) -> Mapping[str, str]:
        """The query that resumes the stream after what this view has."""
        query = {"after_id": str(self.last_id)}
        if self.episode is not None:
            query["episode"] = f"{self.episode.history_version}.{self.episode.attempt}.{self.seq}"
        return query


def reconnected(view: ChatView) -> ChatView:
    """Return the view at the start of a new connection, without what only its snapshot can confirm."""
    return replace(view, is_complete=False, actions=(), error=None, retry=None)


def apply(view: ChatView, events: Iterable[StreamEvent]) -> ChatView:
    """Return the view after *events*."""
    for event in events:
        view = _apply(view, event)
    return view


def _apply(view: ChatView, event: StreamEvent) -> ChatView:
    match event:
        case MessagePartEvent():
            return _take_part(view, event.message_part)
        case MessageEvent():
            return _take_message(view, event.message)
        case StatusEvent():
            return _take_status(view, event.status)
        case QueueUpdateEvent():
            return replace(
                view, queue=event.queued_messages, is_complete=True
            )  # ends the messages of a snapshot
        case PreviewResetEvent():
            episode = Episode(history_version=event.history_version, attempt=event.attempt)
            # To one who resumes within an episode that is over, the reset says that it is.
            return _end_episode(view) if view.status in SETTLED else _begin(view, episode)
        case HistoryResetEvent():
            return replace(_end_episode(view), messages=(), last_id=0)
        case ErrorEvent():
            return replace(view, error=event.error)
        case RetryEvent():
            return replace(view, retry=event.retry)
        case ActionRequiredEvent():
            return replace(view, actions=event.actions)
        case ChildrenEvent():
            return replace(view, children=event.children, family_usage=event.usage)


def _take_status(view: ChatView, status: str) -> ChatView:
    """What belongs to another status ends with it; a snapshot tells the status first, details after."""
    view = _end_episode(view) if status in SETTLED else view
    return replace(
        view,
        status=status,
        error=view.error if status == "error" else None,
        retry=None if status in SETTLED else view.retry,
        actions=view.actions if status == "requires_action" else (),
    )


def _take_message(view: ChatView, message: Message) -> ChatView:
    if message.id <= view.last_id:
        return view
    if message.role in (Role.ASSISTANT, Role.TOOL):
        view = _end_episode(view)
    return replace(view, messages=(*view.messages, message), last_id=message.id, retry=None)


def _begin(view: ChatView, episode: Episode) -> ChatView:
    return replace(view, live=(), episode=episode, seq=0, retry=None)


def _end_episode(view: ChatView) -> ChatView:
    return replace(view, live=(), episode=None, seq=0)


def _take_part(view: ChatView, live: LivePart) -> ChatView:
    episode = Episode(history_version=live.history_version, attempt=live.attempt)
    if view.episode != episode:
        view = _begin(view, episode)
    if live.seq <= view.seq:
        return view
    return replace(view, live=_with_part(view.live, live), seq=live.seq)


def _with_part(blocks: tuple[LiveBlock, ...], live: LivePart) -> tuple[LiveBlock, ...]:
    for place, block in enumerate(blocks):
        if (block.role, block.index) == (live.role, live.index):
            joined = replace(block, part=_joined(block.part, live.part))
            return (*blocks[:place], joined, *blocks[place + 1 :])
    return (*blocks, LiveBlock(role=live.role, index=live.index, part=live.part))


def _joined(so_far: Part, new: Part) -> Part:
    """Return a block's part after the next piece: deltas add up, a whole part replaces them."""
    match so_far, new:
        case (TextPart(), TextPart()) | (ReasoningPart(), ReasoningPart()):
            return replace(new, text=so_far.text + new.text)
        case ToolCallPart(args_delta=str(before)), ToolCallPart(args_delta=str(piece)):
            return replace(new, args_delta=before + piece)
        case ToolResultPart(result_delta=str(before)), ToolResultPart(result_delta=str(piece)):
            return replace(new, result_delta=before + piece)
        case _:
            return new
