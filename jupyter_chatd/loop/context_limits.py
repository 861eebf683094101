"""How much a model can read, as far as that is known or was found out."""

from __future__ import annotations

from dataclasses import replace

from ..messages import NewMessage
from ..providers.protocol import CallSettings, Model

ANSWER_SHARE = 2  # an answer may take at most this part (1/n) of a context


class ContextLimits:
    """Limits that vendors named when they refused a prompt. One per server; forgotten when it stops."""

    def __init__(self) -> None:
        self._learned: dict[str, int] = {}

    def learn(self, model: Model, tokens: int) -> bool:
        """Remember what a vendor named; whether that is less than was known."""
        known = self.find(model)
        self._learned[model.ref] = tokens
        return known is None or tokens < known

    def find(self, model: Model) -> int | None:
        """Return the model's limit in tokens: the smaller of what it is said to have and what was learned."""
        known = [limit for limit in (model.context_limit, self._learned.get(model.ref)) if limit]
        return min(known, default=None)

    def fit(self, settings: CallSettings, model: Model) -> CallSettings:
        """Return settings whose answer leaves room for a prompt: vendors add the two."""
        limit, wanted = self.find(model), settings.max_output_tokens
        if limit is None or wanted is None:
            return settings
        return replace(settings, max_output_tokens=min(wanted, max(limit // ANSWER_SHARE, 1)))

    def note(self, row: NewMessage, model: Model) -> NewMessage:
        """Return an answer whose usage tells the model's limit."""
        if row.usage is None or not (limit := self.find(model) or row.usage.context_limit):
            return row
        return replace(row, usage=replace(row.usage, context_limit=limit))
