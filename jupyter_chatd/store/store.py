"""The store as the rest of the package sees it: apply a transition, read, announce.

One `Store` lives as long as the server has the file open. Several processes may open the same file.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Protocol, TypeVar

from ..events import Change
from ..messages import Chat
from . import reads
from .database import OpenedFile, connect, open_file, quick_check
from .group import Group
from .machine import Transition
from .transaction import Transaction
from .writer import Writer

T = TypeVar("T")
R_co = TypeVar("R_co", covariant=True)

READERS = 2
"""Threads for reads; each has a connection of its own."""

log = logging.getLogger(__name__)


class TransitionLike(Protocol[R_co]):
    """A transition as a value; see `conversation.py`, `actions.py`, `work.py`."""

    @property
    def transition(self) -> Transition:
        """The row of the table."""
        ...

    def apply(self, tx: Transaction) -> R_co:
        """Change the chats of *tx*. May run again, so it has no other effect."""
        ...


class Store:
    """Chats and messages in one file.

    Args:
        path: The database file; its folder is made, private, when absent.
        journal: `wal`, `delete`, or `auto`: WAL unless the file lies on a network file system.
        clock: Returns UTC seconds.
        probe: Test seam of the writer.
    """

    def __init__(
        self,
        path: Path,
        *,
        journal: str = "auto",
        clock: Callable[[], float] = time.time,
        probe: Callable[[str], None] | None = None,
    ) -> None:
        self.path = path
        self.clock = clock
        self.stopped_uncleanly = False
        """Once open: a process did not close the file, or one has it still. Then `quick_check` is due."""
        self._journal = journal
        self._probe = probe
        self._group = Group()
        self._listeners: list[Callable[[Change], None]] = []
        self._local = threading.local()
        self._reader_connections: list[sqlite3.Connection] = []
        self._executor = ThreadPoolExecutor(READERS, thread_name_prefix="chatd-reader")
        self._file: OpenedFile | None = None
        self._writer: Writer | None = None

    async def open(self) -> None:
        """Create or migrate the file and start the writer.

        Raises:
            NewerSchemaError: a newer release wrote it; it was not touched.
            StoreError: it is not a database of ours, or another process holds it on a network file system.
        """
        self._file = await asyncio.to_thread(open_file, self.path, journal=self._journal)
        self.stopped_uncleanly = self._file.was_left_open
        self._writer = Writer(
            connection=self._file.connection,
            loop=asyncio.get_running_loop(),
            commits=_CommitLog(self._announce, self._group, seen=reads.last_change_id(self._file.connection)),
            probe=self._probe,
        )
        self._writer.start()

    async def close(self) -> None:
        """Finish what is queued and let the file go. May be called twice, and without `open`."""
        if self._writer is not None:
            await self._writer.close()
        await asyncio.to_thread(self._executor.shutdown)
        for connection in self._reader_connections:
            connection.close()
        if self._file is not None:
            self._file.close()

    async def __aenter__(self) -> Store:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # Changes

    def listen(self, listener: Callable[[Change], None]) -> Callable[[], None]:
        """Call *listener* on the loop with every commit's changes, in order; return what stops that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener) if listener in self._listeners else None

    def _announce(self, changes: tuple[Change, ...]) -> None:
        for change in changes:
            for listener in tuple(self._listeners):
                try:
                    listener(change)
                except Exception:
                    log.exception("A listener failed on a change of chat %s", change.chat.id)

    # Writing

    async def apply(self, transition: TransitionLike[T]) -> T:
        """Run one transition and return its result once it is durable and announced.

        Cancelling the caller does not undo it.

        Raises:
            ChatNotFoundError, ConflictError, StaleWorkError, …: as the transition says; nothing changed.
        """
        now = self.clock()

        def run(conn: sqlite3.Connection) -> tuple[T, tuple[Change, ...]]:
            tx = Transaction(conn, transition=transition.transition, now=now, group=self._group)
            result = transition.apply(tx)
            return result, tx.finish()

        result, _ = await self._open_writer().submit(run, after=lambda done: self._announce(done[1]))
        return result

    async def write(self, run: Callable[[sqlite3.Connection], T]) -> T:
        """Write something that is not execution state: settings, heartbeats. *run* may run twice."""
        return await self._open_writer().submit(self._aside(run))

    def _aside(self, run: Callable[[sqlite3.Connection], T]) -> Callable[[sqlite3.Connection], T]:
        """Return *run* as the transitions of the same commit can bear it: it may write whatever it likes."""

        def run_aside(conn: sqlite3.Connection) -> T:
            try:
                return run(conn)
            finally:
                self._group.look_again()

        return run_aside

    async def write_metadata(
        self,
        chat_id: str,
        values: Mapping[str, Any],
        *,
        kind: Literal["title_change", "updated"] = "updated",
    ) -> Change:
        """Change a chat's metadata (title, labels, pin, workspace, read mark) and announce it.

        Raises:
            ChatNotFoundError: no such chat.
        """

        def run(conn: sqlite3.Connection) -> tuple[Change, tuple[Change, ...]]:
            change = Change(chat=reads.update_metadata(conn, chat_id, values), kind=kind)
            return change, (change,)

        return await self.write_and_tell(run)

    async def write_and_tell(self, run: Callable[[sqlite3.Connection], tuple[T, tuple[Change, ...]]]) -> T:
        """Write something that is not execution state, and announce what of it subscribers need."""
        result, _ = await self._open_writer().submit(
            self._aside(run), after=lambda done: self._announce(done[1])
        )
        return result

    async def mark_read(self, chat_id: str) -> None:
        """Count everything that a chat says now as read, and announce it where that changes something."""

        def run(conn: sqlite3.Connection) -> Change | None:
            return Change(chat=reads.get_chat(conn, chat_id)) if reads.mark_read(conn, chat_id) else None

        await self._open_writer().submit(
            self._aside(run), after=lambda change: self._announce((change,) if change else ())
        )

    async def replace_title(self, chat_id: str, title: str, *, old: str) -> Chat | None:
        """Change a title that is still *old*, and announce it; `None` when somebody changed it meanwhile.

        Raises:
            ChatNotFoundError: no such chat.
        """

        def run(conn: sqlite3.Connection) -> Change | None:
            if reads.get_chat(conn, chat_id).title != old:
                return None
            return Change(chat=reads.update_metadata(conn, chat_id, {"title": title}), kind="title_change")

        change = await self._open_writer().submit(
            self._aside(run), after=lambda change: self._announce((change,) if change else ())
        )
        return change.chat if change else None

    def _open_writer(self) -> Writer:
        if self._writer is None:
            raise RuntimeError("the store is not open")
        return self._writer

    # Reading

    async def read(self, run: Callable[[sqlite3.Connection], T]) -> T:
        """Run a query off the loop, on a connection that cannot write."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, lambda: run(self._reader()))

    def _reader(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = connect(self.path, readonly=True)
            self._local.connection = connection
            self._reader_connections.append(connection)
        return connection

    async def quick_check(self) -> str | None:
        """Return what is wrong with the file, `None` when it is sound. Slow: it reads the whole file."""
        return await asyncio.to_thread(quick_check, self.path)


class _CommitLog:
    """Finds the chats that other processes changed by the database-wide change number."""

    def __init__(self, announce: Callable[[tuple[Change, ...]], None], group: Group, *, seen: int) -> None:
        self._announce = announce
        self._group = group
        self._seen = seen

    def look_again(self) -> None:
        """Trust nothing that was read before."""
        self._group.look_again()

    def read_foreign(self, conn: sqlite3.Connection) -> Callable[[], None]:
        """Read the chats that changed after everything known."""
        self._seen, changes = reads.changes_since(conn, self._seen)
        return lambda: self._announce(changes)

    def before_commit(self, conn: sqlite3.Connection) -> int:
        """Return the newest change number."""
        self._group.settle(conn)
        return reads.last_change_id(conn)

    def after_commit(self, mark: object) -> None:
        """Know everything up to *mark*."""
        assert isinstance(mark, int)
        self._seen = mark
        self._group.end()

    def after_loss(self) -> None:
        """Nothing since the last commit has happened."""
        self._group.drop()
