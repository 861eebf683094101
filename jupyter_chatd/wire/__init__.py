"""JSON and values: stored rows, what clients see, what they send.

Belongs here: the shapes of JSON and their versions. Does not: SQL, HTTP, who may see what.

    messages.Part ── dump_parts ──► content column ── load_parts ──► messages.Part
    values ── message_json, chat_json, event_json … ──► clients ── message_from_json … ──► values
    request bytes ── parse_body ──► a dataclass of api/requests.py ── parse_input_parts ──► messages.Part
"""

from __future__ import annotations

from .content import dump_parts, load_parts, read_content, stored_parts
from .inputs import FindFile, parse_input_parts
from .jsontext import MAX_DEPTH, clean_json, clean_text, dump_json, load_json
from .nul import decode_nul, encode_nul
from .public import (
    PUBLIC_FIELDS,
    action_json,
    approval_json,
    chat_json,
    error_json,
    hit_json,
    message_json,
    part_json,
    queued_json,
    retry_json,
    strip_internal,
)
from .replies import chat_from_json, event_from_json, hit_from_json, message_from_json, queued_from_json
from .requests import MAX_BODY_BYTES, check_free_json, parse_body, parse_object
from .stream import event_json
from .times import rfc3339, utc_seconds
from .values import dump_value, load_value, plain

__all__ = [
    "MAX_BODY_BYTES",
    "MAX_DEPTH",
    "PUBLIC_FIELDS",
    "FindFile",
    "action_json",
    "approval_json",
    "chat_from_json",
    "chat_json",
    "check_free_json",
    "clean_json",
    "clean_text",
    "decode_nul",
    "dump_json",
    "dump_parts",
    "dump_value",
    "encode_nul",
    "error_json",
    "event_from_json",
    "event_json",
    "hit_from_json",
    "hit_json",
    "load_json",
    "load_parts",
    "load_value",
    "message_from_json",
    "message_json",
    "parse_body",
    "parse_input_parts",
    "parse_object",
    "part_json",
    "plain",
    "queued_from_json",
    "queued_json",
    "read_content",
    "retry_json",
    "rfc3339",
    "stored_parts",
    "strip_internal",
    "utc_seconds",
]
