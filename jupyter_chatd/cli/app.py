"""The commands of `jupyter chatd`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar, get_args

import click

from .. import wire
from .._version import __version__
from ..client.client import AsyncClient, Busy, Effort
from ..client.display import plain_text
from ..client.session import ChatSession
from ..client.view import ChatView
from ..messages import Chat, Message
from . import archive
from .approvals import APPROVALS
from .attach import attach_options, check_one_stdin, upload, with_lines
from .finding import print_findings
from .mcp import mcp
from .naming import find_chat
from .options import JSON, SERVER, guarded, server_option
from .output import (
    NEWEST,
    print_chat_json,
    print_chats,
    print_chats_json,
    print_hits,
    print_hits_json,
    tree_json,
)
from .settings import database_path, load_config
from .talk import converse, follow_chat, watch_family
from .target import find_running, prefer_running, running_server, server_for_prompt
from .terminal import TurnPrinter, until_ctrl_c
from .transfer import COMMANDS
from .workspaces import workspaces

F = TypeVar("F", bound=Callable[..., Any])


def _labels_of(context: click.Context, parameter: click.Parameter, words: Sequence[str]) -> Mapping[str, str]:
    """Read `name:value` words; a value may have colons."""
    pairs = [word.partition(":") for word in words]
    if any(not name or not colon for name, colon, _ in pairs):
        raise click.BadParameter("Expected name:value.", context, parameter)
    return {name: value for name, _, value in pairs}


def _label(text: str) -> Callable[[F], F]:
    return click.option(
        "--label", "labels", multiple=True, metavar="NAME:VALUE", callback=_labels_of, help=text
    )


_RUN_SERVER = (
    "auto: the running server that serves the current folder, else one of this command's own; always its own "
    "while a key or an address of a provider (OPENAI_API_KEY, ANTHROPIC_BASE_URL, ...) is set here, because "
    "a running server would not see it. own: always its own. running: a running one. Or an address: "
    "http://127.0.0.1:8888/."
)
_COMMANDS = {
    "unconfined": "Commands run unconfined: jupyter chatd doctor says why.",
    "refused": "Commands are refused, as there is no sandbox: jupyter chatd doctor says why.",
}
_MODEL = click.option("-m", "--model", metavar="PROVIDER:MODEL", help="The model; else the server's default.")
_EFFORT = click.option(
    "--effort",
    type=click.Choice(get_args(Effort)),
    help="How hard the model thinks, as far as it has a choice.",
)
_TIMEOUT = click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Stop the agent after that time.",
)
_QUIET = click.option("-q", "--quiet", is_flag=True, help="Print what the agent says and nothing else.")
_CHAT = click.argument("chat", metavar="CHAT")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="jupyter chatd")
def chatd() -> None:
    """Talk to the agent of your Jupyter server from a terminal.

    What the agent says goes to standard output, what it does to standard error. Ctrl-C stops the agent;
    pressed again, it leaves. The exit code is 0 when the agent was done, 1 when it failed, 2 for wrong usage,
    and 130 after Ctrl-C.

    CHAT is a chat's id, the first four or more characters of it, or last for the newest.
    """


chatd.add_command(mcp)
chatd.add_command(workspaces)


@chatd.command()
@click.argument("prompt")
@attach_options
@_label("Give the chat this label. May be repeated.")
@_MODEL
@_EFFORT
@click.option("--title", help="Title of the chat; else the first words of the prompt.")
@click.option("--ask", is_flag=True, help="Wait for your word before anything is changed: see approvals.")
@click.option("--plan", is_flag=True, help="Only look, and write a plan, which approve lets be carried out.")
@server_option(_RUN_SERVER)
@_TIMEOUT
@_QUIET
@JSON
@guarded
async def run(
    prompt: str,
    files: tuple[str, ...],
    lines: tuple[str, ...],
    labels: Mapping[str, str],
    model: str | None,
    effort: Effort | None,
    title: str | None,
    ask: bool,
    plan: bool,
    server: str,
    timeout: float | None,  # noqa: ASYNC109 - the option's name
    quiet: bool,
    as_json: bool,
) -> None:
    """Begin a chat with PROMPT, and print what the agent says. The command ends when the agent is done.

    PROMPT may be - for standard input. The agent works in the server's folder; a server of this command's
    own works in the current folder, opens no port, and is gone afterwards. The chat stays: see it in
    JupyterLab or with show last.
    """
    check_one_stdin(prompt, files)
    content = with_lines(_read(prompt), lines)
    printer = TurnPrinter(quiet=quiet or as_json)
    async with server_for_prompt(server, printer.note, cwd=Path.cwd()) as found, AsyncClient(found) as client:
        sent = await upload(client, files)
        chat = await client.create(
            content,
            files=sent,
            model=model,
            reasoning_effort=effort,
            title=title,
            labels=labels,
            approval_mode="ask" if ask else None,
            plan_mode="plan" if plan else None,
        )
        printer.note(f"Chat {chat.id} with {chat.model}")
        if warning := _COMMANDS.get(await client.command_state(chat.id) or ""):
            printer.note(warning)
        async with ChatSession(client, chat.id) as session:
            await converse(session, printer, timeout_s=timeout, as_json=as_json)


@chatd.command()
@_CHAT
@click.argument("text")
@attach_options
@_MODEL
@_EFFORT
@click.option(
    "--busy",
    type=click.Choice(["queue", "interrupt"]),
    default="queue",
    show_default=True,
    help="While the agent works: wait for its end, or stop it.",
)
@click.option("--no-wait", is_flag=True, help="Do not wait for the answer.")
@server_option(f"{SERVER} When none runs: one of this command's own, as for run.")
@_TIMEOUT
@_QUIET
@JSON
@guarded
async def send(
    chat: str,
    text: str,
    files: tuple[str, ...],
    lines: tuple[str, ...],
    model: str | None,
    effort: Effort | None,
    busy: Busy,
    no_wait: bool,
    server: str,
    timeout: float | None,  # noqa: ASYNC109 - the option's name
    quiet: bool,
    as_json: bool,
) -> None:
    """Send TEXT to CHAT, and print what the agent says. The command ends when the agent is done.

    TEXT may be - for standard input.
    """
    check_one_stdin(text, files)
    content = with_lines(_read(text), lines)
    printer = TurnPrinter(quiet=quiet or as_json)
    choice = await prefer_running(server, cwd=Path.cwd(), may_start=not no_wait)
    async with server_for_prompt(choice, printer.note, cwd=Path.cwd()) as found, AsyncClient(found) as client:
        row = await find_chat(client, chat)
        async with ChatSession(client, row.id) as session:
            uploaded = await upload(client, files)
            sent = await session.send(
                content, files=uploaded, busy=busy, model=model, reasoning_effort=effort
            )
            if sent.command is not None:  # there is no answer to wait for
                await until_ctrl_c(session.settled(), stop=session.interrupt)
                return
            if sent.queued_message is not None:
                printer.note("The agent is working: the message waits in the queue.")
            if not no_wait:
                await converse(session, printer, timeout_s=timeout, as_json=as_json)


@chatd.command()
@_CHAT
@server_option(SERVER)
@guarded
async def compact(chat: str, server: str) -> None:
    """Let the model summarise CHAT and go on from the summary."""
    found = await running_server(server, cwd=Path.cwd())
    async with AsyncClient(found) as client:
        row = await find_chat(client, chat)
        async with ChatSession(client, row.id) as session:
            await until_ctrl_c(session.compact(), stop=session.interrupt)


@chatd.command()
@_CHAT
@server_option(SERVER)
@guarded
async def clear(chat: str, server: str) -> None:
    """Let the model forget what was said in CHAT. The messages stay to be read."""
    found = await running_server(server, cwd=Path.cwd())
    async with AsyncClient(found) as client:
        row = await find_chat(client, chat)
        await client.clear(row.id)


@chatd.command()
@_CHAT
@click.option(
    "-n", "--messages", type=click.IntRange(min=0), default=10, show_default=True, help="Earlier ones."
)
@click.option("--until-idle", is_flag=True, help="End when the agent is done.")
@server_option(SERVER)
@guarded
async def tail(chat: str, messages: int, until_idle: bool, server: str) -> None:
    """Follow CHAT: print its last messages, then what happens. Ctrl-C leaves; the agent goes on."""
    found = await running_server(server, cwd=Path.cwd())
    async with AsyncClient(found) as client:
        row = await find_chat(client, chat)
        async with ChatSession(client, row.id, give_up_s=None) as session:
            work = follow_chat(row, session, messages=messages, until_idle=until_idle)
            await until_ctrl_c(work)


@chatd.command(name="list")
@click.option(
    "-n", "--limit", type=click.IntRange(1, NEWEST), default=20, show_default=True, help="Most chats."
)
@click.option("--text", metavar="WORDS", help="Only chats whose title or messages have these words.")
@_label("Only chats with this label. May be repeated: they must have all.")
@click.option("--archived", is_flag=True, help="Archived chats instead of the others.")
@server_option(f"{SERVER} When none runs, the database is read.")
@JSON
@guarded
async def list_(server: str, as_json: bool, **query: Any) -> None:
    """List chats, newest change first."""
    found = await find_running(server, cwd=Path.cwd())
    if found is None:
        with archive.open_archive(database_path(load_config())) as conn:
            chats = archive.list_chats(conn, **query)
    else:
        async with AsyncClient(found) as client:
            chats = await client.list(**query)
    (print_chats_json if as_json else print_chats)(chats)


@chatd.command()
@click.argument("words")
@click.option(
    "-n", "--limit", type=click.IntRange(1, 100), default=20, show_default=True, help="Most messages."
)
@click.option("--archived", is_flag=True, help="In archived chats instead of the others.")
@server_option(f"{SERVER} When none runs, the database is read.")
@JSON
@guarded
async def search(words: str, limit: int, archived: bool, server: str, as_json: bool) -> None:
    """Find messages that have all WORDS, best match first. The last word may be the beginning of one."""
    if not words.strip():
        raise click.UsageError("Expected words to look for.")
    found = await find_running(server, cwd=Path.cwd())
    if found is None:
        with archive.open_archive(database_path(load_config())) as conn:
            hits = archive.search(conn, words, limit=limit, archived=archived)
    else:
        async with AsyncClient(found) as client:
            hits = await client.search(words, limit=limit, archived=archived)
    (print_hits_json if as_json else print_hits)(hits)


@chatd.command(name="archive")
@_CHAT
@click.option("--undo", is_flag=True, help="Take it back out of the archive.")
@server_option(SERVER)
@guarded
async def archive_(chat: str, undo: bool, server: str) -> None:
    """Put CHAT and its subagents away; what runs is stopped first."""
    found = await running_server(server, cwd=Path.cwd())
    async with AsyncClient(found) as client:
        row = await find_chat(client, chat, archived=undo)
        await client.update(row.id, archived=not undo)


@chatd.command()
@_CHAT
@click.argument("labels", nargs=-1, metavar="[NAME:VALUE]...", callback=_labels_of)
@server_option(SERVER)
@guarded
async def label(chat: str, labels: Mapping[str, str], server: str) -> None:
    """Give CHAT these labels in place of those it has. Without any, take them away."""
    found = await running_server(server, cwd=Path.cwd())
    async with AsyncClient(found) as client:
        row = await find_chat(client, chat)
        await client.update(row.id, labels=labels)


@chatd.command()
@_CHAT
@server_option(f"{SERVER} When none runs, the database is read.")
@JSON
@guarded
async def show(chat: str, server: str, as_json: bool) -> None:
    """Print all of CHAT."""
    row, messages = await _read_chat(server, chat)
    if as_json:
        print_chat_json(row, messages)
        return
    view = ChatView(chat_id=row.id, status=row.status.value, messages=messages, error=row.last_error)
    click.echo(plain_text(row, view, messages=sys.maxsize, characters=sys.maxsize))


@chatd.command()
@_CHAT
@click.option("--watch", is_flag=True, help="Go on until none of them works, with a line for each change.")
@server_option(f"{SERVER} When none runs, the database is read.")
@JSON
@guarded
async def tree(chat: str, watch: bool, server: str, as_json: bool) -> None:
    """Print CHAT with its subagents, and how each stands."""
    if watch and as_json:
        raise click.UsageError(
            "Expected --watch or --json, came both: the tree is one, its changes are many."
        )
    if watch:
        await _watch(chat, server)
        return
    found = await find_running(server, cwd=Path.cwd())
    if found is None:
        with archive.open_archive(database_path(load_config())) as conn:
            family = archive.tree(conn, archive.find_chat(conn, chat))
    else:
        async with AsyncClient(found) as client:
            family = await client.tree((await find_chat(client, chat)).id)
    click.echo(wire.dump_json(tree_json(family)) if as_json else family)


async def _watch(chat: str, server: str) -> None:
    found = await running_server(server, cwd=Path.cwd())
    async with AsyncClient(found) as client:
        row = await find_chat(client, chat)
        async with ChatSession(client, row.id, give_up_s=None) as session:
            await until_ctrl_c(watch_family(row, session))


def _day(name: str, text: str) -> Callable[[F], F]:
    return click.option(f"--{name}", type=click.DateTime(["%Y-%m-%d"]), metavar="YYYY-MM-DD", help=text)


@chatd.command()
@click.argument("chat", metavar="[CHAT]", required=False)
@_day("from", "The first day that counts, in UTC; else 29 days before the last.")
@_day("to", "The last day that counts; else today.")
@server_option(f"{SERVER} When none runs, the database is read.")
@JSON
@guarded
async def usage(chat: str | None, server: str, as_json: bool, **days: datetime | None) -> None:
    """Say what CHAT and its subagents used and cost so far. Without CHAT, what all chats did in some days."""
    first, last = _days(chat, days["from"], days["to"])
    found = await find_running(server, cwd=Path.cwd())
    if found is None:
        with archive.open_archive(database_path(load_config())) as conn:
            report = archive.usage(conn, chat, first, last)
    else:
        async with AsyncClient(found) as client:
            if chat is None:
                report = await client.usage(first, last)
            else:
                report = await client.chat_usage((await find_chat(client, chat)).id)
    click.echo(wire.dump_json(asdict(report)) if as_json else report)


def _days(chat: str | None, first: datetime | None, last: datetime | None) -> tuple[date, date]:
    """Return the days that count: 30 unless said otherwise. A chat is told of as a whole."""
    if chat is not None and (first or last):
        raise click.UsageError("Expected a chat or days, came both: a chat's usage is told as a whole.")
    end = last.date() if last else datetime.now(UTC).date()
    start = first.date() if first else end - timedelta(days=29)
    if start > end:
        raise click.UsageError(f"Expected days in order, came {start} to {end}.")
    return start, end


@chatd.command()
@JSON
@guarded
async def doctor(as_json: bool) -> None:
    """Say what is set up, what is missing, and what to do about it.

    Keys and tokens are never shown. The exit code is 1 when something does not work.
    """
    from .doctor import examine

    findings = [finding async for finding in examine()]
    if not print_findings(findings, as_json=as_json):
        sys.exit(1)


def _read(text: str) -> str:
    text = sys.stdin.read() if text == "-" else text
    if not text.strip():
        raise click.UsageError("Expected a text that is not blank.")
    return text


async def _read_chat(server: str, word: str) -> tuple[Chat, tuple[Message, ...]]:
    """Return a chat with all its messages, from a running server or from the database."""
    found = await find_running(server, cwd=Path.cwd())
    if found is not None:
        async with AsyncClient(found) as client:
            chat = await find_chat(client, word)
            return chat, await client.history(chat.id)
    with archive.open_archive(database_path(load_config())) as conn:
        chat = archive.find_chat(conn, word)
        return chat, archive.messages(conn, chat.id)


for _command in (*APPROVALS, *COMMANDS):
    chatd.add_command(_command)
