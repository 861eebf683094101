"""`jupyter chatd mcp`: MCP servers that the agent of a running server has."""

from __future__ import annotations

import os
import shlex
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from .. import wire
from ..client.client import AsyncClient
from ..client.errors import ClientError
from ..client.mcp import McpProject, McpServer, McpStatus
from ..mcp.config import Availability, Transport
from ..mcp.status import ServerState
from .naming import find_chat
from .options import JSON, SERVER, guarded, server_option
from .target import running_server

_WORDS = {"new": Availability.DEFAULT_ON, "all": Availability.FORCE_ON, "chosen": Availability.DEFAULT_OFF}
"""How `--for` names which chats have a server."""


@click.group()
def mcp() -> None:
    """Give the agent tools of MCP servers."""


@asynccontextmanager
async def _client(server: str) -> AsyncGenerator[AsyncClient]:
    async with AsyncClient(await running_server(server, cwd=Path.cwd())) as client:
        yield client


@mcp.command(name="list")
@server_option(SERVER)
@JSON
@guarded
async def list_(server: str, as_json: bool) -> None:
    """List the servers, and how they stand. With those of the folder's .mcp.json."""
    async with _client(server) as client:
        servers, project = await client.mcp.servers(), await client.mcp.project()
    if as_json:
        whole = {"servers": list(map(asdict, servers)), "project": asdict(project) if project else None}
        click.echo(wire.dump_json(whole))
        return
    for one in servers:
        click.echo(f"{one.slug:<20}  {_for(one):<10}  {_place(one)}  {_standing(one.status)}")
    if project is not None:
        _print_project(project)
    if not servers and project is None:
        click.echo("There are none. Add one with jupyter chatd mcp add.", err=True)


@mcp.command()
@click.argument("slug")
@click.argument("target", nargs=-1, required=True, metavar="URL | -- PROGRAM [ARGS]...")
@click.option("-e", "--env", multiple=True, metavar="NAME[=VALUE]", help="A variable of the program.")
@click.option("-H", "--header", multiple=True, metavar="NAME[=VALUE]", help="A header for the address.")
@click.option("--sse", is_flag=True, help="The address speaks the older way, server-sent events.")
@click.option("--cwd", metavar="FOLDER", help="Where the program starts; else where commands do.")
@click.option(
    "--for",
    "chats",
    type=click.Choice(list(_WORDS)),
    default="new",
    show_default=True,
    help="Which chats have it.",
)
@click.option("--allow", multiple=True, metavar="TOOL", help="Offer only these tools.")
@click.option("--deny", multiple=True, metavar="TOOL", help="Do not offer these tools.")
@click.option("--plan", is_flag=True, help="Chats that plan have it too.")
@server_option(SERVER)
@guarded
async def add(
    slug: str, target: Sequence[str], env: Sequence[str], header: Sequence[str], server: str, **fields: Any
) -> None:
    """Set up a server, an address or a program, and connect to it.

    Its tools are called SLUG__TOOL. Of a variable or header without =VALUE, the value is taken from the
    variable of that name here, else asked for: a value on the command line stays in the shell's history.
    """
    fields |= {"env": dict(map(_pair, env)), "headers": dict(map(_pair, header))}
    body = _target(target, sse=fields["sse"]) | _body(fields)
    async with _client(server) as client:
        made = await client.mcp.create(slug, **body)
        _print_test(slug, await client.mcp.test(made.id))


@mcp.command()
@click.argument("slug")
@server_option(SERVER)
@guarded
async def test(slug: str, server: str) -> None:
    """Connect to SLUG now and say which tools it has."""
    async with _client(server) as client:
        _print_test(slug, await client.mcp.test((await _find(client, slug)).id))


@mcp.command()
@click.argument("slug")
@server_option(SERVER)
@guarded
async def remove(slug: str, server: str) -> None:
    """Remove SLUG and its secrets."""
    async with _client(server) as client:
        await client.mcp.delete((await _find(client, slug)).id)


@mcp.command()
@click.option("--yes/--no", "decision", default=None, help="Trust it, or not, without being asked.")
@click.option("--chat", help="Of the workspace of this chat, not of the server's folder; its id, or last.")
@server_option(SERVER)
@guarded
async def trust(decision: bool | None, chat: str | None, server: str) -> None:
    """Decide about the .mcp.json of the server's folder. What it starts and reaches is shown first.

    The decision is about exactly what is shown: when the file changes, it is not used until you decide again.
    """
    async with _client(server) as client:
        chat_id = (await find_chat(client, chat)).id if chat is not None else None
        project = await client.mcp.project(chat_id=chat_id)
        if project is None:
            where = "the server's folder" if chat_id is None else "the folder of the chat"
            raise ClientError(f"There is no .mcp.json in {where}.")
        _print_project(project)
        if decision is None:
            decision = click.confirm("Trust exactly this?", default=False)
        await client.mcp.trust(project.sha256, trusted=decision, chat_id=chat_id)
        click.echo("It is trusted." if decision else "It is not used.")


def _target(words: Sequence[str], *, sse: bool) -> dict[str, Any]:
    if words[0].startswith(("http://", "https://")) and len(words) == 1:
        return {"transport": (Transport.SSE if sse else Transport.STREAMABLE_HTTP).value, "url": words[0]}
    if sse:
        raise click.UsageError("Expected one address with --sse.")
    return {"transport": Transport.STDIO.value, "command": words[0], "args": list(words[1:])}


def _body(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the rest of the request; what is empty is left out."""
    cwd = fields["cwd"]
    return {
        "env": fields["env"] or None,
        "headers": fields["headers"] or None,
        "cwd": os.path.abspath(cwd) if cwd else None,
        "availability": _WORDS[fields["chats"]].value,
        "allowed_tools": list(fields["allow"]),
        "denied_tools": list(fields["deny"]),
        "allow_in_plan_mode": fields["plan"],
    }


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if equals:
        return name, value
    found = os.environ.get(name)
    return name, click.prompt(name, hide_input=True, err=True) if found is None else found


async def _find(client: AsyncClient, slug: str) -> McpServer:
    servers = await client.mcp.servers()
    for one in servers:
        if slug in (one.slug, one.id):
            return one
    names = ", ".join(one.slug for one in servers) or "none"
    raise ClientError(f"There is no MCP server {slug} that was set up. There are: {names}.")


def _print_test(slug: str, status: McpStatus) -> None:
    if status.state is not ServerState.CONNECTED:
        raise ClientError(f"{slug} cannot be used: {status.reason or status.state.value}")
    click.echo(f"{slug} is connected. Tools: {', '.join(status.tools) or 'none'}.")


def _print_project(project: McpProject) -> None:
    words = {None: "not trusted yet: jupyter chatd mcp trust", True: "trusted", False: "not to be used"}
    click.echo(f"{project.path}: {project.problem or words[project.trusted]}")
    for one in project.servers:
        standing = one.problem or (_standing(one.status) if one.status and project.trusted else "")
        click.echo(f"  {one.name}: {one.shown}  {standing}".rstrip())


def _for(server: McpServer) -> str:
    return next(word for word, availability in _WORDS.items() if availability is server.availability)


def _place(server: McpServer) -> str:
    return server.url or shlex.join([server.command or "", *server.args])


def _standing(status: McpStatus) -> str:
    tools = f", {len(status.tools)} tools" if status.tools else ""
    return f"{status.state.value}{tools}{f': {status.reason}' if status.reason else ''}"
