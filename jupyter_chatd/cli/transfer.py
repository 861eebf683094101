"""The commands that move chats, and those that look over a whole data folder.

They read and write the files themselves, beside a server that may run:

- a server shows clients less than an export holds (what vendors need back, the system prompt);
- a backup and a check must work when no server starts any more;
- several processes may use the database anyway, so a running server need not be asked.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AsyncExitStack
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from .. import wire
from ..errors import ChatdError
from ..files.blobs import BlobFolder
from ..maintenance.alone import check_migrated, open_beside_server
from ..maintenance.backup import back_up
from ..maintenance.check import RECOVER, check_folder
from ..runtime import FILES
from ..store import Store, reads
from ..transfer import Exported, Imported, Outcome, export_lines, import_families
from ..transfer.exporting import all_roots
from ..transfer.sources import ReadOptions, find_sources, read_source
from ..transfer.spool import Spool
from ..transfer.target import TargetError, write_lines
from . import archive
from .finding import Finding, Level, print_findings
from .options import JSON, guarded
from .settings import data_folder, database_path, load_config

_FORCE = click.option("--force", is_flag=True, help="Replace what is there.")
_STDOUT = Path("-")


@click.command(name="export")
@click.argument("chats", nargs=-1, metavar="[CHAT]...")
@click.option("--all", "wants_all", is_flag=True, help="All chats, archived ones too.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, allow_dash=True),
    default="-",
    metavar="PATH",
    help="A file (packed when it ends with .gz), or a folder, which gets a file for each family; "
    "else standard output.",
)
@click.option("--no-files", is_flag=True, help="Leave out the bytes of files; their names stay.")
@_FORCE
@guarded
async def export_(chats: tuple[str, ...], wants_all: bool, output: Path, no_files: bool, force: bool) -> None:
    """Write chats with their files, as JSON Lines that import takes.

    Each CHAT goes with its whole family. Works while a server runs and while none does. The chats of one
    export are of one moment; what runs then is written as if it had been stopped.
    """
    if bool(chats) == wants_all:
        raise click.UsageError("Expected either chats or --all.")
    path = database_path(load_config())
    blobs = None if no_files else BlobFolder(path.parent / FILES)
    await asyncio.to_thread(_export, path, chats, blobs, output, force)


def _export(path: Path, words: tuple[str, ...], blobs: BlobFolder | None, output: Path, force: bool) -> None:
    with open_beside_server(path) as conn:
        check_migrated(path)
        conn.execute("PRAGMA query_only = ON")
        exported = Exported()
        with reads.snapshot_of(conn):
            roots = _roots(conn, words) if words else all_roots(conn)

            def lines(some: Iterable[str]) -> Iterator[str]:
                return export_lines(conn, some, blobs=blobs, exported=exported)

            where = _write(output, roots, lines, force=force)
    click.echo(f"Exported {_sums(exported.chats, exported.messages, exported.files)}{where}", err=True)
    if exported.missing:
        click.echo(f"{exported.missing} files have no bytes; jupyter chatd check names them.", err=True)


def _roots(conn: sqlite3.Connection, words: Iterable[str]) -> list[str]:
    """Return the chats that the named ones' families begin with, each once."""
    return list(dict.fromkeys(archive.find_chat(conn, word).family_id for word in words))


def _write(
    output: Path, roots: list[str], lines: Callable[[Iterable[str]], Iterator[str]], *, force: bool
) -> str:
    """Write the export, and return where it is, for people."""
    if output == _STDOUT:
        for line in lines(roots):
            sys.stdout.buffer.write(line.encode() + b"\n")
        sys.stdout.buffer.flush()
        return "."
    if not output.is_dir():
        size = write_lines(output, lines(roots), replaces=force)
        return f" to {output}, {size / 1e6:.1f} MB."
    targets = {root: output / f"{root}.jsonl" for root in roots}
    if taken := [path for path in targets.values() if path.exists() and not force]:
        raise TargetError(f"{taken[0]} exists. Name another folder, or replace it with --force.")
    for root, path in targets.items():
        write_lines(path, lines([root]), replaces=force)
    return f" to {len(targets)} files in {output}."


def _sums(chats: int, messages: int, files: int) -> str:
    words = (
        f"{count} {word}{'s' * (count != 1)}" for count, word in ((chats, "chat"), (messages, "message"))
    )
    return f"{', '.join(words)} and {files} file{'s' * (files != 1)}"


@click.command(name="import")
@click.argument("sources", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "-m",
    "--model",
    metavar="PROVIDER:MODEL",
    help="The model with which chats of the original system go on; else the server's default_model.",
)
@click.option("--owner", metavar="NAME", help="Who will own the chats; else who owns those that are there.")
@click.option("--dry-run", is_flag=True, help="Only say what would become of each chat.")
@JSON
@guarded
async def import_(
    sources: tuple[str, ...], model: str | None, owner: str | None, dry_run: bool, as_json: bool
) -> None:
    """Take in chats that were exported. They come from here, or from the original system.

    FILE is an export, a folder of them, or - for standard input. All of it is checked before anything is
    written; a family is stored whole or not at all. Chats that are there already are left as they are.
    """
    from ..loop.prompt_settings import default_system_prompt

    config = load_config()
    path = database_path(config)
    options = ReadOptions(
        owner_id=owner or await asyncio.to_thread(_only_owner, path),
        default_model=model or str(config.JupyterChatd.get("default_model", "")),
        system_prompt=default_system_prompt(),
    )
    async with AsyncExitStack() as stack:
        spool = stack.enter_context(Spool())
        families = [
            family
            for source in find_sources(sources)
            for family in await asyncio.to_thread(read_source, source, spool, options)
        ]
        if dry_run and not await asyncio.to_thread(path.exists):
            path = Path(stack.enter_context(TemporaryDirectory())) / path.name
        journal = str(config.JupyterChatd.get("journal", "auto"))
        store = await stack.enter_async_context(Store(path, journal=journal))
        told: Callable[[Imported], None] = _ignore if as_json else _tell
        done = await import_families(
            store, BlobFolder(path.parent / FILES), families, spool, dry_run=dry_run, told=told
        )
    if as_json:
        click.echo(wire.dump_json([asdict(one) for one in done]))
    elif dry_run:
        click.echo("Nothing was written.", err=True)


def _only_owner(path: Path) -> str:
    """Return the owner of all chats; without any, the user that a plain server or a hub will name."""
    from ..api.base import LOCAL_OWNER

    owners: list[str] = []
    if path.exists():
        with open_beside_server(path) as conn:
            rows = conn.execute("SELECT DISTINCT owner_id FROM chats ORDER BY owner_id")
            owners = [str(row[0]) for row in rows]
    if len(owners) > 1:
        raise OwnerError(f"Chats here belong to {', '.join(owners)}. Say who shall own these with --owner.")
    return owners[0] if owners else os.environ.get("JUPYTERHUB_USER") or LOCAL_OWNER


class OwnerError(ChatdError):
    """It is not known who shall own what is imported."""


_WORDS = {Outcome.IMPORTED: "imported", Outcome.COPIED: "copied", Outcome.PRESENT: "there already"}


def _ignore(_imported: Imported) -> None:
    """Say nothing yet."""


def _tell(imported: Imported) -> None:
    renamed = "" if imported.id == imported.source_id else f"; it was {imported.source_id}"
    lost = f"; {imported.lost_files} files did not come along" if imported.lost_files else ""
    click.echo(
        f"{imported.id}  {_WORDS[imported.outcome]}, {imported.messages} messages{renamed}{lost}  "
        f"{imported.title}"
    )


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@_FORCE
@JSON
@guarded
async def backup(folder: Path, force: bool, as_json: bool) -> None:
    """Copy the database and all files into FOLDER. It can serve as a data folder.

    Works while a server runs, and holds nobody up. Keys are not copied.
    """
    done = await asyncio.to_thread(back_up, data_folder(load_config()), folder, replaces=force)
    if as_json:
        click.echo(wire.dump_json({**asdict(done), "folder": str(done.folder)}))
    else:
        sums = _sums(done.chats, done.messages, done.files)
        click.echo(f"{sums}, {done.size_bytes / 1e6:.1f} MB, in {folder}.")
    if done.lost:
        raise click.ClickException(
            f"{len(done.lost)} files could not be copied: their bytes are missing or damaged. jupyter chatd "
            "check names them. All else is in the backup."
        )


@click.command()
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@JSON
@guarded
async def check(folder: Path | None, as_json: bool) -> None:
    """Look over every chat, message and file. Say what is not as it should be.

    FOLDER is a data folder or a backup; else the data folder of the server. Nothing is changed, and a server
    may run. The exit code is 1 when something is wrong.
    """
    chosen = folder or data_folder(load_config())
    is_fine = await asyncio.to_thread(lambda: print_findings(_findings(chosen), as_json=as_json))
    if not is_fine:
        click.echo(RECOVER, err=True)
        sys.exit(1)


def _findings(folder: Path) -> Iterator[Finding]:
    for found in check_folder(folder):
        if not found.problems:
            yield Finding(topic=found.topic, text=found.facts)
        for problem in found.problems:
            yield Finding(topic=found.topic, text=problem, level=Level.FAILED)


COMMANDS = (export_, import_, backup, check)
