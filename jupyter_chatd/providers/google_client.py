"""A Gemini client that makes JSON of long conversations quickly, and in a thread.

The stock client turns every message into objects of its own and those into JSON: 0.6 s for a thousand turns,
on the event loop, before every step. What the library gives it is the JSON already, but for the spelling of
names and for bytes. A contract test holds both clients' requests side by side.
"""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from typing import Any, cast

from google.genai._api_client import BaseApiClient
from google.genai.client import Client
from google.genai.models import AsyncModels

from ..pacing import paced
from .long_body import join_body
from .offload import call_off_loop

PLACEHOLDER = [{"role": "user", "parts": [{"text": ""}]}]
"""What the stock code converts instead of the conversation."""

AS_GIVEN = ("args", "response")
"""Fields whose content is not Google's, so that its names stay as they are."""


class DirectGemini(Client):
    """`Client` whose streamed requests are made as the module says."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)  # pyright: ignore[reportUnknownMemberType]
        self.aio._models = _Models(self._api_client)  # pyright: ignore[reportPrivateUsage]


class _Models(AsyncModels):
    """Leaves out, too, that the client calls functions by itself: that is the loop's."""

    async def generate_content_stream(self, *, model: str, contents: Any, config: Any = None) -> Any:
        """Ask for an answer. The request is sent when the first piece is asked for."""
        pending = _Pending(self._api_client, contents)
        stock: Any = AsyncModels(cast("Any", pending))
        stream = await stock._generate_content_stream(model=model, contents=PLACEHOLDER, config=config)
        return _read(stream, pending)


class _Pending:
    """Stands in for the connection while the request is made, and sends it when it is read."""

    def __init__(self, connection: BaseApiClient, contents: Sequence[Any]) -> None:
        self._connection = connection
        self._contents = contents
        self._content = b""
        self._request: tuple[Any, ...] = ()
        self._response: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    async def async_request_streamed(self, *request: Any) -> _Pending:
        """Take the request, and send nothing yet."""
        self._request = request
        return self

    def _build_request(self, *request: Any) -> Any:
        """The request as the connection builds it, around what is JSON already."""
        built: Any = self._connection._build_request(*request)  # pyright: ignore[reportPrivateUsage]
        built.data = self._content
        return built

    async def __aiter__(self) -> AsyncIterator[Any]:
        body = self._request[2]
        self._content = await call_off_loop(lambda: self._encode(body), size=len(self._contents))
        send = cast("Any", BaseApiClient.async_request_streamed)
        async for piece in await send(self, *self._request):
            yield piece

    async def _async_request(self, **request: Any) -> Any:
        """Send it, and keep the response: the stock code leaves closing it to the garbage collector."""
        answer: Any = await self._connection._async_request(**request)  # pyright: ignore[reportPrivateUsage]
        self._response = answer.response_stream
        return answer

    def _encode(self, body: Mapping[str, Any]) -> bytes:
        rest = {
            name: value for name, value in body.items() if name != "contents" and not name.startswith("_")
        }
        contents = (json.dumps(to_json(content)) for content in paced(self._contents))
        return join_body("contents", contents, json.dumps(rest).encode())

    async def aclose(self) -> None:
        """Close the connection of the request, if it was sent."""
        if self._response is not None:
            await self._response.aclose()


async def _read(stream: Any, pending: _Pending) -> AsyncGenerator[Any]:
    """The pieces; the connection is closed when the reader stops early."""
    async with contextlib.aclosing(pending), contextlib.aclosing(stream):
        async for piece in stream:
            yield piece


def to_json(value: Any) -> Any:
    """A value of the client's dictionaries as its JSON.

    >>> to_json({"inline_data": {"mime_type": "text/plain", "data": b"hi"}})
    {'inlineData': {'mimeType': 'text/plain', 'data': 'aGk='}}
    """
    if isinstance(value, Mapping):
        known = cast("Mapping[str, Any]", value)
        return {
            _camel(name): item if name in AS_GIVEN else to_json(item)
            for name, item in known.items()
            if item is not None
        }
    if isinstance(value, (list, tuple)):
        return [to_json(item) for item in cast("Sequence[Any]", value)]
    return base64.urlsafe_b64encode(value).decode() if isinstance(value, bytes) else value


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word.title() for word in others)
