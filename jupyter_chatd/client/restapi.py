"""Calls of the REST API: one request, one answer, nothing kept but the connection."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, cast

import httpx

from .. import wire
from ..errors import FieldProblem
from .errors import ClientError, RefusedError, UnreachableError
from .server import Server

CONNECT_TIMEOUT = 5.0  # seconds
REPLY_TIMEOUT = 60.0  # seconds that a server may take to answer

Params = Mapping[str, str | int | Sequence[str]]

FORWARDED = frozenset({"accept", "content-disposition", "content-type", "range"})
"""Headers that belong to what is asked and answered, not to who asks."""

_NO_AGENT = (
    "The server has no agent. Check that jupyter_chatd is installed and enabled where it runs: "
    "jupyter server extension list."
)
_NO_ACCESS = "The server does not let this client in. Check the token, or start from one of its notebooks."


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer as it came."""

    status: int
    headers: Mapping[str, str]
    content: bytes


class RestApi:
    """The chat routes of one server. Use it as an async context manager, in one event loop."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._http = httpx.AsyncClient(
            headers=dict(server.headers),
            timeout=httpx.Timeout(REPLY_TIMEOUT, connect=CONNECT_TIMEOUT),
            transport=httpx.AsyncHTTPTransport(uds=server.sock) if server.sock else None,
            trust_env=not server.is_local,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Give the connections up. May be called twice."""
        await self._http.aclose()

    async def get(self, path: str, params: Params | None = None) -> Any:
        """Return the decoded reply to a GET.

        Args:
            path: Below the chat routes, such as `/{id}/messages`.
            params: The query.

        Raises:
            RefusedError, UnreachableError: as for all methods of this class.
        """
        return await self._request("GET", path, params=params)

    async def post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Return the decoded reply to a POST; fields that are `None` are not sent."""
        return await self._request("POST", path, body=body or {})

    async def patch(self, path: str, body: Mapping[str, Any]) -> Any:
        """Return the decoded reply to a PATCH; fields that are `None` are not sent."""
        return await self._request("PATCH", path, body=body)

    async def delete(self, path: str) -> None:
        """Send a DELETE."""
        await self._request("DELETE", path)

    async def post_bytes(self, path: str, data: bytes, headers: Mapping[str, str]) -> Any:
        """Return the decoded reply to a POST of bytes, which *headers* describe."""
        return _decode(await self._send("POST", path, content=data, headers=headers))

    async def get_bytes(self, path: str) -> bytes:
        """Return the reply to a GET as it is."""
        return await self._send("GET", path)

    async def forward(self, method: str, path: str, *, content: bytes, headers: Mapping[str, str]) -> Reply:
        """Send what somebody else asks for, and return the answer as it is, a refusal too.

        Args:
            method: Any.
            path: Below the chat routes.
            content: The body; empty for none.
            headers: Only those of `FORWARDED` are sent.

        Raises:
            UnreachableError: there is no answer.
            ClientError: it is no request that can be sent.
        """
        sent = {name: value for name, value in headers.items() if name.lower() in FORWARDED}
        url = f"{self.server.chats_url}{path}"
        try:
            reply = await self._http.request(method, url, content=content or None, headers=sent)
        except httpx.HTTPError as error:
            raise unreachable(self.server, error) from error
        except (httpx.InvalidURL, UnicodeError) as error:
            raise ClientError(f"Expected a request that can be sent, came another: {error}") from error
        kept = {name: value for name, value in reply.headers.items() if name in FORWARDED}
        return Reply(status=reply.status_code, headers=kept, content=reply.content)

    async def get_lines(self, path: str) -> AsyncGenerator[str, None]:
        """Yield the lines of a reply as they come, however long that takes."""
        timeout = httpx.Timeout(None, connect=CONNECT_TIMEOUT)
        try:
            async with self._http.stream("GET", f"{self.server.chats_url}{path}", timeout=timeout) as reply:
                if not reply.is_success:
                    raise refusal(reply.status_code, await reply.aread())
                async for line in reply.aiter_lines():
                    yield line
        except httpx.HTTPError as error:
            raise unreachable(self.server, error) from error

    async def _request(
        self, method: str, path: str, *, params: Params | None = None, body: Mapping[str, Any] | None = None
    ) -> Any:
        content = None if body is None else _encode(body)
        headers = {} if body is None else {"Content-Type": "application/json"}
        reply = await self._send(method, path, params=params, content=content, headers=headers)
        return _decode(reply) if reply else None

    async def _send(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        content: str | bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        try:
            reply = await self._http.request(
                method, f"{self.server.chats_url}{path}", params=params, content=content, headers=headers
            )
        except httpx.HTTPError as error:
            raise unreachable(self.server, error) from error
        if not reply.is_success:
            raise refusal(reply.status_code, reply.content)
        return reply.content


def unreachable(server: Server, error: Exception) -> UnreachableError:
    """Return the error for a server that did not answer."""
    return UnreachableError(
        f"The Jupyter server at {server.shown} does not answer ({type(error).__name__}). "
        "Check that it runs and that the address is right, then try again."
    )


def refusal(status: int, body: bytes) -> RefusedError:
    """Return the error for a refusal; *body* is the envelope `{message, detail?, validations?}`."""
    envelope = _envelope(body)
    message, detail = envelope.get("message"), envelope.get("detail")
    if status in (401, 403) or 300 <= status < 400:
        return RefusedError(_NO_ACCESS, status=status)
    if not isinstance(message, str) or (status == 404 and "reason" in envelope):  # jupyter_server's own 404
        text = _NO_AGENT if status == 404 else f"The server answered with status {status}. Look into its log."
        return RefusedError(text, status=status)
    return RefusedError(
        message,
        status=status,
        detail=detail if isinstance(detail, str) else None,
        problems=tuple(_problems(envelope.get("validations"))),
    )


def _envelope(body: bytes) -> Mapping[str, Any]:
    try:
        value = wire.load_json(body)
    except ValueError:
        return {}
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def _problems(value: object) -> list[FieldProblem]:
    if not isinstance(value, list):
        return []
    items = [
        cast("Mapping[str, Any]", item) for item in cast("list[object]", value) if isinstance(item, Mapping)
    ]
    return [FieldProblem(field=str(item.get("field")), detail=str(item.get("detail"))) for item in items]


def _encode(body: Mapping[str, Any]) -> str:
    try:
        return wire.dump_json({name: value for name, value in body.items() if value is not None})
    except ValueError as error:
        raise ClientError(f"What is to be sent has no JSON form: {error}.") from None


def _decode(content: bytes) -> Any:
    try:
        return wire.load_json(content)
    except ValueError:
        raise ClientError(
            "The server's answer is not JSON. Check that the address is that of a Jupyter server."
        ) from None
