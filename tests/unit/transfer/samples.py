"""Small exports, as lines and as JSON of the original system."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

ROOT = "6f1c7f0e-8f43-4f0c-9a51-0d5b1c2a7e11"
CHILD = "7a2d8e1f-9054-4a1d-8b62-1e6c2d3b8f22"
FILE = "0d0c2a36-93b6-4a0e-8f4e-4d0f5f0f3a52"
AT = "2026-11-21T07:30:00.000000Z"
HELLO = b"hello"

Line = dict[str, Any]


def header(**values: Any) -> Line:
    return {"type": "export", "format": "jupyter_chatd", "version": 1, **values}


def chat(chat_id: str = ROOT, **values: Any) -> Line:
    return {"type": "chat", "id": chat_id, "title": "Sizes", "model": "demo:demo", "created_at": AT, **values}


def file(data: bytes = HELLO, **values: Any) -> Line:
    return {
        "type": "file",
        "id": FILE,
        "name": "note.txt",
        "media_type": "text/plain",
        "size_bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "created_at": AT,
        "data": base64.b64encode(data).decode(),
        **values,
    }


def message(number: int, role: str = "user", *parts: Line, **values: Any) -> Line:
    author = {"created_by": "ada"} if role == "user" else {}
    return {
        "type": "message",
        "number": number,
        "role": role,
        "created_at": AT,
        "content_version": 1,
        "content": list(parts) or [text(f"{role} {number}")],
        **author,
        **values,
    }


def text(words: str) -> Line:
    return {"type": "text", "text": words}


def call(call_id: str = "c1") -> Line:
    return {"type": "tool-call", "tool_call_id": call_id, "tool_name": "execute", "args": {}}


def result(call_id: str = "c1") -> Line:
    return {
        "type": "tool-result",
        "tool_call_id": call_id,
        "tool_name": "execute",
        "result": {"output": "ok"},
    }


def row(row_id: int, role: str, content: object, **values: Any) -> Line:
    """A message of the original system."""
    return {
        "id": row_id,
        "role": role,
        "content": content,
        "created_at": f"2026-03-02T10:00:{row_id:02}+00:00",
        **values,
    }


def original(*rows: Line, **values: Any) -> Line:
    """A chat of the original system with its messages."""
    chat_values = {"id": ROOT, "title": "Before", "created_at": "2026-03-02T10:00:00Z", **values}
    return {"chat": chat_values, "messages": list(rows)}
