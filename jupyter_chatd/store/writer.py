"""One thread owns the connection that writes; whatever has queued up while a commit ran is the next commit.

A failing job leaves its neighbours alone. Most fail before they have written anything, so the jobs of a group
run without savepoints at first; when one has to be undone, the group is run again with a savepoint for each
(`DECISIONS.md`). Some errors (a full disk, an interrupt) roll back the whole transaction: then the batch is
run again, one job at a time. There is no gathering delay. Rules: spec "Group commit".

What other processes commit is read on this thread too, between its own commits: so everything is announced in
commit order, and nothing of ours is taken for somebody else's.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

T = TypeVar("T")

MAX_BATCH = 256
"""Jobs in one commit at the most, so that the first caller is not kept waiting for the last."""

POLL_INTERVAL = 0.2  # seconds between looks for other processes' commits while idle

log = logging.getLogger(__name__)


class CommitLog(Protocol):
    """Tells the commits of other processes from ours. Called on the writer's thread only."""

    def look_again(self) -> None:
        """Another process has committed: trust nothing that was read before."""
        ...

    def read_foreign(self, conn: sqlite3.Connection) -> Callable[[], None]:
        """Read what others committed since the last look; return what announces it on the loop."""
        ...

    def before_commit(self, conn: sqlite3.Connection) -> object:
        """Write what was held back, and return a mark that covers all that is about to be committed."""
        ...

    def after_commit(self, mark: object) -> None:
        """What *mark* covers is ours."""
        ...

    def after_loss(self) -> None:
        """The transaction was rolled back."""
        ...


class _HalfDoneError(Exception):
    """A job of an unprotected group failed after it had written."""


@dataclass(slots=True)
class _Job:
    run: Callable[[sqlite3.Connection], Any]
    future: asyncio.Future[Any]
    result: Any = None
    error: Exception | None = None
    after: Callable[[Any], None] | None = None
    """Called on the loop with the result, before the future is resolved and in commit order."""


@dataclass(slots=True)
class Writer:
    """Runs write jobs in commit groups. Lives from `start` to `close`; one per store."""

    connection: sqlite3.Connection
    loop: asyncio.AbstractEventLoop
    commits: CommitLog
    probe: Callable[[str], None] | None = None
    """Test seam: called with `begin` and `end` around each job, with `undo` when one has to be undone, and
    with `commit` right before that; may raise."""
    poll_s: float = POLL_INTERVAL
    _jobs: queue.SimpleQueue[_Job | None] = field(default_factory=lambda: queue.SimpleQueue[_Job | None]())
    _thread: threading.Thread | None = None
    _data_version: int = -1
    _closed: bool = False

    def start(self) -> None:
        """Start the thread."""
        self._data_version = self._read_data_version()
        self._thread = threading.Thread(target=self._main, name="chatd-writer", daemon=True)
        self._thread.start()

    def submit(
        self, run: Callable[[sqlite3.Connection], T], *, after: Callable[[T], None] | None = None
    ) -> asyncio.Future[T]:
        """Queue a job and return its future; call it on the loop.

        *run* gets the connection inside a transaction and may be run more than once; when it raises, what it
        wrote is undone. A cancelled caller does not cancel the job.

        Raises:
            RuntimeError: the writer is closed.
        """
        if self._closed:
            raise RuntimeError("the store is closed")
        future: asyncio.Future[T] = self.loop.create_future()
        self._jobs.put(_Job(run=run, future=future, after=after))
        return future

    async def close(self) -> None:
        """Run what is queued, then end the thread. May be called twice."""
        if not self._closed:
            self._closed = True
            self._jobs.put(None)
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)

    # The thread

    def _main(self) -> None:
        is_last = False
        while not is_last:
            try:
                job = self._jobs.get(timeout=self.poll_s)
            except queue.Empty:
                self._poll()
                continue
            batch, is_last = self._gather(job)
            if batch:
                self._commit_batch(batch)
                self._tell(lambda batch=batch: _deliver(batch))

    def _gather(self, first: _Job | None) -> tuple[list[_Job], bool]:
        """Return all jobs that wait now, and whether the end of the queue is among them."""
        batch: list[_Job] = []
        job = first
        while job is not None:
            batch.append(job)
            if len(batch) >= MAX_BATCH:
                return batch, False
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return batch, False
        return batch, True

    def _commit_batch(self, batch: list[_Job], *, with_savepoints: bool = False) -> None:
        try:
            self._transact(batch, self._run_in_savepoint if with_savepoints else self._run_job)
        except _HalfDoneError:
            self._roll_back()
            if len(batch) > 1:
                self._commit_batch(batch, with_savepoints=True)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the callers' answer
            self._roll_back()
            if len(batch) == 1:
                batch[0].error = error
                return
            log.warning("A group of %d writes was rolled back and is run one by one: %r", len(batch), error)
            for job in batch:
                self._commit_batch([job])

    def _transact(self, batch: list[_Job], run: Callable[[_Job], None]) -> None:
        """Run the jobs and commit.

        Raises:
            _HalfDoneError: a job failed, noted why, and has to be undone.
            Exception: the transaction as a whole is lost.
        """
        self.connection.execute("BEGIN IMMEDIATE")
        self._look_for_foreign_commits()
        for job in batch:
            job.error = None
            self._reach("begin")
            run(job)
            self._reach("end")
        mark = self.commits.before_commit(self.connection)
        self._reach("commit")
        self.connection.execute("COMMIT")
        self.commits.after_commit(mark)

    def _run_job(self, job: _Job) -> None:
        written = self.connection.total_changes
        try:
            job.result = job.run(self.connection)
        except Exception as error:
            if not self.connection.in_transaction:
                raise
            job.error = error
            if self.connection.total_changes != written:
                self._reach("undo")
                raise _HalfDoneError from error

    def _run_in_savepoint(self, job: _Job) -> None:
        self.connection.execute("SAVEPOINT job")
        try:
            job.result = job.run(self.connection)
        except Exception as error:
            if not self.connection.in_transaction:
                raise
            self.connection.execute("ROLLBACK TO job")
            job.error = error
        self.connection.execute("RELEASE job")

    def _roll_back(self) -> None:
        try:
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
        except sqlite3.Error:
            log.exception("A failed group of writes could not be rolled back")
        self.commits.after_loss()

    def _reach(self, point: str) -> None:
        if self.probe is not None:
            self.probe(point)

    def _poll(self) -> None:
        try:
            self._look_for_foreign_commits()
        except sqlite3.Error as error:
            log.warning("The database could not be polled: %r", error)

    def _read_data_version(self) -> int:
        return int(self.connection.execute("PRAGMA data_version").fetchone()[0])

    def _look_for_foreign_commits(self) -> None:
        """`data_version` moves on this connection only when another one committed."""
        version = self._read_data_version()
        if version == self._data_version:
            return
        self._data_version = version
        self.commits.look_again()
        try:
            announce = self.commits.read_foreign(self.connection)
        except Exception:
            log.exception("What another process committed could not be read")
        else:
            self._tell(announce)

    def _tell(self, call: Callable[[], None]) -> None:
        try:
            self.loop.call_soon_threadsafe(call)
        except RuntimeError:
            log.warning("The event loop ended before it could be told of a commit")


def _deliver(batch: list[_Job]) -> None:
    """On the loop: announce in commit order, then wake the callers."""
    for job in batch:
        if job.error is None and job.after is not None:
            try:
                job.after(job.result)
            except Exception:
                log.exception("An observer of a commit failed")
        if job.future.cancelled():
            continue
        if job.error is None:
            job.future.set_result(job.result)
        else:
            job.future.set_exception(job.error)
