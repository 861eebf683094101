"""Rows to values and back: the only place that spells the columns of chats, messages, queue and journal."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
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
    StopReason,
    ToolResultPart,
    ToolRun,
    TurnOptions,
    Usage,
    Visibility,
)

USAGE_COLUMNS = (
    "input_tokens",
    "output_tokens",
    "total_tokens",
    "reasoning_tokens",
    "cache_creation_tokens",
    "cache_read_tokens",
    "context_limit",
)

_INSERT_MESSAGE = """
INSERT INTO messages (
    id, chat_id, created_by, created_at, role, content, content_version, visibility, model, model_config_id,
    input_tokens, output_tokens, total_tokens, reasoning_tokens, cache_creation_tokens, cache_read_tokens,
    context_limit, compressed, covers_until, total_cost_micros, runtime_ms, provider_response_id, stop_reason,
    turn_options, answers_message_id, answers_call_index, revision
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


def _call_key(message_id: int | None, index: int | None) -> CallKey | None:
    return None if message_id is None or index is None else CallKey(message_id=message_id, index=index)


def _optional(cls: type[Any], text: str | None) -> Any:
    return None if text is None else wire.load_value(cls, text)


def chat_from_row(row: sqlite3.Row) -> Chat:
    """Return the chat that a row of `SELECT * FROM chats` holds; `has_unread` when the query added it."""
    return Chat(
        id=row["id"],
        owner_id=row["owner_id"],
        title=row["title"],
        status=ChatStatus(row["status"]),
        archived=bool(row["archived"]),
        model=row["model"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        model_config_id=row["model_config_id"],
        workspace_id=row["workspace_id"],
        parent_chat_id=row["parent_chat_id"],
        root_chat_id=row["root_chat_id"],
        spawned_by=_call_key(row["spawn_message_id"], row["spawn_call_index"]),
        worker_id=row["worker_id"],
        runner_id=row["runner_id"],
        last_error=_optional(ErrorDetail, row["last_error"]),
        retry_state=_optional(RetryState, row["retry_state"]),
        action_deadline_at=row["action_deadline_at"],
        compaction_requested_at=row["compaction_requested_at"],
        snapshot_version=row["snapshot_version"],
        history_version=row["history_version"],
        queue_version=row["queue_version"],
        retry_state_version=row["retry_state_version"],
        generation_attempt=row["generation_attempt"],
        mode=row["mode"],
        plan_mode=row["plan_mode"],
        approval_mode=row["approval_mode"],
        mcp_server_ids=tuple(wire.load_json(row["mcp_server_ids"])),
        labels=wire.load_json(row["labels"]),
        pin_order=row["pin_order"],
        last_read_message_id=row["last_read_message_id"],
        client_tools=client_tools_from_json(row["client_tools"]),
        client_type=row["client_type"],
        has_unread=bool(row["has_unread"]) if "has_unread" in row.keys() else False,  # noqa: SIM118 - a Row
    )


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
    """Return the column values for the given fields of a chat."""
    columns: dict[str, Any] = {}
    for name, value in values.items():
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
    role = Role(row["role"])
    usage = {name: row[name] for name in USAGE_COLUMNS}
    return Message(
        id=row["id"],
        chat_id=row["chat_id"],
        role=role,
        parts=wire.load_parts(row["content"], version=row["content_version"], role=role),
        created_at=row["created_at"],
        created_by=row["created_by"],
        visibility=Visibility(row["visibility"]),
        model=row["model"],
        model_config_id=row["model_config_id"],
        usage=Usage(**usage) if any(value is not None for value in usage.values()) else None,
        compressed=bool(row["compressed"]),
        covers_until=row["covers_until"],
        total_cost_micros=row["total_cost_micros"],
        runtime_ms=row["runtime_ms"],
        provider_response_id=row["provider_response_id"],
        stop_reason=StopReason(row["stop_reason"]) if row["stop_reason"] else None,
        turn_options=_optional(TurnOptions, row["turn_options"]),
        answers=_call_key(row["answers_message_id"], row["answers_call_index"]),
        revision=row["revision"],
        deleted=bool(row["deleted"]),
    )


def insert_message(
    conn: sqlite3.Connection, new: NewMessage, *, message_id: int, chat_id: str, now: float, revision: int
) -> Message:
    """Insert one row, content version 1, and its searchable text; return it as it is now stored."""
    usage = new.usage or Usage()
    answers = new.answers
    conn.execute(
        _INSERT_MESSAGE,
        (
            message_id,
            chat_id,
            new.created_by,
            now,
            new.role.value,
            wire.dump_parts(new.parts),
            CONTENT_VERSION,
            new.visibility.value,
            new.model,
            new.model_config_id,
            *(getattr(usage, name) or None for name in USAGE_COLUMNS),
            int(new.compressed),
            new.covers_until,
            new.total_cost_micros,
            new.runtime_ms,
            new.provider_response_id,
            new.stop_reason.value if new.stop_reason else None,
            wire.dump_value(new.turn_options) if new.turn_options else None,
            answers.message_id if answers else None,
            answers.index if answers else None,
            revision,
        ),
    )
    message = Message(
        id=message_id,
        chat_id=chat_id,
        role=new.role,
        parts=new.parts,
        created_at=now,
        created_by=new.created_by,
        visibility=new.visibility,
        model=new.model,
        model_config_id=new.model_config_id,
        usage=new.usage,
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
    _index_text(conn, message)
    return message


def _index_text(conn: sqlite3.Connection, message: Message) -> None:
    if message.role in (Role.USER, Role.ASSISTANT) and message.visibility is not Visibility.MODEL:
        text = message.text
        if text.strip():
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
    return ToolRun(
        message_id=row["message_id"],
        call_index=row["call_index"],
        chat_id=row["chat_id"],
        tool_call_id=row["tool_call_id"],
        tool_name=row["tool_name"],
        args=None if row["args"] is None else wire.load_json(row["args"]),
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        result=result_from_json(row["result"]),
        action=ActionKind(row["action"]) if row["action"] else None,
        approval=Approval(row["approval"]) if row["approval"] else None,
        decided_by=row["decided_by"],
        decided_at=row["decided_at"],
        claimed_by=row["claimed_by"],
    )


def result_from_json(text: str | None) -> ToolResultPart | None:
    """Return a journalled result."""
    if text is None:
        return None
    (part,) = wire.load_parts(text, version=CONTENT_VERSION, role=Role.TOOL)
    return part if isinstance(part, ToolResultPart) else None


def result_to_json(part: ToolResultPart) -> str:
    """Return a result as the journal keeps it."""
    return wire.dump_parts((part,))


def messages_from_rows(rows: Iterable[sqlite3.Row]) -> tuple[Message, ...]:
    """Return the messages of several rows, in their order."""
    return tuple(message_from_row(row) for row in rows)
