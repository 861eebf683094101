"""A real store and the model side by side: given the same transitions, compared after each."""

from __future__ import annotations

import asyncio
import functools
import itertools
import shutil
import sqlite3
import tempfile
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from jupyter_chatd.errors import (
    AlreadyDecidedError,
    ChatNotFoundError,
    ConflictError,
    InvalidInputError,
    NotFoundError,
    QueueFullError,
    StaleWorkError,
)
from jupyter_chatd.events import Change
from jupyter_chatd.messages import Action, Chat, ChatStatus
from jupyter_chatd.store import Claim, Store
from jupyter_chatd.store.conversation import Edited, ImportFamily, Interrupted, Sent
from jupyter_chatd.store.database import connect, prepare
from jupyter_chatd.store.store import TransitionLike
from jupyter_chatd.store.work import Committed

from . import build
from .model import Database, Record, Refusal
from .observe import expected_of, observe_on
from .rules import step


class InjectedError(Exception):
    """What a test made fail."""


REFUSALS: Mapping[type[BaseException], Refusal] = {
    ConflictError: Refusal.CONFLICT,
    AlreadyDecidedError: Refusal.DECIDED,
    StaleWorkError: Refusal.STALE,
    ChatNotFoundError: Refusal.NOT_FOUND,
    NotFoundError: Refusal.NOT_FOUND,
    QueueFullError: Refusal.QUEUE_FULL,
    InvalidInputError: Refusal.INVALID,
    ValueError: Refusal.BUG,
    InjectedError: Refusal.INJECTED,
    sqlite3.OperationalError: Refusal.INJECTED,
}


@dataclass(frozen=True)
class Poison:
    """A write that fails; a full disk takes the transaction with it."""

    is_disk_full: bool

    def run(self, conn: sqlite3.Connection) -> None:
        conn.execute("UPDATE counters SET value = value + 1000")
        fail(conn, is_disk_full=self.is_disk_full)


Job = TransitionLike[Any] | Poison


def fail(conn: sqlite3.Connection, *, is_disk_full: bool) -> None:
    """Raise as SQLite does: some errors roll the whole transaction back, others do not."""
    if not is_disk_full:
        raise InjectedError("injected")
    if conn.in_transaction:
        conn.execute("ROLLBACK")
    raise sqlite3.OperationalError("database or disk is full")


class Probe:
    """The writer's test seam: fails at chosen moments, and can copy the file as a crash would leave it."""

    def __init__(self) -> None:
        self.connection: sqlite3.Connection | None = None
        self.path: Path | None = None
        self.points: list[str] = []
        self.skip = 0
        self.faults: Mapping[int, bool] = {}
        """Moment, counted from the last `arm`, to whether the disk is full then."""
        self.crash_at: str | None = None
        self.crashed: Path | None = None

    def arm(self, faults: Mapping[int, bool], *, skip: int = 0) -> None:
        self.points, self.faults, self.skip = [], faults, skip

    def __call__(self, point: str) -> None:
        if self.skip:
            self.skip -= 1
            return
        moment = len(self.points)
        self.points.append(point)
        if point == self.crash_at:
            assert self.path is not None
            self.crash_at, self.crashed = None, copy_of(self.path)
        if moment in self.faults:
            assert self.connection is not None
            fail(self.connection, is_disk_full=self.faults[moment])


@functools.cache
def _empty_database() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "empty.db"
        prepare(path, journal="wal")
        return path.read_bytes()


def put_database(path: Path) -> None:
    """Make an empty, migrated database: migrating anew for each test takes most of its time, in the disk."""
    path.parent.mkdir(mode=0o700)
    path.write_bytes(_empty_database())


async def do_not_sync(store: Store) -> sqlite3.Connection:
    """Make commits quick, for tests that do not cut the power; return the connection that writes."""
    conn = await store.write(lambda conn: conn)
    conn.execute("PRAGMA synchronous = OFF")
    return conn


_copies = itertools.count(1)


def copy_of(path: Path) -> Path:
    """Copy the database as it lies on the disk, with its journal: what a killed process leaves."""
    folder = path.parent.parent / f"copy-{next(_copies)}"
    folder.mkdir()
    for suffix in ("", "-wal"):
        source = path.with_name(path.name + suffix)
        if source.exists():
            shutil.copyfile(source, folder / source.name)
    return folder / path.name


class Lockstep:
    """Drives both. `do` is the only way in; `chat`, `record` and `claim` say what the model knows."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.now = 100.0
        self.database = Database()
        self.changes: list[Change] = []
        """Everything announced since the last `do` began."""
        self.probe = Probe()
        self.points: Sequence[str] = ()
        """Where the writer came by in the last run."""
        self.store: Store | None = None

    # Lifetime

    async def open(self) -> None:
        self.probe = Probe()
        self.probe.path = self.path
        self.store = Store(self.path, clock=lambda: self.now, probe=self.probe)
        await self.store.open()
        self.probe.connection = await do_not_sync(self.store)
        self._witness = connect(self.path, readonly=True)
        self._witness.execute("PRAGMA synchronous = OFF")
        self.store.listen(self._on_change)
        self.database = self.database.reopened()
        self.compare()

    async def close(self) -> None:
        if self.store is not None:
            await self.store.close()
            self._witness.close()
            self.store = None

    async def reopen(self) -> None:
        await self.close()
        await self.open()

    async def crash(self) -> None:
        """Go on with what is on the disk now, as after `kill -9`."""
        copy = copy_of(self.path)
        await self.close()
        self.path = copy
        await self.open()

    async def crash_within(self, jobs: Sequence[Job]) -> None:
        """Go on with what was on the disk right before the jobs' common commit."""
        self.probe.crash_at = "commit"
        await self._run(jobs, {})
        assert self.probe.crashed is not None
        await self.close()
        self.path = self.probe.crashed
        await self.open()

    # What is known

    def record(self, chat_id: str = "c") -> Record:
        return self.database.chats[chat_id]

    def chat(self, chat_id: str = "c") -> Chat:
        return self.record(chat_id).chat

    def claim(self, chat_id: str = "c") -> Claim:
        return build.claim(self.chat(chat_id))

    # Doing

    async def do(self, transition: TransitionLike[Any]) -> Any:
        """Make one transition and compare; return the store's result, or raise its refusal."""
        before = self.database
        outcome = (await self.together([transition], {}))[0]
        if isinstance(outcome, ConflictError):
            self._check_conflict(before, transition, outcome)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    async def together(self, jobs: Sequence[Job], faults: Mapping[int, bool]) -> list[Any]:
        """Make several in one group commit that fails at these moments; return results and exceptions."""
        self.now += 1.0
        outcomes = await self._run(jobs, faults)
        expected, databases = simulate(self.database, jobs, faults, self.now, self.points)
        assert [plain(outcome) for outcome in outcomes] == expected
        assert by_transition(self.changes, databases) == changes_of(databases)
        self.database = databases[-1]
        self.compare()
        return outcomes

    async def _run(self, jobs: Sequence[Job], faults: Mapping[int, bool]) -> list[Any]:
        self.changes = []
        try:
            if len(jobs) == 1:
                self.probe.arm(faults)
                return list(await asyncio.gather(self._submit(jobs[0]), return_exceptions=True))
            async with held_writer(self._open_store()) as held:
                running = [asyncio.ensure_future(self._submit(job)) for job in jobs]
                await asyncio.sleep(0)
                self.probe.arm(faults, skip=2)  # the end and the commit of what holds the writer
                held.set()
                return await asyncio.gather(*running, return_exceptions=True)
        finally:
            self.points = self.probe.points
            self.probe.arm({})

    async def _submit(self, job: Job) -> Any:
        if isinstance(job, Poison):
            return await self._open_store().write(job.run)
        return await self._open_store().apply(job)

    def _open_store(self) -> Store:
        assert self.store is not None
        return self.store

    async def set_metadata(self, chat_id: str, **values: Any) -> None:
        """Change metadata in both; the list order and the versions stay."""
        self.now += 1.0
        self.changes = []
        change = await self._open_store().write_metadata(chat_id, values)
        record = self.record(chat_id)
        record = replace(record, chat=replace(record.chat, **values))
        record = replace(record, chat=replace(record.chat, has_unread=record.is_unread))
        self.database = replace(self.database, chats={**self.database.chats, chat_id: record})
        assert change.chat == record.chat
        assert self.changes == [change]
        self.compare()

    # Comparing

    def compare(self) -> None:
        """The file holds what the model says, and nothing else."""
        assert observe_on(self._witness) == expected_of(self.database.chats)

    def _on_change(self, change: Change) -> None:
        """Nothing is announced that another connection cannot see yet."""
        row = self._witness.execute(
            "SELECT snapshot_version FROM chats WHERE id = ?", (change.chat.id,)
        ).fetchone()
        # A chat that was purged may have been made anew in the same commit.
        assert change.purged or row is None or row["snapshot_version"] >= change.chat.snapshot_version
        self.changes.append(change)

    @staticmethod
    def _check_conflict(before: Database, transition: Any, error: ConflictError) -> None:
        target = getattr(transition, "claim", None) or getattr(transition, "chat", None) or transition
        if isinstance(transition, ImportFamily):
            target = next(one.chat for one in transition.members if one.chat.id in before.chats)
        chat_id = getattr(target, "chat_id", None) or target.id
        assert error.transition == transition.transition.value
        assert error.state == before.chats[chat_id].state


class held_writer:  # noqa: N801 - reads like a function
    """Keep the writer busy until the given event is set: what is submitted meanwhile is one commit."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._began, self._go = threading.Event(), threading.Event()

    async def __aenter__(self) -> threading.Event:
        self._holder = asyncio.ensure_future(self._store.write(self._hold))
        await asyncio.to_thread(self._began.wait)
        return self._go

    def _hold(self, _conn: sqlite3.Connection) -> None:
        self._began.set()
        assert self._go.wait(20)

    async def __aexit__(self, *_exc: object) -> None:
        self._go.set()
        await self._holder


# What is expected


def simulate(
    database: Database, jobs: Sequence[Job], faults: Mapping[int, bool], now: float, points: Sequence[str]
) -> tuple[list[Any], list[Database]]:
    """Return what each job's caller is told, and the database after each job that was committed.

    The group commit of the specification: all jobs in one transaction, when that is lost, one by one. When
    a job has to be undone, all are run again first, in savepoints. Whether a refused transition had written
    before, and so had to be undone, is known from the *points* that the writer came by: it must not matter.
    """
    moment = 0

    def fails() -> bool:
        nonlocal moment
        moment += 1
        return moment - 1 in faults

    def attempt(
        start: Database, batch: Sequence[Job], *, in_savepoints: bool = False
    ) -> tuple[list[Any] | None, list[Database]]:
        """Outcomes are None when the transaction was lost; the last database then has the ids it used up."""
        outcomes: list[Any] = []
        states = [start]
        for job in batch:
            if fails():
                return None, states
            if isinstance(job, Poison):
                outcomes.append(Refusal.INJECTED)
                if job.is_disk_full:
                    return None, states
            else:
                after, outcome = step(states[-1], job, now)
                states.append(after)
                outcomes.append(outcome)
            if not in_savepoints and (
                isinstance(job, Poison) or list(points[moment : moment + 1]) == ["undo"]
            ):
                states = [replace(start, last_message_id=states[-1].last_message_id)]
                if fails():
                    return None, states
                return (
                    (outcomes, states) if len(batch) == 1 else attempt(states[0], batch, in_savepoints=True)
                )
            if fails():
                return None, states
        if fails():
            return None, states
        return outcomes, states

    outcomes, states = attempt(database, jobs)
    if outcomes is not None:
        return outcomes, states
    database = replace(database, last_message_id=states[-1].last_message_id)
    if len(jobs) == 1:
        return [Refusal.INJECTED], [database]
    told: list[Any] = []
    committed = [database]
    for job in jobs:
        outcomes, states = attempt(committed[-1], [job])
        if outcomes is None:
            lost = replace(committed[-1], last_message_id=states[-1].last_message_id)
            told.append(Refusal.INJECTED)
            committed.append(lost)
        else:
            told += outcomes
            committed += states
    return told, committed


def changes_of(databases: Sequence[Database]) -> list[dict[str, Change]]:
    """Return what must be announced on the way through these states: per transition, by chat."""
    steps = (_changes(before, after) for before, after in itertools.pairwise(databases))
    return [changes for changes in steps if changes]


def _changes(before: Database, after: Database) -> dict[str, Change]:
    ids = [*after.chats, *(chat_id for chat_id in before.chats if chat_id not in after.chats)]
    pairs = ((chat_id, before.chats.get(chat_id), after.chats.get(chat_id)) for chat_id in ids)
    return {chat_id: _change(old, new) for chat_id, old, new in pairs if old != new}


def _change(old: Record | None, new: Record | None) -> Change:
    if new is None:
        assert old is not None
        return Change(chat=old.chat, kind="deleted", purged=True)
    known = {row.id: row for row in old.rows} if old else {}
    was, now = old.chat if old else None, new.chat
    is_imported = was is None and now.status is ChatStatus.WAITING
    deleted = any(row.deleted and not known[row.id].deleted for row in new.rows if row.id in known)
    shown = (now.status, now.worker_id is None, now.archived)
    status_changed = was is None or (was.status, was.worker_id is None, was.archived) != shown
    return Change(
        chat=now,
        inserted=() if is_imported else tuple(row for row in new.rows if row.id not in known),
        history=new.visible if deleted else None,
        queue=new.queue if (old.queue if old else ()) != new.queue else None,
        actions=_actions(was, new),
        status_changed=status_changed,
        error_set=now.last_error is not None and (was is None or was.last_error != now.last_error),
        retry_set=now.retry_state is not None and (was is None or was.retry_state != now.retry_state),
        kind=_kind(was, now, status_changed=status_changed),
    )


def _kind(was: Chat | None, now: Chat, *, status_changed: bool) -> Any:
    if was is None:
        return "created"
    if was.archived != now.archived:
        return "deleted" if now.archived else "created"
    return "status_change" if status_changed else "updated"


def _actions(was: Chat | None, new: Record) -> tuple[Action, ...] | None:
    if new.chat.status is ChatStatus.REQUIRES_ACTION:
        return tuple(
            Action(
                kind=run.action,
                message_id=run.message_id,
                call_index=run.call_index,
                tool_call_id=run.tool_call_id,
                tool_name=run.tool_name,
                args=run.args,
                claimed_by=run.claimed_by,
                deadline_at=new.chat.action_deadline_at,
            )
            for run in new.awaited
            if run.action is not None
        )
    return () if was is not None and was.status is ChatStatus.REQUIRES_ACTION else None


def by_transition(changes: Iterable[Change], databases: Sequence[Database]) -> list[dict[str, Change]]:
    """Cut the announced changes into transitions: each as long as it must be, in any order of its chats."""
    rest = list(changes)
    cut: list[dict[str, Change]] = []
    for expected in changes_of(databases):
        part, rest = rest[: len(expected)], rest[len(expected) :]
        cut.append({change.chat.id: _without_purged(change, expected) for change in part})
    return [*cut, *({change.chat.id: change} for change in rest)]


def _without_purged(change: Change, expected: Mapping[str, Change]) -> Change:
    """Of a purged chat only its id and kind count."""
    wanted = expected.get(change.chat.id)
    if (
        wanted is None
        or wanted.kind != "deleted"
        or wanted.chat.snapshot_version == change.chat.snapshot_version
    ):
        return change
    return replace(change, chat=wanted.chat)


def plain(outcome: object) -> Any:
    """Return what a caller is told as the model says it."""
    match outcome:
        case BaseException():
            if type(outcome) not in REFUSALS:
                raise outcome
            return REFUSALS[type(outcome)]
        case Sent(queued_message=queued) if queued is not None:
            assert outcome.queued
            return ("queue", queued)
        case Sent(message=message):
            return ("answer",) if message is None else ("history", message)
        case Edited():
            return (outcome.message, outcome.dropped)
        case Interrupted():
            return (outcome.chat, outcome.dropped)
        case Committed():
            return (outcome.chat, outcome.rows)
        case _:
            return cast("Any", outcome)
