"""An OpenAI client that sends what it is given.

The stock client walks every request through a recursive, awaitable transformation that only matters for
parameters which differ from their JSON. Ours do not; the walk costs 0.3 ms a message on the event loop,
before every step. Measured, and the reason for each line: DECISIONS.md. A contract test holds both clients'
requests side by side.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import AsyncIterator, Mapping
from functools import cached_property
from typing import Any, TypeVar

from openai import APIConnectionError, AsyncOpenAI, AsyncStream, Omit
from openai._base_client import make_request_options
from openai._streaming import ServerSentEvent
from openai._types import NotGiven
from openai._utils._json import openapi_dumps
from openai.resources.chat import AsyncChat
from openai.resources.chat.completions import AsyncCompletions
from openai.resources.responses import AsyncResponses
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import ValidationError

from . import openai_computer
from .long_body import encode_apart
from .offload import LONG_PROMPT, body_size

T = TypeVar("T")

REASON = re.compile(r'"finish_reason"\s*:\s*"')
LAST_EVENTS = 4
"""Where the reason of the end is: usage, and what servers add on their own, may follow it."""

REQUEST_OPTIONS = ("extra_headers", "extra_query", "extra_body", "timeout")
"""Arguments of `create` that are no part of the body."""


class DirectOpenAI(AsyncOpenAI):
    """`AsyncOpenAI` whose `chat.completions.create` and `responses.create` skip the transformation.

    Long bodies become JSON in a thread.
    """

    async def post(self, path: str, *, body: Any = None, options: Any = None, **kwargs: Any) -> Any:
        """Send a POST request; see the client."""
        options = dict(options or {})
        if body_size(body) > LONG_PROMPT:
            whole: dict[str, Any] = {**body, **(options.pop("extra_json", None) or {})}
            kwargs["content"] = await asyncio.to_thread(encode_apart, whole, _encode)
            body = None
        return await super().post(path, body=body, options=options, **kwargs)

    @cached_property
    def chat(self) -> AsyncChat:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Chat completions."""
        return _Chat(self)

    @cached_property
    def responses(self) -> AsyncResponses:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Responses."""
        return _Responses(self)


class _Chat(AsyncChat):
    @cached_property
    def completions(self) -> AsyncCompletions:  # pyright: ignore[reportIncompatibleMethodOverride]
        return _Completions(self._client)


class _Completions(AsyncCompletions):
    async def create(self, **params: Any) -> Any:
        return await self._post(
            "/chat/completions",
            body=_body(params),
            options=_options(params),
            cast_to=ChatCompletion,
            stream=bool(params.get("stream")),
            stream_cls=_Chunks,
        )


class _Chunk(ChatCompletionChunk):
    """A chunk built by pydantic's compiled validator: half the time of the client's own lenient way.

    The lenient way remains for chunks that deviate from the specification, as some servers' do.
    """

    @classmethod
    def build(cls, *, response: object, data: dict[str, Any]) -> ChatCompletionChunk:
        """Called by the client for each chunk (its `ModelBuilderProtocol`)."""
        try:
            return ChatCompletionChunk.model_validate(data)
        except ValidationError:
            return ChatCompletionChunk.construct(None, **data)


class _Chunks(AsyncStream[_Chunk]):
    """A stream that says when it was cut: the library takes its end for the end of the answer.

    It is whole with `[DONE]`, after which the client asks for no more, or with a reason in one of its last
    events; some servers send only one of the two.
    """

    async def _iter_events(self) -> AsyncIterator[ServerSentEvent]:
        last: deque[str] = deque(maxlen=LAST_EVENTS)
        async for event in super()._iter_events():
            last.append(event.data)
            yield event
        if last and not any(REASON.search(data) for data in last):  # a web page has no events
            raise APIConnectionError(
                message="The stream ended before the answer did.", request=self.response.request
            )


class _Responses(AsyncResponses):
    async def create(self, **params: Any) -> Any:
        body = _body(params)
        has_computer = openai_computer.is_told(body)
        return await self._post(
            "/responses",
            body=openai_computer.to_wire(body) if has_computer else body,
            options=_options(params),
            cast_to=Response,
            stream=bool(params.get("stream")),
            stream_cls=_ComputerEvents if has_computer else AsyncStream[ResponseStreamEvent],
        )


class _ComputerEvents(AsyncStream[ResponseStreamEvent]):
    """A stream whose calls of the computer tool are function calls."""

    async def _iter_events(self) -> AsyncIterator[ServerSentEvent]:
        async for event in super()._iter_events():
            yield ServerSentEvent(event=event.event, data=openai_computer.from_wire(event.data))


def _encode(value: object) -> str:
    return openapi_dumps(value).decode()


def _body(params: Mapping[str, Any]) -> dict[str, Any]:
    """What goes over the wire: every parameter that was given."""
    return {
        name: value
        for name, value in params.items()
        if name not in REQUEST_OPTIONS and not isinstance(value, (Omit, NotGiven))
    }


def _options(params: Mapping[str, Any]) -> Any:
    """Options of the request. `security` as the stock client says it: the API key, and never an admin key."""
    given = {name: params[name] for name in REQUEST_OPTIONS if name in params}
    return make_request_options(**given, security={"bearer_auth": True})
