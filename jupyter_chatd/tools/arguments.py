"""The arguments of a tool: one dataclass gives the schema that the model sees and the check of its calls."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Generic, TypeVar, cast

from pydantic import ConfigDict, TypeAdapter, ValidationError

from ..messages import JsonObject, JsonValue

STRICT_OBJECT = ConfigDict(extra="forbid", use_attribute_docstrings=True)
"""For `@with_config` on an arguments dataclass: its field docstrings become the schema's descriptions."""

_SHOWN = 80  # characters of a wrong value in an error

A = TypeVar("A")


class WrongArgumentsError(Exception):
    """The arguments of a call do not fit; the text says what came and what was expected."""


class Arguments(Generic[A]):
    """Checks arguments against the dataclass *kind*. Lives as long as its tool."""

    def __init__(self, kind: type[A]) -> None:
        self._adapter = TypeAdapter(kind)
        self.schema: JsonObject = _plain_schema(self._adapter.json_schema())
        """JSON Schema of an object, without references, titles and alternatives for null."""

    def parse(self, args: JsonValue) -> A:
        """Return the arguments as a value; `None`, what a model without arguments sends, counts as `{}`.

        Raises:
            WrongArgumentsError: they do not fit.
        """
        try:
            # By way of JSON: halves of surrogate pairs, which are no text, are found here and nowhere later.
            sent = json.dumps({} if args is None else args, ensure_ascii=False).encode()
            return self._adapter.validate_json(sent)
        except ValidationError as error:
            problems = [_problem(cast(Mapping[str, Any], one)) for one in error.errors(include_url=False)]
            raise WrongArgumentsError(f"{'; '.join(problems)}. {self._expected()}") from error
        except UnicodeEncodeError as error:
            raise WrongArgumentsError(
                "a text is not valid Unicode: it holds half of a surrogate pair. Send it whole."
            ) from error

    def _expected(self) -> str:
        return f"Expected an object of this JSON Schema: {json.dumps(self.schema, ensure_ascii=False)}"


def _problem(error: Mapping[str, Any]) -> str:
    """One wrong value as text: `files.0.path: Input should be a valid string, but 3 came`."""
    place = ".".join(str(step) for step in error["loc"]) or "arguments"
    if error["type"] == "missing_argument" or error["type"] == "missing":
        return f"{place}: required, and missing"
    came = json.dumps(error["input"], ensure_ascii=False, default=str)
    shown = came if len(came) <= _SHOWN else came[:_SHOWN] + "…"
    return f"{place}: {error['msg']}, but {shown} came"


def _plain_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema in words that every vendor takes: no `$ref`, no `title`, no `null` alternatives."""
    plain = _plain(schema, schema.get("$defs", {}))
    plain.pop("description", None)  # the tool's own text says more
    return plain


def _plain(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        # What stands beside a reference (a field's own description) wins over the definition.
        schema = {**definitions[name], **{key: value for key, value in schema.items() if key != "$ref"}}
    if "anyOf" in schema:
        kinds = [kind for kind in schema["anyOf"] if kind.get("type") != "null"]
        if len(kinds) == 1:
            schema = {**kinds[0], **{key: value for key, value in schema.items() if key != "anyOf"}}
    plain = {key: value for key, value in schema.items() if key not in {"$defs", "title"}}
    if plain.get("default", ...) is None:
        del plain["default"]
    if "items" in plain:
        plain["items"] = _plain(plain["items"], definitions)
    if "properties" in plain:
        plain["properties"] = {
            name: _plain(value, definitions) for name, value in plain["properties"].items()
        }
    return plain
