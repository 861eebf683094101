"""Chats of the original system, as JSON of its REST API or of its tables, to drafts.

Taken are one chat or a list of them, each in one of these shapes:

    {"chat": {…}, "messages": […], "queued_messages": […], "files": […]}
    {…the chat's own fields…, "messages": […]}

`messages` may also be the whole reply of its messages route. A message with a `content_version` is a row of
its table: then version 0 is read too, and NUL is decoded. Without one it is what the API shows, version 1.
What the original knows and this system does not (organizations, diffs, model configs, workspaces) is left
out; fields that are not there have their defaults.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, cast

from .. import wire
from ..errors import ChatdError
from ..messages import Chat, ChatStatus, FilePart, NewMessage, Part, Role, TextPart, Usage, Visibility
from ..titles import tidy
from .draft import Draft, DraftFamily, DraftFile
from .lines import FileLine, UnreadableExportError
from .own import LARGEST, MAX_LABELS, is_uuid, known_usage, read_file
from .spool import Piece, Spool

NAMESPACE = uuid.UUID("5c1de8c6-5b0c-5d7b-9d0e-0a5d0b6e8f31")
"""Makes ids of foreign ones that are no UUIDs, the same at every import."""

Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Given:
    """What the file does not say."""

    source: str
    spool: Spool
    owner_id: str
    default_model: str
    system_prompt: str


def read_original(
    document: object, *, source: str, spool: Spool, owner_id: str, default_model: str, system_prompt: str
) -> Iterator[DraftFamily]:
    """Yield the families of a decoded JSON document.

    Args:
        document: What the file holds.
        source: The file's name, for errors.
        spool: Takes rows and bytes.
        owner_id: Who will own the chats.
        default_model: The model of chats that do not name one, `provider:model`; `""` when there is none.
        system_prompt: Begins chats that have no system message; `""` for none.

    Raises:
        UnreadableExportError: it has none of the known shapes, or something in it is not as it must be.
    """
    given = _Given(
        source=source,
        spool=spool,
        owner_id=owner_id,
        default_model=default_model,
        system_prompt=system_prompt,
    )
    drafts = [_draft(_At(given, path), item) for path, item in _items(given, document)]
    yield from _families(drafts, source)


@dataclass(frozen=True, slots=True)
class _At:
    """A place in the document, for errors."""

    given: _Given
    path: str

    def step(self, name: str | int) -> _At:
        """Return a place below."""
        return _At(self.given, f"{self.path}[{name}]" if isinstance(name, int) else f"{self.path}.{name}")

    def wrong(self, detail: str) -> UnreadableExportError:
        """Return the error that something here is not as it must be."""
        return UnreadableExportError(f"{self.given.source}, {self.path.lstrip('.') or 'the top'}: {detail}")

    def object(self, value: object) -> Object:
        """Return *value* as what it must be."""
        if not isinstance(value, Mapping):
            raise self.wrong(f"Expected an object, came {type(value).__name__}.")
        return cast("Object", value)

    def objects(self, value: object) -> list[tuple[_At, Object]]:
        """Return *value*, which must be an array of objects or absent, with the place of each."""
        if not isinstance(value, list | None):
            raise self.wrong(f"Expected an array, came {type(value).__name__}.")
        items = cast("list[object]", value or [])
        return [(self.step(index), self.step(index).object(item)) for index, item in enumerate(items)]


# Chats


def _items(given: _Given, document: object) -> Iterator[tuple[str, Object]]:
    """Yield what holds one chat each, with its place."""
    at = _At(given, "")
    value = document
    if isinstance(value, Mapping) and "chats" in value:
        at, value = at.step("chats"), cast("Object", value)["chats"]
    if isinstance(value, list):
        yield from ((inner.path, item) for inner, item in at.objects(cast("list[Any]", value)))
    else:
        yield at.path, at.object(cast("object", value))


def _draft(at: _At, item: Object) -> Draft:
    if "messages" not in item:
        raise at.wrong(
            "Expected a chat with its messages: an object with the keys chat and messages, or a chat with a "
            "key messages. The messages come from the route …/chats/{chat}/messages."
        )
    chat_at = at.step("chat") if "chat" in item else at
    values = chat_at.object(item["chat"]) if "chat" in item else item
    source = _messages_of(at, item)
    files = [_file(place, one, at.given) for place, one in at.step("files").objects(item.get("files"))]
    chat = _chat(chat_at, values)
    rows = list(_rows(at, source, chat))
    start = at.given.spool.tell()
    for row in rows:
        at.given.spool.add_row(row)
    parts = (part for row in rows for part in row.parts)
    named = {part.file_id for part in parts if isinstance(part, FilePart) and part.file_id}
    return Draft(
        chat=chat,
        files=tuple(files),
        messages=len(rows),
        piece=Piece(start=start, size=at.given.spool.tell() - start),
        lost_files=len(named - {one.file.id for one in files}),
    )


def _messages_of(at: _At, item: Object) -> Object:
    """Return the object with `messages` and `queued_messages`: the item, or a whole reply inside it."""
    inner = item["messages"]
    source = cast("Object", inner) if isinstance(inner, Mapping) else item
    if source.get("has_more"):
        raise at.step("has_more").wrong(
            "Expected all messages, came one page of them. Fetch the others with before_id and join them."
        )
    return source


def _chat(at: _At, values: Object) -> Chat:
    foreign_id = str(_needed(at, values, "id"))
    model = values.get("model") or at.given.default_model
    if not isinstance(model, str) or not model:
        raise at.wrong(
            "It does not say with which model of this server the chat goes on. Name one: --model "
            "provider:model."
        )
    created_at = _seconds(at, values, "created_at")
    parent = values.get("parent_chat_id")
    title = values.get("title")
    return Chat(
        id=_uuid_of(foreign_id),
        owner_id=at.given.owner_id,
        title=tidy(wire.clean_text(title)) if isinstance(title, str) and tidy(title) else Chat.DEFAULT_TITLE,
        status=ChatStatus.WAITING,
        archived=values.get("archived") is True,
        model=model,
        created_at=created_at,
        updated_at=created_at,
        parent_chat_id=_uuid_of(str(parent)) if parent else None,
        mode=_one_of(values.get("mode"), ("computer_use", "explore")),
        plan_mode=_one_of(values.get("plan_mode"), ("plan",)),
        approval_mode=_one_of(values.get("approval_mode"), ("auto", "ask")) or "auto",
        labels=_labels(at, values),
        client_type=_one_of(values.get("client_type"), ("ui", "api")) or "api",
    )


def _uuid_of(foreign_id: str) -> str:
    lower = foreign_id.lower()
    return lower if is_uuid(lower) else str(uuid.uuid5(NAMESPACE, wire.clean_text(foreign_id)))


def _one_of(value: object, words: Sequence[str]) -> str | None:
    """Return the word; `None` for none, and for one that only the original knows."""
    return value if isinstance(value, str) and value in words else None


def _labels(at: _At, values: Object) -> Mapping[str, str]:
    found = at.step("labels").object(values.get("labels") or {})
    if len(found) > MAX_LABELS or not all(isinstance(value, str) for value in found.values()):
        raise at.step("labels").wrong(f"Expected at most {MAX_LABELS} texts.")
    return wire.clean_json(found)


def _families(drafts: Sequence[Draft], source: str) -> Iterator[DraftFamily]:
    """Yield drafts by family. A child whose parent did not come along becomes a chat of its own."""
    ids = {draft.chat.id for draft in drafts}
    children: dict[str, list[Draft]] = {}
    for draft in sorted(drafts, key=lambda draft: (draft.chat.created_at, draft.chat.id)):
        parent = draft.chat.parent_chat_id
        key = parent if parent in ids and parent != draft.chat.id else None
        children.setdefault(key or "", []).append(draft)
    for root in children.get("", []):
        lone = replace(root, chat=replace(root.chat, parent_chat_id=None))
        yield DraftFamily(members=(lone, *_below(root.chat.id, root.chat.id, children)), source=source)


def _below(chat_id: str, root: str, children: Mapping[str, Sequence[Draft]]) -> Iterator[Draft]:
    for child in children.get(chat_id, ()):
        yield replace(child, chat=replace(child.chat, root_chat_id=root))
        yield from _below(child.chat.id, root, children)


# Messages


def _rows(at: _At, source: Object, chat: Chat) -> Iterator[NewMessage]:
    """Yield the rows in order: the history, then what waited in the queue."""
    history = _in_order(at.step("messages"), source.get("messages"))
    rows = [_row(place, one, chat) for place, one in history if one.get("deleted") is not True]
    if at.given.system_prompt and not any(row.role is Role.SYSTEM for row in rows):
        yield NewMessage(
            role=Role.SYSTEM,
            parts=(TextPart(text=at.given.system_prompt),),
            created_at=chat.created_at,
            visibility=Visibility.MODEL,
        )
    yield from rows
    for place, one in _in_order(at.step("queued_messages"), source.get("queued_messages")):
        yield _row(place, {"role": "user", **one}, chat)


def _in_order(at: _At, value: object) -> list[tuple[_At, Object]]:
    """Return rows by id: the API lists the newest first, tables and older versions the oldest."""
    rows = at.objects(value)
    for place, row in rows:
        if type(row.get("id")) is not int:
            raise place.step("id").wrong("Expected a whole number.")
    return sorted(rows, key=lambda item: item[1]["id"])


def _row(at: _At, values: Object, chat: Chat) -> NewMessage:
    role = _role(at, values)
    compressed = values.get("compressed") is True
    author = values.get("created_by")
    has_author = role is Role.USER and not compressed
    usage = values.get("usage")
    model = values.get("model")
    return NewMessage(
        role=role,
        parts=_parts(at, values, role),
        created_at=_seconds(at, values, "created_at"),
        created_by=(author if isinstance(author, str) and author else chat.owner_id) if has_author else None,
        visibility=Visibility(_one_of(values.get("visibility"), tuple(Visibility)) or "both"),
        model=model if isinstance(model, str) else None,
        usage=_usage(at, cast("Object", usage) if isinstance(usage, Mapping) else values),
        compressed=compressed,
        total_cost_micros=_count(at, values, "total_cost_micros"),
        runtime_ms=_count(at, values, "runtime_ms"),
        provider_response_id=_text(values, "provider_response_id"),
    )


def _role(at: _At, values: Object) -> Role:
    word = values.get("role")
    if word not in tuple(Role):
        raise at.step("role").wrong(f"Expected one of {', '.join(Role)}, came {str(word)[:40]!r}.")
    return Role(word)


def _parts(at: _At, values: Object, role: Role) -> tuple[Part, ...]:
    at = at.step("content")
    content, version = values.get("content"), values.get("content_version")
    if version is not None:
        content = wire.decode_nul(content)
    try:
        parts = wire.read_content(
            wire.clean_json(content), version=1 if version is None else version, role=role
        )
        wire.dump_parts(parts)
    except (ValueError, ChatdError) as error:
        raise at.wrong(f"{error}".rstrip(".") + ".") from error
    return tuple(map(_with_uuid, parts))


def _with_uuid(part: Part) -> Part:
    if isinstance(part, FilePart) and part.file_id:
        return replace(part, file_id=_uuid_of(part.file_id))
    return part


def _usage(at: _At, values: Object) -> Usage | None:
    return known_usage(Usage(**{each.name: _count(at, values, each.name) for each in fields(Usage)}))


def _count(at: _At, values: Object, name: str) -> int | None:
    value = values.get(name)
    if value is None:
        return None
    if type(value) is not int or not 0 <= value <= LARGEST:
        raise at.step(name).wrong(f"Expected a whole number from 0 to {LARGEST}.")
    return value


def _text(values: Object, name: str) -> str | None:
    value = values.get(name)
    return wire.clean_text(value) if isinstance(value, str) else None


def _needed(at: _At, values: Object, name: str) -> object:
    if values.get(name) in (None, ""):
        raise at.wrong(f"Expected a field {name}.")
    return values[name]


def _seconds(at: _At, values: Object, name: str) -> float:
    text = _needed(at, values, name)
    try:
        seconds = wire.utc_seconds(str(text))
        wire.rfc3339(seconds)
    except (ValueError, OverflowError, OSError):
        raise at.step(name).wrong(
            f"Expected a time like 2026-11-21T07:30:00Z, came {str(text)[:40]!r}."
        ) from None
    return seconds


# Files


def _file(at: _At, values: Object, given: _Given) -> DraftFile:
    """Return a file: a row of the original's table, its bytes in base64 or as PostgreSQL writes them."""
    data = _bytes(at, values)
    line = FileLine(
        id=_uuid_of(str(_needed(at, values, "id"))),
        name=_text(values, "name") or "",
        media_type=_text(values, "mimetype") or _text(values, "media_type") or "",
        size_bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        created_at=wire.rfc3339(_seconds(at, values, "created_at")),
        data=base64.b64encode(data).decode(),
    )
    try:
        return read_file(line, owner_id=given.owner_id, spool=given.spool)
    except ChatdError as error:
        raise at.wrong(str(error)) from error


def _bytes(at: _At, values: Object) -> bytes:
    text = _needed(at, values, "data")
    try:
        if isinstance(text, str) and text.startswith("\\x"):
            return bytes.fromhex(text[2:])
        return base64.b64decode(str(text), validate=True)
    except (ValueError, binascii.Error) as error:
        raise at.step("data").wrong(f"Expected base64: {error}.") from error
