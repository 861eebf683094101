"""The store as the rest of the package sees it: apply a transition, read, announce.

One `Store` lives as long as the server has the file open. Several processes may open the same file.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Protocol, TypeVar

from ..errors import NotFoundError
from ..events import Change
from . import reads
from .database import NETWORK_FILESYSTEMS, connect, filesystem_of, lock_exclusively, prepare, quick_check
from .machine import Transition
from .transaction import MessageIds, Transaction

T = TypeVar("T")
R_co = TypeVar("R_co", covariant=True)

READERS = 2
"""Threads for reads; each has a connection of its own."""

log = logging.getLogger(__name__)


class TransitionLike(Protocol[R_co]):
    """A transition as a value; see `conversation.py`, `actions.py`, `work.py`."""

    @property
    def transition(self) -> Transition: ...

    def apply(self, tx: Transaction) -> R_co: ...


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
        self._journal = journal
        self._probe = probe
        self._ids = MessageIds()
        self._listeners: list[Callable[[Change], None]] = []
        self._local = threading.local()
        self._reader_connections: list[sqlite3.Connection] = []
        self._lock: IO[bytes] | None = None
        self._seen_change = 0
        self._catching_up: asyncio.Task[None] | None = None
        self._closed = False

    async def open(self) -> None:
        """Create or migrate the file and start the writer.

        Raises:
            NewerSchemaError: a newer release wrote it; it was not touched.
            StoreError: it is not a database, or another process holds it on a network file system.
        """
        from .writer import Writer

        journal = self._choose_journal()
        await asyncio.to_thread(prepare, self.path, journal=journal)
        connection = connect(self.path)
        connection.execute("PRAGMA synchronous = FULL")
        self._seen_change = reads.last_change_id(connection)
        self._executor = ThreadPoolExecutor(READERS, thread_name_prefix="chatd-reader")
        self._connection = connection
        self._writer = Writer(
            connection=connection,
            loop=asyncio.get_running_loop(),
            on_foreign_commit=self._on_foreign_commit,
            probe=self._probe,
        )
        self._writer.start()

    def _choose_journal(self) -> str:
        kind = filesystem_of(self.path.parent) if self._journal == "auto" else ""
        if kind not in NETWORK_FILESYSTEMS and self._journal != "delete":
            return "wal"
        if kind:
            log.warning("The data folder is on %s: using a rollback journal and one process only", kind)
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = lock_exclusively(self.path)
        return "delete"

    async def close(self) -> None:
        """Finish what is queued and let the file go. May be called twice."""
        if self._closed:
            return
        self._closed = True
        await self._writer.close()
        if self._catching_up is not None:
            await self._catching_up
        self._executor.shutdown()
        for connection in (*self._reader_connections, self._connection):
            connection.close()
        if self._lock is not None:
            self._lock.close()

    async def __aenter__(self) -> Store:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # Changes

    def listen(self, listener: Callable[[Change], None]) -> Callable[[], None]:
        """Call *listener* on the loop with every committed change, in commit order; return what stops that."""
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
            ChatNotFoundError, ConflictError, StaleWorkError, …: as the transition says; nothing was changed.
        """
        now = self.clock()

        def run(conn: sqlite3.Connection) -> tuple[T, tuple[Change, ...]]:
            tx = Transaction(conn, transition=transition.transition, now=now, ids=self._ids)
            result = transition.apply(tx)
            return result, tx.finish()

        result, _ = await self._writer.submit(run, after=lambda done: self._announce(done[1]))
        return result

    async def write(self, run: Callable[[sqlite3.Connection], T]) -> T:
        """Write something that is not execution state: settings, providers, heartbeats. *run* may run twice."""
        return await self._writer.submit(run)

    async def write_metadata(self, chat_id: str, values: dict[str, Any], *, kind: Any = "updated") -> Change:
        """Change a chat's metadata (title, labels, pin, workspace, read mark) and announce it.

        Raises:
            ChatNotFoundError: no such chat.
        """

        def run(conn: sqlite3.Connection) -> Change:
            return Change(chat=reads.update_metadata(conn, chat_id, values), kind=kind)

        return await self._writer.submit(run, after=lambda change: self._announce((change,)))

    # Reading

    async def read(self, run: Callable[[sqlite3.Connection], T]) -> T:
        """Run a query off the loop, on a connection that cannot write."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, lambda: run(self._reader()))

    def _reader(self) -> sqlite3.Connection:
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = connect(self.path, readonly=True)
            self._local.connection = connection
            self._reader_connections.append(connection)
        return connection

    async def quick_check(self) -> str | None:
        """Return what is wrong with the file, `None` when it is sound. Takes time in proportion to its size."""
        return await asyncio.to_thread(quick_check, self.path)

    # Other processes

    def _on_foreign_commit(self) -> None:
        if self._closed or (self._catching_up is not None and not self._catching_up.done()):
            self._missed = True
            return
        self._catching_up = asyncio.get_running_loop().create_task(self._catch_up(), name="chatd-catch-up")

    _missed = False

    async def _catch_up(self) -> None:
        """Announce what other processes changed."""
        while True:
            self._missed = False
            since = self._seen_change
            try:
                last, changed = await self.read(lambda conn: reads.changes_since(conn, since))
            except (sqlite3.Error, NotFoundError) as error:
                log.warning("What another process changed could not be read: %r", error)
                return
            self._seen_change = max(last, self._seen_change)
            self._announce(changed)
            if not self._missed:
                return
