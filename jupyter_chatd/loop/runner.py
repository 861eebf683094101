"""Drives one chat while it runs: decide, act, commit, and again, until the chat rests or is somebody else's.

Work is started for (runner, history version, status). When a change from outside breaks that, the work is
cancelled **and awaited** before anything else happens, and the chat is read anew.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

from .. import wire
from ..errors import ChatNotFoundError, ModelError, StaleWorkError
from ..events import Change, Episode, ErrorEvent
from ..messages import (
    CallKey,
    Chat,
    ChatStatus,
    ErrorDetail,
    Grant,
    NewMessage,
    Role,
    TextPart,
    ToolRun,
)
from ..pacing import paced
from ..providers.protocol import ModelCall, PromptMessage
from ..store import Claim, reads
from ..store.actions import Ask, EnterAction
from ..store.calls import result_row
from ..store.store import TransitionLike
from ..store.usage import PaidCall, count_call
from ..store.work import (
    Abandon,
    BeginAttempt,
    CallStart,
    CommitStep,
    Committed,
    FinishError,
    FinishInterruption,
    FinishTools,
    FinishTurn,
    RecordRetry,
    StartTools,
)
from ..stream import LiveEpisode
from .answer import Answer, Publish, read_answer
from .approvals import grant_of
from .attachments import with_files
from .chat_tools import ChatTools
from .compaction import Compaction, find_fullness
from .context_watch import ContextWatch
from .decide import (
    AskClients,
    CallModel,
    CloseInterruption,
    Compact,
    Decision,
    EndTurn,
    Fail,
    Rest,
    RunTools,
    Situation,
    decide,
)
from .engine import Engine
from .history import History
from .prompt import PromptBuilder, prompt_rows
from .summary import SummaryRequest
from .toolphase import Call, Result, ToolPhase, cut_result
from .turn import Turn, prepare_turn
from .turn_tools import ToolsInTurn

T = TypeVar("T")

log = logging.getLogger(__name__)


class LostChatError(Exception):
    """The chat is no longer this runner's."""


class Runner:
    """One chat's driver. Lives from the acquisition of the chat to its rest, loss, or the server's stop."""

    def __init__(self, engine: Engine, chat: Chat) -> None:
        assert chat.runner_id is not None
        self.chat_id = chat.id
        self.runner_id = chat.runner_id
        self._engine = engine
        self._chat = chat
        self._latest = chat
        """The newest announced state; differs from `_chat` when somebody else changed it."""
        self._history = History()
        self._builder = PromptBuilder()
        self._journal: dict[CallKey, ToolRun] = {}
        """Of the newest assistant row, as it was when the chat was read."""
        self._grants: frozenset[Grant] = frozenset()
        """What was allowed in this chat."""
        self._turn: Turn | None = None
        self._turn_tools = ToolsInTurn(engine)
        self._partial: tuple[int, tuple[NewMessage, ...]] = (-1, ())
        """What was cut off by an interruption, and the history version that it belongs to."""
        self._context = ContextWatch(engine)
        self._live: LiveEpisode | None = None
        self._work: asyncio.Task[None] | None = None
        self._is_cancelled = False
        """Whether `_work` was told to end: once, so that what it does on its way out is not cut off."""
        self._committing = 0
        self._stopping = asyncio.Event()

    # From outside

    def notify(self, change: Change) -> None:
        """Hear of a change of this chat; cancels work whose claim it breaks."""
        if change.chat.snapshot_version < self._latest.snapshot_version:
            return
        self._latest = change.chat
        if not self._committing and self._is_stale():
            self._cancel_work()

    async def run(self) -> None:
        """Drive the chat to its rest. Raises nothing but cancellation; failures become the chat's error.

        When not even that can be written, the chat is tried again after a while, so that it is not stuck.
        """
        failures = 0
        while not await self._run_once() and not self._stopping.is_set():
            failures += 1
            await self._pause(self._engine.retry.delay(failures))

    def stop(self) -> None:
        """Stop for good because the server does; `run` returns once the chat is given up."""
        self._stopping.set()
        self._cancel_work()

    def _cancel_work(self) -> None:
        if self._work is not None and not self._is_cancelled:
            self._is_cancelled = True
            self._work.cancel()

    async def _pause(self, delay_s: float) -> None:
        try:
            async with asyncio.timeout(delay_s):
                await self._stopping.wait()
        except TimeoutError:
            return

    # The loop

    async def _run_once(self) -> bool:
        """Drive the chat; false when it was left as it is, because nothing can be written."""
        try:
            await self._drive()
        except LostChatError:
            log.debug("Runner %s no longer has chat %s", self.runner_id, self.chat_id)
        except Exception as error:
            log.exception("Driving chat %s failed unexpectedly", self.chat_id)
            return await self._give_up(error)
        finally:
            self._end_episode()
        return True

    async def _drive(self) -> None:
        await self._load()
        while True:
            decision = self._decide(
                is_over_threshold=await self._context.should_compact(self._chat, self._history)
            )
            if isinstance(decision, Rest):
                return
            if self._stopping.is_set() and not isinstance(decision, CloseInterruption):
                break
            await self._carry_out(decision)
        await self._abandon()

    async def _load(self) -> None:
        """Read the chat anew.

        Raises:
            LostChatError: it is no longer this runner's.
        """
        try:
            view, history, builder = await self._engine.store.read(
                lambda conn: _prepare(reads.runner_view(conn, self.chat_id))
            )
        except ChatNotFoundError as error:
            raise LostChatError from error
        if view.chat.runner_id != self.runner_id:
            raise LostChatError
        self._chat = view.chat
        if view.chat.snapshot_version >= self._latest.snapshot_version:
            self._latest = view.chat
        self._history, self._builder = history, builder
        self._journal = {run.key: run for run in view.journal}
        self._grants = frozenset(grant_of(run) for run in view.allowed)

    def _decide(self, *, is_over_threshold: bool) -> Decision:
        now = Situation(
            chat=self._chat,
            history=self._history,
            journal=self._journal,
            is_over_threshold=is_over_threshold,
        )
        return decide(now, self._tools(), self._engine.limits)

    def _tools(self) -> ChatTools:
        return self._turn_tools.of(self._chat, self._history.turn_row, grants=self._grants)

    async def _find_tools(self) -> bool:
        """Make sure that all tools of the turn are known; return whether that is news."""
        return await self._turn_tools.find(self._chat, self._history.turn_row)

    async def _carry_out(self, decision: Decision) -> None:
        """Do what was decided in a task of its own, so that a change from outside can end it."""
        work = self._work = asyncio.create_task(self._perform(decision), name=f"chatd-work-{self.chat_id}")
        self._is_cancelled = False
        if self._is_stale():
            self._cancel_work()
        try:
            await asyncio.wait([work])
        except asyncio.CancelledError:
            work.cancel()
            await asyncio.wait([work])
            raise
        finally:
            self._work = None
        if work.cancelled() or isinstance(work.exception(), StaleWorkError):
            await self._load()
        else:
            work.result()

    async def _perform(self, decision: Decision) -> None:
        match decision:
            case CloseInterruption():
                await self._close_interruption()
            case RunTools():
                # In the middle of a turn that begins anew, it was decided without knowing what asks.
                if not await self._find_tools():
                    await self._run_tools(decision)
            case CallModel():
                await self._find_tools()
                await self._call_model()
            case AskClients():
                if not await self._find_tools():
                    await self._ask_clients(decision)
            case EndTurn():
                self._adopt(await self._apply(FinishTurn(claim=self._claim(), rows=_note(decision.note))))
            case Fail():
                self._chat = await self._apply(FinishError(claim=self._claim(), error=decision.error))
            case Compact():
                await self._find_tools()  # a vendor's cache has the same tools as the turns
                await self._compact()
            case Rest():
                return

    # Commits

    def _claim(self) -> Claim:
        return Claim(
            chat_id=self.chat_id,
            runner_id=self.runner_id,
            history_version=self._chat.history_version,
            status=self._chat.status,
        )

    def _is_stale(self) -> bool:
        """Whether somebody else changed what this runner works for."""
        mine, latest = self._chat, self._latest
        return latest.snapshot_version > mine.snapshot_version and (
            (latest.runner_id, latest.history_version, latest.status)
            != (self.runner_id, mine.history_version, mine.status)
        )

    async def _apply(self, transition: TransitionLike[T]) -> T:
        """Commit. Its own announcement must not look like somebody else's change: look again afterwards.

        Raises:
            StaleWorkError: the claim no longer holds.
        """
        self._committing += 1
        try:
            return await self._engine.store.apply(transition)
        finally:
            self._committing -= 1

    def _adopt(self, committed: Committed) -> None:
        """Go on from what was just committed.

        Raises:
            StaleWorkError: somebody else changed the chat right after.
        """
        self._chat = committed.chat
        for row in committed.rows:
            self._history.append(row)
            if row.role is Role.ASSISTANT:
                self._journal = {}
        self._builder.extend(committed.rows)
        self._look_again()

    def _look_again(self) -> None:
        if self._is_stale():
            raise StaleWorkError(self.chat_id, "Work")

    async def _abandon(self) -> None:
        try:
            await self._engine.store.apply(Abandon(chat_id=self.chat_id, runner_id=self.runner_id))
        except (StaleWorkError, ChatNotFoundError):
            log.debug("Chat %s was given up already", self.chat_id)

    async def _give_up(self, error: Exception) -> bool:
        """End in an error after a bug, or a failure of the database; false when that cannot be written."""
        detail = ErrorDetail(message=f"Processing failed unexpectedly: {type(error).__name__}: {error}"[:500])
        try:
            await self._load()
            if self._chat.status in (ChatStatus.RUNNING, ChatStatus.INTERRUPTING):
                await self._engine.store.apply(FinishError(claim=self._claim(), error=detail))
        except (LostChatError, StaleWorkError):
            log.debug("Chat %s was given up already", self.chat_id)
        except Exception:
            log.exception("The failure of chat %s could not be written", self.chat_id)
            self._engine.feeds.tell(ErrorEvent(chat_id=self.chat_id, error=detail))
            return False
        return True

    # Interruptions, questions

    def _keep(self, rows: Sequence[NewMessage]) -> None:
        """Remember what was cut off, for the commit that closes the interruption."""
        self._partial = (self._chat.history_version, tuple(rows))

    async def _close_interruption(self) -> None:
        version, rows = self._partial
        partial = rows if version == self._chat.history_version else ()
        self._adopt(await self._apply(FinishInterruption(claim=self._claim(), partial=partial)))

    async def _ask_clients(self, decision: AskClients) -> None:
        asks = tuple(
            Ask(
                key=key,
                tool_call_id=call.tool_call_id,
                tool_name=call.tool_name,
                args_json=None if call.args is None else wire.dump_json(call.args),
                kind=kind,
            )
            for key, call, kind in decision.calls
        )
        store = self._engine.store
        deadline = store.clock() + self._engine.action_timeout_s if decision.has_deadline else None
        self._chat = await self._apply(EnterAction(claim=self._claim(), asks=asks, deadline_at=deadline))

    # Tools

    async def _run_tools(self, decision: RunTools) -> None:
        phase = ToolPhase(
            find=self._tools().find,
            context=self._turn_tools.contexts(self._chat, self._history.turn_row, claim=self._claim()),
            journal=self._journal_results,
            # Tools that run again after a crash make another episode: see `events.Episode`.
            publish=self._begin_episode(attempt=self._chat.snapshot_version - self._chat.history_version),
        )
        try:
            if decision.start:
                await self._start(decision.start)
                await phase.run(decision.start)
            rows = _result_rows([*decision.ready, *phase.results.items()])
            committed = await self._apply(CommitStep(claim=self._claim(), rows=rows))
        except (asyncio.CancelledError, StaleWorkError):
            await self._keep_cut_calls(decision, phase)
            raise
        self._adopt(committed)

    async def _start(self, calls: Sequence[Call]) -> None:
        starts = [CallStart(key=key, call=call) for key, call in calls]
        await self._apply(StartTools(claim=self._claim(), calls=starts))
        self._look_again()

    async def _journal_results(self, results: Sequence[Result]) -> None:
        await self._apply(FinishTools(claim=self._claim(), results=results))
        self._look_again()

    async def _keep_cut_calls(self, decision: RunTools, phase: ToolPhase) -> None:
        """Keep what cancelled calls returned: for the interruption's commit, or in the journal on a stop."""
        by_stop = self._stopping.is_set()
        results = [(key, cut_result(key, call, phase, by_stop=by_stop)) for key, call in decision.start]
        self._keep(_result_rows([*decision.ready, *results]))
        if by_stop:
            # What can run again does so when the chat goes on: waiting for a subagent, say.
            rules = self._tools()
            final = [
                pair
                for pair in results
                if pair[0] in phase.results or not rules.is_repeatable(pair[1].tool_name)
            ]
            try:
                await self._engine.store.apply(FinishTools(claim=self._claim(), results=final))
            except StaleWorkError:
                log.debug("The calls of chat %s were closed by somebody else", self.chat_id)

    # The model

    async def _call_model(self) -> None:
        try:
            row = await self._attempt(self._stream_answer)
        except ModelError as error:
            await self._after_model_error(error)
            return
        try:
            committed = await self._apply(CommitStep(claim=self._claim(), rows=(row,)))
        except asyncio.CancelledError:
            self._keep([row])
            raise
        except StaleWorkError:
            await self._keep_or_count(row)
            raise
        self._adopt(committed)

    async def _keep_or_count(self, row: NewMessage) -> None:
        """Of an answer that came too late: an interruption takes it; of all else the cost is left."""
        version = await self._engine.store.read(lambda conn: reads.find_history_version(conn, self.chat_id))
        if version == self._chat.history_version:
            self._keep([row])
        else:
            await self._count_unstored([row])

    async def _count_unstored(self, rows: Sequence[NewMessage]) -> None:
        """Count what was answered and will be read by nobody: it was paid for all the same."""
        store, chat = self._engine.store, self._chat
        now = store.clock()
        for row in rows:
            if row.role is Role.ASSISTANT:
                call = PaidCall.of(row)
                await store.write(partial(count_call, chat=chat, call=call, now=now))

    async def _attempt(self, call: Callable[[Turn], Awaitable[T]]) -> T:
        """Make one model call: after the pause that is due, counted, and within the capacity.

        Raises:
            ModelError: it failed, or the model of this turn is unknown or has no key.
        """
        if (retry := self._chat.retry_state) is not None:
            # The wall clock may have been set back meanwhile: never wait longer than was said.
            left = retry.retrying_at - self._engine.store.clock()
            await asyncio.sleep(min(max(left, 0.0), retry.delay_ms / 1000))
        async with self._engine.slots.take(self._chat.family_id):
            self._chat = await self._apply(BeginAttempt(claim=self._claim()))
            self._look_again()
            return await call(await self._prepare_turn())

    async def _prepare_turn(self) -> Turn:
        """Model and instructions are looked up once per turn, and again for another workspace."""
        row = self._history.turn_row
        turn_id = row.id if row else 0
        mark = self._engine.workspace_mark(self._chat)
        is_new = self._turn is None or self._turn.row_id != turn_id
        if is_new and row is not None and self._history.is_first_turn:
            self._engine.on_first_turn(self._chat, row)
        if is_new or self._turn is None or self._turn.workspace_mark != mark:
            self._turn = await prepare_turn(self._engine, self._chat, row)
        return self._turn

    async def _stream_answer(self, turn: Turn) -> NewMessage:
        await self._engine.turnstile.through()
        answer = Answer(self._begin_episode(attempt=self._chat.generation_attempt))
        messages = self._builder.build((*turn.system, *self._turn_tools.system, *turn.user_prompt))
        call = ModelCall(
            messages=await self._with_files(messages) if self._builder.has_files else messages,
            tools=self._tools().definitions(),
            may_search=self._turn_tools.may_search,
            settings=self._engine.context_limits.fit(turn.settings, turn.model),
            chat_id=self.chat_id,
        )
        model, config_id = turn.model, turn.model_config_id
        try:
            await read_answer(model, call, answer, self._engine.patience)
        except asyncio.CancelledError:
            cut = answer.partial_row(model=model.ref, model_config_id=config_id)
            self._keep([cut] if cut else [])
            raise
        row = self._tools().with_config_ids(answer.row(model, model_config_id=config_id))
        return self._engine.context_limits.note(row, model)

    async def _with_files(self, messages: Sequence[PromptMessage]) -> tuple[PromptMessage, ...]:
        owner_id = self._chat.owner_id
        return await with_files(messages, lambda ids: self._engine.files.contents(ids, owner_id=owner_id))

    async def _after_model_error(self, error: ModelError) -> None:
        turn, self._turn = self._turn, None
        self._end_episode()
        detail = error.error
        if (
            error.is_overflow
            and turn is not None
            and await self._context.can_go_on(error, turn, self._chat, self._history)
        ):
            log.info("The prompt of chat %s was too long", self.chat_id)
            return
        if not detail.retryable:
            self._chat = await self._apply(FinishError(claim=self._claim(), error=detail))
            return
        attempt = self._chat.generation_attempt
        retry = self._engine.retry.after(error, attempt=attempt, now=self._engine.store.clock())
        log.info("Model call %d of chat %s failed: %s", attempt, self.chat_id, detail.kind)
        self._chat = await self._apply(RecordRetry(claim=self._claim(), retry=retry))
        self._look_again()

    # Compaction

    async def _compact(self) -> None:
        requested = self._chat.compaction_requested_at is not None
        try:
            rows = await self._attempt(self._summarise)
        except ModelError as error:
            await self._after_failed_compaction(error, requested=requested)
            return
        try:
            await self._apply(CommitStep(claim=self._claim(), rows=rows, compacted=True))
        except StaleWorkError:
            await self._count_unstored(rows)
            raise
        await self._load()

    async def _summarise(self, turn: Turn) -> tuple[NewMessage, ...]:
        covers_until = self._history.coverable_until
        if covers_until is None:
            return ()
        compaction = Compaction(
            source="automatic" if self._chat.compaction_requested_at is None else "manual",
            threshold_percent=await self._context.threshold(self._chat, self._history),
            covers_until=covers_until,
            fullness=find_fullness(self._history),
        )
        self._begin_episode(attempt=self._chat.generation_attempt)(Role.ASSISTANT, compaction.call, 0)
        request = SummaryRequest(
            engine=self._engine,
            chat_id=self.chat_id,
            compaction=compaction,
            history=self._history,
            turn=turn,
            tools=self._tools().definitions(),
            model=await self._context.summary_model(self._chat, self._history),
            with_files=self._with_files,
            count_unstored=self._count_unstored,
        )
        return await request.rows()

    async def _after_failed_compaction(self, error: ModelError, *, requested: bool) -> None:
        """Try again when that may help; else go on as it is, unless that cannot work, or the user asked."""
        if error.error.retryable and self._chat.generation_attempt < self._engine.limits.attempts:
            await self._after_model_error(error)
            return
        log.warning("Chat %s could not be compacted: %s", self.chat_id, error.error.kind)
        self._end_episode()
        if self._context.has_failed(self._chat) or requested:
            detail = replace(error.error, message=f"The chat could not be compacted. {error.error.message}")
            self._chat = await self._apply(FinishError(claim=self._claim(), error=detail))

    # Live parts

    def _begin_episode(self, *, attempt: int) -> Publish:
        episode = Episode(history_version=self._chat.history_version, attempt=attempt)
        self._live = self._engine.feeds.begin_episode(self.chat_id, episode)
        return self._live.publish

    def _end_episode(self) -> None:
        if self._live is not None:
            self._live.end()
            self._live = None


def _prepare(view: reads.RunnerView) -> tuple[reads.RunnerView, History, PromptBuilder]:
    """Take in a long history; done in the reader's thread."""
    history = History(paced(view.history))
    history.steps += view.covered_steps
    return view, history, PromptBuilder(paced(prompt_rows(view.history)))


def _result_rows(results: Sequence[Result]) -> tuple[NewMessage, ...]:
    """Return one row for each result, in call order."""
    return tuple(result_row(key, result) for key, result in sorted(results, key=lambda pair: pair[0]))


def _note(text: str | None) -> tuple[NewMessage, ...]:
    return () if text is None else (NewMessage(role=Role.ASSISTANT, parts=(TextPart(text=text),)),)
