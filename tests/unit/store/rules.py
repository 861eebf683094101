"""The transitions of the model, written from spec/state-machine.md and nothing else.

Each is a function of a draft of the database and the transition's arguments; it returns what the caller is
told, or raises `Refused`. The arguments are the store's own transition values, whose code is not used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from jupyter_chatd.messages import (
    ActionKind,
    Approval,
    CallKey,
    Chat,
    ChatStatus,
    FilePart,
    NewMessage,
    QueuedMessage,
    Role,
    ToolCallPart,
    ToolResultPart,
    ToolRun,
    TurnOptions,
    Visibility,
)
from jupyter_chatd.store.actions import (
    DENIED,
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
    LOST,
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
from .model import (
    ACTION,
    ERROR,
    INTERRUPTING,
    RUNNING,
    WAITING,
    Database,
    Draft,
    Record,
    Refusal,
    Refused,
    failure,
    newest_row,
    told,
)

# Conversation


def create(draft: Draft, t: CreateChat) -> Any:
    if t.parent is not None:
        draft.check(t.parent)
        made = draft.records.get(t.chat.id)
        if made is not None and made.chat.parent_chat_id == t.parent.chat_id:
            return made.chat
    _begin(draft, t.chat, RUNNING, t.rows)
    return told(t.chat.id)


def import_chat(draft: Draft, t: ImportChat) -> Any:
    _import(draft, t, t.chat)
    return told(t.chat.id)


def import_family(draft: Draft, t: ImportFamily) -> Any:
    first: dict[str, int] = {}
    for member in t.members:
        chat = member.chat
        if chat.spawned_by is not None and chat.parent_chat_id is not None:
            spawned_by = replace(
                chat.spawned_by, message_id=first[chat.parent_chat_id] + chat.spawned_by.message_id - 1
            )
            chat = replace(chat, spawned_by=spawned_by)
        first[chat.id] = draft.message_id + 1
        _import(draft, member, chat)
    return lambda after: tuple(after.chats[member.chat.id].chat for member in t.members)


def _import(draft: Draft, t: ImportChat, chat: Chat) -> None:
    record = _begin(draft, chat, WAITING, ())
    ids = {0: 0}
    for number, row in enumerate(t.rows, 1):
        if row.compressed:
            until = record.rows[-1].id if record.rows else None
            until = until if row.covers_until is None else ids[row.covers_until]
            until = until if row.visibility is Visibility.MODEL else None
            record = draft.insert(record, replace(row, covers_until=until, answers=None))
        elif row.role is Role.TOOL:
            record = _import_results(draft, record, row, ids)
        else:
            record = draft.insert(record, row)
        ids[number] = record.rows[-1].id
    draft.close_calls(record)


def _import_results(draft: Draft, record: Record, row: NewMessage, ids: Mapping[int, int]) -> Record:
    results = [part for part in row.parts if isinstance(part, ToolResultPart)]
    named = row.answers and CallKey(message_id=ids[row.answers.message_id], index=row.answers.index)
    for parts in [row.parts] if named or len(results) < 2 else [(part,) for part in results]:
        wanted = {part.tool_call_id for part in parts if isinstance(part, ToolResultPart)}
        keys = [
            key for key, call in record.open_calls if (key == named if named else call.tool_call_id in wanted)
        ]
        record = draft.insert(record, replace(row, parts=parts, answers=keys[0] if keys else None))
    return record


def _begin(draft: Draft, chat: Chat, status: ChatStatus, rows: Iterable[NewMessage]) -> Record:
    if chat.id in draft.records:
        raise Refused(Refusal.CONFLICT)
    draft.applied.add(chat.id)
    chat = replace(
        chat, status=status, archived=False, created_at=draft.now, updated_at=draft.now, history_version=1
    )
    record = draft.put(Record(chat=chat))
    for row in rows:
        record = draft.insert(record, row)
    return record


def purge(draft: Draft, t: PurgeChat) -> None:
    draft.enter(t.chat_id, "XW XE0 XE1")
    for member in draft.family(t.chat_id):
        draft.enter(member.chat.id, "XW XE0 XE1")
        del draft.records[member.chat.id]


def send(draft: Draft, t: SendMessage) -> Any:
    record = draft.enter(t.chat_id, "W E0 E1 R0 R1 I0 I1 A0 A1")
    interrupts = t.busy is BusyBehavior.INTERRUPT
    state = record.state
    if state in ("R0", "R1", "I0", "I1"):
        record = draft.enqueue(record, t.message, t.queue_limit)
        queued = record.queue[-1]
        if interrupts:
            draft.become(record, INTERRUPTING, compaction_requested_at=None)
        return ("queue", queued)
    if state in ("A0", "A1") and not interrupts:
        if _is_free_text_answer(record, t.message):
            return _answer_questions(draft, record, t.message)
        return ("queue", draft.enqueue(record, t.message, t.queue_limit).queue[-1])
    if interrupts and state in ("A0", "A1"):
        record = draft.set(record, compaction_requested_at=None)
    if state in ("E1", "A1"):
        record = draft.enqueue(record, t.message, t.queue_limit)
        queued = record.queue[-1]
        draft.become(draft.promote(record, record.queue[0]), RUNNING)
        return ("queue", queued)
    draft.become(draft.say(record, t.message), RUNNING)
    return lambda after: ("history", newest_row(t.chat_id)(after))


def _is_free_text_answer(record: Record, message: NewMessage) -> bool:
    files = any(isinstance(part, FilePart) for part in message.parts)
    awaited = record.awaited
    return not files and bool(awaited) and all(run.action is ActionKind.QUESTION for run in awaited)


def _answer_questions(draft: Draft, record: Record, message: NewMessage) -> Any:
    text = "\n".join(
        getattr(part, "text", "") or getattr(part, "content", "") or "" for part in message.parts
    )
    for run in record.awaited:
        result = ToolResultPart(
            tool_call_id=run.tool_call_id, tool_name=run.tool_name, result={"answer": text}
        )
        run = replace(
            run, result=result, finished_at=draft.now, decided_by=run.decided_by or message.created_by
        )
        record = draft.journal(record, run)
    draft.become(record, RUNNING)
    return ("answer",)


def edit(draft: Draft, t: EditMessage) -> Any:
    rows = {row.id: row for row in draft.get(t.chat_id).visible}
    if t.message_id not in rows:
        raise Refused(Refusal.NOT_FOUND)
    original = rows[t.message_id]
    if original.role is not Role.USER or original.visibility is Visibility.MODEL:
        raise Refused(Refusal.INVALID)
    record = draft.enter(t.chat_id, "W E0 E1 R0 R1 I0 I1 A0 A1")
    for child in draft.family(t.chat_id)[1:]:
        by = child.chat.spawned_by
        if by is not None and by.message_id >= t.message_id and _can_be_stopped(child):
            draft.applied.add(child.chat.id)
            _stop(draft, child, drop=True)
    dropped = record.queue
    rows_after = tuple(replace(row, deleted=True) if row.id >= t.message_id else row for row in record.rows)
    record = draft.put(replace(record, rows=rows_after, queue=()))
    options = t.message.turn_options or original.turn_options or TurnOptions()
    options = replace(options, client_message_id=t.client_message_id)
    record = draft.say(
        record,
        replace(
            t.message,
            visibility=original.visibility,
            model=t.message.model or original.model,
            model_config_id=t.message.model_config_id or original.model_config_id,
            turn_options=None if options == TurnOptions() else options,
        ),
    )
    draft.become(record, RUNNING, compaction_requested_at=None)
    return lambda after: (newest_row(t.chat_id)(after), dropped)


def delete_queued(draft: Draft, t: DeleteQueued) -> QueuedMessage | None:
    found = [queued for queued in draft.get(t.chat_id).queue if queued.id == t.queued_id]
    if not found:
        return None
    record = draft.enter(t.chat_id, "E1 R1 I1 A1")
    draft.put(replace(record, queue=tuple(item for item in record.queue if item != found[0])))
    return found[0]


def promote_queued(draft: Draft, t: PromoteQueued) -> Any:
    found = [queued for queued in draft.get(t.chat_id).queue if queued.id == t.queued_id]
    if not found:
        raise Refused(Refusal.NOT_FOUND)
    record = draft.enter(t.chat_id, "E1 A1 R1 I1")
    (queued,) = found
    if record.state in ("R1", "I1"):
        others = tuple(item for item in record.queue if item != queued)
        record = draft.put(replace(record, queue=(queued, *others)))
        draft.become(record, INTERRUPTING, compaction_requested_at=None)
        return ("queue", queued)
    draft.become(draft.promote(record, queued), RUNNING, compaction_requested_at=None)
    return lambda after: ("history", newest_row(t.chat_id)(after))


def interrupt(draft: Draft, t: InterruptChat) -> Any:
    record = draft.get(t.chat_id)
    if record.chat.parent_chat_id is None:
        for child in draft.family(t.chat_id)[1:]:
            if _can_be_stopped(child):
                draft.applied.add(child.chat.id)
                _stop(draft, child, drop=True)
    if record.state in ("W", "E0", "E1", "I0", "I1"):
        return lambda after: (told(t.chat_id)(after), ())
    dropped = record.queue if t.drop_queue else ()
    _stop(draft, draft.enter(t.chat_id, "R0 R1 A0 A1"), drop=t.drop_queue)
    return lambda after: (told(t.chat_id)(after), dropped)


def _can_be_stopped(child: Record) -> bool:
    return child.chat.status in (RUNNING, ACTION) or child.state == "I1"


def _stop(draft: Draft, record: Record, *, drop: bool) -> None:
    if drop:
        record = draft.put(replace(record, queue=()))
    if record.chat.status is INTERRUPTING:
        return
    record = draft.set(record, compaction_requested_at=None)
    if record.chat.status is RUNNING:
        draft.become(record, INTERRUPTING)
        return
    _go_on_or_rest(draft, draft.close_calls(record))


def _go_on_or_rest(draft: Draft, record: Record) -> Record:
    """The next queued message begins a turn; without one the chat is idle."""
    if record.queue:
        return draft.become(draft.promote(record, record.queue[0]), RUNNING)
    return draft.become(record, WAITING)


def request_compaction(draft: Draft, t: RequestCompaction) -> Any:
    record = draft.enter(t.chat_id, "W E0 E1")
    if record.answered <= record.covered:
        raise Refused(Refusal.CONFLICT)
    draft.become(record, RUNNING, compaction_requested_at=draft.now)
    return told(t.chat_id)


def clear_context(draft: Draft, t: ClearContext) -> Any:
    record = draft.enter(t.chat_id, "W E0")
    marker = NewMessage(
        role=Role.USER,
        parts=(),
        visibility=Visibility.MODEL,
        compressed=True,
        covers_until=max(record.answered, record.covered),
    )
    record = draft.become(draft.insert(record, marker), WAITING)
    marker_id = record.rows[-1].id
    for row in build.shown_clearing(marker_id):
        record = draft.insert(record, row)
    return lambda after: next(row for row in after.chats[t.chat_id].rows if row.id == marker_id)


def set_archived(draft: Draft, t: SetArchived) -> Any:
    record = draft.get(t.chat_id)
    if record.chat.archived == t.archived:
        raise Refused(Refusal.INVALID)
    parent = record.chat.parent_chat_id
    if not t.archived and parent is not None and draft.get(parent).chat.archived:
        raise Refused(Refusal.CONFLICT)
    members = [member for member in draft.family(t.chat_id) if member.chat.archived != t.archived]
    for member in members:
        draft.enter(member.chat.id, "W E0 E1" if t.archived else "XW XE0 XE1")
        draft.set(member, archived=t.archived, **({"pin_order": 0} if t.archived else {}))
    ids = [member.chat.id for member in members]
    return lambda after: tuple(after.chats[member].chat for member in ids)


# Actions


def enter_action(draft: Draft, t: EnterAction) -> Any:
    record = draft.enter_claimed(t.claim, "R0 R1")
    for ask in t.asks:
        run = record.journal.get(ask.key) or ToolRun(
            message_id=ask.key.message_id,
            call_index=ask.key.index,
            chat_id=t.claim.chat_id,
            tool_call_id=ask.tool_call_id,
            tool_name=ask.tool_name,
        )
        if run.result is not None:
            continue
        if run.approval is None and ask.kind is ActionKind.APPROVAL:
            run = replace(run, approval=Approval.PENDING)
        record = draft.journal(record, replace(run, action=ask.kind, args=None))
    if not record.awaited:
        raise Refused(Refusal.BUG)
    draft.become(record, ACTION, action_deadline_at=t.deadline_at)
    return told(t.claim.chat_id)


def _asked(draft: Draft, chat_id: str, key: CallKey) -> tuple[ToolRun, bool]:
    """A call that clients were asked for, and whether a row answers it."""
    record = draft.get(chat_id)
    run = record.journal.get(key)
    visible = {row.id for row in record.visible}
    if run is None or run.action is None or key.message_id not in visible:
        raise Refused(Refusal.NOT_FOUND)
    return run, any(row.answers == key for row in record.visible)


def claim_action(draft: Draft, t: ClaimAction) -> tuple[ToolRun, ...]:
    return tuple(_claim(draft, t, key) for key in t.keys)


def _claim(draft: Draft, t: ClaimAction, key: CallKey) -> ToolRun:
    run, is_closed = _asked(draft, t.chat_id, key)
    if run.action is not ActionKind.CLIENT_TOOL:
        raise Refused(Refusal.INVALID)
    if run.result is not None or is_closed or run.claimed_by not in (None, t.client):
        raise Refused(Refusal.DECIDED)
    if run.claimed_by is None:
        run = replace(run, claimed_by=t.client, started_at=draft.now)
        draft.journal(draft.enter(t.chat_id, "A0 A1"), run)
    return run


def complete_action(draft: Draft, t: CompleteAction) -> Any:
    if len({answer.key for answer in t.results}) < len(t.results):
        raise Refused(Refusal.INVALID)
    fresh: list[ToolRun] = []
    for answer in t.results:
        run, is_closed = _asked(draft, t.chat_id, answer.key)
        result = ToolResultPart(
            tool_call_id=run.tool_call_id,
            tool_name=run.tool_name,
            result=answer.result,  # type: ignore[arg-type]
            is_error=answer.is_error,
        )
        if run.action is ActionKind.APPROVAL:
            raise Refused(Refusal.INVALID)
        if run.result == result:
            continue
        if run.result is not None or is_closed or run.claimed_by not in (None, t.client):
            raise Refused(Refusal.DECIDED)
        fresh.append(
            replace(run, result=result, finished_at=draft.now, decided_by=run.decided_by or t.decided_by)
        )
    if fresh:
        record = draft.enter(t.chat_id, "A0 A1")
        for run in fresh:
            record = draft.journal(record, run)
        _resume(draft, record)
    return told(t.chat_id)


def _resume(draft: Draft, record: Record) -> None:
    if not record.awaited:
        draft.become(record, RUNNING)


def decide_approval(draft: Draft, t: DecideApproval) -> Any:
    run, is_closed = _asked(draft, t.chat_id, t.key)
    wanted = Approval.ALLOWED if t.allow else Approval.DENIED
    if run.approval is None:
        raise Refused(Refusal.INVALID)
    if run.approval is wanted:
        return told(t.chat_id)
    if run.approval is not Approval.PENDING or is_closed:
        raise Refused(Refusal.DECIDED)
    record = draft.enter(t.chat_id, "A0 A1")
    scope = t.scope if t.allow else None
    run = replace(run, approval=wanted, approval_scope=scope, decided_by=t.decided_by, decided_at=draft.now)
    if not t.allow:
        call = ToolCallPart(tool_call_id=run.tool_call_id, tool_name=run.tool_name)
        run = replace(run, result=failure(call, DENIED), finished_at=draft.now)
    _resume(draft, draft.journal(record, run))
    return told(t.chat_id)


def cancel_action(draft: Draft, t: CancelAction) -> Any:
    record = draft.enter(t.chat_id, "A0 A1")
    deadline = record.chat.action_deadline_at
    is_claimed = any(run.claimed_by is not None for run in record.journal.values())
    if deadline is None or (draft.now < deadline and (is_claimed or not t.is_unattended)):
        raise Refused(Refusal.CONFLICT)
    draft.become(draft.close_calls(record, not_run=t.reason), RUNNING)
    return told(t.chat_id)


# Work


def acquire(draft: Draft, t: Acquire) -> Any:
    free = [
        record
        for record in draft.records.values()
        if record.chat.status in (RUNNING, INTERRUPTING)
        and (record.chat.worker_id is None or record.chat.worker_id in t.dead_workers)
    ]
    free.sort(key=lambda record: (record.chat.updated_at, record.chat.id))
    taken: list[str] = []
    for record, runner_id in zip(free, t.runner_ids, strict=False):
        draft.applied.add(record.chat.id)
        draft.set(record, worker_id=t.worker_id, runner_id=runner_id)
        taken.append(record.chat.id)
    return lambda after: tuple(after.chats[chat_id].chat for chat_id in taken)


def abandon(draft: Draft, t: Abandon) -> None:
    if draft.get(t.chat_id).chat.runner_id != t.runner_id:
        raise Refused(Refusal.STALE)
    draft.set(draft.enter(t.chat_id, "R0 R1 I0 I1"), worker_id=None, runner_id=None)


def begin_attempt(draft: Draft, t: BeginAttempt) -> Any:
    record = draft.enter_claimed(t.claim, "R0 R1")
    draft.set(record, generation_attempt=record.chat.generation_attempt + 1, retry_state=None)
    return told(t.claim.chat_id)


def record_retry(draft: Draft, t: RecordRetry) -> Any:
    draft.set(draft.enter_claimed(t.claim, "R0 R1"), retry_state=t.retry)
    return told(t.claim.chat_id)


def commit_step(draft: Draft, t: CommitStep) -> Any:
    record = draft.enter_claimed(t.claim, "R0 R1")
    for row in t.rows:
        record = draft.insert(record, row)
    if t.compacted:
        draft.set(record, compaction_requested_at=None)
    return _committed(t.claim.chat_id, draft)


def _committed(chat_id: str, draft: Draft) -> Callable[[Database], Any]:
    first = draft.before.last_message_id
    return lambda after: (
        after.chats[chat_id].chat,
        tuple(row for row in after.chats[chat_id].rows if row.id > first),
    )


def start_tools(draft: Draft, t: StartTools) -> None:
    record = draft.enter_claimed(t.claim, "R0 R1")
    for start in t.calls:
        run = record.journal.get(start.key) or ToolRun(
            message_id=start.key.message_id,
            call_index=start.key.index,
            chat_id=t.claim.chat_id,
            tool_call_id=start.call.tool_call_id,
            tool_name=start.call.tool_name,
        )
        if run.result is None:
            record = draft.journal(record, replace(run, started_at=draft.now))


def finish_tools(draft: Draft, t: FinishTools) -> None:
    record = draft.enter_claimed(t.claim, "R0 R1")
    for key, result in t.results:
        run = record.journal.get(key)
        if run is not None and run.result is None:
            record = draft.journal(record, replace(run, result=result, finished_at=draft.now))


def finish_interruption(draft: Draft, t: FinishInterruption) -> Any:
    return _end_turn(draft, draft.enter_claimed(t.claim, "I0 I1"), t.partial)


def finish_turn(draft: Draft, t: FinishTurn) -> Any:
    return _end_turn(draft, draft.enter_claimed(t.claim, "R0 R1"), t.rows)


def _end_turn(draft: Draft, record: Record, rows: Iterable[NewMessage]) -> Any:
    for row in rows:
        record = draft.insert(record, row)
    record = draft.set(draft.close_calls(record), compaction_requested_at=None)
    _go_on_or_rest(draft, record)
    return _committed(record.chat.id, draft)


def finish_error(draft: Draft, t: FinishError) -> Any:
    record = draft.close_calls(draft.enter_claimed(t.claim, "R0 R1 I0 I1"))
    draft.become(record, ERROR, last_error=t.error, compaction_requested_at=None)
    return told(t.claim.chat_id)


def reconcile(draft: Draft, t: Reconcile) -> Any:
    record = draft.get(t.chat_id)
    if record.state == "!":
        draft.applied.add(t.chat_id)
        draft.become(draft.close_calls(record), ERROR, last_error=LOST)
    return told(t.chat_id)


TRANSITIONS: Mapping[type, Callable[[Draft, Any], Any]] = {
    CreateChat: create,
    ImportChat: import_chat,
    ImportFamily: import_family,
    PurgeChat: purge,
    SendMessage: send,
    EditMessage: edit,
    DeleteQueued: delete_queued,
    PromoteQueued: promote_queued,
    InterruptChat: interrupt,
    RequestCompaction: request_compaction,
    ClearContext: clear_context,
    SetArchived: set_archived,
    EnterAction: enter_action,
    ClaimAction: claim_action,
    CompleteAction: complete_action,
    DecideApproval: decide_approval,
    CancelAction: cancel_action,
    Acquire: acquire,
    Abandon: abandon,
    BeginAttempt: begin_attempt,
    RecordRetry: record_retry,
    CommitStep: commit_step,
    StartTools: start_tools,
    FinishTools: finish_tools,
    FinishInterruption: finish_interruption,
    FinishTurn: finish_turn,
    FinishError: finish_error,
    Reconcile: reconcile,
}


def step(database: Database, transition: Any, now: float) -> tuple[Database, Any]:
    """Return the database after a transition, and what the caller is told: the `Refusal` if it is refused."""
    draft = Draft(database, now)
    try:
        result = TRANSITIONS[type(transition)](draft, transition)
    except Refused as refused:
        return database, refused.kind
    after = draft.sealed(transition)
    return after, result(after) if callable(result) else result
