"""What goes over the wire in one piece."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

from .. import wire
from ..events import MessageEvent, StreamEvent

BATCH = 50  # events in one frame of a snapshot: encoding them takes a few milliseconds


class Frame:
    """Some events, encoded once however many subscribers there are."""

    def __init__(self, events: Sequence[StreamEvent]) -> None:
        self.events = tuple(events)

    @cached_property
    def text(self) -> str:
        """The `data` envelope as JSON."""
        return wire.dump_json({"type": "data", "data": [wire.event_json(event) for event in self.events]})

    @cached_property
    def last_id(self) -> int | None:
        """The newest durable message in it."""
        ids = (event.message.id for event in self.events if isinstance(event, MessageEvent))
        return max(ids, default=None)


def frames(events: Sequence[StreamEvent]) -> Iterator[Frame]:
    """Cut many events into frames."""
    for start in range(0, len(events), BATCH):
        yield Frame(events[start : start + BATCH])
