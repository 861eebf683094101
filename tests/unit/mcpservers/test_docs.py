"""docs/mcp.md says what is so."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from jupyter_chatd.api.requests import McpServerCreate
from jupyter_chatd.client.mcp import McpClient
from jupyter_chatd.mcp import manager
from jupyter_chatd.mcp.config import Transport
from jupyter_chatd.mcp.project import parse_project

TEXT = (Path(__file__).parents[3] / "docs" / "mcp.md").read_text("utf-8")


def names(text: str) -> set[str]:
    return set(re.findall(r"`([a-z_]+)`", text))


def test_every_field_of_a_server_is_listed_and_no_other() -> None:
    rows = TEXT[TEXT.index("| Field |") :].split("\n\n")[0].splitlines()[2:]
    listed = {name for row in rows for name in names(row.split("|")[1])}
    assert listed == {field.name for field in dataclasses.fields(McpServerCreate)}


def test_the_project_file_of_the_page_can_be_used() -> None:
    (example,) = re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)
    found = parse_project("/work/.mcp.json", example.encode(), env={})
    assert not found.problem
    assert [server.problem for server in found.servers] == ["", ""]
    tickets, docs = found.configs
    assert (tickets.slug, tickets.transport, tickets.env) == ("tickets", Transport.STDIO, {"LEVEL": "debug"})
    assert (docs.transport, docs.headers) == (Transport.STREAMABLE_HTTP, {"X-Team": "blue"})


def test_what_a_program_can_call_exists() -> None:
    (sentence,) = re.findall(r"`AsyncClient\.mcp` has ([^.]*)\.", TEXT)
    methods = {name for name in vars(McpClient) if not name.startswith("_")}
    assert names(sentence) == methods


def test_the_times_are_those_of_the_code() -> None:
    defaults = {field.name: field.default for field in dataclasses.fields(McpServerCreate)}
    told = f"{defaults['connect_timeout_s']:g} s and {defaults['call_timeout_s']:g} s unless"
    assert told in " ".join(TEXT.split())
    assert f"for {manager.RETRY_AFTER:g} s nobody waits" in " ".join(TEXT.split())
    assert f"after {manager.IDLE_LIMIT / 60:g} min without a call" in " ".join(TEXT.split())
