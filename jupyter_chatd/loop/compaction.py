"""Replacing the older history by a summary that the model itself writes.

Three rows are stored, all `compressed`: the summary, which only the model reads, and a call with its result,
by which people see that it happened. Source: spec/chatd.md §3.13.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files

from .. import defaults
from ..errors import ModelError
from ..messages import (
    ErrorDetail,
    NewMessage,
    Role,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    Usage,
    Visibility,
)
from ..providers.protocol import Model, ModelCall, PromptMessage
from .answer import Answer, Patience, read_answer
from .history import History
from .prompt import PromptBuilder, prompt_rows

THRESHOLD = defaults.COMPACTION_THRESHOLD
OFF = defaults.COMPACTION_OFF
TIMEOUT = defaults.COMPACTION_TIMEOUT
TOOL_NAME = "chat_summarized"

SUMMARY_PREFIX = "The conversation so far was replaced by this summary of it:\n\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fullness:
    """How much of the model's context the newest answer had used."""

    tokens: int
    limit: int

    @property
    def percent(self) -> float:
        """0 to 100, more when the model lets on less than it takes."""
        return 100 * self.tokens / self.limit


def find_fullness(history: History) -> Fullness | None:
    """Return how full the context is; `None` when the vendor did not say, or a summary came after."""
    row = history.last_assistant
    if row is None or row.usage is None or row.id <= history.covered_until:
        return None
    tokens, limit = context_tokens(row.usage), row.usage.context_limit
    return Fullness(tokens=tokens, limit=limit) if tokens and limit else None


def context_tokens(usage: Usage) -> int:
    """Return the tokens of the prompt, cached or not; the total when that is all there is, else 0."""
    parts = (usage.input_tokens, usage.cache_read_tokens, usage.cache_creation_tokens)
    return sum(part or 0 for part in parts) or usage.total_tokens or 0


def is_over_threshold(history: History, *, threshold_percent: int) -> bool:
    """Whether the history should be compacted before the next model call."""
    fullness = find_fullness(history)
    return threshold_percent < OFF and fullness is not None and fullness.percent >= threshold_percent


@dataclass(frozen=True, slots=True, kw_only=True)
class Compaction:
    """One attempt to compact a history."""

    source: str
    """`automatic` or `manual`."""
    threshold_percent: int
    covers_until: int
    fullness: Fullness | None
    call_id: str = field(default_factory=lambda: f"{TOOL_NAME}_{uuid.uuid4()}")

    @property
    def call(self) -> ToolCallPart:
        """What people see while it runs, and afterwards."""
        args = {"source": self.source, "threshold_percent": self.threshold_percent}
        return ToolCallPart(tool_call_id=self.call_id, tool_name=TOOL_NAME, args=args)

    def prompt(self, history: History, system: Sequence[str]) -> tuple[PromptMessage, ...]:
        """Return the rows to be covered as the model has read them, and the instruction to summarise."""
        builder = PromptBuilder(row for row in prompt_rows(history.rows) if row.id <= self.covers_until)
        instruction = PromptMessage(role=Role.USER, parts=(TextPart(text=_instruction()),))
        return (*builder.build(system), instruction)

    def rows(self, answer: NewMessage) -> tuple[NewMessage, ...]:
        """Return what to store for the model's answer.

        Raises:
            ModelError: the answer has no text.
        """
        summary = "".join(part.text for part in answer.parts if isinstance(part, TextPart)).strip()
        if not summary:
            raise _failure("The model returned no summary of the conversation.")
        kept = NewMessage(
            role=Role.USER,
            parts=(TextPart(text=SUMMARY_PREFIX + summary),),
            visibility=Visibility.MODEL,
            compressed=True,
            covers_until=self.covers_until,
        )
        call = replace(answer, parts=(self.call,), visibility=Visibility.USER, compressed=True)
        result = NewMessage(role=Role.TOOL, parts=(self._result(summary),), compressed=True)
        return kept, call, result

    def _result(self, summary: str) -> ToolResultPart:
        facts: dict[str, object] = {
            "summary": summary,
            "source": self.source,
            "threshold_percent": self.threshold_percent,
        }
        if self.fullness is not None:
            facts["usage_percent"] = round(self.fullness.percent, 1)
            facts["context_tokens"] = self.fullness.tokens
            facts["context_limit_tokens"] = self.fullness.limit
        return ToolResultPart(tool_call_id=self.call_id, tool_name=TOOL_NAME, result=facts)


@cache
def _instruction() -> str:
    return files("jupyter_chatd.loop").joinpath("compaction.md").read_text("utf-8").strip()


async def summarise(model: Model, call: ModelCall, *, patience: Patience, timeout_s: float) -> NewMessage:
    """Return the model's answer to the request for a summary.

    Raises:
        ModelError: as `read_answer`, or it took too long.
    """
    answer = Answer(lambda _role, _part, _index: None)
    try:
        async with asyncio.timeout(timeout_s):
            await read_answer(model, call, answer, patience)
    except TimeoutError:
        raise _failure(
            f"The model did not summarise the conversation within {timeout_s:g} seconds."
        ) from None
    return answer.row(model, model_config_id=None)


def _failure(message: str) -> ModelError:
    return ModelError(ErrorDetail(message=message))
