"""One thread owns the connection that writes; whatever has queued up while a commit ran is the next commit.

Each job runs in a savepoint of its own, so that one failing job leaves its neighbours alone. Some errors (a full
disk, an interrupt) roll back the whole transaction: then the batch is run again, one job at a time.
There is no gathering delay. Rules: spec "Group commit".
"""

from __future__ import annotations

import asyncio
import logging
import queue
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")

MAX_BATCH = 256
"""Jobs in one commit at the most, so that the first caller is not kept waiting for the last."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Job:
    run: Callable[[sqlite3.Connection], Any]
    future: asyncio.Future[Any]
    result: Any = None
    error: BaseException | None = None
    after: Callable[[Any], None] | None = None
    """Called on the loop with the result, before the future is resolved and in commit order."""


@dataclass(slots=True)
class Writer:
    """Runs write jobs in commit groups. Lives from `start` to `close`; one per store."""

    connection: sqlite3.Connection
    loop: asyncio.AbstractEventLoop
    poll_s: float = 0.2
    """How often another process's commits are looked for while idle, seconds."""
    on_foreign_commit: Callable[[], None] | None = None
    """Called on the loop when another process has committed."""
    probe: Callable[[str], None] | None = None
    """Test seam: called with `savepoint`, `release` or `commit` right before each; may raise."""
    _jobs: queue.SimpleQueue[_Job | None] = field(default_factory=queue.SimpleQueue)
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

        *run* gets the connection inside a savepoint and may be run more than once. A cancelled caller does not
        cancel the job.
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

    def _main(self) -> None:
        while True:
            try:
                job = self._jobs.get(timeout=self.poll_s)
            except queue.Empty:
                self._look_for_foreign_commits()
                continue
            batch, last = self._gather(job)
            if batch:
                self._look_for_foreign_commits()
                self._commit_batch(batch)
                self._answer(batch)
            if last:
                return

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

    def _commit_batch(self, batch: list[_Job]) -> None:
        try:
            self._transact(batch)
        except Exception as error:
            self._rollback()
            if len(batch) == 1:
                batch[0].error = error
                return
            log.warning("A group of %d writes was rolled back and is run one by one: %r", len(batch), error)
            for job in batch:
                job.error = None
                self._commit_batch([job])

    def _transact(self, batch: list[_Job]) -> None:
        """Run the jobs and commit.

        Raises:
            Exception: the transaction as a whole is lost.
        """
        self.connection.execute("BEGIN IMMEDIATE")
        for job in batch:
            self._run_job(job)
        self._reach("commit")
        self.connection.execute("COMMIT")

    def _run_job(self, job: _Job) -> None:
        self._reach("savepoint")
        self.connection.execute("SAVEPOINT job")
        try:
            job.result = job.run(self.connection)
            job.error = None
        except Exception as error:
            if not self.connection.in_transaction:
                raise
            self.connection.execute("ROLLBACK TO job")
            job.error = error
        self._reach("release")
        self.connection.execute("RELEASE job")

    def _rollback(self) -> None:
        if self.connection.in_transaction:
            self.connection.execute("ROLLBACK")

    def _reach(self, point: str) -> None:
        if self.probe is not None:
            self.probe(point)

    def _answer(self, batch: list[_Job]) -> None:
        try:
            self.loop.call_soon_threadsafe(_deliver, batch)
        except RuntimeError:
            log.warning("The loop ended before %d committed writes could be answered", len(batch))

    def _read_data_version(self) -> int:
        return int(self.connection.execute("PRAGMA data_version").fetchone()[0])

    def _look_for_foreign_commits(self) -> None:
        """`data_version` moves on this connection only when another one committed."""
        try:
            version = self._read_data_version()
        except sqlite3.Error as error:
            log.warning("The database could not be polled: %r", error)
            return
        if version != self._data_version:
            self._data_version = version
            if self.on_foreign_commit is not None:
                try:
                    self.loop.call_soon_threadsafe(self.on_foreign_commit)
                except RuntimeError:
                    log.debug("The loop ended before another process's commit could be told")


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
