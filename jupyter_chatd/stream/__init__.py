"""Following a chat: the live episode, fan-out to subscribers, and resuming after a drop.

Belongs here: what is delivered to whom and in which order. Does not: HTTP framing (`api/`), making parts (`loop/`).

Promise: a subscriber gets every durable event once and in commit order, and the live parts of the running episode
in sequence; one that falls too far behind is closed and resumes by its cursor. Nothing is dropped silently.
"""

from .feed import Cursor, Feeds, Frame, Subscription

__all__ = ["Cursor", "Feeds", "Frame", "Subscription"]
