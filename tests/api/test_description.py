"""openapi.yaml describes the routes as they are; every test of a route checks that replies are as it says."""

from __future__ import annotations

import dataclasses
from typing import Any

import jsonschema_rs
import pytest
import yaml
from pydantic import TypeAdapter

from jupyter_chatd.api import requests
from jupyter_chatd.api.base import ChatdHandler
from jupyter_chatd.api.chats import ChatHandler
from jupyter_chatd.api.description import description_for

from .client import Api
from .description import check_frame, check_reply, document, operations, resolve
from .test_permissions import PERMISSIONS, SOCKETS, routes
from .test_rest_docs import BODIES, fields_of


def test_every_method_of_every_route_is_described_and_no_other() -> None:
    assert sorted(operations()) == sorted(routes())


def test_what_the_authorizer_is_asked_is_described() -> None:
    described = {
        route: (asked["action"], asked["resource"])
        for route, operation in operations().items()
        for asked in [operation["x-permission"]]
    }
    assert described == PERMISSIONS


def test_every_socket_says_what_its_frames_are() -> None:
    assert {path for (_, path), operation in operations().items() if "x-frames" in operation} == set(SOCKETS)


def test_every_id_of_a_path_is_described() -> None:
    for path, item in document()["paths"].items():
        named = {resolve(parameter)["name"] for parameter in item.get("parameters", [])}
        named |= {resolve(one)["name"] for one in item.get("get", {}).get("parameters", [])}
        assert {step[1:-1] for step in path.split("/") if step.startswith("{")} <= named


def test_every_operation_has_a_name_of_its_own() -> None:
    names = [operation["operationId"] for operation in operations().values()]
    assert len(set(names)) == len(names)


def described_body(route: str) -> Any:
    method, _, path = route.partition(" ")
    operation = operations()[method, path.removesuffix("/") if path == "/" else path]
    return resolve(operation["requestBody"]["content"]["application/json"]["schema"])


@pytest.mark.parametrize("route, body", BODIES.items(), ids=BODIES)
def test_every_field_of_every_body_is_described_and_no_other(route: str, body: type) -> None:
    schema = described_body(route)
    required, optional = fields_of(body)
    assert set(schema["properties"]) == required | optional
    assert set(schema.get("required", ())) == required
    assert schema["additionalProperties"] is False


NESTED = {
    "ModelOptions": requests.ModelOptions,
    "ModelCost": requests.ModelCost,
    "CallRef": requests.CallRef,
}


@pytest.mark.parametrize("name, value", NESTED.items(), ids=NESTED)
def test_every_field_of_a_nested_value_is_described(name: str, value: type) -> None:
    schema = document()["components"]["schemas"][name]
    assert set(schema["properties"]) == {field.name for field in dataclasses.fields(value)}


@pytest.mark.parametrize("route, body", BODIES.items(), ids=BODIES)
def test_choices_and_defaults_are_those_of_the_code(route: str, body: type) -> None:
    described = described_body(route)["properties"]
    for name, field in TypeAdapter(body).json_schema()["properties"].items():
        assert (name, choices(described[name])) == (name, choices(field))
        if field.get("default") is not None and name != "options":
            default = [] if described[name].get("type") == "array" else described[name].get("default")
            assert (name, default) == (name, field["default"])


def choices(schema: Any) -> set[Any]:
    """The words that a field may be, `None` apart."""
    schema = resolve(schema) if "#/components" in str(schema.get("$ref")) else schema
    options = [resolve(one) for one in schema.get("anyOf", [schema]) if "$defs" not in str(one)]
    words = [one.get("enum", [one["const"]] if "const" in one else []) for one in options]
    return {word for some in words for word in some} - {None}


async def test_it_is_served_with_the_address_of_the_server(api: Api) -> None:
    reply = await api.call("GET", "/openapi.yaml")
    assert reply.headers["Content-Type"] == "application/yaml"
    served = yaml.safe_load(reply.text)
    assert served["paths"] == document()["paths"]
    (server,) = served["servers"]
    path = "/api/experimental/chats/models"
    assert path in served["paths"]
    assert api.url.startswith("http")
    assert api.url.removesuffix("/api/experimental/chats").endswith(server["url"])


def test_a_server_at_the_root_has_the_address_of_the_root() -> None:
    assert yaml.safe_load(description_for("/"))["servers"][0]["url"] == "/"
    assert yaml.safe_load(description_for('/user/jo: #"x/'))["servers"][0]["url"] == "/user/jo%3A%20%23%22x"


# That the checks of replies check something


@pytest.mark.parametrize(
    "method, path, status, headers, body, told",
    [
        ("GET", "/models", 418, {}, b"", "not described"),
        ("GET", "/models", 200, {"Content-Type": "text/html"}, b"", "came as text/html"),
        ("DELETE", "/model-configs/x", 204, {}, b"x", "without a body"),
        ("GET", "/models", 200, {"Content-Type": "application/json"}, b'{"providers":[]}', "default_model"),
        ("GET", "/x", 404, {"Content-Type": "application/json"}, b'{"message":"m","more":1}', "more"),
        ("GET", "/no/such/route", 201, {}, b"", "not described"),
    ],
)
def test_a_reply_that_is_not_described_fails(
    method: str, path: str, status: int, headers: dict[str, str], body: bytes, told: str
) -> None:
    with pytest.raises(AssertionError, match=told):
        check_reply(method, path, status, headers, body)


def test_a_frame_that_is_not_described_fails() -> None:
    check_frame("/x/stream", {"type": "ping"})
    with pytest.raises(AssertionError, match=r"openapi\.yaml"):
        check_frame("/x/stream", {"type": "data", "data": [{"type": "news", "chat_id": "x"}]})


async def test_a_field_that_a_handler_adds_on_its_own_fails(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat = await api.finished()
    send = ChatdHandler.reply

    def reply(self: ChatHandler, value: Any, **options: Any) -> None:
        send(self, {**value, "surprise": 1}, **options)

    monkeypatch.setattr(ChatHandler, "reply", reply)
    with pytest.raises(AssertionError, match="surprise"):
        await api.get(f"/{chat['id']}")


def test_the_schemas_are_schemas() -> None:
    for name, schema in document()["components"]["schemas"].items():
        assert jsonschema_rs.meta.is_valid(schema), name
