"""Draws transitions that suit what a database holds, and now and then some that do not."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from jupyter_chatd.messages import (
    ActionKind,
    Approval,
    CallKey,
    FilePart,
    NewMessage,
    Role,
    Scope,
    TextPart,
    TurnOptions,
    Visibility,
)
from jupyter_chatd.store import Claim
from jupyter_chatd.store.actions import (
    ActionResult,
    CancelAction,
    ClaimAction,
    CompleteAction,
    DecideApproval,
    EnterAction,
)
from jupyter_chatd.store.conversation import (
    BusyBehavior,
    ClearContext,
    CreateChat,
    DeleteQueued,
    EditMessage,
    ImportChat,
    ImportFamily,
    InterruptChat,
    PromoteQueued,
    PurgeChat,
    RequestCompaction,
    SendMessage,
    SetArchived,
)
from jupyter_chatd.store.work import (
    Abandon,
    Acquire,
    BeginAttempt,
    CommitStep,
    FinishError,
    FinishInterruption,
    FinishTools,
    FinishTurn,
    Reconcile,
    RecordRetry,
    StartTools,
)

from . import build
from .model import Database, Record

T = TypeVar("T")

ROOTS = ("c0", "c1", "c2")
WORKERS = ("worker-1", "worker-2")
PEOPLE = ("ada", "bob")
CLIENTS = ("kernel-1", "kernel-2")
QUEUE_LIMIT = 3  # so that it fills up

_TALK = ("send", "send", "interrupting_send", "edit", "interrupt")
_QUEUE = ("delete_queued", "promote_queued", "promote_queued")
_TURN = ("finish_turn", "finish_turn", "finish_error", "abandon")
LIKELY: Mapping[str, Sequence[str]] = {
    "W": (*_TALK, "request_compaction", "clear_context", "archive", "archive"),
    "E": (*_TALK, *_QUEUE, "request_compaction", "clear_context", "archive", "archive"),
    "R": (*_TALK, *_QUEUE, *_TURN, "begin_attempt", "record_retry", "answer", "ask", "ask", "ask", "compact"),
    "R with open calls": (
        *_TALK,
        *_QUEUE,
        *_TURN,
        *("enter_action",) * 6,
        *(
            "start_tools",
            "start_tools",
            "finish_tools",
            "finish_tools",
            "commit_results",
            "spawn",
            "spawn",
            "answer",
        ),
    ),
    "I": (*_TALK, *_QUEUE, "finish_interruption", "finish_interruption", "finish_error", "abandon"),
    "A": (*_TALK, *_QUEUE, *("claim", "claim", "complete", "complete", "decide", "decide", "cancel")),
    "X": ("unarchive", "unarchive", "purge", "send", "interrupt", "edit", "promote_queued"),
    "!": ("reconcile", "send", "archive"),
}
EVERYTHING = sorted(
    {name for names in LIKELY.values() for name in names} | {"create", "import_chat", "acquire"}
)


class Moves:
    """Draws one transition after another. Numbers its texts, so that rows can be told apart.

    Args:
        rng: Where the choices come from.
        database: What the model knows.
        now: The time, UTC seconds.
        claims: Claims of the past, for work that comes late.
        number: Counts texts and runners.
    """

    def __init__(
        self,
        rng: random.Random,
        database: Database,
        *,
        now: float,
        claims: Sequence[Claim],
        number: Callable[[], int],
    ) -> None:
        self._rng = rng
        self._database = database
        self._now = now
        self._claims = claims
        self._number = number

    def next(self) -> Any:
        """Draw a transition."""
        records = list(self._database.chats.values())
        missing = [name for name in ROOTS if name not in self._database.chats]
        if not records or (missing and self._one_in(12)):
            return self.import_chat(missing[0]) if self._one_in(4) else self.create(missing[0])
        if self._has_idle_work(records) and self._one_in(2):
            return self.acquire()
        record = self.pick(records)
        names = EVERYTHING if self._one_in(12) else LIKELY[self._situation(record)]
        name = self.pick(names)
        if name in ("create", "import_chat"):
            return getattr(self, name)(self.pick(ROOTS))
        return self.acquire() if name == "acquire" else getattr(self, name)(record)

    @staticmethod
    def _situation(record: Record) -> str:
        letter = record.state[0]
        return "R with open calls" if letter == "R" and record.open_calls else letter

    def pick(self, items: Sequence[T]) -> T:
        return self._rng.choice(items)

    def _one_in(self, times: int) -> bool:
        return self._rng.randrange(times) == 0

    def _some(self, items: Sequence[T]) -> list[T]:
        """One or more of the items, in order."""
        chosen = self._rng.sample(range(len(items)), self._rng.randint(1, len(items)))
        return [items[index] for index in sorted(chosen)]

    @staticmethod
    def _has_idle_work(records: Sequence[Record]) -> bool:
        return any(record.chat.worker_id is None and record.state[0] in "RI" for record in records)

    # Values

    def _message(self) -> NewMessage:
        text = f"message {self._number()}"
        options = self.pick(
            [None, None, TurnOptions(model="demo:other", reasoning_effort="high"), TurnOptions()]
        )
        message = build.user(text, by=self.pick(PEOPLE), options=options)
        if self._one_in(10):
            file = FilePart(file_id="f1", media_type="image/png")
            message = replace(message, parts=(*message.parts, file))
        return message

    def _answer_row(self, calls: int = 0) -> NewMessage:
        return build.assistant(f"answer {self._number()}", *["execute"] * calls)

    def _claim(self, record: Record) -> Claim:
        if self._claims and self._one_in(8):
            return self.pick(self._claims)
        return build.claim(record.chat)

    def _call_keys(self, record: Record) -> list[CallKey]:
        """The open calls; without any, some call of the past."""
        keys = [key for key, _ in record.open_calls] or sorted(record.journal)
        return keys or [CallKey(message_id=record.rows[0].id, index=0)]

    def _action_keys(self, record: Record) -> list[CallKey]:
        if self._one_in(6):
            return sorted(record.journal) or self._call_keys(record)
        return [run.key for run in record.awaited] or self._call_keys(record)

    # Conversation

    def create(self, chat_id: str) -> Any:
        system = NewMessage(role=Role.SYSTEM, parts=(TextPart(text="be kind"),), visibility=Visibility.MODEL)
        return CreateChat(chat=build.chat(chat_id), rows=(system, self._message()))

    def import_chat(self, chat_id: str) -> Any:
        rows = [
            self._message(),
            self._answer_row(2),
            build.result_row_without_key("done"),
            self._message(),
            self._answer_row(1),
        ]
        chosen = ImportChat(chat=build.chat(chat_id), rows=tuple(self._some(rows)))
        return ImportFamily(members=(chosen,)) if self._one_in(2) else chosen

    def spawn(self, record: Record) -> Any:
        """A child of the chat's family: trees are one deep."""
        record = self._database.chats[record.chat.family_id]
        key = self.pick(self._call_keys(record))
        parent = record.chat.id
        child = build.chat(f"{parent}-{key.message_id}-{key.index}", parent=parent, by=key)
        return CreateChat(chat=child, rows=(self._message(),), parent=self._claim_of(record))

    def _claim_of(self, record: Record) -> Claim:
        """A claim on this very chat, perhaps an old one."""
        old = [claim for claim in self._claims if claim.chat_id == record.chat.id]
        return self.pick(old) if old and self._one_in(8) else build.claim(record.chat)

    def purge(self, record: Record) -> Any:
        return PurgeChat(chat_id=record.chat.id)

    def send(self, record: Record) -> Any:
        return SendMessage(chat_id=record.chat.id, message=self._message(), queue_limit=QUEUE_LIMIT)

    def interrupting_send(self, record: Record) -> Any:
        return replace(self.send(record), busy=BusyBehavior.INTERRUPT)

    def edit(self, record: Record) -> Any:
        said = [row.id for row in record.visible if row.role is Role.USER] or [1]
        message_id = self._rng.randint(1, 12) if self._one_in(5) else self.pick(said[-2:])
        return EditMessage(
            chat_id=record.chat.id,
            message_id=message_id,
            message=self._message(),
            client_message_id=self.pick((None, "page/1")),
        )

    def _queued_id(self, record: Record) -> int:
        return self.pick([*(queued.id for queued in record.queue), 999] if record.queue else [999])

    def delete_queued(self, record: Record) -> Any:
        return DeleteQueued(chat_id=record.chat.id, queued_id=self._queued_id(record))

    def promote_queued(self, record: Record) -> Any:
        return PromoteQueued(chat_id=record.chat.id, queued_id=self._queued_id(record))

    def interrupt(self, record: Record) -> Any:
        return InterruptChat(chat_id=record.chat.id, drop_queue=self.pick((True, False)))

    def request_compaction(self, record: Record) -> Any:
        return RequestCompaction(chat_id=record.chat.id)

    def clear_context(self, record: Record) -> Any:
        return ClearContext(chat_id=record.chat.id)

    def archive(self, record: Record) -> Any:
        return SetArchived(chat_id=record.chat.id, archived=True)

    def unarchive(self, record: Record) -> Any:
        return SetArchived(chat_id=record.chat.id, archived=False)

    # Actions

    def enter_action(self, record: Record) -> Any:
        keys = self._some(self._call_keys(record))
        kind = self.pick(list(ActionKind))
        kinds = [self.pick(list(ActionKind)) if self._one_in(4) else kind for _ in keys]
        deadline = self._now + self._rng.randint(0, 8)
        return EnterAction(
            claim=self._claim_of(record),
            asks=tuple(build.ask(key, kind) for key, kind in zip(keys, kinds, strict=True)),
            deadline_at=deadline if set(kinds) == {ActionKind.CLIENT_TOOL} else None,
        )

    def claim(self, record: Record) -> Any:
        keys = self._action_keys(record)
        wanted = tuple(self.pick(keys) for _ in range(self.pick((1, 1, 2))))
        return ClaimAction(chat_id=record.chat.id, keys=wanted, client=self.pick(CLIENTS))

    def complete(self, record: Record) -> Any:
        keys = self._action_keys(record)
        takes_result = [
            key for key in keys if record.journal.get(key) is None or record.journal[key].approval is None
        ]
        keys = takes_result or keys
        results = tuple(
            ActionResult(key=key, result={"n": self._rng.randint(0, 1)}) for key in self._some(keys)
        )
        return CompleteAction(
            chat_id=record.chat.id, results=results, client=self.pick(CLIENTS), decided_by=self.pick(PEOPLE)
        )

    def decide(self, record: Record) -> Any:
        keys = self._action_keys(record)
        pending = [
            key for key in keys if key in record.journal and record.journal[key].approval is Approval.PENDING
        ]
        return DecideApproval(
            chat_id=record.chat.id,
            key=self.pick(pending or keys),
            allow=self.pick((True, False)),
            scope=self.pick((None, *Scope)),
            decided_by=self.pick(PEOPLE),
        )

    def cancel(self, record: Record) -> Any:
        return CancelAction(chat_id=record.chat.id, is_unattended=self._one_in(4))

    # Work

    def acquire(self) -> Any:
        worker = self.pick(WORKERS)
        dead = frozenset(WORKERS) - {worker} if self._one_in(4) else frozenset[str]()
        runners = tuple(f"runner-{self._number()}" for _ in range(self._rng.randint(1, 3)))
        return Acquire(worker_id=worker, runner_ids=runners, dead_workers=dead)

    def abandon(self, record: Record) -> Any:
        runner = record.chat.runner_id or "nobody"
        return Abandon(chat_id=record.chat.id, runner_id="nobody" if self._one_in(5) else runner)

    def begin_attempt(self, record: Record) -> Any:
        return BeginAttempt(claim=self._claim(record))

    def record_retry(self, record: Record) -> Any:
        return RecordRetry(claim=self._claim(record), retry=build.retry(self._number()))

    def answer(self, record: Record) -> Any:
        return CommitStep(claim=self._claim(record), rows=(self._answer_row(),))

    def ask(self, record: Record) -> Any:
        return CommitStep(claim=self._claim_of(record), rows=(self._answer_row(self._rng.randint(1, 3)),))

    def start_tools(self, record: Record) -> Any:
        calls = tuple(build.start(key) for key in self._some(self._call_keys(record)))
        return StartTools(claim=self._claim_of(record), calls=calls)

    def finish_tools(self, record: Record) -> Any:
        results = [
            (key, build.output(f"output {self._number()}")) for key in self._some(self._call_keys(record))
        ]
        return FinishTools(claim=self._claim_of(record), results=results)

    def commit_results(self, record: Record) -> Any:
        rows = tuple(
            NewMessage(role=Role.TOOL, parts=(build.output(),), answers=key) for key, _ in record.open_calls
        )
        return CommitStep(claim=self._claim_of(record), rows=rows)

    def compact(self, record: Record) -> Any:
        row = build.summary(f"summary {self._number()}", record.answered)
        return CommitStep(claim=self._claim_of(record), rows=(row,), compacted=True)

    def _last_rows(self) -> tuple[NewMessage, ...]:
        return (self._answer_row(self._rng.randint(0, 1)),) if self.pick((True, False)) else ()

    def finish_interruption(self, record: Record) -> Any:
        return FinishInterruption(claim=self._claim(record), partial=self._last_rows())

    def finish_turn(self, record: Record) -> Any:
        return FinishTurn(claim=self._claim(record), rows=self._last_rows())

    def finish_error(self, record: Record) -> Any:
        return FinishError(claim=self._claim(record), error=build.FAILED)

    def reconcile(self, record: Record) -> Any:
        return Reconcile(chat_id=record.chat.id)
