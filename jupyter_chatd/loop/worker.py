"""The runners of this process: taking chats that need work, and keeping proof of being alive.

Alive means holding a lock on a file beside the database: whoever gets that lock knows the worker is dead and
takes over at once. The heartbeat decides only for workers on other hosts, whose locks cannot be tried.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import socket
import uuid
from pathlib import Path

from .. import defaults
from ..errors import ConflictError
from ..events import Change
from ..messages import Chat, ChatStatus
from ..store import reads
from ..store.actions import CancelAction
from ..store.work import Acquire
from .alive import (
    HeldLock,
    WorkerRow,
    is_dead,
    list_workers,
    remove_left_locks,
    remove_worker,
    unknown_owners,
    upsert_worker,
)
from .engine import Engine
from .runner import Runner
from .unattended import NOBODY_THERE, Unattended

OTHERS_GRACE = 3.0
"""Seconds that another living server has to take a chat of its own: its folder and models were meant."""
ACQUIRE_TICK = defaults.ACQUIRE_TICK
ACQUIRE_BATCH = defaults.ACQUIRE_BATCH
HEARTBEAT = defaults.HEARTBEAT
STALE_AFTER = defaults.STALE_AFTER
STOP_GRACE = 10.0  # seconds that runners have to give their chats up

log = logging.getLogger(__name__)


class Worker:
    """Runs from `start` to `stop`; one per server."""

    def __init__(
        self,
        engine: Engine,
        *,
        worker_id: str,
        folder: Path,
        tick_s: float = ACQUIRE_TICK,
        batch: int = ACQUIRE_BATCH,
        heartbeat_s: float = HEARTBEAT,
        stale_after_s: float = STALE_AFTER,
    ) -> None:
        self.worker_id = worker_id
        self._engine = engine
        self._folder = folder
        self._tick_s = tick_s
        self._batch = batch
        self._heartbeat_s = heartbeat_s
        self._stale_after_s = stale_after_s
        self._runners: dict[str, tuple[Runner, asyncio.Task[None]]] = {}
        self._wake = asyncio.Event()
        self._unattended = Unattended(engine.is_attended, timeout_s=engine.unattended_timeout_s)
        self._is_alone = False
        """No other server lives; as it was at the last look."""
        self._own: set[str] = set()
        """Chats that need a worker and were last changed through this server."""
        self._acquiring: asyncio.Task[None] | None = None
        self._beating: asyncio.Task[None] | None = None
        self._stopping = False
        self._lock: HeldLock | None = None
        self._unlisten = lambda: None

    @property
    def running(self) -> int:
        """How many chats this worker drives now."""
        return len(self._runners)

    async def start(self) -> None:
        """Prove alive, then begin to take work."""
        self._lock = await asyncio.to_thread(HeldLock.take, self._folder, self.worker_id)
        await self._beat()
        await self._remove_left_locks()
        self._unlisten = self._engine.store.listen(self._on_change)
        self._acquiring = asyncio.create_task(self._acquire_forever(), name="chatd-acquire")
        self._beating = asyncio.create_task(self._beat_forever(), name="chatd-heartbeat")

    async def stop(self) -> None:
        """Give all chats up, with the calls of running tools closed, and let the lock go. Twice is fine."""
        self._stopping = True
        self._wake.set()
        if self._acquiring is not None:
            await asyncio.gather(self._acquiring, return_exceptions=True)
        await self._stop_runners()
        self._unlisten()
        if self._beating is not None:
            self._beating.cancel()
            await asyncio.gather(self._beating, return_exceptions=True)
        await self._take_leave()

    async def _stop_runners(self) -> None:
        tasks = [task for _, task in self._runners.values()]
        for runner, _ in self._runners.values():
            runner.stop()
        if not tasks:
            return
        _, pending = await asyncio.wait(tasks, timeout=STOP_GRACE)
        for task in pending:
            log.error("%s did not stop within %s s", task.get_name(), STOP_GRACE)
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _take_leave(self) -> None:
        """Let the lock go. What is still owned then belongs to nobody known: others take it over."""
        lock, self._lock = self._lock, None
        if lock is None:
            return
        try:
            await self._engine.store.write(lambda conn: remove_worker(conn, self.worker_id))
        finally:
            lock.release()

    def _on_change(self, change: Change) -> None:
        entry = self._runners.get(change.chat.id)
        if entry is not None:
            entry[0].notify(change)
        if not _needs_worker(change.chat):
            self._own.discard(change.chat.id)
        elif not change.foreign:
            self._own.add(change.chat.id)
            self._wake.set()

    # Acquiring

    async def _acquire_forever(self) -> None:
        failing = False
        while not self._stopping:
            try:
                full = await self._acquire()
                await self._cancel_overdue()
                failing = False
            except Exception:
                if not failing:
                    log.exception("Looking for work failed; it is tried again at every tick")
                full, failing = False, True
            if not full:
                await self._wait_for_wake()

    async def _wait_for_wake(self) -> None:
        if not self._stopping:
            with contextlib.suppress(TimeoutError):  # the tick: look all the same
                async with asyncio.timeout(self._tick_s):
                    await self._wake.wait()
        self._wake.clear()

    async def _acquire(self) -> bool:
        """Take chats that need a worker; return whether the batch was full, so that there may be more."""
        dead, is_alone = await self._other_workers()
        own = frozenset(self._own)
        self._is_alone = is_alone
        now = self._engine.store.clock()
        since, until = (math.inf, math.inf) if is_alone else (now - OTHERS_GRACE, now + OTHERS_GRACE)
        if not await self._engine.store.read(
            lambda conn: reads.has_work(conn, dead, own=own, spare_from=since, spare_until=until)
        ):
            return False
        acquire = Acquire(
            worker_id=self.worker_id,
            runner_ids=tuple(uuid.uuid4().hex for _ in range(self._batch)),
            dead_workers=dead,
            own=own,
            spare_from=since,
            spare_until=until,
        )
        taken = await self._engine.store.apply(acquire)
        for chat in taken:
            self._start_runner(chat)
        return len(taken) == self._batch

    def _start_runner(self, chat: Chat) -> None:
        runner = Runner(self._engine, chat)
        before = self._runners.get(chat.id)
        task = asyncio.create_task(
            self._run(runner, before[1] if before else None), name=f"chatd-runner-{chat.id}"
        )
        self._runners[chat.id] = (runner, task)

    async def _run(self, runner: Runner, before: asyncio.Task[None] | None) -> None:
        """Run a runner, after the one that had this chat before and is on its way out."""
        try:
            if before is not None:
                await asyncio.wait([before])
            await runner.run()
        finally:
            entry = self._runners.get(runner.chat_id)
            if entry is not None and entry[0] is runner:
                del self._runners[runner.chat_id]
            self._wake.set()

    async def _cancel_overdue(self) -> None:
        now = self._engine.store.clock()
        overdue, waits = await self._engine.store.read(
            lambda conn: (reads.overdue_actions(conn, now), reads.unclaimed_waits(conn))
        )
        for chat_id in overdue:
            await self._cancel(CancelAction(chat_id=chat_id))
        # Clients of another living server are not seen here.
        for chat_id in self._unattended.due(waits if self._is_alone else (), now=now):
            await self._cancel(CancelAction(chat_id=chat_id, reason=NOBODY_THERE, is_unattended=True))

    async def _cancel(self, waiting: CancelAction) -> None:
        try:
            await self._engine.store.apply(waiting)
        except ConflictError:
            log.debug("Chat %s was answered at the last moment", waiting.chat_id)

    # Being alive

    async def _other_workers(self) -> tuple[frozenset[str], bool]:
        """Return the workers that are known to be dead, and whether no other one lives.

        Dead ones that own nothing are forgotten.
        """
        rows, unknown = await self._engine.store.read(lambda conn: (list_workers(conn), unknown_owners(conn)))
        others = [row for row in rows if row.worker_id != self.worker_id]
        stale = self._engine.store.clock() - self._stale_after_s
        dead = [row for row in others if is_dead(row, self._folder, stale_before=stale)]
        for row in dead:
            await self._forget_if_idle(row)
        known_dead = unknown.union(row.worker_id for row in dead) - {self.worker_id}
        return known_dead, len(dead) == len(others)

    async def _forget_if_idle(self, row: WorkerRow) -> None:
        if not await self._engine.store.read(lambda conn: reads.busy_chats(conn, [row.worker_id])):
            await self._engine.store.write(lambda conn: remove_worker(conn, row.worker_id))
            (self._folder / f"{row.worker_id}.lock").unlink(missing_ok=True)

    async def _remove_left_locks(self) -> None:
        rows = await self._engine.store.read(list_workers)
        known = {row.worker_id for row in rows}
        await asyncio.to_thread(remove_left_locks, self._folder, known=known)

    async def _beat(self) -> None:
        now = self._engine.store.clock()
        await self._engine.store.write(
            lambda conn: upsert_worker(conn, self.worker_id, host=socket.gethostname(), now=now)
        )

    async def _beat_forever(self) -> None:
        while True:
            await asyncio.sleep(self._heartbeat_s)
            try:
                await self._beat()
            except Exception:
                log.exception("The heartbeat could not be written; it is tried again")


def _needs_worker(chat: Chat) -> bool:
    return chat.worker_id is None and chat.status in (ChatStatus.RUNNING, ChatStatus.INTERRUPTING)
