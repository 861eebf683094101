"""Opening a WebSocket to an agent. Loads tornado's client: import this only when a desktop is wanted."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping

from pydantic import ValidationError
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import WebSocketClientConnection, WebSocketError, websocket_connect

from ...wire.values import adapter_of
from ..protocol import WorkspaceError
from .answers import USUAL_BYTES
from .operations import REFUSED, Refusal, error_of
from .remote import CONNECT_LIMIT, AgentUnreachableError, Explain

ANSWER_LIMIT = 20.0  # seconds
MOST_MESSAGE = 1024 * 1024  # bytes; agents send what they read at once, a quarter of that
PING_S = 60.0  # seconds: a machine that has vanished is noticed in twice that
_NOTHING_CAME = 599  # tornado's status of no answer

_UNREACHABLE = "The workspace's desktop cannot be reached: its server does not answer."


async def dial(
    url: str, *, headers: Mapping[str, str], tls: ssl.SSLContext | None, explain: Explain
) -> WebSocketClientConnection:
    """Return an open WebSocket; whoever asked closes it. One that opens after a cancellation is closed.

    Args:
        url: `http` or `https`.
        headers: Say who asks.
        tls: Checks certificates; `None` for the usual authorities.
        explain: Knows what whoever stands between the two says.

    Raises:
        WorkspaceError: it does not open; says why.
    """
    request = HTTPRequest(
        "ws" + url.removeprefix("http"),
        headers=dict(headers),
        ssl_options=tls,
        connect_timeout=CONNECT_LIMIT,
        request_timeout=ANSWER_LIMIT,
        follow_redirects=False,
    )
    dialling = asyncio.ensure_future(
        websocket_connect(request, ping_interval=PING_S, max_message_size=MOST_MESSAGE)
    )
    try:
        return await asyncio.shield(dialling)
    except asyncio.CancelledError:
        dialling.add_done_callback(_hang_up)  # tornado itself would keep it open, and answer pings
        raise
    except HTTPClientError as error:
        raise _why(error, explain) from error
    except (OSError, WebSocketError) as error:
        raise AgentUnreachableError(_UNREACHABLE) from error


def _hang_up(dialled: asyncio.Future[WebSocketClientConnection]) -> None:
    if not dialled.cancelled() and dialled.exception() is None:
        dialled.result().close()


def _why(error: HTTPClientError, explain: Explain) -> WorkspaceError:
    if error.code == _NOTHING_CAME:
        return AgentUnreachableError(_UNREACHABLE)
    body = error.response.body if error.response is not None else b""
    if error.code == REFUSED and len(body) <= USUAL_BYTES:
        try:
            return error_of(adapter_of(Refusal).validate_json(body))
        except ValidationError:
            pass  # somebody else's answer with the same status
    return explain(error.code) or WorkspaceError(
        "The connection to the workspace's desktop was refused with status "
        f"{error.code}. It is a WebSocket, which each proxy on the way must let pass."
    )
