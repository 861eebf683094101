"""Lines of an export to drafts, every line checked."""

from __future__ import annotations

import base64
import binascii
import re
import uuid
from collections.abc import Iterator
from dataclasses import fields, replace

from .. import wire
from ..errors import ChatdError, FieldProblem, InvalidInputError
from ..files.blobs import digest_of
from ..files.kind import PLAIN, TEXTS, check_attachment, detect
from ..files.names import clean_name
from ..messages import CallKey, Chat, ChatStatus, FilePart, NewMessage, Role, Usage
from ..store.files import StoredFile
from ..titles import tidy
from .draft import Draft, DraftFamily, DraftFile
from .lines import CallRef, ChatLine, EndLine, FileLine, Line, MessageLine, UnreadableExportError, load_line
from .spool import Piece, Spool

MAX_LABELS = 50
LARGEST = 10**12
"""Of tokens, milliseconds and millionths of a dollar; sums of very many of them must fit a column."""
_SHA256 = re.compile(r"[0-9a-f]{64}")


def read_own(
    lines: Iterator[tuple[int, bytes]], *, source: str, spool: Spool, owner_id: str
) -> Iterator[DraftFamily]:
    """Yield the families of an export; the first line has been read.

    Args:
        lines: The others, with their numbers.
        source: The file's name, for errors.
        spool: Takes rows and bytes.
        owner_id: Who will own the chats.

    Raises:
        UnreadableExportError: a line is not as it must be, or the export is cut off.
    """
    reader = _Reader(source, spool, owner_id)
    number = 1
    for number, raw in lines:
        if not raw.strip():
            continue
        try:
            family = reader.add(load_line(raw))
        except ChatdError as error:
            raise UnreadableExportError(f"{source}, line {number}: {_reason(error)}") from error
        if family is not None:
            yield family
    if not reader.is_complete:
        raise UnreadableExportError(
            f"{source}, line {number}: expected a line of type end. The export is cut off: make it again."
        )


def _reason(error: ChatdError) -> str:
    """Return what is wrong with the line, with every field that is."""
    if isinstance(error, InvalidInputError) and error.problems:
        return " ".join(f"{problem.field}: {problem.detail}" for problem in error.problems)
    detail = error.detail if isinstance(error, InvalidInputError) else None
    return detail or str(error)


class _Reader:
    """Puts lines together. One per file."""

    def __init__(self, source: str, spool: Spool, owner_id: str) -> None:
        self.is_complete = False
        self._source = source
        self._spool = spool
        self._owner_id = owner_id
        self._ids: set[str] = set()
        self._members: list[Draft] = []
        self._chat: _OpenChat | None = None
        self._files = 0
        self._messages = 0

    def add(self, line: Line) -> DraftFamily | None:
        """Take a line; return the family that it ends."""
        if self.is_complete:
            raise _wrong("type", "Expected nothing after the line of type end.")
        match line:
            case ChatLine():
                return self._begin(line)
            case FileLine():
                self._files += 1
                self._open_chat().add_file(line)
            case MessageLine():
                self._messages += 1
                self._open_chat().add_message(line)
            case EndLine():
                return self._end(line)
            case _:
                raise _wrong("type", "Expected one header, in the first line.")
        return None

    def _begin(self, line: ChatLine) -> DraftFamily | None:
        if line.id in self._ids:
            raise _wrong("id", f"Expected every chat once; {line.id} came before.")
        self._finish_chat()
        family = self._take_family() if line.parent_chat_id is None else None
        root = self._root_of(line) if line.parent_chat_id is not None else None
        self._ids.add(line.id)
        chat = _chat(line, root=root, owner_id=self._owner_id)
        self._chat = _OpenChat(chat, self._spool)
        return family

    def _root_of(self, line: ChatLine) -> str:
        known = {member.chat.id: member for member in self._members}
        parent = known.get(line.parent_chat_id or "")
        if parent is None:
            raise _wrong("parent_chat_id", "Expected a chat of the same family, in a line before this one.")
        if line.spawned_by is not None and not 1 <= line.spawned_by.message <= parent.messages:
            raise _wrong("spawned_by", f"Expected a message between 1 and {parent.messages} of the parent.")
        return self._members[0].chat.id

    def _finish_chat(self) -> None:
        if self._chat is not None:
            self._members.append(self._chat.draft())
            self._chat = None

    def _take_family(self) -> DraftFamily | None:
        members, self._members = self._members, []
        return DraftFamily(members=tuple(members), source=self._source) if members else None

    def _open_chat(self) -> _OpenChat:
        if self._chat is None:
            raise _wrong("type", "Expected a line of type chat first.")
        return self._chat

    def _end(self, line: EndLine) -> DraftFamily | None:
        came = EndLine(chats=len(self._ids), files=self._files, messages=self._messages)
        if came != line:
            raise _wrong(
                "type",
                f"Expected {line.chats} chats, {line.files} files and {line.messages} messages before it, "
                f"came {came.chats}, {came.files} and {came.messages}. Lines are missing: export again.",
            )
        self.is_complete = True
        self._finish_chat()
        return self._take_family()


class _OpenChat:
    """A chat whose lines come."""

    def __init__(self, chat: Chat, spool: Spool) -> None:
        self._chat = chat
        self._spool = spool
        self._files: list[DraftFile] = []
        self._start = 0
        self._messages = 0
        self._named: set[str] = set()

    def add_file(self, line: FileLine) -> None:
        """Take a file."""
        if self._messages:
            raise _wrong("type", "Expected the files of a chat before its messages.")
        self._files.append(read_file(line, owner_id=self._chat.owner_id, spool=self._spool))

    def add_message(self, line: MessageLine) -> None:
        """Take a message."""
        if not self._messages:
            self._start = self._spool.tell()
        self._messages += 1
        if line.number != self._messages:
            raise _wrong("number", f"Expected message {self._messages} of the chat, came {line.number}.")
        row = _row(line)
        self._named |= {part.file_id for part in row.parts if isinstance(part, FilePart) and part.file_id}
        self._spool.add_row(row)

    def draft(self) -> Draft:
        """Return what came."""
        return Draft(
            chat=self._chat,
            files=tuple(self._files),
            messages=self._messages,
            piece=Piece(start=self._start, size=self._spool.tell() - self._start if self._messages else 0),
            lost_files=len(self._named - {one.file.id for one in self._files}),
        )


def _wrong(field: str, detail: str) -> InvalidInputError:
    problem = FieldProblem(field=field, detail=detail)
    return InvalidInputError(detail, problems=(problem,))


def _seconds(field: str, text: str) -> float:
    try:
        seconds = wire.utc_seconds(text)
        wire.rfc3339(seconds)
    except (ValueError, OverflowError, OSError):
        raise _wrong(
            field, f"Expected a time like 2026-11-21T07:30:00.000000Z, came {text[:40]!r}."
        ) from None
    return seconds


def is_uuid(text: str) -> bool:
    """Whether that is an id as we make them."""
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False


def _chat(line: ChatLine, *, root: str | None, owner_id: str) -> Chat:
    if not is_uuid(line.id):
        raise _wrong("id", f"Expected a UUID in lower case, came {line.id[:40]!r}.")
    if not line.model.strip():
        raise _wrong("model", "Expected provider:model, came nothing.")
    if len(line.labels) > MAX_LABELS:
        raise _wrong("labels", f"Expected at most {MAX_LABELS}, came {len(line.labels)}.")
    created_at = _seconds("created_at", line.created_at)
    return Chat(
        id=line.id,
        owner_id=owner_id,
        title=tidy(line.title) or Chat.DEFAULT_TITLE,
        status=ChatStatus.WAITING,
        archived=line.archived,
        model=line.model,
        created_at=created_at,
        updated_at=created_at,
        parent_chat_id=line.parent_chat_id,
        root_chat_id=root,
        spawned_by=line.spawned_by and _key(line.spawned_by),
        mode=line.mode,
        plan_mode=line.plan_mode,
        approval_mode=line.approval_mode,
        labels=line.labels,
        client_type=line.client_type,
    )


def _key(call: CallRef) -> CallKey:
    return CallKey(message_id=call.message, index=call.index)


# Messages


def _row(line: MessageLine) -> NewMessage:
    _check_references(line)
    _check_numbers(line)
    row = NewMessage(
        role=line.role,
        parts=(),
        created_at=_seconds("created_at", line.created_at),
        created_by=line.created_by,
        visibility=line.visibility,
        model=line.model,
        usage=line.usage and known_usage(line.usage),
        compressed=line.compressed,
        covers_until=line.covers_until,
        total_cost_micros=line.total_cost_micros,
        runtime_ms=line.runtime_ms,
        provider_response_id=line.provider_response_id,
        stop_reason=line.stop_reason,
        turn_options=line.turn_options,
        answers=line.answers and _key(line.answers),
    )
    try:
        parts = wire.read_content(line.content, version=line.content_version, role=line.role)
        wire.dump_parts(parts)
    except ValueError as error:
        raise _wrong("content", f"Expected an array of parts: {error}.") from error
    return replace(row, parts=parts)


def _check_references(line: MessageLine) -> None:
    if line.created_by is not None and line.role is not Role.USER:
        raise _wrong("created_by", f"Expected an author of user messages only; this one is {line.role}.")
    if line.answers is not None and line.role is not Role.TOOL:
        raise _wrong("answers", f"Expected a call that a tool message answers; this one is {line.role}.")
    if line.answers is not None and not 1 <= line.answers.message < line.number:
        raise _wrong("answers", f"Expected a message before {line.number}, came {line.answers.message}.")
    if line.covers_until is not None and not line.compressed:
        raise _wrong("covers_until", "Expected it on a summary only, which has compressed set.")
    if line.covers_until is not None and not 0 <= line.covers_until < line.number:
        raise _wrong("covers_until", f"Expected a message before {line.number}, came {line.covers_until}.")


def _check_numbers(line: MessageLine) -> None:
    numbers = {"total_cost_micros": line.total_cost_micros, "runtime_ms": line.runtime_ms}
    if line.usage is not None:
        numbers |= {f"usage.{each.name}": getattr(line.usage, each.name) for each in fields(line.usage)}
    for name, value in numbers.items():
        if value is not None and not 0 <= value <= LARGEST:
            raise _wrong(name, f"Expected a number from 0 to {LARGEST}, came {value}.")


def known_usage(usage: Usage) -> Usage | None:
    """Return usage as it is stored: zero is what nobody said; `None` when nothing is left."""
    known = {each.name: getattr(usage, each.name) or None for each in fields(usage)}
    return Usage(**known) if any(known.values()) else None


# Files


def read_file(line: FileLine, *, owner_id: str, spool: Spool) -> DraftFile:
    """Return a file; its type is told from its bytes, as for any file that comes in.

    Raises:
        InvalidInputError: it is not what the line says of it, or of a type that chats do not hold.
    """
    if not is_uuid(line.id):
        raise _wrong("id", f"Expected a UUID in lower case, came {line.id[:40]!r}.")
    if not _SHA256.fullmatch(line.sha256):
        raise _wrong("sha256", "Expected 64 hexadecimal digits in lower case.")
    if not 0 < line.size_bytes <= LARGEST:
        raise _wrong("size_bytes", f"Expected at least 1, came {line.size_bytes}.")
    file = StoredFile(
        id=line.id,
        owner_id=owner_id,
        name=clean_name(line.name),
        media_type=line.media_type,
        size_bytes=line.size_bytes,
        sha256=line.sha256,
        created_at=_seconds("created_at", line.created_at),
    )
    if line.data is None:
        return DraftFile(file=file)
    data = _decoded(line.data)
    if (len(data), digest_of(data)) != (line.size_bytes, line.sha256):
        raise _wrong("data", "Expected the bytes that size_bytes and sha256 tell of, came others.")
    return DraftFile(file=replace(file, media_type=_media_type(file, data)), data=spool.add_bytes(data))


def _decoded(data: str) -> bytes:
    try:
        return base64.b64decode(data, validate=True)
    except binascii.Error as error:
        raise _wrong("data", f"Expected base64: {error}.") from error


def _media_type(file: StoredFile, data: bytes) -> str:
    found = detect(data)
    if found == PLAIN and file.media_type in TEXTS:
        return file.media_type
    return check_attachment(file.name, data)
