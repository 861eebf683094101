"""What the engine needs from a model: one request in, typed deltas and finished parts out.

Vendor libraries stay behind this file. Whatever a vendor raises leaves a provider as `errors.ModelError`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from ..messages import JsonObject, Part, Role, StopReason, Usage
from .prices import Prices


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolDefinition:
    """A tool as the model is told of it."""

    name: str
    description: str
    input_schema: JsonObject = field(default_factory=lambda: {"type": "object", "properties": {}})
    screen: tuple[int, int] | None = None
    """Of the tool that uses a desktop: width and height of what it shows, in pixels. Vendors with a computer
    tool of their own are told of that instead; calls of it come back under this tool's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptMessage:
    """One message of a prompt. System rows come first; tool results directly after the calls they answer."""

    role: Role
    parts: tuple[Part, ...]
    cache: bool = False
    """A prompt-cache mark stands after this message (vendors without explicit marks ignore it)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSettings:
    """Settings of one model call; `None` leaves the vendor's default."""

    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    reasoning_effort: str | None = None
    provider_options: JsonObject = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCall:
    """One request to a model."""

    messages: tuple[PromptMessage, ...]
    tools: tuple[ToolDefinition, ...] = ()
    may_call_tools: bool = True
    """False: the tools are told only because the prompt holds calls of them, which vendors then insist on."""
    may_search: bool = True
    """False: no search that the vendor runs, whatever the settings say."""
    settings: CallSettings = CallSettings()
    chat_id: str = ""
    """For the vendor's prompt-cache key and for logs; never shown to the model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextDelta:
    """The next piece of a text block."""

    block: int
    """Index of the block among the answer's parts, from 0."""
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasoningDelta:
    """The next piece of a reasoning block."""

    block: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCallDelta:
    """The next piece of a call's arguments; the first one may be empty and announces the call."""

    block: int
    tool_call_id: str
    tool_name: str
    args_delta: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PartDone:
    """A block is complete: the part as it will be stored, vendor metadata included."""

    block: int
    part: Part


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The last event of a stream that ended well."""

    stop_reason: StopReason
    usage: Usage | None = None
    response_id: str | None = None
    cost_micros: int | None = None
    """What the vendor says that it charged, in millionths of a dollar; most do not say."""


ModelEvent: TypeAlias = TextDelta | ReasoningDelta | ToolCallDelta | PartDone | Finished


class Model(Protocol):
    """One model at one endpoint, ready to be called."""

    @property
    def ref(self) -> str:
        """`provider:model`."""
        ...

    @property
    def context_limit(self) -> int | None:
        """Largest context in tokens, `None` when unknown."""
        ...

    @property
    def prices(self) -> Prices | None:
        """What its tokens cost, where a model config says so; see `prices.cost_micros`."""
        ...

    def stream(self, call: ModelCall) -> AsyncIterator[ModelEvent]:
        """Call the model once; no retries.

        Every block of the answer ends with a `PartDone`, in order of completion, and `Finished` is last. A
        vendor may add to a block after its end (citations): then another `PartDone` replaces the first.
        Cited sources, and parts that are of no use before they are whole, come without deltas.
        Closing the iterator early (`aclose`), or cancelling the task that reads it, closes the connection.
        It never keeps the loop busy for more than about 4 ms at a time.

        Raises:
            ModelError: the vendor refused, failed, or broke off; classified, with `retry_after_s` if it said
                so.
        """
        ...

    async def aclose(self) -> None:
        """Release connections. May be called twice."""
        ...
