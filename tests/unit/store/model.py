"""A pure model of the chats in one database, written from spec/state-machine.md and nothing else.

What a database holds, and the draft of its next state that `rules` work on. Versions are not counted along
the way but derived at the end, by comparing each chat with what it was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from jupyter_chatd.messages import (
    ActionKind,
    Approval,
    CallKey,
    Chat,
    ChatStatus,
    Message,
    NewMessage,
    QueuedMessage,
    Role,
    ToolCallPart,
    ToolResultPart,
    ToolRun,
    TurnOptions,
)
from jupyter_chatd.store.calls import NOT_RUN, UNKNOWN_OUTCOME
from jupyter_chatd.store.transaction import Claim
from jupyter_chatd.store.work import (
    Abandon,
    Acquire,
    BeginAttempt,
    FinishTools,
    RecordRetry,
    StartTools,
)

LETTERS = {
    ChatStatus.WAITING: "W",
    ChatStatus.ERROR: "E",
    ChatStatus.RUNNING: "R",
    ChatStatus.INTERRUPTING: "I",
    ChatStatus.REQUIRES_ACTION: "A",
}
RUNNING, INTERRUPTING, WAITING, ERROR, ACTION = (
    ChatStatus.RUNNING,
    ChatStatus.INTERRUPTING,
    ChatStatus.WAITING,
    ChatStatus.ERROR,
    ChatStatus.REQUIRES_ACTION,
)
QUIET = (Acquire, Abandon, BeginAttempt, RecordRetry, StartTools, FinishTools)
"""Transitions after which a chat keeps its place in the list."""


class Refusal(StrEnum):
    """Why a transition is not made."""

    CONFLICT = "conflict"
    DECIDED = "already decided"
    STALE = "stale"
    NOT_FOUND = "not found"
    QUEUE_FULL = "queue full"
    INVALID = "invalid"
    BUG = "bug of the caller"
    INJECTED = "injected failure"


class Refused(Exception):  # noqa: N818 - not an error of the model
    def __init__(self, kind: Refusal) -> None:
        super().__init__(kind)
        self.kind = kind


@dataclass(frozen=True)
class Record:
    """All that is stored of one chat."""

    chat: Chat
    rows: tuple[Message, ...] = ()
    """Deleted ones too."""
    queue: tuple[QueuedMessage, ...] = ()
    journal: Mapping[CallKey, ToolRun] = field(default_factory=dict)

    @property
    def state(self) -> str:
        letter = LETTERS[self.chat.status]
        if letter == "W" and self.queue:
            return "!"
        return (
            ("X" if self.chat.archived else "")
            + letter
            + ("" if letter == "W" else str(int(bool(self.queue))))
        )

    @property
    def visible(self) -> tuple[Message, ...]:
        return tuple(row for row in self.rows if not row.deleted)

    @property
    def open_calls(self) -> tuple[tuple[CallKey, ToolCallPart], ...]:
        """Calls of all visible rows, compacted ones apart, that no visible row answers."""
        answered = {row.answers for row in self.visible}
        return tuple(
            (key, call)
            for row in self.visible
            if row.role is Role.ASSISTANT and not row.compressed
            for index, call in row.tool_calls
            if (key := CallKey(message_id=row.id, index=index)) not in answered
        )

    @property
    def awaited(self) -> tuple[ToolRun, ...]:
        """What clients still have to act on, of the newest step."""
        steps = [row.id for row in self.visible if row.role is Role.ASSISTANT and not row.compressed]
        runs = (run for key, run in sorted(self.journal.items()) if steps and key.message_id == steps[-1])
        return tuple(
            run
            for run in runs
            if run.result is None
            and run.action is not None
            and (run.action is not ActionKind.APPROVAL or run.approval is Approval.PENDING)
        )

    @property
    def covered(self) -> int:
        """The last id that a summary covers."""
        return max((row.covers_until or 0 for row in self.visible if row.compressed), default=0)

    @property
    def answered(self) -> int:
        """The last id that a summary could cover: rows after it are unanswered."""
        rows = (row for row in self.visible if not row.compressed)
        return max((row.id for row in rows if row.role in (Role.ASSISTANT, Role.TOOL)), default=0)

    @property
    def is_unread(self) -> bool:
        read = self.chat.last_read_message_id or 0
        return any(row.role is Role.ASSISTANT and row.id > read for row in self.visible)


@dataclass(frozen=True)
class Database:
    """Chats by id, and the counters."""

    chats: Mapping[str, Record] = field(default_factory=dict)
    last_message_id: int = 0
    """Allotted by this process, also to what was rolled back."""
    stored_message_id: int = 0
    """The newest that was ever committed."""
    last_queued_id: int = 0

    def reopened(self) -> Database:
        """What another process finds."""
        return replace(self, last_message_id=self.stored_message_id)


class Draft:
    """A database while one transition changes it."""

    def __init__(self, database: Database, now: float) -> None:
        self.before = database
        self.records = dict(database.chats)
        self.now = now
        self.message_id = database.last_message_id
        self.queued_id = database.last_queued_id
        self.applied: set[str] = set()
        """Chats that the transition applies to, also where it leaves no other trace."""

    def get(self, chat_id: str) -> Record:
        if chat_id not in self.records:
            raise Refused(Refusal.NOT_FOUND)
        return self.records[chat_id]

    def enter(self, chat_id: str, states: str) -> Record:
        """Return the record of a chat that must be in one of these states."""
        record = self.get(chat_id)
        if record.state not in states.split():
            raise Refused(Refusal.CONFLICT)
        self.applied.add(chat_id)
        return record

    def enter_claimed(self, claim: Claim, states: str) -> Record:
        """The same for work; the claim must hold."""
        self.check(claim)
        return self.enter(claim.chat_id, states)

    def check(self, claim: Claim) -> None:
        record = self.records.get(claim.chat_id)
        wanted = (claim.runner_id, claim.history_version, claim.status)
        if record is None or wanted != (
            record.chat.runner_id,
            record.chat.history_version,
            record.chat.status,
        ):
            raise Refused(Refusal.STALE)

    def put(self, record: Record) -> Record:
        self.records[record.chat.id] = record
        return record

    def set(self, record: Record, **values: Any) -> Record:
        return self.put(replace(record, chat=replace(record.chat, **values)))

    def become(self, record: Record, status: ChatStatus, **values: Any) -> Record:
        """Take on a status, and lose what only other statuses have."""
        if status is not ERROR:
            values["last_error"] = None
        if status is not ACTION:
            values["action_deadline_at"] = None
        if status not in (RUNNING, INTERRUPTING):
            values |= {"worker_id": None, "runner_id": None}
        if status is not RUNNING:
            values["retry_state"] = None
        return self.set(record, status=status, **values)

    def insert(self, record: Record, new: NewMessage) -> Record:
        """Add a row; before a user row (rule 1) and before another step all calls are closed."""
        if new.role in (Role.USER, Role.ASSISTANT) and not new.compressed:
            record = self.close_calls(record)
        self.message_id += 1
        row = Message(
            id=self.message_id,
            chat_id=record.chat.id,
            **{
                **{name: getattr(new, name) for name in NewMessage.__slots__},
                "created_at": self.now if new.created_at is None else new.created_at,
            },
        )
        return self.put(replace(record, rows=(*record.rows, row)))

    def say(self, record: Record, new: NewMessage) -> Record:
        """Add a user row; the chat goes on with the model that it names."""
        record = self.insert(record, new)
        if new.turn_options is not None and new.turn_options.model is not None:
            options = new.turn_options
            record = self.set(record, model=options.model, model_config_id=options.model_config_id)
        return record

    def close_calls(self, record: Record, *, not_run: str = NOT_RUN) -> Record:
        for key, call in record.open_calls:
            run = record.journal.get(key)
            if run is not None and run.result is not None:
                result = run.result
            elif run is not None and (run.started_at is not None or run.claimed_by is not None):
                result = failure(call, UNKNOWN_OUTCOME)
            else:
                result = failure(call, not_run)
            record = self.insert(record, NewMessage(role=Role.TOOL, parts=(result,), answers=key))
        return record

    def enqueue(self, record: Record, new: NewMessage, limit: int) -> Record:
        if len(record.queue) >= limit:
            raise Refused(Refusal.QUEUE_FULL)
        self.queued_id += 1
        queued = QueuedMessage(
            id=self.queued_id,
            chat_id=record.chat.id,
            parts=new.parts,
            created_at=self.now,
            created_by=new.created_by,
            turn_options=new.turn_options,
        )
        return self.put(replace(record, queue=(*record.queue, queued)))

    def promote(self, record: Record, queued: QueuedMessage) -> Record:
        record = self.put(replace(record, queue=tuple(item for item in record.queue if item != queued)))
        options = queued.turn_options or TurnOptions()
        return self.say(
            record,
            NewMessage(
                role=Role.USER,
                parts=queued.parts,
                created_by=queued.created_by,
                turn_options=queued.turn_options,
                model=options.model,
                model_config_id=options.model_config_id,
            ),
        )

    def journal(self, record: Record, run: ToolRun) -> Record:
        return self.put(replace(record, journal={**record.journal, run.key: run}))

    def family(self, chat_id: str) -> list[Record]:
        members = [record for record in self.records.values() if record.chat.root_chat_id == chat_id]
        members.sort(key=lambda record: (record.chat.created_at, record.chat.id))
        return [self.get(chat_id), *members]

    # The end

    def sealed(self, transition: object) -> Database:
        """Return the database with the versions of what changed."""
        for chat_id in self.applied & self.records.keys():
            self.put(self._versioned(self.before.chats.get(chat_id), self.records[chat_id], transition))
        inserted = self.message_id > self.before.last_message_id
        return Database(
            chats=self.records,
            last_message_id=self.message_id,
            stored_message_id=self.message_id if inserted else self.before.stored_message_id,
            last_queued_id=self.queued_id,
        )

    def _versioned(self, before: Record | None, after: Record, transition: object) -> Record:
        old = before.chat if before else None
        version = old.snapshot_version + 1 if old else 1
        values: dict[str, Any] = {"snapshot_version": version}
        if old is None or not isinstance(transition, QUIET):
            values["updated_at"] = self.now
        rows = after.rows
        if before is None or rows != before.rows:
            known = {row.id: row for row in before.rows} if before else {}
            rows = tuple(row if known.get(row.id) == row else replace(row, revision=version) for row in rows)
            values |= {"history_version": version, "generation_attempt": 0, "retry_state": None}
        if (before.queue if before else ()) != after.queue:
            values["queue_version"] = version
        after = replace(after, rows=rows, chat=replace(after.chat, **values))
        if after.chat.retry_state != (old.retry_state if old else None):
            after = replace(after, chat=replace(after.chat, retry_state_version=version))
        return replace(after, chat=replace(after.chat, has_unread=after.is_unread))


def failure(call: ToolCallPart, text: str) -> ToolResultPart:
    return ToolResultPart(
        tool_call_id=call.tool_call_id, tool_name=call.tool_name, result={"error": text}, is_error=True
    )


def told(chat_id: str) -> Callable[[Database], Chat]:
    """The chat as it is in the end."""
    return lambda after: after.chats[chat_id].chat


def newest_row(chat_id: str) -> Callable[[Database], Message]:
    return lambda after: after.chats[chat_id].rows[-1]
