"""Asking for the summary of a history: of which model, and what it is sent."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from ..errors import ModelError
from ..messages import NewMessage
from ..providers.protocol import Model, ModelCall, PromptMessage, ToolDefinition
from .compaction import Compaction, summarise
from .engine import Engine
from .history import History
from .shorten import prompt_size, shorten
from .turn import Turn

SHORTENINGS = 3
"""How often a history that is too long even to be summarised is halved."""

log = logging.getLogger(__name__)

WithFiles = Callable[[Sequence[PromptMessage]], Awaitable[tuple[PromptMessage, ...]]]
"""Puts the contents of files into a prompt."""

CountUnstored = Callable[[Sequence[NewMessage]], Awaitable[None]]
"""Counts what answers cost that are not kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SummaryRequest:
    """What a summary is made from."""

    engine: Engine
    chat_id: str
    compaction: Compaction
    history: History
    turn: Turn
    tools: tuple[ToolDefinition, ...]
    """Told, because the history holds calls of them; none may be called."""
    model: str | None
    """The model that was chosen for summaries; `None` for the turn's own."""
    with_files: WithFiles
    count_unstored: CountUnstored

    async def rows(self) -> tuple[NewMessage, ...]:
        """Return the rows that replace the history.

        A model that was chosen for summaries and cannot make this one is replaced by the turn's own.

        Raises:
            ModelError: no summary could be made.
        """
        messages = await self.with_files(self.compaction.prompt(self.history, self.turn.system))
        failure: ModelError | None = None
        async for model, config_id in self._candidates():
            try:
                answer = replace(await self._ask(model, messages), model_config_id=config_id)
                return await self._rows_of(answer)
            except ModelError as error:
                if error.error.retryable:
                    raise
                log.info("%s did not summarise chat %s: %s", model.ref, self.chat_id, error.error.kind)
                failure = error
        assert failure is not None
        raise failure

    async def _rows_of(self, answer: NewMessage) -> tuple[NewMessage, ...]:
        try:
            return self.compaction.rows(answer)
        except ModelError:
            await self.count_unstored([answer])
            raise

    async def _candidates(self) -> AsyncIterator[tuple[Model, str | None]]:
        if self.model is not None and self.model != self.turn.model.ref:
            try:
                yield await self.engine.models.resolve(self.model), None
            except ModelError as error:
                log.warning("The model for summaries cannot be used: %s", error.error.kind)
        yield self.turn.model, self.turn.model_config_id

    async def _ask(self, model: Model, messages: tuple[PromptMessage, ...]) -> NewMessage:
        """Return the model's answer; what it cannot read at once is shortened until it can."""
        engine, length = self.engine, prompt_size(messages)
        for halvings in range(SHORTENINGS + 1):
            prompt = shorten(messages, characters=length >> halvings) if halvings else messages
            call = ModelCall(
                messages=prompt,
                tools=self.tools,
                may_call_tools=False,
                settings=engine.context_limits.fit(self.turn.settings, model),
                chat_id=self.chat_id,
            )
            try:
                return await summarise(
                    model, call, patience=engine.patience, timeout_s=engine.compaction_timeout_s
                )
            except ModelError as error:
                if not error.is_overflow or halvings == SHORTENINGS:
                    raise
                if error.context_limit is not None:
                    engine.context_limits.learn(model, error.context_limit)
        raise AssertionError("the last attempt returns or raises")
