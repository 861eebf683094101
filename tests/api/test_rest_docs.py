"""docs/rest.md says what the routes do: its tables are compared with them, its commands are run."""

from __future__ import annotations

import dataclasses
import re
import shlex
import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import get_args
from urllib.parse import parse_qsl

import pytest

from jupyter_chatd.api import requests
from jupyter_chatd.api.base import error_envelope
from jupyter_chatd.errors import InvalidInputError
from jupyter_chatd.events import StreamEvent
from jupyter_chatd.wire import parse_input_parts

from .client import Api, Json
from .test_permissions import routes

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "rest.md").read_text("utf-8")

BODIES = {
    "POST /": requests.CreateChat,
    "PATCH /{chat_id}": requests.PatchChat,
    "POST /{chat_id}/messages": requests.SendMessage,
    "PATCH /{chat_id}/messages/{message_id}": requests.EditMessage,
    "POST /{chat_id}/interrupt": requests.Interrupt,
    "POST /{chat_id}/tool-results": requests.ToolResults,
    "POST /{chat_id}/approvals": requests.Approvals,
    "PUT /config/system-prompt": requests.PutSystemPrompt,
    "PUT /config/user-prompt": requests.PutUserPrompt,
    "PATCH /policy": requests.PolicyPatch,
    "POST /providers": requests.ProviderCreate,
    "PATCH /providers/{config_id}": requests.ProviderPatch,
    "POST /model-configs": requests.ModelConfigCreate,
    "PATCH /model-configs/{config_id}": requests.ModelConfigPatch,
    "POST /mcp/servers": requests.McpServerCreate,
    "PATCH /mcp/servers/{config_id}": requests.McpServerPatch,
    "POST /mcp/project": requests.Trust,
    "POST /{chat_id}/desktop/action": requests.DesktopActions,
    "POST /{chat_id}/desktop/recording/stop": requests.StopRecording,
    "POST /workspaces": requests.WorkspaceCreate,
    "POST /workspaces/{workspace_id}/builds": requests.BuildCreate,
}


def table(heading: str) -> list[list[str]]:
    """The rows of the table that begins with that cell, without the two of its head."""
    lines = TEXT[TEXT.index(f"| {heading} |") :].splitlines()
    end = next(number for number, line in enumerate(lines) if not line.startswith("|"))
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:end]]


def names(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_every_route_is_listed_and_no_other() -> None:
    listed = [(names(row[0])[0], names(row[1])[0]) for row in table("Method")]
    real = [(method, template or "/") for method, template in routes()]
    assert sorted(listed) == sorted(real)


def test_every_field_of_every_body_is_listed_and_no_other() -> None:
    listed = {names(row[0])[0]: (set(names(row[1])), set(names(row[2]))) for row in table("Request")}
    assert listed == {request: fields_of(body) for request, body in BODIES.items()}


def fields_of(body: type) -> tuple[set[str], set[str]]:
    """The required and the optional fields."""
    required, optional = set[str](), set[str]()
    for field in dataclasses.fields(body):
        is_required = field.default is field.default_factory is dataclasses.MISSING
        (required if is_required else optional).add(field.name)
    return required, optional


def test_the_example_of_an_error_is_what_comes() -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse_input_parts([{"type": "text", "text": " "}])
    _, envelope = error_envelope(caught.value)
    for text in (envelope["message"], envelope["detail"]):
        assert f'"{text}"' in TEXT


@dataclass(frozen=True, slots=True)
class Command:
    """One `curl` of the documentation."""

    method: str
    url: str
    body: str | None
    is_stream: bool


def commands(text: str) -> Iterator[Command]:
    for line in re.findall(r"^curl .*$", text, re.MULTILINE):
        words = shlex.split(line)[1:]
        options = {word: words[place + 1] for place, word in enumerate(words) if word in ("-d", "-X", "-H")}
        assert options["-H"] == "$AUTH"
        (url,) = [word for word in words if word.startswith("$URL")]
        body = options.get("-d")
        yield Command(options.get("-X", "POST" if body else "GET"), url, body, "-N" in words)


async def test_every_command_works_in_the_order_in_which_it_stands(api: Api) -> None:
    first, *rest = commands(TEXT)
    assert len(rest) > 10
    created = await run(api, first, {"URL": ""})
    message = (await api.messages(created["id"]))[0]
    known = {"URL": "", "CHAT": created["id"], "MESSAGE": str(message["id"]), "EPISODE": "0.1.1"}
    for command in rest:
        await run(api, command, known)


async def test_the_commands_about_mcp_servers_work(api: Api) -> None:
    first, *rest = commands((DOCS / "mcp.md").read_text("utf-8"))
    assert len(rest) > 4
    created = await run(api, first, {"URL": ""})
    for command in rest:
        await run(api, command, {"URL": "", "SERVER": created["id"]})


@pytest.mark.parametrize("settings", [{"desktop_launcher": "fake"}])
async def test_the_commands_about_desktops_work(api: Api) -> None:
    chat = await api.finished()
    some = list(commands((DOCS / "desktop.md").read_text("utf-8")))
    assert len(some) == 5
    for command in some:
        if not command.url.endswith("/screenshot"):  # which test_desktop.py looks at
            await run(api, command, {"URL": "", "CHAT": chat["id"]})


async def run(api: Api, command: Command, known: Mapping[str, str]) -> Json:
    """Do what `curl` would do, and return the reply."""
    path, _, query = string.Template(command.url).substitute(known).partition("?")
    if command.is_stream:
        async with api.follow_events(known["CHAT"], **dict(parse_qsl(query))) as stream:
            await stream.status("running", "waiting")
        return None
    raw = command.body.encode() if command.body else None
    reply = await api.call(command.method, path, raw=raw, params=parse_qsl(query))
    assert reply.status < 300, f"{command}: {reply.status} {reply.text}"
    return reply.json if reply.text else None


def test_every_event_is_described() -> None:
    kinds = {
        field.default
        for event in get_args(StreamEvent)
        for field in dataclasses.fields(event)
        if field.name == "type"
    }
    assert {names(row[0])[0] for row in table("`type`")} == kinds
