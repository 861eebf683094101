from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from jupyter_chatd.mcp.config import McpServerConfig
from jupyter_chatd.mcp.offer import OfferedTool, ServerTool, full_name, offered_tools, without_intent

WEB = McpServerConfig(id="1", slug="web", url="https://mcp.example.org/mcp")
EMPTY = {"type": "object", "properties": {}}


def offer(tool: ServerTool, **fields: Any) -> OfferedTool:
    (offered,) = offered_tools([(replace(WEB, **fields), [tool])])
    return offered


def test_tools_are_sorted_by_name_then_by_config_id() -> None:
    other = replace(WEB, id="0", slug="a")
    tools = [ServerTool(name="b"), ServerTool(name="a")]
    offered = offered_tools([(WEB, tools), (other, tools)])
    assert [one.definition.name for one in offered] == ["a__a", "a__b", "web__a", "web__b"]


def test_of_tools_with_one_name_the_first_config_wins() -> None:
    twin = replace(WEB, id="0")
    offered = offered_tools(
        [(WEB, [ServerTool(name="a.b"), ServerTool(name="c")]), (twin, [ServerTool(name="a_b")])]
    )
    assert [(one.definition.name, one.config.id, one.tool.name) for one in offered] == [
        ("web__a_b", "0", "a_b"),
        ("web__c", "1", "c"),
    ]


def test_lists_go_by_the_servers_own_names() -> None:
    tools = [ServerTool(name=name) for name in ("a", "b", "c")]
    config = replace(WEB, allowed_tools=("a", "b"), denied_tools=("b",))
    assert [one.tool.name for one in offered_tools([(config, tools)])] == ["a"]


@pytest.mark.parametrize("tool", ["a", "read/file", "größe", "x y", "a" * 128, "你好", ".", "a__b"])
def test_every_vendor_takes_the_name(tool: str) -> None:
    assert re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_-]{0,63}", full_name("some-server", tool))


def test_long_names_stay_apart() -> None:
    assert full_name("s", "a" * 100) != full_name("s", "a" * 101)


def test_a_tool_without_a_description_still_has_one() -> None:
    assert offer(ServerTool(name="a")).definition.description == "The tool a of web."


def test_nothing_invisible_reaches_the_model() -> None:
    hidden = "Visible\U000e0069\U000e0067\u200b.\x1b[31m\0\nNext line: ä 你好"
    schema = {"properties": {"description": {"type": "string", "description": hidden}}, "enum": [hidden]}
    definition = offer(ServerTool(name="a", description=hidden, input_schema=schema)).definition
    assert definition.description == "Visible.[31m\nNext line: ä 你好"
    assert definition.input_schema["properties"]["description"]["description"] == definition.description


@pytest.mark.parametrize(
    ("schema", "shown"),
    [
        ({}, EMPTY),
        ({"type": ["object", "null"], "properties": None}, EMPTY),
        ({"$schema": "x", "type": "object", "oneOf": [{}], "anyOf": [], "allOf": [], "not": {}}, EMPTY),
        (
            {"type": "object", "properties": {"a": {"oneOf": [{"type": "string"}]}}, "required": ["a"]},
            {"type": "object", "properties": {"a": {"oneOf": [{"type": "string"}]}}, "required": ["a"]},
        ),
        (
            {"type": "object", "properties": {"a": {"default": float("nan")}}},
            {"type": "object", "properties": {"a": {"default": None}}},
        ),
    ],
)
def test_schemas_are_what_vendors_take(schema: dict[str, Any], shown: dict[str, Any]) -> None:
    assert offer(ServerTool(name="a", input_schema=schema)).definition.input_schema == shown


def test_huge_descriptions_are_cut_and_huge_schemas_left_out() -> None:
    definition = offer(ServerTool(name="a", description="ä" * 10_000)).definition
    assert len(definition.description.encode()) <= 8 * 1024
    huge = {"properties": {f"field-{number}": {"type": "string"} for number in range(3000)}}
    assert offered_tools([(WEB, [ServerTool(name="a", input_schema=huge), ServerTool(name="")])]) == ()


def test_the_intent_comes_first_and_is_required() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    offered = offer(ServerTool(name="a", input_schema=schema), model_intent=True)
    shown = offered.definition.input_schema
    assert list(shown["properties"]) == ["model_intent", "a"]
    assert shown["required"] == ["model_intent", "a"]
    assert offered.has_intent
    assert schema["required"] == ["a"], "the server's own schema is not changed"
    assert without_intent({"model_intent": "Looking", "a": "x"}) == {"a": "x"}


def test_a_tool_with_such_a_field_of_its_own_keeps_it() -> None:
    schema = {"properties": {"model_intent": {"type": "integer"}}}
    offered = offer(ServerTool(name="a", input_schema=schema), model_intent=True)
    assert not offered.has_intent
    assert offered.definition.input_schema["properties"] == schema["properties"]
