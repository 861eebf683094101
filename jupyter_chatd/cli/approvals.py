"""Calls that wait for an approval, on a terminal: which there are, allowing and denying them."""

from __future__ import annotations

from pathlib import Path

import click

from .. import wire
from ..client.approvals import Allowed, AskedCall
from ..client.client import AsyncClient
from .naming import find_chat
from .options import JSON, SERVER, guarded, server_option
from .target import running_server

_CHAT = click.argument("chat", metavar="CHAT")
_CALL = click.argument("call", metavar="[CALL]", required=False)


@click.command()
@_CHAT
@click.option("--all", "show_all", is_flag=True, help="Those that were decided too, with who decided.")
@server_option(SERVER)
@JSON
@guarded
async def approvals(chat: str, show_all: bool, server: str, as_json: bool) -> None:
    """Print the calls of CHAT that wait for an approval. Each is shown with all that it would do."""
    found = await running_server(server, cwd=Path.cwd())
    async with AsyncClient(found) as client:
        calls = await client.approvals((await find_chat(client, chat)).id)
    shown = calls if show_all else calls.pending
    if as_json:
        click.echo(wire.dump_json([wire.plain(call) for call in shown]))
        return
    for call in shown:
        click.echo(f"{call.name}  {call.tool_name} {wire.dump_json(call.args)}  {call.outcome}")


@click.command()
@_CHAT
@_CALL
@click.option("--once", "scope", flag_value="once", help="This call alone: the same is asked about again.")
@click.option("--for-chat", "scope", flag_value="chat", help="All calls of this tool in this chat.")
@server_option(SERVER)
@guarded
async def approve(chat: str, call: str | None, scope: Allowed | None, server: str) -> None:
    """Allow a call of CHAT that waits, or approve its plan. The agent goes on.

    CALL is how approvals names it, such as 17.1; it may be left out where only one waits.
    """
    found = await _decide(chat, call, server, allow=True, scope=scope)
    click.echo(f"Allowed: {found.summary}")


@click.command()
@_CHAT
@_CALL
@server_option(SERVER)
@guarded
async def deny(chat: str, call: str | None, server: str) -> None:
    """Deny a call of CHAT that waits for an approval. The agent reads that.

    CALL is how approvals names it, such as 17.1; it may be left out where only one waits.
    """
    found = await _decide(chat, call, server, allow=False)
    click.echo(f"Denied: {found.summary}")


async def _decide(
    chat: str, name: str | None, server: str, *, allow: bool, scope: Allowed | None = None
) -> AskedCall:
    target = await running_server(server, cwd=Path.cwd())
    async with AsyncClient(target) as client:
        row = await find_chat(client, chat)
        call = (await client.approvals(row.id)).the_pending(name)
        await client.decide(row.id, call.key, allow=allow, scope=scope)
    return call


APPROVALS = (approvals, approve, deny)
"""The commands."""
