"""`jupyter chatd workspaces`: places of their own for chats, on a running server."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path

import click

from .. import wire
from ..client.client import AsyncClient
from ..client.errors import ClientError
from ..client.workspaces import WorkspaceBuild, WorkspaceStanding, WorkspaceTemplate
from ..workspaces.values import BuildStatus, Transition
from .naming import find_chat
from .options import JSON, SERVER, guarded, server_option
from .target import running_server

_WORKSPACE = click.argument("workspace", metavar="WORKSPACE")


@click.group()
def workspaces() -> None:
    """Make, start and stop places of their own for chats.

    WORKSPACE is a workspace's name or id.
    """


@asynccontextmanager
async def _client(server: str) -> AsyncGenerator[AsyncClient]:
    async with AsyncClient(await running_server(server, cwd=Path.cwd())) as client:
        yield client


@workspaces.command(name="list")
@server_option(SERVER)
@JSON
@guarded
async def list_(server: str, as_json: bool) -> None:
    """List your workspaces and how each stands."""
    async with _client(server) as client:
        found = await client.workspaces.list()
    if as_json:
        click.echo(wire.dump_json([_plain(one) for one in found]))
        return
    for one in found:
        error = one.latest_build.error if one.latest_build and one.latest_build.error else ""
        click.echo(f"{one.name:<32}  {one.status:<8}  {one.directory or ''}  {error}".rstrip())
    if not found:
        click.echo("There are none. Make one with jupyter chatd workspaces create.", err=True)


@workspaces.command()
@server_option(SERVER)
@JSON
@guarded
async def templates(server: str, as_json: bool) -> None:
    """List what workspaces can be made from. With the parameters of each."""
    async with _client(server) as client:
        found = await client.workspaces.templates()
    if as_json:
        click.echo(wire.dump_json([asdict(one) for one in found]))
        return
    for one in found:
        click.echo(f"{one.name:<20}  {one.description or one.display_name}")
        for parameter in one.parameters:
            kind = "required" if parameter.required else "optional"
            click.echo(f"  -p {parameter.name}=…  {kind}: {parameter.description}")


@workspaces.command()
@click.argument("template")
@click.option("--name", help="Lower case letters, digits and hyphens; else made from the template's name.")
@click.option("-p", "--parameter", "words", multiple=True, metavar="NAME=VALUE", help="A parameter.")
@click.option("--chat", help="A chat without a workspace, which gets it; its id, or last.")
@server_option(SERVER)
@guarded
async def create(
    template: str, name: str | None, words: Sequence[str], chat: str | None, server: str
) -> None:
    """Make a workspace from TEMPLATE, a name or an id. Start it, and show what that says."""
    parameters = _parameters(words)
    async with _client(server) as client:
        found = _find_template(await client.workspaces.templates(), template)
        chat_id = (await find_chat(client, chat)).id if chat is not None else None
        made = await client.workspaces.create(found.id, name=name, parameters=parameters, chat_id=chat_id)
        assert made.latest_build is not None
        await _show(client, made.latest_build)
        click.echo(f"{made.name} runs in {made.directory}." if made.directory else f"{made.name} runs.")


@workspaces.command()
@_WORKSPACE
@server_option(SERVER)
@guarded
async def start(workspace: str, server: str) -> None:
    """Start WORKSPACE, and wait until it runs."""
    async with _client(server) as client:
        found = await _find(client, workspace)
        await _show(client, await client.workspaces.build(found.id, Transition.START))
        click.echo(f"{found.name} runs.")


@workspaces.command()
@_WORKSPACE
@server_option(SERVER)
@guarded
async def stop(workspace: str, server: str) -> None:
    """Stop WORKSPACE with all that runs in it; its files stay."""
    async with _client(server) as client:
        found = await _find(client, workspace)
        await _show(client, await client.workspaces.build(found.id, Transition.STOP))
        click.echo(f"{found.name} is stopped.")


@workspaces.command()
@_WORKSPACE
@server_option(SERVER)
@guarded
async def log(workspace: str, server: str) -> None:
    """Show what the latest start or stop of WORKSPACE said or says."""
    async with _client(server) as client:
        found = await _find(client, workspace)
        if found.latest_build is None:
            raise ClientError(f"{found.name} was never started.")
        async for line in client.workspaces.log(found.latest_build):
            click.echo(line)


@workspaces.command()
@_WORKSPACE
@click.option("--remove-files", is_flag=True, help="Remove its folder or server too, with all that is in it.")
@server_option(SERVER)
@guarded
async def delete(workspace: str, remove_files: bool, server: str) -> None:
    """Stop WORKSPACE and forget it. Its folder stays, and its server on a JupyterHub."""
    async with _client(server) as client:
        found = await _find(client, workspace)
        await client.workspaces.delete(found.id, remove_files=remove_files)


async def _show(client: AsyncClient, build: WorkspaceBuild) -> None:
    """Print what a build says until it has ended.

    Raises:
        ClientError: it did not succeed.
    """
    if build.status is BuildStatus.RUNNING:
        async for line in client.workspaces.log(build):
            click.echo(line, err=True)
    for ended in await client.workspaces.builds(build.workspace_id):
        if ended.id == build.id and ended.status is not BuildStatus.SUCCEEDED:
            raise ClientError(
                f"The {ended.transition.value} did not succeed: {ended.error or ended.status.value}"
            )


def _parameters(words: Sequence[str]) -> Mapping[str, str]:
    pairs = [word.partition("=") for word in words]
    if any(not name or not equals for name, equals, _ in pairs):
        raise click.UsageError("Expected parameters as NAME=VALUE.")
    return {name: value for name, _, value in pairs}


def _find_template(found: Sequence[WorkspaceTemplate], word: str) -> WorkspaceTemplate:
    for one in found:
        if word in (one.name, one.id):
            return one
    names = ", ".join(one.name for one in found) or "none"
    raise ClientError(f"There is no template {word}. There are: {names}.")


async def _find(client: AsyncClient, word: str) -> WorkspaceStanding:
    found = await client.workspaces.list()
    for one in found:
        if word in (one.name, one.id):
            return one
    names = ", ".join(one.name for one in found) or "none"
    raise ClientError(f"There is no workspace {word}. There are: {names}.")


def _plain(one: WorkspaceStanding) -> dict[str, object]:
    return {**asdict(one), "parameters": dict(one.parameters)}
