"""A data folder that chats are exported from and imported into."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

from store.lockstep import do_not_sync, put_database

from jupyter_chatd.files.blobs import BlobFolder
from jupyter_chatd.messages import Chat
from jupyter_chatd.store import Store, reads
from jupyter_chatd.store.database import connect
from jupyter_chatd.transfer import Exported, Imported, export_lines, import_families
from jupyter_chatd.transfer.exporting import all_roots
from jupyter_chatd.transfer.sources import ReadOptions, read_source
from jupyter_chatd.transfer.spool import Spool

ME = "ada"


class Place:
    """A store on a folder, with the blobs beside it."""

    def __init__(self, folder: Path, store: Store) -> None:
        self.folder = folder
        self.store = store
        self.blobs = BlobFolder(store.path.parent / "files")

    def export(self, *roots: str, files: bool = True) -> str:
        """The export of these families, or of all."""
        with closing(connect(self.store.path, readonly=True)) as conn, reads.snapshot_of(conn):
            self.exported = Exported()
            lines = export_lines(
                conn,
                roots or all_roots(conn),
                blobs=self.blobs if files else None,
                exported=self.exported,
            )
            return "".join(f"{line}\n" for line in lines)

    async def take(self, text: str | bytes, *, dry_run: bool = False, **options: str) -> list[Imported]:
        """Import a file with this content."""
        path = self.folder / "came.jsonl"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        with Spool() as spool:
            families = read_source(str(path), spool, ReadOptions(owner_id=ME, **options))
            return await import_families(self.store, self.blobs, families, spool, dry_run=dry_run)

    async def chats(self) -> dict[str, Chat]:
        """All chats by id."""
        rows = await self.store.read(lambda conn: [row["id"] for row in conn.execute("SELECT id FROM chats")])
        return {one: await self.store.read(lambda conn, one=one: reads.get_chat(conn, one)) for one in rows}

    async def texts(self, chat_id: str) -> list[str]:
        """What was said in a chat."""
        return [row.text for row in await self.store.read(lambda conn: reads.client_messages(conn, chat_id))]


@asynccontextmanager
async def place(folder: Path) -> AsyncGenerator[Place, None]:
    """An empty one, which does not wait for the disk."""
    await asyncio.to_thread(folder.mkdir)
    path = folder / "data" / "chats.db"
    put_database(path)
    async with Store(path) as store:
        await do_not_sync(store)
        yield Place(folder, store)


def lines_of(text: str) -> list[dict[str, Any]]:
    """The lines of an export, decoded."""
    return [json.loads(line) for line in text.splitlines()]


def text_of(lines: Iterable[dict[str, Any]]) -> str:
    """An export with these lines, and an end that fits."""
    kept = [line for line in lines if line["type"] != "end"]
    counts = {f"{word}s": sum(line["type"] == word for line in kept) for word in ("chat", "file", "message")}
    return "".join(json.dumps(line) + "\n" for line in [*kept, {"type": "end", **counts}])
