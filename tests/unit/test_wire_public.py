"""What clients see: nothing internal, and the shapes of the API."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import KNOWN_PARTS, json_objects, parts_of

from jupyter_chatd import wire
from jupyter_chatd.messages import (
    Chat,
    ChatStatus,
    ClientTool,
    ContextFilePart,
    ErrorDetail,
    FilePart,
    KnownPart,
    Message,
    QueuedMessage,
    ReasoningPart,
    Role,
    SkillPart,
    StopReason,
    TextPart,
    TurnOptions,
    UnknownPart,
    Usage,
)

NEVER_PUBLIC = {
    ContextFilePart: {"context_file_content", "context_file_os", "context_file_directory"},
    SkillPart: {"skill_dir", "context_file_skill_meta_file"},
}
SECRET = "s3cr3t-marker"
NOON = 1763726400.0  # 2025-11-21T12:00:00Z


def _chat(**values: Any) -> Chat:
    chat = Chat(
        id="c1",
        owner_id="local",
        title="t",
        status=ChatStatus.RUNNING,
        archived=False,
        model="demo:demo",
        created_at=NOON,
        updated_at=NOON,
    )
    return replace(chat, **values)


@pytest.mark.parametrize("part_type", KNOWN_PARTS)
def test_every_field_of_every_part_is_either_public_or_internal(part_type: type[KnownPart]) -> None:
    """A new field fails here until someone decides."""
    public = set(wire.PUBLIC_FIELDS[part_type])
    internal = {"provider_metadata"} | NEVER_PUBLIC.get(part_type, set())
    assert not public & internal
    assert public | internal | {"type"} == {field.name for field in fields(part_type)}


@pytest.mark.parametrize("part_type", KNOWN_PARTS)
def test_internal_fields_never_leave(part_type: type[KnownPart]) -> None:
    internal = {"provider_metadata"} | NEVER_PUBLIC.get(part_type, set())
    secrets: dict[str, Any] = dict.fromkeys(internal, SECRET)
    part = part_type(**secrets)
    assert wire.part_json(part) == {"type": part.type}
    assert wire.strip_internal(part) == part_type()


@pytest.mark.parametrize("part_type", KNOWN_PARTS)
@given(data=st.data())
@settings(deadline=None)
def test_stripping_keeps_every_public_field_and_is_final(
    part_type: type[KnownPart], data: st.DataObject
) -> None:
    part = data.draw(parts_of(part_type))
    stripped = wire.strip_internal(part)
    kept = set(wire.PUBLIC_FIELDS[part_type]) - (
        {"data"} if getattr(part, "file_id", None) is not None else set()
    )
    for field in fields(part_type):
        expected = getattr(part, field.name) if field.name in kept else field.default
        assert getattr(stripped, field.name) == expected
    assert wire.strip_internal(stripped) == stripped
    assert wire.part_json(stripped) == wire.part_json(part)


@given(json_objects)
@settings(deadline=None)
def test_of_an_unknown_part_only_the_type_leaves(raw: dict[str, Any]) -> None:
    part = UnknownPart(raw={**raw, "type": "hologram", "anything": SECRET})
    assert wire.part_json(part) == {"type": "hologram"}
    assert wire.strip_internal(part) == UnknownPart(raw={"type": "hologram"})


def test_stored_files_leave_without_bytes_and_live_ones_with_them() -> None:
    stored = FilePart(media_type="image/png", data="AAAA", file_id="f1")
    assert wire.part_json(stored) == {"type": "file", "media_type": "image/png", "file_id": "f1"}
    assert wire.part_json(replace(stored, file_id=None))["data"] == "AAAA"


def test_times_of_parts_are_spelled_for_clients() -> None:
    part = ReasoningPart(text="a", created_at=NOON, completed_at=NOON + 0.25)
    assert wire.part_json(part) == {
        "type": "reasoning",
        "text": "a",
        "created_at": "2025-11-21T12:00:00.000000Z",
        "completed_at": "2025-11-21T12:00:00.250000Z",
    }


def test_a_message_as_clients_see_it() -> None:
    message = Message(
        id=7,
        chat_id="c1",
        role=Role.ASSISTANT,
        parts=(TextPart(text="a", provider_metadata={"x": SECRET}),),
        created_at=NOON,
        model="demo:demo",
        usage=Usage(input_tokens=5, output_tokens=2),
        total_cost_micros=3,
        runtime_ms=10,
        provider_response_id=SECRET,
        stop_reason=StopReason.END,
        turn_options=TurnOptions(model=SECRET),
        compressed=True,
    )
    assert wire.message_json(message) == {
        "id": 7,
        "chat_id": "c1",
        "role": "assistant",
        "content": [{"type": "text", "text": "a"}],
        "created_at": "2025-11-21T12:00:00.000000Z",
        "model": "demo:demo",
        "usage": {"input_tokens": 5, "output_tokens": 2},
        "total_cost_micros": 3,
        "runtime_ms": 10,
        "stop_reason": "end",
        "compressed": True,
    }


def test_an_empty_message_still_has_its_content() -> None:
    message = Message(
        id=7, chat_id="c1", role=Role.USER, parts=(), created_at=NOON, created_by="ann", usage=Usage()
    )
    assert wire.message_json(message) == {
        "id": 7,
        "chat_id": "c1",
        "role": "user",
        "content": [],
        "created_at": "2025-11-21T12:00:00.000000Z",
        "created_by": "ann",
    }


def test_a_queued_message_as_clients_see_it() -> None:
    queued = QueuedMessage(
        id=3,
        chat_id="c1",
        parts=(TextPart(text="a"),),
        created_at=NOON,
        created_by="ann",
        turn_options=TurnOptions(model=SECRET),
    )
    assert wire.queued_json(queued) == {
        "id": 3,
        "chat_id": "c1",
        "content": [{"type": "text", "text": "a"}],
        "created_at": "2025-11-21T12:00:00.000000Z",
        "created_by": "ann",
    }


def test_a_chat_as_clients_see_it() -> None:
    chat = _chat(
        worker_id=SECRET,
        runner_id=SECRET,
        client_tools=(ClientTool(name="f", description=SECRET),),
        labels={"a": "b"},
        mcp_server_ids=("m",),
        snapshot_version=4,
        history_version=3,
    )
    assert wire.chat_json(chat, pending=False) == {
        "id": "c1",
        "owner_id": "local",
        "root_chat_id": "c1",
        "title": "t",
        "status": "running",
        "last_error": None,
        "model": "demo:demo",
        "created_at": "2025-11-21T12:00:00.000000Z",
        "updated_at": "2025-11-21T12:00:00.000000Z",
        "archived": False,
        "approval_mode": "auto",
        "mcp_server_ids": ["m"],
        "labels": {"a": "b"},
        "pin_order": 0,
        "has_unread": False,
        "client_type": "api",
        "snapshot_version": 4,
        "history_version": 3,
    }


def test_a_running_chat_without_a_worker_is_pending() -> None:
    assert wire.chat_json(_chat(), pending=True)["status"] == "pending"


def test_a_child_names_its_parent_and_root_and_what_else_it_has() -> None:
    chat = _chat(parent_chat_id="p", workspace_id="w", model_config_id="m", mode="explore", plan_mode="plan")
    given_ = {"parent_chat_id", "root_chat_id", "workspace_id", "last_model_config_id", "mode", "plan_mode"}
    shown = wire.chat_json(chat, pending=False)
    assert {name: shown[name] for name in given_} == {
        "parent_chat_id": "p",
        "root_chat_id": "p",
        "workspace_id": "w",
        "last_model_config_id": "m",
        "mode": "explore",
        "plan_mode": "plan",
    }
    assert wire.chat_json(replace(chat, root_chat_id="r"), pending=False)["root_chat_id"] == "r"


def test_a_failed_chat_shows_its_error() -> None:
    error = ErrorDetail(message="no key", kind="auth", provider="openai", status_code=401)
    shown = wire.chat_json(_chat(status=ChatStatus.ERROR, last_error=error), pending=False)
    assert shown["last_error"] == {
        "message": "no key",
        "kind": "auth",
        "provider": "openai",
        "retryable": False,
        "status_code": 401,
    }


def test_what_clients_see_is_json() -> None:
    chat = _chat(labels={"a": "b"}, mcp_server_ids=("m",))
    assert json.loads(wire.dump_json(wire.chat_json(chat, pending=False)))["labels"] == {"a": "b"}
