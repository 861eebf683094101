"""What is encoded here is what boto3 would have sent."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.serialize import create_serializer

from jupyter_chatd.providers.converse_body import OPERATIONS, encode_messages_apart

boto3: Any = pytest.importorskip("boto3")

PICTURE = b"\xfb\xff\xfe picture"  # both letters of base64 that differ in its variant for addresses
MESSAGES: list[dict[str, Any]] = [
    {"role": "user", "content": [{"text": "Wie spät? \u2603"}, {"cachePoint": {"type": "default"}}]},
    {
        "role": "assistant",
        "content": [
            {"reasoningContent": {"redactedContent": PICTURE}},
            {"toolUse": {"toolUseId": "1", "name": "look", "input": {"deep": [1, 2.5, None, {"a": True}]}}},
        ],
    },
    {
        "role": "user",
        "content": [
            {"toolResult": {"toolUseId": "1", "content": [{"json": {"x": []}}], "status": "success"}},
            {"image": {"format": "png", "source": {"bytes": PICTURE}}},
        ],
    },
]
PARAMS: list[dict[str, Any]] = [
    {"modelId": "m", "messages": MESSAGES},
    {"modelId": "m", "messages": []},
    {"modelId": "m", "messages": MESSAGES, "system": [{"text": "Be brief."}]},
    {"modelId": "m", "system": [{"text": "Be brief."}]},
]


@pytest.fixture(scope="module")
def client() -> Any:
    made = boto3.Session(region_name="us-east-1").client("bedrock-runtime", endpoint_url="http://127.0.0.1:1")
    encode_messages_apart(made)
    return made


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("params", PARAMS)
def test_the_body_is_the_one_that_boto3_makes(client: Any, operation: str, params: dict[str, Any]) -> None:
    model = client.meta.service_model.operation_model(operation)
    expected = create_serializer("rest-json").serialize_to_request(params, model)
    assert json.loads(sent(client, operation, params)) == json.loads(expected["body"])


def sent(client: Any, operation: str, params: dict[str, Any]) -> bytes:
    """Return the body of a request, which goes no further than to the last event before it is signed."""
    bodies: list[bytes] = []

    def stop(params: dict[str, Any], **_: Any) -> Any:
        bodies.append(params["body"])
        return type("Response", (), {"status_code": 200}), {}

    event = f"before-call.bedrock-runtime.{operation}"
    client.meta.events.register_last(event, stop)
    try:
        client._make_api_call(operation, dict(params))
    finally:
        client.meta.events.unregister(event, stop)
    return bodies[0]


def test_what_has_no_json_form_is_named(client: Any) -> None:
    with pytest.raises(TypeError, match="got set"):
        sent(client, "Converse", {"modelId": "m", "messages": [{"role": {1}}]})
