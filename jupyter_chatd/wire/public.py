"""What clients see of chats, messages and parts: dicts ready for JSON.

Every part on its way out, by REST or on the stream, passes `PUBLIC_FIELDS`. It lists what may leave, so a new
field stays inside until someone lists it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..hits import Hit
from ..messages import (
    Action,
    Chat,
    ContextFilePart,
    ErrorDetail,
    FilePart,
    FileReferencePart,
    KnownPart,
    Message,
    Part,
    QueuedMessage,
    ReasoningPart,
    RetryState,
    SkillPart,
    SourcePart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    ToolRun,
    UnknownPart,
)
from .parts import TIME_FIELDS, FieldDefaults, field_defaults, pick
from .times import rfc3339
from .values import plain

PENDING = "pending"
"""What the API calls a running chat that no live worker owns."""

PUBLIC_FIELDS: Mapping[type[KnownPart], tuple[str, ...]] = {
    TextPart: ("text", "signature"),
    ReasoningPart: ("text", "created_at", "completed_at"),
    ToolCallPart: (
        "tool_call_id",
        "tool_name",
        "args",
        "args_delta",
        "provider_executed",
        "mcp_server_config_id",
        "created_at",
    ),
    ToolResultPart: (
        "tool_call_id",
        "tool_name",
        "result",
        "result_delta",
        "is_error",
        "is_media",
        "provider_executed",
        "mcp_server_config_id",
        "created_at",
    ),
    SourcePart: ("source_id", "url", "title"),
    FilePart: ("media_type", "data", "file_id", "name"),
    FileReferencePart: ("file_name", "start_line", "end_line", "content"),
    ContextFilePart: ("context_file_path", "context_file_truncated", "context_file_agent_id"),
    SkillPart: ("skill_name", "skill_description"),
}


def _public_defaults(part_type: type[KnownPart]) -> FieldDefaults:
    return tuple(item for item in field_defaults(part_type) if item[0] in PUBLIC_FIELDS[part_type])


_PUBLIC = {part_type: _public_defaults(part_type) for part_type in PUBLIC_FIELDS}


def strip_internal(part: Part) -> Part:
    """Return *part* without what must not leave the server: vendor metadata, internal fields, stored bytes.

    Of an unknown part only the type is left, since nothing tells which of its fields are internal.
    """
    if isinstance(part, UnknownPart):
        return UnknownPart(raw={"type": part.type})
    return type(part)(**_public_values(part))


def part_json(part: Part) -> dict[str, Any]:
    """Return what clients see of a part; fields at their default are left out."""
    if isinstance(part, UnknownPart):
        return {"type": part.type}
    values = _public_values(part)
    for name in TIME_FIELDS:
        if name in values:
            values[name] = rfc3339(values[name])
    return values


def message_json(message: Message) -> dict[str, Any]:
    """Return what clients see of a message; `content` is always there, other empty fields are left out."""
    return {
        "id": message.id,
        "chat_id": message.chat_id,
        "role": message.role.value,
        "content": [part_json(part) for part in message.parts],
        "created_at": rfc3339(message.created_at),
        **_given(
            created_by=message.created_by,
            client_message_id=message.turn_options.client_message_id if message.turn_options else None,
            model=message.model,
            model_config_id=message.model_config_id,
            usage=(plain(message.usage) or None) if message.usage else None,
            total_cost_micros=message.total_cost_micros,
            runtime_ms=message.runtime_ms,
            stop_reason=message.stop_reason.value if message.stop_reason else None,
            compressed=message.compressed or None,
        ),
    }


def queued_json(queued: QueuedMessage) -> dict[str, Any]:
    """Return what clients see of a queued message."""
    return {
        "id": queued.id,
        "chat_id": queued.chat_id,
        "content": [part_json(part) for part in queued.parts],
        "created_at": rfc3339(queued.created_at),
        **_given(created_by=queued.created_by),
    }


def chat_json(chat: Chat, *, pending: bool) -> dict[str, Any]:
    """Return what clients see of a chat; *pending* when it is running and no live worker owns it."""
    return {
        "id": chat.id,
        "owner_id": chat.owner_id,
        "root_chat_id": chat.family_id,
        "title": chat.title,
        "status": PENDING if pending else chat.status.value,
        "last_error": plain(chat.last_error),
        "model": chat.model,
        "created_at": rfc3339(chat.created_at),
        "updated_at": rfc3339(chat.updated_at),
        "archived": chat.archived,
        "approval_mode": chat.approval_mode,
        "mcp_server_ids": list(chat.mcp_server_ids),
        "labels": dict(chat.labels),
        "pin_order": chat.pin_order,
        "has_unread": chat.has_unread,
        "client_type": chat.client_type,
        "snapshot_version": chat.snapshot_version,
        "history_version": chat.history_version,
        **_given(
            workspace_id=chat.workspace_id,
            parent_chat_id=chat.parent_chat_id,
            last_model_config_id=chat.model_config_id,
            mode=chat.mode,
            plan_mode=chat.plan_mode,
        ),
    }


def hit_json(hit: Hit) -> dict[str, Any]:
    """Return a message that was found; the snippet in pieces, so that nobody has to build HTML of it."""
    return {
        "chat_id": hit.chat_id,
        "chat_title": hit.chat_title,
        "archived": hit.archived,
        "message_id": hit.message_id,
        "role": hit.role.value,
        "created_at": rfc3339(hit.created_at),
        "snippet": [{"text": piece.text, "match": piece.is_match} for piece in hit.snippet],
    }


def error_json(error: ErrorDetail) -> dict[str, Any]:
    """Return what clients see of a failed run."""
    return plain(error)


def retry_json(retry: RetryState) -> dict[str, Any]:
    """Return what clients see of a model call that will be tried again."""
    return {**plain(retry), "retrying_at": rfc3339(retry.retrying_at)}


def action_json(action: Action) -> dict[str, Any]:
    """Return what clients see of a thing that the chat waits for."""
    fields = {**plain(action), "kind": action.kind.value}
    if action.deadline_at is not None:
        fields["deadline_at"] = rfc3339(action.deadline_at)
    return fields


def approval_json(run: ToolRun) -> dict[str, Any]:
    """Return what clients see of a call that asks for an approval, or did."""
    return {
        "message_id": run.message_id,
        "call_index": run.call_index,
        "tool_call_id": run.tool_call_id,
        "tool_name": run.tool_name,
        "args": run.args,
        "approval": run.approval.value if run.approval else None,
        "scope": run.approval_scope.value if run.approval_scope else None,
        "decided_by": run.decided_by,
        "decided_at": rfc3339(run.decided_at) if run.decided_at is not None else None,
    }


def _public_values(part: KnownPart) -> dict[str, Any]:
    values = pick(part, _PUBLIC[type(part)])
    if "file_id" in values:
        values.pop("data", None)
    return values


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
