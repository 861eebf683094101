"""Calls of models, in few words."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

from jupyter_chatd.messages import Part, Role, TextPart, UnknownPart
from jupyter_chatd.providers.endpoint import Endpoint, Kind
from jupyter_chatd.providers.protocol import (
    CallSettings,
    Finished,
    Model,
    ModelCall,
    ModelEvent,
    PartDone,
    PromptMessage,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    ToolDefinition,
)

API_KEY = "sk-test-0123456789"
MODEL = "some-model"

TOOLS = (
    ToolDefinition(
        name="execute",
        description="Run a command.",
        input_schema={
            "type": "object",
            "properties": {"command": {"type": "string", "description": "The command."}},
            "required": ["command"],
        },
    ),
)


def said(role: Role, *parts: Part | str, cache: bool = False) -> PromptMessage:
    """A message; strings are text parts."""
    made = tuple(TextPart(text=part) if isinstance(part, str) else part for part in parts)
    return PromptMessage(role=role, parts=made, cache=cache)


def system(*parts: Part | str, cache: bool = False) -> PromptMessage:
    return said(Role.SYSTEM, *parts, cache=cache)


def user(*parts: Part | str, cache: bool = False) -> PromptMessage:
    return said(Role.USER, *parts, cache=cache)


def assistant(*parts: Part | str, cache: bool = False) -> PromptMessage:
    return said(Role.ASSISTANT, *parts, cache=cache)


def tool(*parts: Part, cache: bool = False) -> PromptMessage:
    return said(Role.TOOL, *parts, cache=cache)


def asking(*messages: PromptMessage | str, settings: CallSettings | None = None) -> ModelCall:
    """A call; strings are user messages."""
    made = tuple(user(message) if isinstance(message, str) else message for message in messages)
    return ModelCall(
        messages=made or (user("hello"),), tools=TOOLS, settings=settings or CallSettings(), chat_id="chat-1"
    )


def endpoint(kind: Kind, base_url: str, *, api_key: str | None = API_KEY, **fields: Any) -> Endpoint:
    given = {"provider": kind.value, "label": kind.value.title(), **fields}
    return Endpoint(kind=kind, base_url=base_url, api_key=api_key, **given)


async def collect(events: AsyncIterator[ModelEvent]) -> list[ModelEvent]:
    async with asyncio.timeout(60):
        return [event async for event in events]


async def ask(model: Model, *messages: PromptMessage | str) -> list[ModelEvent]:
    """All events of one call."""
    return await collect(model.stream(asking(*messages)))


def parts_of(events: Sequence[ModelEvent]) -> list[Part]:
    """The finished parts in block order; a later one of the same block replaces an earlier one."""
    done = {event.block: event.part for event in events if isinstance(event, PartDone)}
    return [done[block] for block in sorted(done)]


def bare(part: Part) -> Part:
    """The part without what its vendor wants back."""
    return part if isinstance(part, UnknownPart) else replace(part, provider_metadata=None)


def bare_parts_of(events: Sequence[ModelEvent]) -> list[Part]:
    """`parts_of`, without what their vendor wants back."""
    return [bare(part) for part in parts_of(events)]


def finished(events: Sequence[ModelEvent]) -> Finished:
    """The last event, which must be the only `Finished`."""
    last = events[-1]
    assert isinstance(last, Finished)
    assert sum(isinstance(event, Finished) for event in events) == 1
    return last


def streamed(events: Sequence[ModelEvent], block: int) -> str:
    """The deltas of one block, joined."""
    pieces: list[str] = []
    for event in events:
        if isinstance(event, TextDelta | ReasoningDelta) and event.block == block:
            pieces.append(event.text)
        elif isinstance(event, ToolCallDelta) and event.block == block:
            pieces.append(event.args_delta)
    return "".join(pieces)


def args_of(events: Sequence[ModelEvent], block: int) -> Any:
    """The streamed arguments of one call, parsed."""
    return json.loads(streamed(events, block) or "{}")
