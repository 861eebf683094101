"""What a client shows of a chat, made from the events of its stream by the rules of `jupyter_chatd.stream`.

Written apart from the package's own client, so that the two check one another.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from .client import Event, Json

Block = tuple[str, int]
Episode = tuple[int, int]


@dataclass(slots=True)
class Screen:
    """Messages and live parts as far as they have come. Fails when something comes twice or out of order."""

    messages: dict[int, Json] = field(default_factory=dict)
    live: dict[Block, Json] = field(default_factory=dict)
    """The parts of the running answer by role and index; deltas are joined."""
    queue: list[Json] = field(default_factory=list)
    actions: list[Json] = field(default_factory=list)
    status: str = ""
    error: Json = None
    retry: Json = None
    episodes: dict[Episode, dict[Block, Json]] = field(default_factory=dict)
    """The live parts that were ever shown."""
    _episode: Episode | None = None
    _seq: int = 0

    def view(self) -> Json:
        """All that a person would see."""
        live = list(self.live.values())
        return [
            list(self.messages.values()),
            live,
            self.queue,
            self.actions,
            self.status,
            self.error,
            self.retry,
        ]

    @property
    def cursor(self) -> dict[str, str]:
        """The query that goes on from here."""
        cursor = {"after_id": str(max(self.messages, default=0))}
        if self._episode is not None:
            cursor["episode"] = ".".join(map(str, (*self._episode, self._seq)))
        return cursor

    def reconnect(self) -> None:
        """What the next snapshot tells anew is dropped."""
        self.error, self.retry, self.actions = None, None, []

    def take(self, events: Iterable[Event]) -> None:
        """Show events."""
        for event in events:
            getattr(self, f"_{event['type']}")(event)

    def _status(self, event: Event) -> None:
        self.status = event["status"]["status"]
        self.error = self.error if self.status == "error" else None
        self.retry = self.retry if self.status == "running" else None
        self.actions = self.actions if self.status == "requires_action" else []

    def _message(self, event: Event) -> None:
        message = event["message"]
        assert message["id"] > max(self.messages, default=0), (
            f"message {message['id']} came twice or too late"
        )
        self.messages[message["id"]] = message
        if message["role"] in ("assistant", "tool"):
            self._forget_live()

    def _history_reset(self, _: Event) -> None:
        self.messages.clear()
        self._forget_live()

    def _preview_reset(self, event: Event) -> None:
        self._forget_live()
        reset = event["preview_reset"]
        self._episode = reset["history_version"], reset["attempt"]
        self.retry = None

    def _forget_live(self) -> None:
        self.live, self._episode, self._seq = {}, None, 0

    def _message_part(self, event: Event) -> None:
        live = event["message_part"]
        episode = live["history_version"], live["attempt"]
        assert self._episode == episode, f"a part of {episode} came within {self._episode}"
        assert live["seq"] > self._seq, f"part {live['seq']} came after {self._seq}"
        self._seq = live["seq"]
        block = live["role"], live["index"]
        self.live[block] = joined(self.live.get(block), live["part"])
        self.episodes.setdefault(episode, {})[block] = self.live[block]

    def _queue_update(self, event: Event) -> None:
        self.queue = event["queued_messages"]

    def _action_required(self, event: Event) -> None:
        self.actions = event["action_required"]["actions"]

    def _error(self, event: Event) -> None:
        self.error = event["error"]

    def _retry(self, event: Event) -> None:
        self.retry = event["retry"]


DELTAS = ("text", "args_delta", "result_delta")


def joined(so_far: Json | None, new: Json) -> Json:
    """A delta is added to its block, a whole part replaces it."""
    for name in DELTAS:
        if so_far is not None and name in new and name in so_far:
            return {**new, name: so_far[name] + new[name]}
    return new


def begins(short: Json, long: Json) -> bool:
    """Whether *short* is what *long* was at an earlier moment."""
    name = next((name for name in DELTAS if name in short), None)
    if name is None or name not in long:
        return short == long or name is not None
    return long[name].startswith(short[name])
