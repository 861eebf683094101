"""From the events of the model library to ours.

Importing this module imports the model library: only from the worker thread that loads a provider.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from pydantic_ai import messages as library
from pydantic_ai.usage import RequestUsage

from ..messages import KnownPart, ReasoningPart, SourcePart, StopReason, ToolCallPart, Usage
from ..wire.jsontext import clean_text
from .prices import micros
from .protocol import Finished, ModelEvent, PartDone, ReasoningDelta, TextDelta, ToolCallDelta
from .vendor_parts import Origin, to_ours

STOP_REASONS: dict[str | None, StopReason] = {
    "stop": StopReason.END,
    "tool_call": StopReason.TOOL_CALLS,
    "length": StopReason.LENGTH,
    "content_filter": StopReason.CONTENT_FILTER,
}


class AnswerReader:
    """Reads one stream. Feed it every event in order, then the whole response."""

    def __init__(self, origin: Origin, *, clock: Callable[[], float] = time.time) -> None:
        self._origin = origin
        self._clock = clock
        self._began: dict[int, float] = {}
        """When each block sent its first piece, UTC seconds."""
        self._calls: dict[int, tuple[str, str]] = {}
        """Id and name of each local call."""
        self._done: dict[int, KnownPart] = {}

    def read(self, event: Any) -> Sequence[ModelEvent]:
        """What one event of the library means; often one event, sometimes none."""
        match event:
            case library.PartDeltaEvent(index=block, delta=delta):
                return self._delta(block, delta)
            case library.PartStartEvent(index=block, part=part):
                self._began.setdefault(block, self._clock())
                return self._start(block, part)
            case library.PartEndEvent(index=block, part=part):
                return [self._finish(block, part)]
            case _:
                return []

    def close(self, response: library.ModelResponse, *, context_limit: int | None) -> Iterator[ModelEvent]:
        """The end of the stream: blocks that were amended after their end, cited sources, and `Finished`.

        Vendors may add to a block that was over: citations, for example. Its second `PartDone` replaces the
        first.
        """
        if len(response.parts) == len(
            self._began
        ):  # else a nameless call is missing, and numbers do not match
            for block, part in enumerate(response.parts):
                before = self._done.get(block)
                done = self._finish(block, part)
                if before is None or replace(done.part, **_times(before)) != before:
                    yield done
        for block, source in enumerate(sources_of(response.parts), start=len(response.parts)):
            yield PartDone(block=block, part=source)
        yield Finished(
            stop_reason=stop_reason_of(response),
            usage=usage_of(response.usage, context_limit=context_limit),
            response_id=response.provider_response_id,
            cost_micros=told_cost(response.provider_details or {}),
        )

    def _start(self, block: int, part: library.ModelResponsePart) -> Sequence[ModelEvent]:
        match part:
            case library.TextPart(content=text):
                return self._text(block, text)
            case library.ThinkingPart(content=text):
                return self._reasoning(block, text)
            case library.ToolCallPart(tool_call_id=call_id, tool_name=name, args=args):
                self._calls[block] = (clean_text(call_id), clean_text(name))
                # Some vendors send a call at once; it is announced all the same.
                return [self._call(block, None), *([self._call(block, args)] if args else [])]
            case library.NativeToolCallPart():
                return []  # streamed too, but of use to nobody before it is whole
            case _:
                return [self._finish(block, part)]

    def _delta(self, block: int, delta: library.ModelResponsePartDelta) -> Sequence[ModelEvent]:
        match delta:
            case library.TextPartDelta(content_delta=text):
                return self._text(block, text)
            case library.ThinkingPartDelta(content_delta=text):
                return self._reasoning(block, text)
            case library.ToolCallPartDelta(args_delta=args):
                return [self._call(block, args)] if args and block in self._calls else []
            case _:
                return []

    def _text(self, block: int, text: str) -> Sequence[ModelEvent]:
        return [TextDelta(block=block, text=clean_text(text))] if text else []

    def _reasoning(self, block: int, text: str | None) -> Sequence[ModelEvent]:
        return [ReasoningDelta(block=block, text=clean_text(text))] if text else []

    def _call(self, block: int, args: str | Mapping[str, Any] | None) -> ModelEvent:
        call_id, name = self._calls[block]
        piece = args if isinstance(args, str) else json.dumps(args) if args else ""
        return ToolCallDelta(block=block, tool_call_id=call_id, tool_name=name, args_delta=clean_text(piece))

    def _finish(self, block: int, part: library.ModelResponsePart) -> PartDone:
        ours = to_ours(part, self._origin)
        if isinstance(ours, ReasoningPart):
            ours = replace(ours, created_at=self._began.get(block), completed_at=self._clock())
        elif isinstance(ours, ToolCallPart):
            ours = replace(ours, created_at=self._began.get(block))
        self._done[block] = ours
        return PartDone(block=block, part=ours)


def _times(part: KnownPart) -> dict[str, Any]:
    """The fields of a part that tell when it was read, not what it is."""
    return {"completed_at": part.completed_at} if isinstance(part, ReasoningPart) else {}


def sources_of(parts: Sequence[library.ModelResponsePart]) -> list[SourcePart]:
    """The web pages that the texts cite, each once, in order of first mention."""
    citations = [c for part in parts if isinstance(part, library.TextPart) for c in part.citations or []]
    pages = [source for citation in citations for source in citation.sources]
    titles = {page.url: page.title for page in reversed(pages) if isinstance(page, library.WebCitationSource)}
    urls = dict.fromkeys(page.url for page in pages if isinstance(page, library.WebCitationSource))
    return [_source(number, url, titles[url]) for number, url in enumerate(urls, start=1)]


def _source(number: int, url: str, title: str | None) -> SourcePart:
    return SourcePart(
        source_id=f"source-{number}", url=clean_text(url), title=clean_text(title or "") or None
    )


def stop_reason_of(response: library.ModelResponse) -> StopReason:
    """Why the answer ended.

    Vendors' words are not trusted where calls are concerned: some say `stop` beside a call. A call is to be
    run whatever the reason says, except when the answer was cut at its length limit.
    """
    if response.state == "suspended":
        return StopReason.PAUSED
    reason = STOP_REASONS.get(response.finish_reason, StopReason.END)
    if reason in (StopReason.END, StopReason.TOOL_CALLS):
        return StopReason.TOOL_CALLS if response.tool_calls else StopReason.END
    return reason


def told_cost(details: Mapping[str, Any]) -> int | None:
    """Return what OpenRouter charged, in millionths of a dollar rounded up; `None` when nobody says.

    With a key of one's own at the vendor behind it, that is its fee and not the price.
    """
    cost = details.get("cost")
    if not isinstance(cost, int | float) or not 0 <= cost < math.inf or details.get("is_byok"):
        return None
    return micros(Decimal(str(cost)))


def usage_of(usage: RequestUsage, *, context_limit: int | None) -> Usage | None:
    """Tokens of the call; `None` when the vendor did not say.

    The library's input count includes what was read from and written to the cache; ours does not.
    """
    cached = usage.cache_read_tokens + usage.cache_write_tokens
    counts = {
        "input_tokens": max(usage.input_tokens - cached, 0),
        "output_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "reasoning_tokens": usage.output_reasoning_tokens or usage.details.get("reasoning_tokens", 0),
        "cache_creation_tokens": usage.cache_write_tokens,
        "cache_read_tokens": usage.cache_read_tokens,
    }
    known = {name: count for name, count in counts.items() if count}
    return Usage(**known, context_limit=context_limit) if known else None
