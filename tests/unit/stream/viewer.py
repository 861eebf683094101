"""A client in small: what it shows, made from events alone. The reference for what clients may rely on."""

from __future__ import annotations

from jupyter_chatd.events import (
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
from jupyter_chatd.messages import Message, Part, QueuedMessage, Role
from jupyter_chatd.stream import Cursor, Subscription
from jupyter_chatd.stream.episode import delta_of


class Viewer:
    """Takes events; asserts what none may do to it. After a drop it brings back nothing but its cursor."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.live: dict[int, str | Part] = {}
        """By block: the text so far, or the whole part."""
        self.queue: tuple[QueuedMessage, ...] = ()
        self.status = ""
        self.error = ""
        self.actions = 0
        self.retries = 0
        self.children: tuple[ChildState, ...] = ()
        self._episode: Episode | None = None
        self._seq = 0

    @property
    def cursor(self) -> Cursor:
        """Where it is."""
        after_id = self.messages[-1].id if self.messages else 0
        return Cursor(after_id=after_id, episode=self._episode, seq=self._seq)

    def drain(self, subscription: Subscription) -> None:
        """Take what waits in a subscription."""
        while subscription._frames:
            frame, _ = subscription._frames.popleft()
            for event in frame.events:
                self.take(event)

    def take(self, event: StreamEvent) -> None:
        """Change what is shown."""
        match event:
            case HistoryResetEvent():
                self.messages = []
                self._clear_live(None)
            case PreviewResetEvent():
                self._clear_live(Episode(history_version=event.history_version, attempt=event.attempt))
            case MessageEvent():
                self._take_message(event.message)
            case MessagePartEvent():
                self._take_part(event.message_part)
            case QueueUpdateEvent():
                self.queue = event.queued_messages
            case StatusEvent():
                self.status = event.status
            case ErrorEvent():
                self.error = event.error.message
            case RetryEvent():
                self.retries += 1
            case ActionRequiredEvent():
                self.actions = len(event.actions)
            case ChildrenEvent():
                self.children = event.children

    def _clear_live(self, episode: Episode | None) -> None:
        self.live, self._episode, self._seq = {}, episode, 0

    def _take_message(self, message: Message) -> None:
        newest = self.messages[-1].id if self.messages else 0
        assert message.id > newest, "a message came twice, or too late"
        self.messages.append(message)
        if message.role in (Role.ASSISTANT, Role.TOOL):
            self._clear_live(None)

    def _take_part(self, live: LivePart) -> None:
        episode = Episode(history_version=live.history_version, attempt=live.attempt)
        assert episode == self._episode, "a part of an episode that was not begun"
        assert live.seq > self._seq, "a part came twice, or too late"
        self._seq = live.seq
        delta = delta_of(live.part)
        before = self.live.get(live.index, "")
        self.live[live.index] = (
            live.part if delta is None else (before if isinstance(before, str) else "") + delta
        )
