"""Drafts to the database.

Ids are kept where they are free. Where one is taken, the chat that has it is compared: when it says the same
(and perhaps more, since it went on), the family is there already. Otherwise all of the family get new ids,
made from the old ones and from what is said, so that the same import finds them the next time.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import sqlite3
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from .. import wire
from ..errors import StoreError
from ..files.blobs import BlobFolder
from ..messages import Chat, NewMessage
from ..store import Store, reads
from ..store.conversation import ImportChat, ImportFamily, SetArchived
from ..store.files import StoredFile
from ..store.settle import settle
from .draft import Draft, DraftFamily, DraftFile
from .exporting import history_of, message_line
from .lines import dump_line
from .spool import Spool

NAMESPACE = uuid.UUID("b1a4d1a2-3c5e-5f0c-8a56-2d6f4f1f7c11")


class Outcome(StrEnum):
    """What became of a chat."""

    IMPORTED = "imported"
    COPIED = "copied"
    """Imported under a new id, because the old one is another chat's."""
    PRESENT = "present"
    """It was there already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What became of one chat of an import."""

    outcome: Outcome
    id: str
    """In this database."""
    source_id: str
    """In the export."""
    title: str
    messages: int
    """How many the export has."""
    lost_files: int
    """Files that messages name and that are not here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """A family as it shall be stored."""

    outcome: Outcome
    ids: Mapping[str, str]
    """New ids of chats, by the old ones."""
    file_ids: Mapping[str, str]
    """New ids of files, by the old ones, where they differ."""
    held: frozenset[str]
    """Files, by new id, that did not bring their bytes but are here."""


async def import_families(
    store: Store,
    blobs: BlobFolder,
    families: Iterable[DraftFamily],
    spool: Spool,
    *,
    dry_run: bool = False,
    told: Callable[[Imported], None] = lambda imported: None,
) -> list[Imported]:
    """Store families, each in one transaction, and return what became of their chats.

    Args:
        store: The database.
        blobs: Where the bytes of its files lie.
        families: What was read, checked as a whole.
        spool: Holds their rows and bytes.
        dry_run: Write nothing, only say what would become of them.
        told: Is called with each chat as soon as it is stored.

    Raises:
        StoreError: the database cannot be written. What was told is stored; of the rest nothing is.
    """
    done: list[Imported] = []
    for family in families:
        plan = await store.read(lambda conn, family=family: _Planner(conn, family, spool).plan())
        if not dry_run and plan.outcome is not Outcome.PRESENT:
            await _store(store, blobs, family, plan, spool)
        for imported in _outcomes(family, plan):
            told(imported)
            done.append(imported)
    return done


def _outcomes(family: DraftFamily, plan: _Plan) -> Iterator[Imported]:
    for member in family.members:
        came = sum(one.data is not None or _new_id(one, plan) in plan.held for one in member.files)
        yield Imported(
            outcome=plan.outcome,
            id=plan.ids[member.chat.id],
            source_id=member.chat.id,
            title=member.chat.title,
            messages=member.messages,
            lost_files=member.lost_files + len(member.files) - came,
        )


# What to do


class _Planner:
    """Decides over one family, in one look at the database."""

    def __init__(self, conn: sqlite3.Connection, family: DraftFamily, spool: Spool) -> None:
        self._conn = conn
        self._members = family.members
        self._spool = spool

    def plan(self) -> _Plan:
        """Return what to do."""
        with reads.snapshot_of(self._conn):
            file_ids = {old: new for old, new in self._file_ids() if old != new}
            held = frozenset(self._held_files(file_ids))
            outcome, ids = self._choose(file_ids)
        return _Plan(outcome=outcome, ids=ids, file_ids=file_ids, held=held)

    def _choose(self, file_ids: Mapping[str, str]) -> tuple[Outcome, Mapping[str, str]]:
        digest = ""
        for attempt in itertools.count():
            if attempt == 1:
                digest = self._digest(file_ids)
            ids = {
                member.chat.id: _copy_id(member.chat.id, digest, attempt) if attempt else member.chat.id
                for member in self._members
            }
            found = {old: chat for old, new in ids.items() if (chat := self._find(new)) is not None}
            if not found:
                return (Outcome.COPIED if attempt else Outcome.IMPORTED), ids
            if len(found) == len(ids) and all(self._is_same(one, found, file_ids) for one in self._members):
                return Outcome.PRESENT, ids
        raise AssertionError("unreachable")

    def _find(self, chat_id: str) -> Chat | None:
        row = self._conn.execute("SELECT 1 FROM chats WHERE id = ?", (chat_id,)).fetchone()
        return None if row is None else reads.get_chat(self._conn, chat_id)

    def _is_same(self, member: Draft, found: Mapping[str, Chat], file_ids: Mapping[str, str]) -> bool:
        """Whether the chat that has the id begins with the same messages."""
        chat = found[member.chat.id]
        if chat.owner_id != member.chat.owner_id:
            return False
        stored = map(_text, itertools.count(1), history_of(self._conn, chat.id))
        drafted = map(_text, itertools.count(1), self._settled(member, file_ids))
        return all(text == next(stored, None) for text in drafted)

    def _settled(self, member: Draft, file_ids: Mapping[str, str]) -> Iterator[NewMessage]:
        return settle(_renamed(member.rows(self._spool), file_ids))

    def _digest(self, file_ids: Mapping[str, str]) -> str:
        digest = hashlib.sha256()
        for member in self._members:
            for number, row in enumerate(self._settled(member, file_ids), 1):
                digest.update(_text(number, row).encode())
        return digest.hexdigest()

    def _file_ids(self) -> Iterator[tuple[str, str]]:
        """Yield the old and the new id of each file; a new one where the old one is another file's."""
        for file in {one.file.id: one.file for member in self._members for one in member.files}.values():
            row = self._conn.execute(
                "SELECT owner_id = ? AND sha256 = ? FROM files WHERE id = ?",
                (file.owner_id, file.sha256, file.id),
            ).fetchone()
            if row is None or row[0]:
                yield file.id, file.id
            else:
                yield file.id, _copy_id(file.id, file.owner_id + file.sha256, 1)

    def _held_files(self, file_ids: Mapping[str, str]) -> Iterator[str]:
        for one in (one for member in self._members for one in member.files):
            file_id = file_ids.get(one.file.id, one.file.id)
            if self._conn.execute("SELECT 1 FROM files WHERE id = ?", (file_id,)).fetchone():
                yield file_id


def _copy_id(source_id: str, digest: str, attempt: int) -> str:
    return str(uuid.uuid5(NAMESPACE, f"{source_id} {digest} {attempt}"))


def _text(number: int, row: NewMessage) -> str:
    return dump_line(message_line(number, row))


def _renamed(rows: Iterable[NewMessage], ids: Mapping[str, str]) -> Iterator[NewMessage]:
    """Yield the rows with other ids of files; the results of tools name them too."""
    for row in rows:
        text = wire.dump_parts(row.parts) if ids else ""
        if any(old in text for old in ids):
            for old, new in ids.items():
                text = text.replace(old, new)
            yield replace(row, parts=wire.load_parts(text, version=1, role=row.role))
        else:
            yield row


def _new_id(one: DraftFile, plan: _Plan) -> str:
    return plan.file_ids.get(one.file.id, one.file.id)


# Doing it


async def _store(store: Store, blobs: BlobFolder, family: DraftFamily, plan: _Plan, spool: Spool) -> None:
    """Store a family. Bytes go first: without a row they are swept, a row without them is a lost file."""
    try:
        await asyncio.to_thread(_write_blobs, blobs, family, spool)
        await store.apply(ImportFamily(members=tuple(_member(one, plan, spool) for one in family.members)))
        # Once more, in case old bytes that nobody had were swept in between.
        await asyncio.to_thread(_write_blobs, blobs, family, spool)
        await _finish(store, family, plan)
    except (OSError, sqlite3.Error) as error:
        raise StoreError(
            f"{family.source}: chat {family.members[0].chat.id} was not imported: {error}. What was imported "
            "before it is complete; when the cause is mended, the same import goes on from there."
        ) from error


def _write_blobs(blobs: BlobFolder, family: DraftFamily, spool: Spool) -> None:
    for member in family.members:
        for one in member.files:
            if one.data is not None:
                blobs.write(one.file.sha256, spool.read_bytes(one.data))


@dataclass(frozen=True, slots=True)
class _Rows:
    """The rows of a draft, from the beginning each time: a transaction may run twice."""

    draft: Draft
    file_ids: Mapping[str, str]
    spool: Spool

    def __iter__(self) -> Iterator[NewMessage]:
        return _renamed(self.draft.rows(self.spool), self.file_ids)


def _member(member: Draft, plan: _Plan, spool: Spool) -> ImportChat:
    chat = member.chat
    files: Sequence[StoredFile] = [
        replace(one.file, id=_new_id(one, plan))
        for one in member.files
        if one.data is not None or _new_id(one, plan) in plan.held
    ]
    parent, root = chat.parent_chat_id, chat.root_chat_id
    return ImportChat(
        chat=replace(
            chat,
            id=plan.ids[chat.id],
            parent_chat_id=parent and plan.ids[parent],
            root_chat_id=root and plan.ids[root],
        ),
        rows=_Rows(member, plan.file_ids, spool),
        created_at=chat.created_at,
        files=tuple(files),
    )


async def _finish(store: Store, family: DraftFamily, plan: _Plan) -> None:
    """Count what came as read, and put what was archived into the archive."""
    for member in family.members:
        chat_id = plan.ids[member.chat.id]
        await store.write(lambda conn, chat_id=chat_id: reads.mark_read(conn, chat_id))
        chat = await store.read(lambda conn, chat_id=chat_id: reads.get_chat(conn, chat_id))
        if member.chat.archived and not chat.archived:
            await store.apply(SetArchived(chat_id=chat_id, archived=True))
