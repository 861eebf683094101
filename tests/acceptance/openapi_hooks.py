"""What schemathesis cannot know of the server that it asks; it imports this in its own process."""

from __future__ import annotations

import json
import os
from typing import Any

import schemathesis

KNOWN = "OPENAPI_HOOKS_KNOWN"
"""Environment variable: a chat that waits for a client, and its call, as `{"chat_id", "message_id"}`."""

ABOUT_SERVERS = {"createMcpServer", "changeMcpServer"}
ABOUT_CALLS = {"sendToolResults", "decideCall", "editMessage"}


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Ask for what there is, where what was made up is only never found."""
    name = case.operation.definition.raw["operationId"]
    path = case.path_parameters
    if name == "followChat":
        path["chat_id"] = "none"  # the stream of a chat does not end
    elif name in ABOUT_SERVERS and isinstance(case.body, dict) and case.body.get("enabled", True) is True:
        case.body["enabled"] = False  # no turn may start or reach what was made up
    elif name in ABOUT_CALLS and _is_even(case):
        known = json.loads(os.environ[KNOWN])
        path["chat_id"] = known["chat_id"]
        if str(path.get("message_id", "")).isdigit():
            path["message_id"] = known["message_id"]
        _name_the_call(case.body, known["message_id"])


def _is_even(case: Any) -> bool:
    return len(repr(case.body)) % 2 == 0


def _name_the_call(body: Any, message_id: int) -> None:
    """Put the call into each reference to one that is as it must be."""
    if isinstance(body, list):
        for item in body:
            _name_the_call(item, message_id)
    elif isinstance(body, dict):
        for key in ("claim", "results"):
            _name_the_call(body.get(key), message_id)
        if type(body.get("message_id")) is int and body["message_id"] > 0:
            body["message_id"] = message_id
