"""The link to a server over HTTP: the SDK's transports with our client."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

import httpx2
from mcp.client import Transport
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client

from .. import handshakes
from ..workspace.child import MESSAGE_BYTES
from .config import McpServerConfig
from .config import Transport as Kind
from .errors import Failure

if TYPE_CHECKING:
    from mcp.client._transport import TransportStreams

REQUEST_TIMEOUT = 10.0  # seconds to connect, and to send
SILENCE = 300.0  # seconds that a stream may be silent before it is opened anew


class HttpLink:
    """Reaches one server for as long as the transport is open."""

    def __init__(self, config: McpServerConfig) -> None:
        self._config = config
        self._status = 0
        """Of the last answer, when that was an error."""
        self._certificates: ssl.SSLContext | None = None

    def open(self) -> Transport:
        """Return the transport."""
        return self._open()

    def find_failure(self) -> Failure | None:
        """Name the status with which the server refused the last message."""
        if self._status in (401, 403):
            return Failure(
                reason=f"The server at {self._config.place} refused access with status {self._status}; "
                "check its headers"
            )
        if self._status:
            return Failure(reason=f"The server at {self._config.place} answered with status {self._status}")
        return None

    @asynccontextmanager
    async def _open(self) -> AsyncGenerator[TransportStreams]:
        config = self._config
        assert config.url is not None
        self._certificates = await asyncio.to_thread(_certificates, config.url.startswith("https:"))
        if config.transport is Kind.SSE:
            async with sse_client(
                config.url, timeout=REQUEST_TIMEOUT, httpx_client_factory=self._client_for_sse
            ) as streams:
                yield streams
            return
        async with (
            self._client() as client,
            streamable_http_client(
                config.url, http_client=client, max_sse_event_size=MESSAGE_BYTES
            ) as streams,
        ):
            yield streams

    def _client_for_sse(
        self,
        headers: dict[str, str] | None = None,
        timeout: httpx2.Timeout | None = None,
        auth: httpx2.Auth | None = None,
    ) -> httpx2.AsyncClient:
        return self._client()

    def _client(self) -> httpx2.AsyncClient:
        # What an answer unpacks to would be unbounded, so none may be packed.
        headers = {**self._config.headers, "accept-encoding": "identity"}
        return httpx2.AsyncClient(
            headers=headers,
            verify=self._certificates or True,
            timeout=httpx2.Timeout(REQUEST_TIMEOUT, read=max(SILENCE, self._config.call_timeout_s)),
            event_hooks={"request": [handshakes.watch], "response": [self._note]},
        )

    async def _note(self, response: httpx2.Response) -> None:
        """Note a refusal, and bound the answer. That a server refuses the GET of its own stream is common."""
        if response.request.method == "POST" or self._config.transport is Kind.SSE:
            self._status = response.status_code if response.status_code >= 400 else 0
        if not response.headers.get("content-type", "").startswith("text/event-stream"):
            response.stream = _Bounded(response.stream)


@cache
def _certificates(is_needed: bool) -> ssl.SSLContext:
    """Return a context with the usual certificates, which take 20 ms to read, or with none."""
    return httpx2.create_ssl_context() if is_needed else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class _Bounded(httpx2.AsyncByteStream):
    """A body that ends in an error after `MESSAGE_BYTES`. Events of a stream are bounded by the SDK."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = MESSAGE_BYTES
        async for chunk in self._stream:
            left -= len(chunk)
            if left < 0:
                raise httpx2.StreamError(f"the answer has more than {MESSAGE_BYTES} bytes")
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


if TYPE_CHECKING:
    from .connection import Link

    _: type[Link] = HttpLink
