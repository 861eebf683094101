"""The columns of chats against the state machine: what no transition can have left."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from ..errors import StoreError
from ..messages import ChatStatus
from ..store import reads
from ..store.machine import State, state_of
from ..store.rows import queued_from_row, tool_run_from_row

_RULES = {
    "is owned by a worker, though nothing should run": (
        "SELECT id FROM chats WHERE worker_id IS NOT NULL AND status NOT IN ('running', 'interrupting')"
    ),
    "waits to try again, though it does not run": (
        "SELECT id FROM chats WHERE retry_state IS NOT NULL AND status <> 'running'"
    ),
    "has a version above that of its last change": (
        "SELECT id FROM chats"
        " WHERE MAX(history_version, queue_version, retry_state_version) > snapshot_version"
    ),
    "has messages of another version than its history": (
        "SELECT id FROM chats WHERE history_version <>"
        " COALESCE((SELECT MAX(revision) FROM messages AS m WHERE m.chat_id = chats.id), 1)"
    ),
    "has a change number that was never given": (
        "SELECT id FROM chats WHERE change_id > (SELECT value FROM counters WHERE name = 'change')"
    ),
    "is not archived, though its parent is": (
        "SELECT child.id FROM chats AS child JOIN chats AS parent ON parent.id = child.parent_chat_id"
        " WHERE parent.archived = 1 AND child.archived = 0"
    ),
    "has a message id that was never given": (
        "SELECT DISTINCT chat_id FROM messages"
        " WHERE id > (SELECT seq FROM sqlite_sequence WHERE name = 'messages')"
    ),
    "has a journal of calls that its messages do not have": (
        "SELECT DISTINCT r.chat_id FROM tool_runs AS r LEFT JOIN messages AS m ON m.id = r.message_id"
        " WHERE m.chat_id IS NOT r.chat_id"
    ),
}
"""For each rule, what a chat does that breaks it, and the query that finds such chats."""


def check_states(conn: sqlite3.Connection) -> Iterator[str]:
    """Yield what is wrong with chats, their queues and their journals."""
    for fault, query in _RULES.items():
        for (chat_id,) in conn.execute(query):
            yield f"Chat {chat_id} {fault}."
    for (chat_id,) in conn.execute("SELECT id FROM chats ORDER BY id").fetchall():
        try:
            yield from _check_chat(conn, chat_id)
        except (StoreError, ValueError) as error:
            yield f"Chat {chat_id} cannot be read: {error}"


def _check_chat(conn: sqlite3.Connection, chat_id: str) -> Iterator[str]:
    chat = reads.get_chat(conn, chat_id)
    queued = conn.execute("SELECT * FROM queued_messages WHERE chat_id = ?", (chat_id,)).fetchall()
    for row in queued:
        queued_from_row(row)
    for row in conn.execute("SELECT * FROM tool_runs WHERE chat_id = ?", (chat_id,)):
        tool_run_from_row(row)
    if state_of(chat.status, has_queue=bool(queued), archived=chat.archived) is State.IMPOSSIBLE:
        yield f"Chat {chat_id} is {chat.status} with queued messages. The next start of the server mends it."
    if chat.status is ChatStatus.REQUIRES_ACTION and not reads.actions(conn, chat):
        yield f"Chat {chat_id} waits for a client, but for nothing in particular."
