"""Drives one chat while it runs: decide, act, commit, and again, until the chat rests or is somebody else's.

Work is started for (runner, history version, status). When a change from outside breaks that, the work is
cancelled **and awaited** before anything else happens, and the chat is read anew.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from .. import wire
from ..errors import ChatNotFoundError, ModelError, StaleWorkError
from ..events import Change, Episode
from ..messages import (
    CallKey,
    Chat,
    ChatStatus,
    ErrorDetail,
    NewMessage,
    Part,
    Role,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    ToolRun,
)
from ..providers.protocol import CallSettings, Model, ModelCall
from ..store import Claim, reads
from ..store.actions import Ask, EnterAction
from ..store.store import TransitionLike
from ..store.transaction import INTERRUPTED, error_result, result_row
from ..store.work import (
    Abandon,
    BeginAttempt,
    CallStart,
    Committed,
    CommitStep,
    FinishError,
    FinishInterruption,
    FinishTools,
    FinishTurn,
    RecordRetry,
    StartTools,
)
from ..tools.protocol import ToolContext
from .answer import Answer, read_stream
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
from .engine import ChatTools, Engine
from .history import History
from .prompt import PromptBuilder, prompt_rows
from .retry import retry_after
from .toolphase import ToolPhase
from .turn import Turn, prepare_turn

T = TypeVar("T")

STOPPED = "The server was stopped while this call was running. Its outcome is unknown: check before repeating it."

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
        self._turn: Turn | None = None
        self._partial: tuple[int, tuple[NewMessage, ...]] = (-1, ())
        """What was cut off by an interruption, and the history version that it belongs to."""
        self._work: asyncio.Task[None] | None = None
        self._committing = 0
        self._stopping = False

    # From outside

    def notify(self, change: Change) -> None:
        """Hear of a change of this chat; cancels work whose claim it breaks."""
        if change.chat.snapshot_version < self._latest.snapshot_version:
            return
        self._latest = change.chat
        if not self._committing and self._is_stale():
            self._cancel_work()

    async def run(self) -> None:
        """Drive the chat to its rest. Never raises but for cancellation; failures become the chat's error."""
        try:
            await self._drive()
        except LostChatError:
            log.debug("Runner %s no longer has chat %s", self.runner_id, self.chat_id)
        except Exception as error:
            log.exception("Driving chat %s failed unexpectedly", self.chat_id)
            await self._give_up(error)
        finally:
            self._engine.feeds.end_episode(self.chat_id)

    def stop(self) -> None:
        """Stop for good because the server does; `run` returns once the chat is given up."""
        self._stopping = True
        self._cancel_work()

    def _cancel_work(self) -> None:
        if self._work is not None:
            self._work.cancel()

    # The loop

    async def _drive(self) -> None:
        await self._load()
        while not self._stopping:
            decision = self._decide()
            if isinstance(decision, Rest):
                return
            await self._carry_out(decision)
        await self._abandon()

    async def _load(self) -> None:
        """Read the chat anew.

        Raises:
            LostChatError: it is no longer this runner's.
        """
        try:
            view = await self._engine.store.read(lambda conn: reads.runner_view(conn, self.chat_id))
        except ChatNotFoundError as error:
            raise LostChatError from error
        if view.chat.runner_id != self.runner_id:
            raise LostChatError
        self._chat = view.chat
        if view.chat.snapshot_version >= self._latest.snapshot_version:
            self._latest = view.chat
        self._history = History(view.history)
        self._builder = PromptBuilder()
        self._builder.extend(prompt_rows(view.history))
        self._journal = {run.key: run for run in view.journal}

    def _decide(self) -> Decision:
        now = Situation(chat=self._chat, history=self._history, journal=self._journal)
        return decide(now, ChatTools(self._chat, self._engine.tools), self._engine.limits)

    async def _carry_out(self, decision: Decision) -> None:
        """Do what was decided in a task of its own, so that a change from outside can end it."""
        self._work = asyncio.create_task(self._perform(decision), name=f"chatd-work-{self.chat_id}")
        if self._stopping or self._is_stale():
            self._work.cancel()
        try:
            await asyncio.wait([self._work])
        except asyncio.CancelledError:
            self._work.cancel()
            await asyncio.wait([self._work])
            raise
        work, self._work = self._work, None
        if work.cancelled() or isinstance(work.exception(), StaleWorkError):
            if not self._stopping:
                await self._load()
            return
        work.result()

    async def _perform(self, decision: Decision) -> None:
        match decision:
            case CloseInterruption():
                await self._close_interruption()
            case RunTools():
                await self._run_tools(decision)
            case CallModel():
                await self._call_model(decision)
            case AskClients():
                await self._ask_clients(decision)
            case EndTurn():
                self._adopt(await self._apply(FinishTurn(claim=self._claim(), rows=_note(decision.note))))
            case Fail():
                self._chat = await self._apply(FinishError(claim=self._claim(), error=decision.error))
            case Compact():
                raise NotImplementedError
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
        """Commit. While it is under way nothing cancels the work: whoever calls looks again afterwards.

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
        self._builder.extend(committed.rows)
        self._journal = {}
        self._look_again()

    def _look_again(self) -> None:
        if self._is_stale():
            raise StaleWorkError(self.chat_id, "Work")

    async def _abandon(self) -> None:
        try:
            await self._engine.store.apply(Abandon(chat_id=self.chat_id, runner_id=self.runner_id))
        except (StaleWorkError, ChatNotFoundError):
            log.debug("Chat %s was given up already", self.chat_id)

    async def _give_up(self, error: Exception) -> None:
        """A bug of ours: end in an error that says so. When even that cannot be written, the chat stays as it is."""
        detail = ErrorDetail(message=f"Processing failed unexpectedly: {type(error).__name__}: {error}"[:500])
        try:
            await self._load()
            if self._chat.status in (ChatStatus.RUNNING, ChatStatus.INTERRUPTING):
                await self._engine.store.apply(FinishError(claim=self._claim(), error=detail))
        except (LostChatError, StaleWorkError):
            log.debug("Chat %s was given up already", self.chat_id)

    # What can be decided

    async def _close_interruption(self) -> None:
        version, rows = self._partial
        partial = rows if version == self._chat.history_version else ()
        self._partial = (-1, ())
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
        self._begin_episode(attempt=0)
        results = dict(decision.ready)
        if decision.start:
            results |= await self._run_calls(decision.start)
        rows = tuple(result_row(key, results[key]) for key in sorted(results))
        self._adopt(await self._apply(CommitStep(claim=self._claim(), rows=rows)))

    async def _run_calls(self, calls: Sequence[tuple[CallKey, ToolCallPart]]) -> dict[CallKey, ToolResultPart]:
        phase = ToolPhase(
            find=ChatTools(self._chat, self._engine.tools).find,
            context=self._tool_context,
            journal=self._journal_results,
            publish=self._publish,
        )
        starts = [CallStart(key=key, call=call) for key, call in calls]
        try:
            await self._apply(StartTools(claim=self._claim(), calls=starts))
            self._look_again()
            await phase.run(calls)
        except asyncio.CancelledError:
            await self._keep_cut_calls(calls, phase)
            raise
        return phase.results

    def _tool_context(self, key: CallKey, call: ToolCallPart, emit: Callable[[str], None]) -> ToolContext:
        chat = self._chat
        return ToolContext(
            chat_id=self.chat_id,
            key=key,
            tool_call_id=call.tool_call_id,
            workspace=lambda: self._engine.workspace(chat),
            emit=emit,
        )

    async def _journal_results(self, results: Sequence[tuple[CallKey, ToolResultPart]]) -> None:
        await self._apply(FinishTools(claim=self._claim(), results=results))
        self._look_again()

    async def _keep_cut_calls(self, calls: Sequence[tuple[CallKey, ToolCallPart]], phase: ToolPhase) -> None:
        """Keep what cancelled calls returned: for the interruption's commit, or in the journal when the server stops."""
        text = STOPPED if self._stopping else INTERRUPTED
        results = [(key, phase.results.get(key) or error_result(call, text)) for key, call in calls]
        self._partial = (
            self._chat.history_version,
            tuple(result_row(key, result) for key, result in results),
        )
        if self._stopping:
            try:
                await self._engine.store.apply(FinishTools(claim=self._claim(), results=results))
            except StaleWorkError:
                log.debug("The calls of chat %s were closed by somebody else", self.chat_id)

    # The model

    async def _call_model(self, decision: CallModel) -> None:
        await asyncio.sleep(max(decision.not_before - self._engine.store.clock(), 0.0))
        try:
            turn = await self._prepare_turn()
            async with self._engine.capacity:
                self._chat = await self._apply(BeginAttempt(claim=self._claim()))
                self._look_again()
                row = await self._stream_answer(turn.model, turn.system)
        except ModelError as error:
            await self._after_model_error(error)
            return
        self._adopt(await self._apply(CommitStep(claim=self._claim(), rows=(row,))))

    async def _prepare_turn(self) -> Turn:
        """Model and instructions are looked up once per turn.

        Raises:
            ModelError: the model is unknown or has no key.
        """
        row = self._history.turn_row
        turn_id = row.id if row else 0
        if self._turn is None or self._turn.row_id != turn_id:
            self._turn = await prepare_turn(self._engine, self._chat, row)
        return self._turn

    async def _stream_answer(self, model: Model, system: Sequence[str]) -> NewMessage:
        self._begin_episode(attempt=self._chat.generation_attempt)
        answer = Answer(self._publish)
        config_id = self._turn.model_config_id if self._turn else None
        try:
            stream = model.stream(self._model_call(system))
            try:
                await read_stream(stream, answer, self._engine.patience)
            finally:
                await _aclose(stream)
        except asyncio.CancelledError:
            partial = answer.partial_row(model=model.ref, model_config_id=config_id)
            self._partial = (self._chat.history_version, (partial,) if partial else ())
            raise
        row = answer.row(model=model.ref, model_config_id=config_id)
        return _with_context_limit(row, model.context_limit)

    def _model_call(self, system: Sequence[str]) -> ModelCall:
        settings = self._turn.settings if self._turn else CallSettings()
        if settings.max_output_tokens is None:
            settings = replace(settings, max_output_tokens=self._engine.max_output_tokens)
        return ModelCall(
            messages=self._builder.build(system),
            tools=ChatTools(self._chat, self._engine.tools).definitions(),
            settings=settings,
            chat_id=self.chat_id,
        )

    async def _after_model_error(self, error: ModelError) -> None:
        self._turn = None
        detail = error.error
        if not detail.retryable:
            self._chat = await self._apply(FinishError(claim=self._claim(), error=detail))
            return
        retry = retry_after(error, attempt=self._chat.generation_attempt, now=self._engine.store.clock())
        log.info("Model call %d of chat %s failed: %s", retry.attempt, self.chat_id, detail.kind)
        self._chat = await self._apply(RecordRetry(claim=self._claim(), retry=retry))
        self._look_again()

    # Live parts

    def _begin_episode(self, *, attempt: int) -> None:
        episode = Episode(history_version=self._chat.history_version, attempt=attempt)
        self._engine.feeds.begin_episode(self.chat_id, episode)

    def _publish(self, role: Role, part: Part, index: int) -> None:
        self._engine.feeds.publish_part(self.chat_id, role, part, index=index)


def _note(text: str | None) -> tuple[NewMessage, ...]:
    return () if text is None else (NewMessage(role=Role.ASSISTANT, parts=(TextPart(text=text),)),)


def _with_context_limit(row: NewMessage, limit: int | None) -> NewMessage:
    if row.usage is None or limit is None or row.usage.context_limit is not None:
        return row
    return replace(row, usage=replace(row.usage, context_limit=limit))


async def _aclose(stream: Any) -> None:
    """Close an iterator that can be closed: generators hold the vendor's connection until then."""
    aclose = getattr(stream, "aclose", None)
    if aclose is not None:
        await aclose()

