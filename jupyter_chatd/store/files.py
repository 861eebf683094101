"""Files as the database knows them: what they are, whose they are, and which chats hold them.

The bytes lie beside the database, under their SHA-256 (`files/blobs.py`). A file belongs to its owner and may
be in several chats; a *link* says that a chat holds it, and a file with a link is never collected.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from dataclasses import dataclass

from .. import wire
from ..errors import InvalidInputError, NotFoundError

MAX_CHAT_FILES = 100
"""Files that one chat may hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A file that somebody uploaded or a tool attached."""

    id: str
    owner_id: str
    name: str
    """Without folders; empty when the sender gave none."""
    media_type: str
    """Told from the bytes, not by the sender."""
    size_bytes: int
    sha256: str
    """Names the bytes; two files with the same bytes share them."""
    created_at: float
    """UTC seconds."""


def insert_file(conn: sqlite3.Connection, file: StoredFile) -> None:
    """Write a file down. Its bytes must be on the disk."""
    conn.execute(
        "INSERT INTO files (id, owner_id, name, media_type, size_bytes, sha256, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            file.id,
            file.owner_id,
            file.name,
            file.media_type,
            file.size_bytes,
            file.sha256,
            file.created_at,
        ),
    )


def get_file(conn: sqlite3.Connection, file_id: str, *, owner_id: str) -> StoredFile:
    """Return a file of the owner.

    Raises:
        NotFoundError: no such file, or someone else's.
    """
    found = find_files(conn, [file_id], owner_id=owner_id)
    if file_id not in found:
        raise NotFoundError(f"File {file_id} was not found.")
    return found[file_id]


def find_files(
    conn: sqlite3.Connection, file_ids: Collection[str], *, owner_id: str
) -> dict[str, StoredFile]:
    """Return those of the files that exist and are the owner's, by id."""
    rows = conn.execute(
        "SELECT * FROM files WHERE id IN (SELECT value FROM json_each(?)) AND owner_id = ?",
        (wire.dump_json(sorted(file_ids)), owner_id),
    )
    return {file.id: file for file in map(_file_from_row, rows)}


def chat_files(conn: sqlite3.Connection, chat_id: str) -> tuple[StoredFile, ...]:
    """Return the files that a chat holds, oldest first."""
    rows = conn.execute(
        "SELECT files.* FROM chat_file_links AS link JOIN files ON files.id = link.file_id"
        " WHERE link.chat_id = ? ORDER BY files.created_at, files.id",
        (chat_id,),
    )
    return tuple(map(_file_from_row, rows))


def find_chat_file(
    conn: sqlite3.Connection, chat_id: str, *, sha256: str, name: str, media_type: str
) -> StoredFile | None:
    """Return the file of a chat that has these bytes, this name and this type; `None` when it holds none."""
    row = conn.execute(
        "SELECT files.* FROM chat_file_links AS link JOIN files ON files.id = link.file_id"
        " WHERE link.chat_id = ? AND files.sha256 = ? AND files.name = ? AND files.media_type = ? LIMIT 1",
        (chat_id, sha256, name, media_type),
    ).fetchone()
    return None if row is None else _file_from_row(row)


def link_files(
    conn: sqlite3.Connection, chat_id: str, file_ids: Collection[str], *, limit: int | None = MAX_CHAT_FILES
) -> None:
    """Let a chat hold files, all of them or none. Those that it holds already do not count again.

    Only files of the chat's owner are linked; others, and those that are gone, are passed over.

    Raises:
        InvalidInputError: the chat would hold more than *limit*.
    """
    held = {
        row[0] for row in conn.execute("SELECT file_id FROM chat_file_links WHERE chat_id = ?", (chat_id,))
    }
    rows = conn.execute(
        "SELECT id FROM files WHERE id IN (SELECT value FROM json_each(?))"
        " AND owner_id = (SELECT owner_id FROM chats WHERE id = ?)",
        (wire.dump_json(sorted(file_ids)), chat_id),
    )
    new = {row[0] for row in rows} - held
    if new and limit is not None and len(held) + len(new) > limit:
        raise InvalidInputError(
            f"A chat holds at most {limit} files. This one has {len(held)}, and {len(new)} more came: "
            "send fewer, or begin another chat."
        )
    conn.executemany(
        "INSERT INTO chat_file_links (chat_id, file_id) VALUES (?, ?)",
        [(chat_id, file_id) for file_id in sorted(new)],
    )


def delete_unlinked_files(conn: sqlite3.Connection, *, created_before: float) -> int:
    """Forget the files that no chat holds and that are older than that; return how many there were."""
    return conn.execute(
        "DELETE FROM files WHERE created_at < ?"
        " AND NOT EXISTS (SELECT 1 FROM chat_file_links AS link WHERE link.file_id = files.id)",
        (created_before,),
    ).rowcount


def unknown_blobs(conn: sqlite3.Connection, digests: Collection[str]) -> set[str]:
    """Return those of the SHA-256 digests that no file has."""
    rows = conn.execute(
        "SELECT value FROM json_each(?) WHERE value NOT IN (SELECT sha256 FROM files)",
        (wire.dump_json(sorted(digests)),),
    )
    return {row[0] for row in rows}


def _file_from_row(row: sqlite3.Row) -> StoredFile:
    return StoredFile(**{name: row[name] for name in StoredFile.__slots__})
