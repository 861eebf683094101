"""Whether a chat's history still fits into its model, and what to do when it does not."""

from __future__ import annotations

import logging

from ..errors import ModelError
from ..messages import Chat
from ..model_settings import CompactionChoice
from .compaction import OFF, find_fullness, is_over_threshold
from .engine import Engine
from .history import History
from .turn import Turn, model_of

log = logging.getLogger(__name__)


class ContextWatch:
    """Remembers of one chat what was tried to make its history fit. Lives as long as its runner."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._overflowed: int | None = None
        """The history version that was longer than the model can read."""
        self._not_compacted: int | None = None
        """The history version that could not be compacted: it goes on as it is."""
        self._choice: tuple[int, CompactionChoice] | None = None
        """What is set up about compaction, for the turn of that row."""

    async def should_compact(self, chat: Chat, history: History) -> bool:
        """Whether the history should be compacted before the next model call."""
        if self._not_compacted == chat.history_version:
            return False
        if self._overflowed == chat.history_version:
            return True
        if find_fullness(history) is None:
            return False
        return is_over_threshold(history, threshold_percent=await self.threshold(chat, history))

    async def threshold(self, chat: Chat, history: History) -> int:
        """Return the percentage at which the history is compacted; 100 is never."""
        chosen = (await self._find_choice(chat, history)).threshold_percent
        return self._engine.compaction_threshold if chosen is None else chosen

    async def summary_model(self, chat: Chat, history: History) -> str | None:
        """Return the model that was chosen to write summaries; `None` for the turn's own."""
        return (await self._find_choice(chat, history)).model or self._engine.compaction_model

    async def can_go_on(self, error: ModelError, turn: Turn, chat: Chat, history: History) -> bool:
        """Whether a prompt that was too long can be made to fit: by a shorter answer, else by compaction.

        Compaction needs something that was answered since the last one, so it is not tried twice in vain.
        """
        limits = self._engine.context_limits
        settings = limits.fit(turn.settings, turn.model)
        if error.context_limit is not None and limits.learn(turn.model, error.context_limit):
            log.info("%s can read %d tokens", turn.model.ref, error.context_limit)
            if limits.fit(turn.settings, turn.model) != settings:
                return True
        if history.coverable_until is None or await self.threshold(chat, history) >= OFF:
            return False
        self._overflowed = chat.history_version
        return True

    def has_failed(self, chat: Chat) -> bool:
        """Remember that this history could not be compacted; whether there is no way to go on with it."""
        self._not_compacted = chat.history_version
        return self._overflowed == chat.history_version

    async def _find_choice(self, chat: Chat, history: History) -> CompactionChoice:
        """Looked up once per turn."""
        row = history.turn_row
        turn_id = row.id if row else 0
        if self._choice is None or self._choice[0] != turn_id:
            self._choice = turn_id, await self._engine.models.compaction(*model_of(chat, row))
        return self._choice[1]
