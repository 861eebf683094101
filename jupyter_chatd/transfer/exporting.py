"""A database to the lines of an export. Reads as it goes: memory does not grow with the chats."""

from __future__ import annotations

import base64
import sqlite3
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from .. import wire
from ..files.blobs import BlobFolder, BlobMissingError
from ..messages import CONTENT_VERSION, CallKey, Chat, Message, NewMessage, Role, TurnOptions
from ..store import reads
from ..store.calls import closing_result, result_row
from ..store.files import StoredFile, chat_files
from ..store.settle import settle
from .lines import (
    FORMAT,
    VERSION,
    CallRef,
    ChatLine,
    EndLine,
    FileLine,
    Header,
    Line,
    MessageLine,
    dump_line,
)


@dataclass(slots=True)
class Exported:
    """How much went out."""

    chats: int = 0
    files: int = 0
    messages: int = 0
    missing: int = 0
    """Files whose bytes are gone from the data folder."""

    def count(self, line: Line) -> None:
        """Count a line that went out."""
        self.chats += isinstance(line, ChatLine)
        self.files += isinstance(line, FileLine)
        self.messages += isinstance(line, MessageLine)


def export_lines(
    conn: sqlite3.Connection, roots: Iterable[str], *, blobs: BlobFolder | None, exported: Exported
) -> Iterator[str]:
    """Yield the export of some families, a line at a time, without line breaks.

    Args:
        conn: In a transaction, so that all lines tell of the same moment.
        roots: The chats that the families begin with.
        blobs: Where the bytes of files lie; `None` leaves them out.
        exported: Counts what goes out, on top of what it has counted.

    Raises:
        StoreError: something stored cannot be read.
    """
    sums = Exported()
    yield dump_line(Header(format=FORMAT, version=VERSION))
    for root in roots:
        for chat in family_of(conn, root):
            for line in _chat_lines(conn, chat, blobs=blobs, exported=sums):
                sums.count(line)
                exported.count(line)
                yield dump_line(line)
    exported.missing += sums.missing
    yield dump_line(EndLine(chats=sums.chats, files=sums.files, messages=sums.messages))


def all_roots(conn: sqlite3.Connection) -> list[str]:
    """Return the chats that families begin with, oldest first."""
    rows = conn.execute("SELECT id FROM chats WHERE parent_chat_id IS NULL ORDER BY created_at, id")
    return [row["id"] for row in rows]


def family_of(conn: sqlite3.Connection, root: str) -> Sequence[Chat]:
    """Return a chat and those below it, a parent before its children, then by age.

    Raises:
        ChatNotFoundError: no such chat.
    """
    rows = conn.execute(
        "SELECT id FROM chats WHERE root_chat_id = ? AND id <> ?"
        " ORDER BY parent_chat_id <> ?, created_at, id",
        (root, root, root),
    )
    return [reads.get_chat(conn, chat_id) for chat_id in [root, *(row["id"] for row in rows)]]


def history_of(conn: sqlite3.Connection, chat_id: str) -> Iterator[NewMessage]:
    """Yield the messages of a chat as an import takes them, settled: what waits is said, what runs has ended.

    What was deleted, and what only this database knows (ids, model configs), is left out.
    """
    return settle(_rows(conn, chat_id))


def message_line(number: int, row: NewMessage) -> MessageLine:
    """Return the line of a settled message."""
    return MessageLine(
        number=number,
        role=row.role,
        created_at=wire.rfc3339(row.created_at or 0.0),
        content_version=CONTENT_VERSION,
        content=wire.stored_parts(row.parts),
        created_by=row.created_by,
        visibility=row.visibility,
        model=row.model,
        usage=row.usage,
        compressed=row.compressed,
        covers_until=row.covers_until,
        total_cost_micros=row.total_cost_micros,
        runtime_ms=row.runtime_ms,
        provider_response_id=row.provider_response_id,
        stop_reason=row.stop_reason,
        turn_options=row.turn_options,
        answers=row.answers and CallRef(message=row.answers.message_id, index=row.answers.index),
    )


# One chat


def _chat_lines(
    conn: sqlite3.Connection, chat: Chat, *, blobs: BlobFolder | None, exported: Exported
) -> Iterator[Line]:
    yield ChatLine(
        id=chat.id,
        title=chat.title,
        model=chat.model,
        created_at=wire.rfc3339(chat.created_at),
        archived=chat.archived,
        parent_chat_id=chat.parent_chat_id,
        spawned_by=_spawned_by(conn, chat),
        mode=chat.mode,  # pyright: ignore[reportArgumentType] - the database accepts no other word
        plan_mode=chat.plan_mode,  # pyright: ignore[reportArgumentType]
        approval_mode=chat.approval_mode,  # pyright: ignore[reportArgumentType]
        labels=dict(chat.labels),
        client_type=chat.client_type,  # pyright: ignore[reportArgumentType]
    )
    for file in _mentioned_files(conn, chat.id):
        data = _data(file, blobs)
        exported.missing += data is None and blobs is not None
        yield FileLine(
            id=file.id,
            name=file.name,
            media_type=file.media_type,
            size_bytes=file.size_bytes,
            sha256=file.sha256,
            created_at=wire.rfc3339(file.created_at),
            data=data,
        )
    for number, row in enumerate(history_of(conn, chat.id), 1):
        yield message_line(number, row)


def _spawned_by(conn: sqlite3.Connection, chat: Chat) -> CallRef | None:
    """Return the call that made a child; `None` when that message was deleted since."""
    if chat.spawned_by is None:
        return None
    row = conn.execute(
        "SELECT (SELECT COUNT(*) FROM messages AS m WHERE m.chat_id = spawn.chat_id AND m.deleted = 0"
        " AND m.id <= spawn.id) AS number FROM messages AS spawn"
        " WHERE spawn.id = ? AND spawn.chat_id = ? AND spawn.deleted = 0",
        (chat.spawned_by.message_id, chat.parent_chat_id),
    ).fetchone()
    return None if row is None else CallRef(message=row["number"], index=chat.spawned_by.index)


def _mentioned_files(conn: sqlite3.Connection, chat_id: str) -> Iterator[StoredFile]:
    """Yield the files that a message of the chat still names: one that was edited away stays here."""
    for file in chat_files(conn, chat_id):
        named = conn.execute(
            "SELECT 1 FROM messages WHERE chat_id = :chat AND deleted = 0 AND instr(content, :file)"
            " UNION ALL SELECT 1 FROM queued_messages WHERE chat_id = :chat AND instr(content, :file)"
            " LIMIT 1",
            {"chat": chat_id, "file": file.id},
        ).fetchone()
        if named:
            yield file


def _data(file: StoredFile, blobs: BlobFolder | None) -> str | None:
    if blobs is None:
        return None
    try:
        return base64.b64encode(blobs.read(file.sha256, size=file.size_bytes)).decode()
    except BlobMissingError:
        return None


def _rows(conn: sqlite3.Connection, chat_id: str) -> Iterator[NewMessage]:
    """Yield what is stored, with numbers for ids: the history, results that no row has yet, the queue."""
    ids = array("q")
    step: Message | None = None
    answered: set[CallKey] = set()
    newest = 0.0
    for message in reads.history(conn, chat_id):
        ids.append(message.id)
        newest = message.created_at
        if message.role is Role.ASSISTANT and not message.compressed:
            step, answered = message, set()
        if message.answers is not None:
            answered.add(message.answers)
        yield _row(message, ids)
    for key, run in ((run.key, run) for run in reads.journal(conn, chat_id)):
        is_known = run.result is not None or run.started_at is not None or run.claimed_by is not None
        if step is not None and key.message_id == step.id and key not in answered and is_known:
            call = dict(step.tool_calls)[key.index]
            row = result_row(_numbered(key, ids), closing_result(call, run))
            yield replace(row, created_at=run.finished_at or run.started_at or newest)
    for queued in reads.queue(conn, chat_id):
        yield NewMessage(
            role=Role.USER,
            parts=queued.parts,
            created_at=queued.created_at,
            created_by=queued.created_by,
            turn_options=_portable(queued.turn_options),
        )


def _row(message: Message, ids: array[int]) -> NewMessage:
    covers = message.covers_until
    return NewMessage(
        role=message.role,
        parts=message.parts,
        created_at=message.created_at,
        created_by=message.created_by,
        visibility=message.visibility,
        model=message.model,
        usage=message.usage,
        compressed=message.compressed,
        covers_until=None if covers is None else bisect_right(ids, covers),
        total_cost_micros=message.total_cost_micros,
        runtime_ms=message.runtime_ms,
        provider_response_id=message.provider_response_id,
        stop_reason=message.stop_reason,
        turn_options=_portable(message.turn_options),
        answers=message.answers and _numbered(message.answers, ids),
    )


def _numbered(key: CallKey, ids: array[int]) -> CallKey:
    return replace(key, message_id=bisect_right(ids, key.message_id))


def _portable(options: TurnOptions | None) -> TurnOptions | None:
    """Leave out what names a setting of this server, or a client of it."""
    return options and replace(options, model_config_id=None, mcp_server_ids=None, client_message_id=None)
