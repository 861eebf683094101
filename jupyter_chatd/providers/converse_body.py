"""The messages of a Converse request, encoded without boto3's checks and copies.

For a request of 1,000 turns boto3 needs some 55 ms of CPU in its thread: it checks all, copies all, and
encodes it in one call of `json.dumps` that keeps the interpreter lock for 8 ms. So long the event loop stands
still. Here no call is longer than a message, and nothing is copied. What is wrong with a message, the vendor
says. Measurements: tests/bench/DECISIONS.md.
"""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

from ..pacing import paced
from .long_body import join_body

OPERATIONS = ("Converse", "ConverseStream")
_SET_ASIDE = "chatd_messages"
"""Where the messages are in the context of a request meanwhile."""


def encode_messages_apart(client: Any) -> None:
    """Let a `bedrock-runtime` client of boto3 leave the messages of its requests to this module."""
    for operation in OPERATIONS:
        client.meta.events.register(f"before-parameter-build.bedrock-runtime.{operation}", _set_aside)
        client.meta.events.register(f"before-call.bedrock-runtime.{operation}", _put_in)


def _set_aside(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
    if "messages" in params:
        context[_SET_ASIDE] = params.pop("messages")


def _put_in(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
    if _SET_ASIDE in context:
        messages = map(_ENCODE, paced(context.pop(_SET_ASIDE)))
        params["body"] = join_body("messages", messages, params["body"])


def _base64(value: object) -> str:
    """Serve the encoder with what JSON has no form for: bytes, which the API wants so."""
    if not isinstance(value, (bytes, bytearray)):
        raise TypeError(f"expected a JSON value or bytes in a message, got {type(value).__name__}")
    return b64encode(value).decode("ascii")


_ENCODE = json.JSONEncoder(default=_base64, separators=(",", ":")).encode
