"""A model that answers from a script: the twin of the bridge, for tests of everything above a model.

    model = ScriptedModel([
        [say("Let me look."), call("execute", {"command": "ls"})],
        [say("Two files.")],
    ])

It keeps the promises of `protocol.Model` (checked by the same suite as the bridge) and records what it was
asked.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from ..errors import ModelError
from ..messages import JsonObject, ReasoningPart, StopReason, TextPart, ToolCallPart, Usage
from .protocol import (
    Finished,
    Model,
    ModelCall,
    ModelEvent,
    PartDone,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
)

WORDS = re.compile(r"\s*\S+\s*$|\s*\S+")
"""Cuts text into deltas: one word with the space before it, the last one with the space after it."""


@dataclass(frozen=True, slots=True)
class Say:
    """A text block, streamed word by word."""

    text: str

    def pieces(self) -> Iterator[str]:
        """The deltas."""
        return words(self.text)


@dataclass(frozen=True, slots=True)
class Think:
    """A reasoning block, streamed word by word."""

    text: str
    signature: str | None = None
    """What the vendor needs back to accept the block in a later request."""

    def pieces(self) -> Iterator[str]:
        """The deltas."""
        return words(self.text)


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call."""

    tool_name: str
    args: JsonObject
    tool_call_id: str | None = None
    """`None` gives it an id of its own, unique within the answer."""


@dataclass(frozen=True, slots=True)
class Wait:
    """A pause: that many seconds, or until the event is set."""

    until: float | asyncio.Event


@dataclass(frozen=True, slots=True)
class Fail:
    """The end of the answer: this error."""

    error: ModelError


Step: TypeAlias = Say | Think | Call | Wait | Fail | ModelEvent
Answer: TypeAlias = Sequence[Step]
"""Steps in order; model events are passed on as they are. Without a `Finished` among them, one is added."""


def say(text: str) -> Say:
    """A text block."""
    return Say(text)


def think(text: str, *, signature: str | None = None) -> Think:
    """A reasoning block."""
    return Think(text, signature)


def call(tool_name: str, args: JsonObject | None = None, *, tool_call_id: str | None = None) -> Call:
    """A tool call; without *args* it is called with none."""
    return Call(tool_name, args or {}, tool_call_id)


def wait(until: float | asyncio.Event) -> Wait:
    """A pause in seconds, or until an event."""
    return Wait(until)


def fail(error: ModelError) -> Fail:
    """An answer that breaks off with *error*."""
    return Fail(error)


def words(text: str) -> Iterator[str]:
    """Cut *text* into the deltas that stream it; they join to *text* again.

    >>> list(words("one two  three"))
    ['one', ' two', '  three']
    """
    pieces = WORDS.findall(text)
    return iter(pieces or ([text] if text else []))


class ScriptedModel:
    """Answers call after call from a list, or from a function of the call.

    Lives as long as the test; holds no connection.
    """

    def __init__(
        self,
        answers: Sequence[Answer] | Callable[[ModelCall], Answer],
        *,
        ref: str = "scripted:model",
        context_limit: int | None = None,
        usage: Usage | None = None,
    ) -> None:
        self.calls: list[ModelCall] = []
        """Every call, oldest first."""
        self.closed = False
        self._answers = answers
        self._ref = ref
        self._context_limit = context_limit
        self._usage = usage

    @property
    def ref(self) -> str:
        """`provider:model`."""
        return self._ref

    @property
    def prices(self) -> None:
        """Only model configs say."""
        return None

    @property
    def context_limit(self) -> int | None:
        """As given."""
        return self._context_limit

    async def stream(self, call: ModelCall) -> AsyncIterator[ModelEvent]:
        """Play the next answer.

        Raises:
            ModelError: the script says so.
            LookupError: the script holds no answer for this call; the test expected fewer.
        """
        self.calls.append(call)
        answer = self._next(call)
        for block, step in enumerate_blocks(answer):
            async for event in _play(step, block=block, call_number=len(self.calls)):
                yield event
        if not any(isinstance(step, Finished) for step in answer):
            yield self._finished(answer)

    async def aclose(self) -> None:
        """Remember that it was closed."""
        self.closed = True

    def _next(self, call: ModelCall) -> Answer:
        if callable(self._answers):
            return self._answers(call)
        number = len(self.calls)
        if number > len(self._answers):
            raise LookupError(
                f"The script holds {len(self._answers)} answers; the model was called {number} times."
            )
        return self._answers[number - 1]

    def _finished(self, answer: Answer) -> Finished:
        calls = any(isinstance(step, Call) for step in answer)
        return Finished(
            stop_reason=StopReason.TOOL_CALLS if calls else StopReason.END,
            usage=self._usage,
            response_id=f"scripted-{len(self.calls)}",
        )


def enumerate_blocks(answer: Answer) -> Iterator[tuple[int, Step]]:
    """Pair each step with its block: steps that make a part count up, others have the number of the next."""
    block = 0
    for step in answer:
        yield block, step
        if isinstance(step, (Say, Think, Call)):
            block += 1


async def _play(step: Step, *, block: int, call_number: int) -> AsyncIterator[ModelEvent]:
    match step:
        case Say(text=text):
            for piece in step.pieces():
                yield TextDelta(block=block, text=piece)
                await asyncio.sleep(0)
            yield PartDone(block=block, part=TextPart(text=text))
        case Think(text=text, signature=signature):
            for piece in step.pieces():
                yield ReasoningDelta(block=block, text=piece)
                await asyncio.sleep(0)
            metadata = {"scripted": {"signature": signature}} if signature else None
            yield PartDone(block=block, part=ReasoningPart(text=text, provider_metadata=metadata))
        case Call(tool_name=name, args=args, tool_call_id=given):
            call_id = given or f"call_{call_number}_{block}"
            for piece in ("", json.dumps(args)):
                yield ToolCallDelta(block=block, tool_call_id=call_id, tool_name=name, args_delta=piece)
                await asyncio.sleep(0)
            yield PartDone(block=block, part=ToolCallPart(tool_call_id=call_id, tool_name=name, args=args))
        case Wait(until=until):
            await (until.wait() if isinstance(until, asyncio.Event) else asyncio.sleep(until))
        case Fail(error=error):
            raise error
        case event:
            yield event


if TYPE_CHECKING:
    _: type[Model] = ScriptedModel
