"""Queries. Plain functions over a connection, for `Store.read`; nothing here changes execution state."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Collection, Generator, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from .. import wire
from ..errors import ChatNotFoundError
from ..events import Change
from ..messages import Action, Chat, Message, QueuedMessage, ToolRun
from ..pacing import paced
from ..wire import clean_text
from .calls import actions_of
from .cell import JOURNAL
from .pins import place_pin
from .rows import (
    IS_UNREAD,
    chat_columns,
    chat_from_row,
    message_from_row,
    messages_from_rows,
    queued_from_row,
    tool_run_from_row,
)
from .search import match_expression

_SELECT_CHATS = f"SELECT *, {IS_UNREAD} FROM chats"  # noqa: S608 - built of literals

_CLIENT = "visibility IN ('user', 'both') AND deleted = 0"

METADATA = frozenset(
    {
        "title",
        "labels",
        "pin_order",
        "workspace_id",
        "last_read_message_id",
        "model",
        "model_config_id",
        "plan_mode",
        "client_tools",
        "mcp_server_ids",
        "approval_mode",
    }
)
"""Columns that change outside the state machine."""


def get_chat(conn: sqlite3.Connection, chat_id: str, *, owner_id: str | None = None) -> Chat:
    """Return a chat.

    Raises:
        ChatNotFoundError: no such chat, or *owner_id* is given and owns another.
    """
    row = conn.execute(f"{_SELECT_CHATS} WHERE id = ?", (chat_id,)).fetchone()
    if row is None or (owner_id is not None and row["owner_id"] != owner_id):
        raise ChatNotFoundError(chat_id)
    return chat_from_row(row)


def find_history_version(conn: sqlite3.Connection, chat_id: str) -> int | None:
    """Return the version of a chat's history; `None` when there is no such chat."""
    row = conn.execute("SELECT history_version FROM chats WHERE id = ?", (chat_id,)).fetchone()
    return row["history_version"] if row else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatQuery:
    """Which chats to list, newest change first."""

    owner_id: str
    limit: int = 50
    offset: int = 0
    after_id: str | None = None
    """Continue after this chat, in list order."""
    archived: bool | None = False
    labels: Mapping[str, str] | None = None
    text: str | None = None
    """Words that the title or a message must have."""
    pinned: bool | None = None
    """Only pinned chats, only others, or `None` for all."""
    roots_only: bool = False


def list_chats(conn: sqlite3.Connection, query: ChatQuery) -> tuple[Chat, ...]:
    """Return the chats that match, by `updated_at` then id, descending."""
    where, values = ["owner_id = ?"], [query.owner_id]
    params: list[Any] = list(values)
    if query.archived is not None:
        where.append("archived = ?")
        params.append(int(query.archived))
    if query.pinned is not None:
        where.append("pin_order > 0" if query.pinned else "pin_order = 0")
    if query.roots_only:
        where.append("parent_chat_id IS NULL")
    for key, value in (query.labels or {}).items():
        where.append("EXISTS (SELECT 1 FROM json_each(labels) WHERE key = ? AND value = ?)")
        params += [key, value]
    if query.text:
        where.append(
            "(title LIKE ? ESCAPE '\\' OR id IN (SELECT chat_id FROM messages WHERE id IN"
            " (SELECT rowid FROM message_search WHERE message_search MATCH ?)))"
        )
        params += [f"%{_escape_like(query.text)}%", match_expression(query.text)]
    if query.after_id:
        where.append("(updated_at, id) < (SELECT updated_at, id FROM chats WHERE id = ?)")
        params.append(query.after_id)
    rows = conn.execute(
        f"{_SELECT_CHATS} WHERE {' AND '.join(where)} ORDER BY updated_at DESC, id DESC LIMIT ? OFFSET ?",
        [*params, query.limit, query.offset],
    )
    return tuple(chat_from_row(row) for row in rows)


def _escape_like(text: str) -> str:
    return clean_text(text).replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def client_messages(
    conn: sqlite3.Connection, chat_id: str, *, after_id: int = 0, limit: int | None = None
) -> tuple[Message, ...]:
    """Return what clients may see with an id above *after_id*, oldest first."""
    rows = conn.execute(
        "SELECT * FROM messages WHERE chat_id = ? AND id > ?"  # noqa: S608 - built of literals
        f" AND {_CLIENT} ORDER BY id LIMIT ?",
        (chat_id, after_id, -1 if limit is None else limit),
    )
    return messages_from_rows(paced(rows))


def history(conn: sqlite3.Connection, chat_id: str) -> Iterator[Message]:
    """Yield the rows that are not deleted, of every visibility, oldest first; reads as it goes."""
    rows = conn.execute("SELECT * FROM messages WHERE chat_id = ? AND deleted = 0 ORDER BY id", (chat_id,))
    return map(message_from_row, rows)


def client_messages_before(
    conn: sqlite3.Connection, chat_id: str, *, before_id: int | None, after_id: int = 0, limit: int
) -> tuple[Message, ...]:
    """Return the newest messages below *before_id* and above *after_id*, newest first."""
    upper = before_id if before_id is not None else 2**63 - 1
    return messages_from_rows(
        conn.execute(
            "SELECT * FROM messages WHERE chat_id = ? AND id < ? AND id > ?"  # noqa: S608
            f" AND {_CLIENT} ORDER BY id DESC LIMIT ?",
            (chat_id, upper, after_id, limit),
        )
    )


def is_visible_message(conn: sqlite3.Connection, chat_id: str, message_id: int) -> bool:
    """Whether a client that has this message as its newest may go on from there."""
    row = conn.execute(
        "SELECT 1 FROM messages WHERE id = ? AND chat_id = ? AND deleted = 0", (message_id, chat_id)
    ).fetchone()
    return row is not None


def queue(conn: sqlite3.Connection, chat_id: str) -> tuple[QueuedMessage, ...]:
    """Return the queue, head first."""
    rows = conn.execute("SELECT * FROM queued_messages WHERE chat_id = ? ORDER BY position, id", (chat_id,))
    return tuple(queued_from_row(row) for row in rows)


def journal(conn: sqlite3.Connection, chat_id: str) -> tuple[ToolRun, ...]:
    """Return the journal of the newest assistant row: the only one that can have open calls."""
    return tuple(tool_run_from_row(row) for row in conn.execute(JOURNAL, (chat_id,)))


def actions(conn: sqlite3.Connection, chat: Chat) -> tuple[Action, ...]:
    """Return what the chat waits for; empty unless its status is `requires_action`."""
    return actions_of(chat, journal(conn, chat.id)) if chat.status.value == "requires_action" else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerView:
    """All that a runner needs to begin."""

    chat: Chat
    history: tuple[Message, ...]
    """Rows that are not deleted, of every visibility, oldest first: those that no summary covers, and of the
    covered ones the system rows, the user row that the present turn began with, and the last step."""
    covered_steps: int
    """Model calls of the present turn that are not in the history."""
    journal: tuple[ToolRun, ...]
    allowed: tuple[ToolRun, ...]
    """Calls of this chat that somebody allowed, not just this once, of rows that are not deleted."""


def runner_view(conn: sqlite3.Connection, chat_id: str) -> RunnerView:
    """Read a chat as a runner sees it, in one snapshot.

    Raises:
        ChatNotFoundError: no such chat.
    """
    with snapshot_of(conn):
        chat = get_chat(conn, chat_id)
        covered = conn.execute(
            "SELECT COALESCE(MAX(covers_until), 0) FROM messages"
            " WHERE chat_id = ? AND deleted = 0 AND compressed = 1",
            (chat_id,),
        ).fetchone()[0]
        turn = _newest(conn, chat_id, "user")
        first = min(covered + 1, _newest(conn, chat_id, "assistant") or covered + 1)
        return RunnerView(
            chat=chat,
            history=_history(conn, chat_id, first=first, turn=turn),
            covered_steps=_count_steps(conn, chat_id, after=turn, before=first),
            journal=journal(conn, chat_id),
            allowed=_allowed(conn, chat_id),
        )


def _allowed(conn: sqlite3.Connection, chat_id: str) -> tuple[ToolRun, ...]:
    rows = conn.execute(
        "SELECT tool_runs.* FROM tool_runs JOIN messages ON messages.id = message_id"
        " WHERE tool_runs.chat_id = ? AND approval = 'allowed' AND approval_scope IS NOT 'once'"
        " AND deleted = 0",
        (chat_id,),
    )
    return tuple(tool_run_from_row(row) for row in rows)


def asked_calls(conn: sqlite3.Connection, chat_id: str) -> tuple[ToolRun, ...]:
    """Return the calls that ask for an approval, or did, of rows that are not deleted, oldest first."""
    rows = conn.execute(
        "SELECT tool_runs.* FROM tool_runs JOIN messages ON messages.id = message_id"
        " WHERE tool_runs.chat_id = ? AND approval IS NOT NULL AND deleted = 0"
        " ORDER BY message_id, call_index",
        (chat_id,),
    )
    return tuple(tool_run_from_row(row) for row in rows)


def _newest(conn: sqlite3.Connection, chat_id: str, role: str) -> int:
    row = conn.execute(
        "SELECT id FROM messages WHERE chat_id = ? AND deleted = 0 AND role = ? AND compressed = 0"
        " ORDER BY id DESC LIMIT 1",
        (chat_id, role),
    ).fetchone()
    return row["id"] if row else 0


def _history(conn: sqlite3.Connection, chat_id: str, *, first: int, turn: int) -> tuple[Message, ...]:
    rows = conn.execute(
        """
        SELECT * FROM messages WHERE chat_id = :chat AND deleted = 0 AND id >= :first
        UNION ALL
        SELECT * FROM messages WHERE chat_id = :chat AND deleted = 0 AND role = 'system' AND id < :first
        UNION ALL
        SELECT * FROM messages WHERE id = :turn AND id < :first
        ORDER BY id
        """,
        {"chat": chat_id, "first": first, "turn": turn},
    )
    return messages_from_rows(paced(rows))


def _count_steps(conn: sqlite3.Connection, chat_id: str, *, after: int, before: int) -> int:
    rows = conn.execute(
        "SELECT COUNT(*) FROM messages WHERE chat_id = ? AND id > ? AND id < ?"
        " AND deleted = 0 AND role = 'assistant' AND compressed = 0",
        (chat_id, after, before),
    )
    return rows.fetchone()[0]


@contextmanager
def snapshot_of(conn: sqlite3.Connection) -> Generator[None, None, None]:
    """Let several queries see the same state."""
    conn.execute("BEGIN")
    try:
        yield
    finally:
        conn.execute("COMMIT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What a stream begins with, read in one transaction."""

    chat: Chat
    reset: bool
    """The row named by the cursor is gone: the client starts over."""
    messages: tuple[Message, ...]
    queue: tuple[QueuedMessage, ...]
    actions: tuple[Action, ...]


def snapshot(conn: sqlite3.Connection, chat_id: str, *, after_id: int) -> Snapshot:
    """Read what a subscriber that has seen *after_id* still has to get.

    Raises:
        ChatNotFoundError: no such chat.
    """
    with snapshot_of(conn):
        chat = get_chat(conn, chat_id)
        reset = after_id > 0 and not is_visible_message(conn, chat_id, after_id)
        return Snapshot(
            chat=chat,
            reset=reset,
            messages=client_messages(conn, chat_id, after_id=0 if reset else after_id),
            queue=queue(conn, chat_id),
            actions=actions(conn, chat),
        )


def last_change_id(conn: sqlite3.Connection) -> int:
    """Return the newest database-wide change number."""
    return conn.execute("SELECT value FROM counters WHERE name = 'change'").fetchone()[0]


def changes_since(conn: sqlite3.Connection, change_id: int) -> tuple[int, tuple[Change, ...]]:
    """Return the newest change number, and what changed after *change_id* as announcements without rows.

    Listeners compare versions with what they have and read what they miss.
    """
    with snapshot_of(conn) if not conn.in_transaction else nullcontext():
        newest = last_change_id(conn)
        rows = conn.execute(f"{_SELECT_CHATS} WHERE change_id > ? ORDER BY change_id", (change_id,))
        # What another process did is not known: watchers are told to look at its state again.
        changes = tuple(
            Change(chat=chat_from_row(row), kind="status_change", status_changed=True, foreign=True)
            for row in rows
        )
    return newest, changes


def update_metadata(conn: sqlite3.Connection, chat_id: str, values: Mapping[str, Any]) -> Chat:
    """Write metadata columns; list order does not move. A pin moves the other pins: see `pins.py`.

    Raises:
        ChatNotFoundError: no such chat.
        ValueError: a column belongs to the state machine.
    """
    wrong = set(values) - METADATA
    if wrong:
        raise ValueError(f"{sorted(wrong)} are not metadata")
    columns = chat_columns(values)
    columns["change_id"] = _next_change_id(conn)
    if "pin_order" in columns:
        columns["pin_order"] = place_pin(conn, chat_id, columns["pin_order"], change_id=columns["change_id"])
    assignments = ", ".join(f"{name} = ?" for name in columns)
    conn.execute(
        f"UPDATE chats SET {assignments} WHERE id = ?",  # noqa: S608 - names are ours
        [*columns.values(), chat_id],
    )
    return get_chat(conn, chat_id)


def _next_change_id(conn: sqlite3.Connection) -> int:
    conn.execute("UPDATE counters SET value = value + 1 WHERE name = 'change'")
    return last_change_id(conn)


def mark_read(conn: sqlite3.Connection, chat_id: str) -> bool:
    """Count everything that a chat says now as read; whether it was not. Nothing is written when it was."""
    marked = conn.execute(
        "UPDATE chats SET last_read_message_id = (SELECT MAX(id) FROM messages WHERE chat_id = chats.id)"
        " WHERE id = ? AND EXISTS (SELECT 1 FROM messages AS m WHERE m.chat_id = chats.id"
        " AND m.role = 'assistant' AND m.deleted = 0 AND m.id > COALESCE(chats.last_read_message_id, 0))",
        (chat_id,),
    )
    if not marked.rowcount:
        return False
    conn.execute("UPDATE chats SET change_id = ? WHERE id = ?", (_next_change_id(conn), chat_id))
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientWait:
    """A chat that waits for tools of clients, of which none was claimed."""

    chat_id: str
    owner_id: str


def unclaimed_waits(conn: sqlite3.Connection) -> tuple[ClientWait, ...]:
    """Return the chats that wait for tools of clients and have found none yet."""
    rows = conn.execute(
        "SELECT id, owner_id FROM chats WHERE action_deadline_at IS NOT NULL AND NOT EXISTS ("
        "SELECT 1 FROM tool_runs WHERE message_id = (SELECT MAX(id) FROM messages"
        " WHERE chat_id = chats.id AND role = 'assistant' AND deleted = 0) AND claimed_by IS NOT NULL)"
    )
    return tuple(ClientWait(chat_id=row["id"], owner_id=row["owner_id"]) for row in rows)


def overdue_actions(conn: sqlite3.Connection, now: float) -> tuple[str, ...]:
    """Return the chats whose deadline for a client has passed."""
    rows = conn.execute("SELECT id FROM chats WHERE action_deadline_at <= ?", (now,))
    return tuple(row["id"] for row in rows)


def impossible_chats(conn: sqlite3.Connection) -> tuple[str, ...]:
    """Return the chats in a combination that no transition leads to, idle with a queue: for `Reconcile`."""
    rows = conn.execute(
        "SELECT id FROM chats WHERE status = 'waiting' AND id IN (SELECT chat_id FROM queued_messages)"
    )
    return tuple(row["id"] for row in rows)


NEEDS_WORKER = """
status IN ('running', 'interrupting') AND (
    worker_id IN (SELECT value FROM json_each(:dead))
    OR (
        worker_id IS NULL AND (
            updated_at NOT BETWEEN :spare_from AND :spare_until
            OR id IN (SELECT value FROM json_each(:own))
        )
    )
)
"""
"""SQL: what `work.Acquire` may take. Its parameters: `needs_worker`."""


def needs_worker(
    dead_workers: Collection[str], own: Collection[str], spare_from: float, spare_until: float
) -> dict[str, object]:
    """Return the parameters of `NEEDS_WORKER`; their meaning is that of the fields of `work.Acquire`."""
    return {
        "dead": wire.dump_json(sorted(dead_workers)),
        "own": wire.dump_json(sorted(own)),
        "spare_from": spare_from,
        "spare_until": spare_until,
    }


def has_work(
    conn: sqlite3.Connection,
    dead_workers: Collection[str] = (),
    *,
    own: Collection[str] = (),
    spare_from: float = math.inf,
    spare_until: float = math.inf,
) -> bool:
    """Whether there is a chat that `work.Acquire` with the same arguments would take."""
    parameters = needs_worker(dead_workers, own, spare_from, spare_until)
    row = conn.execute(f"SELECT 1 FROM chats WHERE {NEEDS_WORKER} LIMIT 1", parameters).fetchone()  # noqa: S608
    return row is not None


def busy_chats(conn: sqlite3.Connection, worker_ids: Collection[str]) -> tuple[str, ...]:
    """Return the chats that these workers own."""
    rows = conn.execute(
        "SELECT id FROM chats WHERE status IN ('running', 'interrupting')"
        " AND worker_id IN (SELECT value FROM json_each(?))",
        (wire.dump_json(list(worker_ids)),),
    )
    return tuple(row["id"] for row in rows)
