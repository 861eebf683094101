from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from jupyter_chatd.mcp.config import Availability, McpServerConfig, Transport
from jupyter_chatd.mcp.project import SERVERS, ProjectFile, ProjectServer, parse_project

PATH = "/work/größe/.mcp.json"
ENV = {"HOME": "/home/me", "EMPTY": ""}


def parse(servers: dict[str, Any]) -> ProjectFile:
    return parse_project(PATH, json.dumps({"mcpServers": servers}).encode(), env=ENV)


def only(entry: Any) -> ProjectServer:
    (server,) = parse({"one": entry}).servers
    return server


def config_of(entry: Any) -> McpServerConfig:
    config = only(entry).config
    assert config is not None, only(entry).problem
    return config


def test_programs_start_in_the_folder_of_the_file() -> None:
    server = only({"command": "npx", "args": ["-y", "a b"], "env": {"LEVEL": "debug"}, "alwaysAllow": ["x"]})
    assert server.shown == "LEVEL=… npx -y 'a b'"
    assert server.config == McpServerConfig(
        id=server.config.id if server.config else "",
        slug="one",
        display_name="one",
        transport=Transport.STDIO,
        command="npx",
        args=("-y", "a b"),
        env={"LEVEL": "debug"},
        cwd="/work/größe/",
        availability=Availability.FORCE_ON,
    )
    assert config_of({"command": "x", "cwd": "sub"}).cwd == "/work/größe/sub"
    assert config_of({"command": "x", "cwd": "/else"}).cwd == "/else"


@pytest.mark.parametrize(
    ("kind", "transport"),
    [
        (None, Transport.STREAMABLE_HTTP),
        ("http", Transport.STREAMABLE_HTTP),
        ("streamable-http", Transport.STREAMABLE_HTTP),
        ("sse", Transport.SSE),
    ],
)
def test_addresses_are_reached_by_the_transport_that_is_named(kind: str | None, transport: Transport) -> None:
    entry = {"url": "https://example.org/mcp", "headers": {"X-Team": "a"}}
    config = config_of(entry if kind is None else {**entry, "type": kind})
    assert (config.transport, config.url, config.headers, config.cwd) == (
        transport,
        "https://example.org/mcp",
        {"X-Team": "a"},
        None,
    )


def test_variables_come_from_the_allow_list_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    config = config_of(
        {
            "command": "${HOME}/bin/serve",
            "args": ["${HOME}-${NOBODY:-default}", "$HOME", "${EMPTY:-full}"],
            "env": {"WHERE": "${HOME}"},
        }
    )
    assert config.command == "/home/me/bin/serve"
    assert config.args == ("/home/me-default", "$HOME", "")
    assert config.env == {"WHERE": "/home/me"}
    refused = only({"url": "https://example.org/", "headers": {"Authorization": "Bearer ${OPENAI_API_KEY}"}})
    assert refused.config is None
    assert refused.problem.startswith("${OPENAI_API_KEY}: this variable is not among those")
    assert "sk-secret" not in repr(refused)


def test_names_become_slugs_that_differ() -> None:
    names = ["GitHub", "git hub", "git-hub", "a__b", "1st", "größe", "", "x" * 50, "x" * 51]
    slugs = [config.slug for config in parse({key: {"command": "x"} for key in names}).configs]
    assert slugs == [
        "github",
        "git-hub",
        "git-hub-2",
        "a_b",
        "server-1st",
        "gr-e",
        "server",
        "x" * 29,
        f"{'x' * 29}-2",
    ]


def test_a_config_id_stays_when_the_content_changes() -> None:
    first, other = parse({"a": {"command": "x"}, "b": {"command": "x"}}).configs
    (second,) = parse({"a": {"command": "y"}}).configs
    assert first.id == second.id != other.id


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ({}, "url"),
        ({"command": 1}, "The entry is wrong at command"),
        ({"command": "x", "env": {"A": 1}}, "The entry is wrong at env.A"),
        ("npx", "The entry is wrong"),
        ({"command": "x", "type": "carrier-pigeon"}, "type: expected one of stdio"),
        ({"url": "ftp://example.org"}, "url: must begin with"),
        ({"type": "stdio", "url": "https://example.org"}, "command: missing"),
    ],
)
def test_a_wrong_entry_leaves_the_others(entry: Any, problem: str) -> None:
    file = parse({"wrong": entry, "right": {"command": "x", "disabled": True}})
    assert file.servers[0].problem.startswith(problem)
    assert [(config.slug, config.enabled) for config in file.configs] == [("right", False)]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"{", "Invalid JSON"),
        (b"[]", "The file is wrong"),
        (b"{}", "at mcpServers: Field required"),
        (b'{"mcpServers": []}', "at mcpServers"),
        (b'{"mcpServers": {"\\ud800": {}}}', "Invalid JSON"),
        (b" " * (256 * 1024 + 1), "more than 262144 bytes"),
        (
            json.dumps({"mcpServers": {str(number): {} for number in range(SERVERS + 1)}}).encode(),
            "more than 50 servers",
        ),
    ],
)
def test_a_file_that_cannot_be_used_says_why(data: bytes, problem: str) -> None:
    file = parse_project(PATH, data, env=ENV)
    assert problem in file.problem
    assert (file.servers, file.sha256) == ((), hashlib.sha256(data).hexdigest())
