"""Rows to values and back: the only place that spells the columns of chats, messages, queue and journal."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from .. import wire
from ..messages import (
    CONTENT_VERSION,
    ActionKind,
    Approval,
    CallKey,
    Chat,
    ChatStatus,
    ClientTool,
    ErrorDetail,
    Message,
    NewMessage,
    QueuedMessage,
    RetryState,
    Role,
    Scope,
    StopReason,
    ToolResultPart,
    ToolRun,
    TurnOptions,
    Usage,
    Visibility,
)
from .quick import quick

USAGE_COLUMNS = (
    "input_tokens",
    "output_tokens",
    "total_tokens",
    "reasoning_tokens",
    "cache_creation_tokens",
    "cache_read_tokens",
    "context_limit",
)


def _call_key(message_id: int | None, index: int | None) -> CallKey | None:
    return None if message_id is None or index is None else CallKey(message_id=message_id, index=index)


def _optional(cls: type[Any], text: str | None) -> Any:
    return None if text is None else wire.load_value(cls, text)


IS_UNREAD = """
EXISTS (SELECT 1 FROM messages AS m WHERE m.chat_id = chats.id AND m.role = 'assistant' AND m.deleted = 0
        AND m.id > COALESCE(chats.last_read_message_id, 0)) AS has_unread
"""
"""A column to select from chats: whether an answer came after what the user has read."""


def _values(row: sqlite3.Row) -> dict[str, Any]:
    """Return the row by column name; `sqlite3.Row` itself searches all names at each look-up."""
    return dict(zip(row.keys(), row, strict=True))


def chat_from_row(row: sqlite3.Row) -> Chat:
    """Return the chat that a row of chats holds; `has_unread` when the query added `IS_UNREAD`."""
    values = _values(row)
    del values["change_id"]
    values["spawned_by"] = _call_key(values.pop("spawn_message_id"), values.pop("spawn_call_index"))
    values["status"] = ChatStatus(values["status"])
    values["archived"] = bool(values["archived"])
    values["last_error"] = _optional(ErrorDetail, values["last_error"])
    values["retry_state"] = _optional(RetryState, values["retry_state"])
    values["mcp_server_ids"] = tuple(_load_unless(values["mcp_server_ids"], "[]", ()))
    values["labels"] = _load_unless(values["labels"], "{}", {})
    values["client_tools"] = client_tools_from_json(values["client_tools"])
    values["has_unread"] = bool(values.get("has_unread"))
    return Chat(**values)


def _load_unless(text: str, blank: str, empty: Any) -> Any:
    return empty if text == blank else wire.load_json(text)


def client_tools_from_json(text: str) -> tuple[ClientTool, ...]:
    """Return the tools that a chat's client brought."""
    return () if text == "[]" else wire.load_value(tuple[ClientTool, ...], text)


_ENCODED = {
    "last_error": wire.dump_value,
    "retry_state": wire.dump_value,
    "client_tools": wire.dump_value,
    "mcp_server_ids": wire.dump_json,
    "labels": wire.dump_json,
}


def chat_columns(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the column values for the given fields of a chat; `has_unread` is computed and has none."""
    columns: dict[str, Any] = {}
    for name, value in values.items():
        if name == "has_unread":
            continue
        if name == "spawned_by":
            columns["spawn_message_id"] = value.message_id if value else None
            columns["spawn_call_index"] = value.index if value else None
        elif value is not None and name in _ENCODED:
            columns[name] = _ENCODED[name](value)
        else:
            columns[name] = value
    return columns


def message_from_row(row: sqlite3.Row) -> Message:
    """Return the message that a row of `SELECT * FROM messages` holds."""
    values = _values(row)
    del values["call_count"]
    role = values["role"] = Role(values["role"])
    values["parts"] = wire.load_parts(values.pop("content"), version=values.pop("content_version"), role=role)
    values["visibility"] = Visibility(values["visibility"])
    values["usage"] = _usage({name: values.pop(name) for name in USAGE_COLUMNS})
    values["compressed"] = bool(values["compressed"])
    values["stop_reason"] = StopReason(values["stop_reason"]) if values["stop_reason"] else None
    values["turn_options"] = _optional(TurnOptions, values["turn_options"])
    values["answers"] = _call_key(values.pop("answers_message_id"), values.pop("answers_call_index"))
    values["deleted"] = bool(values["deleted"])
    return Message(**values)


def _usage(tokens: dict[str, int | None]) -> Usage | None:
    """Return the usage without zeros, which mean that the vendor did not say; `None` when nothing is left."""
    known = {name: count for name, count in tokens.items() if count}
    return Usage(**known) if known else None


_make_message = quick(Message)


def _tokens(usage: Usage | None) -> dict[str, int | None]:
    """Return the columns of a usage."""
    return {} if usage is None else {name: getattr(usage, name) or None for name in USAGE_COLUMNS}


@cache
def _insert_message(columns: tuple[str, ...]) -> str:
    """Return the statement that inserts a message with these columns; the others get their defaults."""
    marks = ", ".join("?" * len(columns))
    return f"INSERT INTO messages ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608 - names are ours


def insert_message(
    conn: sqlite3.Connection, new: NewMessage, *, message_id: int, chat_id: str, now: float, revision: int
) -> Message:
    """Insert one row, content version 1; return it as it is now stored."""
    tokens = _tokens(new.usage)
    message = _make_message(
        id=message_id,
        chat_id=chat_id,
        role=new.role,
        parts=new.parts,
        created_at=now if new.created_at is None else new.created_at,
        created_by=new.created_by,
        visibility=new.visibility,
        model=new.model,
        model_config_id=new.model_config_id,
        usage=_usage(tokens) if tokens else None,
        compressed=new.compressed,
        covers_until=new.covers_until,
        total_cost_micros=new.total_cost_micros,
        runtime_ms=new.runtime_ms,
        provider_response_id=new.provider_response_id,
        stop_reason=new.stop_reason,
        turn_options=new.turn_options,
        answers=new.answers,
        revision=revision,
    )
    answers = new.answers
    columns = {
        "id": message_id,
        "chat_id": chat_id,
        "created_by": new.created_by,
        "created_at": message.created_at,
        "role": new.role.value,
        "content": wire.dump_parts(new.parts),
        "content_version": CONTENT_VERSION,
        "visibility": new.visibility.value,
        "model": new.model,
        "model_config_id": new.model_config_id,
        **tokens,
        "compressed": int(new.compressed),
        "covers_until": new.covers_until,
        "total_cost_micros": new.total_cost_micros,
        "runtime_ms": new.runtime_ms,
        "provider_response_id": new.provider_response_id,
        "stop_reason": new.stop_reason.value if new.stop_reason else None,
        "turn_options": wire.dump_value(new.turn_options) if new.turn_options else None,
        "call_count": len(message.tool_calls),
        "answers_message_id": answers.message_id if answers else None,
        "answers_call_index": answers.index if answers else None,
        "revision": revision,
    }
    # A null that is bound costs as much as two values: rows of tools have 16.
    given = {name: value for name, value in columns.items() if value is not None}
    conn.execute(_insert_message(tuple(given)), tuple(given.values()))
    return message


def searchable_text(message: Message) -> str:
    """Return what a search finds the message by; empty when nothing."""
    if message.role not in (Role.USER, Role.ASSISTANT) or message.visibility is Visibility.MODEL:
        return ""
    text = message.text
    return text if text.strip() else ""


def index_text(conn: sqlite3.Connection, message: Message) -> None:
    """Let a search find the message: one of very many. Others are indexed with their commit (`Group`)."""
    if text := searchable_text(message):
        conn.execute("INSERT INTO message_search (rowid, text) VALUES (?, ?)", (message.id, text))


def queued_from_row(row: sqlite3.Row) -> QueuedMessage:
    """Return the queued message that a row of `SELECT * FROM queued_messages` holds."""
    return QueuedMessage(
        id=row["id"],
        chat_id=row["chat_id"],
        parts=wire.load_parts(row["content"], version=row["content_version"], role=Role.USER),
        created_at=row["created_at"],
        created_by=row["created_by"],
        turn_options=_optional(TurnOptions, row["turn_options"]),
    )


def tool_run_from_row(row: sqlite3.Row) -> ToolRun:
    """Return the journal entry that a row of `SELECT * FROM tool_runs` holds."""
    values = _values(row)
    values["args"] = None if values["args"] is None else wire.load_json(values["args"])
    values["result"] = result_from_json(values["result"])
    values["action"] = ActionKind(values["action"]) if values["action"] else None
    values["approval"] = Approval(values["approval"]) if values["approval"] else None
    values["approval_scope"] = Scope(values["approval_scope"]) if values["approval_scope"] else None
    return ToolRun(**values)


def result_from_json(text: str | None) -> ToolResultPart | None:
    """Return a journalled result."""
    if text is None:
        return None
    (part,) = wire.load_parts(text, version=CONTENT_VERSION, role=Role.TOOL)
    return part if isinstance(part, ToolResultPart) else None


def result_to_json(part: ToolResultPart) -> str:
    """Return a result as the journal keeps it."""
    return wire.dump_parts((part,))


def as_stored(part: ToolResultPart) -> ToolResultPart | None:
    """Return a result as it will be read again, to compare with one that was."""
    return result_from_json(result_to_json(part))


def messages_from_rows(rows: Iterable[sqlite3.Row]) -> tuple[Message, ...]:
    """Return the messages of several rows, in their order."""
    return tuple(message_from_row(row) for row in rows)
