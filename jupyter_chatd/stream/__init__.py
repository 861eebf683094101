"""Following a chat: the live episode, fan-out to subscribers, and resuming after a drop.

Belongs here: what is delivered to whom and in which order. Does not: HTTP framing (`api/`), making parts
(`loop/`).

Promise: a subscriber gets every durable event once and in commit order, and the live parts of the running
episode in sequence; one that falls too far behind is closed and resumes by its cursor. Nothing is dropped
silently.

What a client does with the events: `history_reset` voids all that it has; `preview_reset` voids the live
parts, and so does a `message` of the assistant or of a tool; a `message_part` with a delta is appended to its
block, a whole part replaces the block. A retry, an error and required actions are void once a `status` comes
that does not go with them.
"""

from .attendance import Attendance
from .feed import LiveEpisode
from .feeds import Feeds
from .frame import Frame
from .subscription import Cursor, Subscription

__all__ = ["Attendance", "Cursor", "Feeds", "Frame", "LiveEpisode", "Subscription"]
