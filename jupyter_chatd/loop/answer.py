"""One model call's answer as it streams: published piece by piece, kept whole for the commit."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace

from .. import defaults
from ..errors import ModelError
from ..messages import (
    ErrorDetail,
    NewMessage,
    Part,
    ReasoningPart,
    Role,
    StopReason,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    Usage,
)
from ..providers.partial import clean_partial
from ..providers.prices import cost_micros
from ..providers.protocol import (
    Finished,
    Model,
    ModelCall,
    ModelEvent,
    PartDone,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
)

FIRST_PART_TIMEOUT = defaults.FIRST_PART_TIMEOUT
SILENCE_TIMEOUT = defaults.SILENCE_TIMEOUT
REARM = 0.1  # share of the silence after which its guard is moved on: per delta that is too costly

Publish = Callable[[Role, Part, int], None]
"""Tells subscribers of a part, given its block's index."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a silent vendor is waited for, seconds."""

    first_part_s: float = FIRST_PART_TIMEOUT
    silence_s: float = SILENCE_TIMEOUT


@dataclass(slots=True)
class _Block:
    """One block under way."""

    part: Part
    """The newest delta, for its kind, or the finished part."""
    pieces: list[str] = field(default_factory=list[str])
    done: bool = False
    began_at: float = field(default_factory=time.time)


class Answer:
    """Collects the events of one call.

    Deltas are published as they come, finished calls and other parts whole.
    """

    def __init__(self, publish: Publish) -> None:
        self._publish = publish
        self._blocks: dict[int, _Block] = {}
        self._began = time.monotonic()
        self.finished: Finished | None = None

    def take(self, event: ModelEvent) -> None:
        """Take the next event of the stream."""
        match event:
            case TextDelta():
                self._delta(event.block, TextPart(text=event.text), event.text)
            case ReasoningDelta():
                self._delta(event.block, ReasoningPart(text=event.text), event.text)
            case ToolCallDelta():
                call = ToolCallPart(
                    tool_call_id=event.tool_call_id, tool_name=event.tool_name, args_delta=event.args_delta
                )
                self._delta(event.block, call, event.args_delta)
            case PartDone():
                self._done(event.block, event.part)
            case Finished():
                self.finished = event

    def _delta(self, index: int, part: Part, piece: str) -> None:
        block = self._blocks.get(index)
        if block is None:
            block = self._blocks[index] = _Block(part=part)
        block.pieces.append(piece)
        self._publish(Role.ASSISTANT, part, index)

    def _done(self, index: int, part: Part) -> None:
        block = self._blocks.get(index)
        if block is None:
            block = self._blocks[index] = _Block(part=part)
        if isinstance(part, ReasoningPart) and part.created_at is None:
            part = replace(part, created_at=block.began_at, completed_at=time.time())
        was_streamed = bool(block.pieces) and isinstance(part, TextPart | ReasoningPart)
        block.part, block.done = part, True
        if not was_streamed:
            self._publish(Role.TOOL if isinstance(part, ToolResultPart) else Role.ASSISTANT, part, index)

    def row(self, model: Model, *, model_config_id: str | None) -> NewMessage:
        """Return the assistant row of an answer that ended well, with what it cost."""
        assert self.finished is not None
        usage = _with_context_limit(self.finished.usage, model)
        return NewMessage(
            role=Role.ASSISTANT,
            parts=tuple(
                self._blocks[index].part for index in sorted(self._blocks) if self._blocks[index].done
            ),
            model=model.ref,
            model_config_id=model_config_id,
            usage=usage,
            total_cost_micros=_cost_micros(self.finished, model),
            provider_response_id=self.finished.response_id,
            stop_reason=self.finished.stop_reason,
            runtime_ms=int((time.monotonic() - self._began) * 1000),
        )

    def partial_row(self, *, model: str, model_config_id: str | None) -> NewMessage | None:
        """Return what there is of an interrupted answer, without usage; `None` when that is nothing."""
        parts = clean_partial(tuple(_so_far(self._blocks[index]) for index in sorted(self._blocks)))
        if not parts:
            return None
        return NewMessage(
            role=Role.ASSISTANT,
            parts=parts,
            model=model,
            model_config_id=model_config_id,
            stop_reason=StopReason.INTERRUPTED,
            runtime_ms=int((time.monotonic() - self._began) * 1000),
        )


def _cost_micros(finished: Finished, model: Model) -> int | None:
    """Return the cost by the user's prices, else what the vendor charged, else by the published prices."""
    if model.prices is None and finished.cost_micros is not None:
        return finished.cost_micros
    return cost_micros(model.ref, finished.usage, model.prices)


def _with_context_limit(usage: Usage | None, model: Model) -> Usage | None:
    """Return what the vendor told, with what else is known where it does not tell the limit."""
    if usage is None or usage.context_limit is not None:
        return usage
    return replace(usage, context_limit=model.context_limit)


def _so_far(block: _Block) -> Part:
    if block.done:
        return block.part
    text = "".join(block.pieces)
    match block.part:
        case TextPart() | ReasoningPart():
            return replace(block.part, text=text)
        case ToolCallPart():
            return replace(block.part, args_delta=text)
        case _:
            return block.part


async def read_answer(model: Model, call: ModelCall, answer: Answer, patience: Patience) -> None:
    """Call the model once and read its stream to the end into *answer*.

    Raises:
        ModelError: as the model's stream; or it stayed silent for too long, or ended without finishing.
    """
    stream = model.stream(call)
    try:
        await _read_stream(stream, answer, patience)
    finally:
        await _close(stream)


async def _read_stream(stream: AsyncIterator[ModelEvent], answer: Answer, patience: Patience) -> None:
    loop = asyncio.get_running_loop()
    started = False
    try:
        async with asyncio.timeout(patience.first_part_s) as guard:
            armed_at = -math.inf
            async for event in stream:
                answer.take(event)
                started, now = True, loop.time()
                if now - armed_at > patience.silence_s * REARM:
                    armed_at = now
                    guard.reschedule(now + patience.silence_s)
    except TimeoutError as error:
        raise _silent(patience, started=started) from error
    if answer.finished is None:
        detail = ErrorDetail(
            message="The model's answer broke off before its end.", kind="timeout", retryable=True
        )
        raise ModelError(detail)


async def _close(stream: AsyncIterator[ModelEvent]) -> None:
    """Close an iterator that can be closed: generators hold the vendor's connection until then."""
    aclose = getattr(stream, "aclose", None)
    if aclose is not None:
        await aclose()


def _silent(patience: Patience, *, started: bool) -> ModelError:
    waited = patience.silence_s if started else patience.first_part_s
    what = "went silent in the middle of its answer" if started else "did not begin to answer"
    return ModelError(
        ErrorDetail(
            message=f"The model {what} for {waited:g} seconds.",
            kind="timeout" if started else "startup_timeout",
            retryable=True,
        )
    )
