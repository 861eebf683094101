"""What openapi.yaml says, and whether a reply is as it says.

Replies are checked more strictly than it says: a field that it does not list fails, so that it lists all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from functools import cache
from typing import Any

import jsonschema_rs
import yaml

from jupyter_chatd.api.description import description

BASE = "/api/experimental/chats"
METHODS = ("get", "post", "put", "patch", "delete")

Json = Any


@cache
def document() -> Json:
    """The description."""
    return yaml.load(description(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


@cache
def operations() -> Mapping[tuple[str, str], Json]:
    """Every method of every path, as `("GET", "/{chat_id}")`."""
    return {
        (method.upper(), path.removeprefix(BASE)): item[method]
        for path, item in document()["paths"].items()
        for method in METHODS
        if method in item
    }


def resolve(value: Json) -> Json:
    """What a `$ref` stands for; anything else as it is."""
    while isinstance(value, dict) and "$ref" in value:
        target = document()
        for step in value["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        value = target
    return value


def find(method: str, path: str) -> tuple[str, Json] | None:
    """The template and the operation that answer a request; fixed words go before ids."""
    steps = path.partition("?")[0].split("/")
    fitting = [
        (template, operation)
        for (name, template), operation in operations().items()
        if name == method and _fits(template.split("/"), steps)
    ]
    return min(fitting, key=lambda found: found[0].count("{"), default=None)


def _fits(template: Sequence[str], steps: Sequence[str]) -> bool:
    return len(template) == len(steps) and all(
        word == step or (step and word.startswith("{")) for word, step in zip(template, steps, strict=True)
    )


def check_reply(method: str, path: str, status: int, headers: Mapping[str, str], body: bytes) -> None:
    """Fail unless the reply is one that the description has for the request."""
    found = find(method, path)
    if found is None or status == 405:
        assert status in (200, 302, 403, 404, 405), f"{method} {path} is not described: {status}"
        return
    template, operation = found
    name = f"{method} {template or '/'} {status}"
    responses = operation["responses"]
    assert str(status) in responses, f"{name} is not described in openapi.yaml"
    response = resolve(responses[str(status)])
    for header, described in response.get("headers", {}).items():
        assert header in headers or not described.get("required"), f"{name} came without {header}"
    _check_content(name, response.get("content"), headers.get("Content-Type", ""), body)


def _check_content(name: str, content: Json, media_type: str, body: bytes) -> None:
    if content is None:
        assert not body, f"{name} is described without a body, came {body[:200]!r}"
        return
    kind = media_type.partition(";")[0]
    described = content.get(kind, content.get("*/*"))
    assert described is not None, f"{name} came as {kind}, described are {list(content)}"
    if kind == "application/json" and "schema" in described:
        check_value(name, described["schema"], json.loads(body))


def check_frame(path: str, frame: Json) -> None:
    """Fail unless a frame of a WebSocket is as it is described."""
    found = find("GET", path)
    assert found is not None, f"GET {path} is not described"
    check_value(f"a frame of {found[0]}", found[1]["x-frames"], frame)


def check_value(name: str, schema: Json, value: Json) -> None:
    """Fail unless the value fits, and has no other fields than those listed."""
    problem = next(_validator(json.dumps(schema)).iter_errors(value), None)
    assert problem is None, f"{name} is not as openapi.yaml says: {_explained(problem)}"


def _explained(problem: jsonschema_rs.ValidationError) -> str:
    where = "/".join(map(str, problem.instance_path))
    return f"at {where or 'its top'}: {problem.message[:2000]}"


@cache
def _validator(schema: str) -> jsonschema_rs.Draft202012Validator:
    whole = {**closed(json.loads(schema)), "components": _closed_components()}
    return jsonschema_rs.Draft202012Validator(whole)


@cache
def _closed_components() -> Json:
    return {
        "schemas": {name: _inside(schema) for name, schema in document()["components"]["schemas"].items()}
    }


def closed(schema: Json) -> Json:
    """The schema with no other fields than those listed, however deep."""
    inner = _inside(schema)
    if not isinstance(inner, dict) or not ("$ref" in inner or "properties" in inner or "allOf" in inner):
        return inner
    return {**inner, "unevaluatedProperties": False}


def _inside(schema: Json) -> Json:
    """The same, but open at the top: what a component may be a part of."""
    if not isinstance(schema, dict):
        return schema
    inner = deepcopy(schema)
    for key in ("properties", "patternProperties"):
        if key in inner:
            inner[key] = {name: closed(value) for name, value in inner[key].items()}
    for key in ("items", "additionalProperties"):
        if key in inner:
            inner[key] = closed(inner[key])
    for key in ("anyOf", "oneOf"):
        if key in inner:
            inner[key] = [closed(value) for value in inner[key]]
    if "allOf" in inner:
        inner["allOf"] = [_inside(value) for value in inner["allOf"]]
    return inner
