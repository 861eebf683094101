"""Numbers that hold when nobody sets them: the defaults of the settings. Times are in seconds.

Light: a server loads it before it answers. Where a number counts, its module has a name of its own for it.
"""

from __future__ import annotations

STEP_LIMIT = 1200
"""Model calls in one turn."""
ATTEMPT_LIMIT = 25
"""Model calls for one history."""
FIRST_RETRY_DELAY = 1.0
"""Doubled for each further attempt."""
LONGEST_RETRY_DELAY = 60.0
"""A vendor's Retry-After may be longer."""
FIRST_PART_TIMEOUT = 60.0
"""Until the vendor must have sent something."""
SILENCE_TIMEOUT = 600.0
"""Between parts after that."""
COMPACTION_THRESHOLD = 70
"""Percent of the model's context."""
COMPACTION_OFF = 100
"""The threshold that switches automatic compaction off."""
COMPACTION_TIMEOUT = 90.0
"""For the summary."""
MODEL_CALLS = 32
"""In flight at once, over all chats."""
ACTION_TIMEOUT = 300.0
"""That a client-side tool has."""
UNATTENDED_TIMEOUT = 30.0
"""That such a tool waits while no client is connected."""
QUEUE_LIMIT = 20
"""Messages that wait in one chat."""
SUBAGENTS = 24
"""Children of one chat that may work at the same time: fewer than the model calls in flight, so that the
children of one chat cannot keep all others waiting."""
MAX_UPLOAD = 10 * 1024 * 1024
"""Bytes of one file."""
ACQUIRE_TICK = 1.0
"""Between looks for work that nobody announced."""
ACQUIRE_BATCH = 10
"""Chats taken at once."""
HEARTBEAT = 60.0
STALE_AFTER = 300.0
"""Without heartbeat, until a worker on another host counts as dead."""
