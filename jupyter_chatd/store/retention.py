"""What becomes of chats with age: idle ones are archived, archived ones deleted, if the settings say so.

A chat's age is counted from its last change; archiving is one. Each chat is a transition of its own, so a
long list never blocks the writer, and one that somebody uses at that moment is passed over.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable

from ..errors import ChatdError
from .conversation import PurgeChat, SetArchived
from .store import Store

DAY = 86_400.0  # seconds

# A pinned chat is wanted; a family is as old as its youngest member.
_IDLE = """
SELECT id FROM chats AS root
WHERE parent_chat_id IS NULL AND archived = 0 AND pin_order = 0 AND updated_at < :before
  AND NOT EXISTS (
    SELECT 1 FROM chats AS member
    WHERE (member.id = root.id OR member.root_chat_id = root.id) AND member.archived = 0
      AND (member.updated_at >= :before OR member.status NOT IN ('waiting', 'error'))
  )
ORDER BY updated_at
"""

# Children of an archived chat go with it.
_FORGOTTEN = """
SELECT id FROM chats AS chat
WHERE archived = 1 AND updated_at < :before
  AND NOT EXISTS (SELECT 1 FROM chats AS parent WHERE parent.id = chat.parent_chat_id AND parent.archived = 1)
ORDER BY updated_at
"""

log = logging.getLogger(__name__)


async def archive_idle(store: Store, *, older_than_days: int) -> int:
    """Archive the families in which nothing has changed for that many days; return how many.

    Pinned chats stay. 0 days is never.
    """
    return await _age_out(
        store, _IDLE, older_than_days, lambda chat_id: SetArchived(chat_id=chat_id, archived=True)
    )


async def purge_archived(store: Store, *, older_than_days: int) -> int:
    """Delete for good what was archived more than that many days ago; return how many families.

    0 days is never.
    """
    return await _age_out(store, _FORGOTTEN, older_than_days, lambda chat_id: PurgeChat(chat_id=chat_id))


async def _age_out(
    store: Store, query: str, days: int, make: Callable[[str], SetArchived | PurgeChat]
) -> int:
    if days <= 0:
        return 0
    before = store.clock() - days * DAY

    def find(conn: sqlite3.Connection) -> list[str]:
        return [row["id"] for row in conn.execute(query, {"before": before})]

    done = 0
    for chat_id in await store.read(find):
        try:
            await store.apply(make(chat_id))
        except ChatdError as error:
            log.info("Chat %s was passed over: %s", chat_id, type(error).__name__)
        else:
            done += 1
    return done
