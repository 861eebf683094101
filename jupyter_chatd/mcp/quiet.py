"""Keeps the SDK's log lines about our connections out of the server's log.

They carry message text and addresses with keys in their query; what matters comes back as errors, which we
log ourselves. Other users of the SDK in this process keep their lines.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Generator
from contextvars import ContextVar

_LOGGERS = (
    "client",  # that is what the SDK's session calls itself
    "mcp.client.client",
    "mcp.client.sse",
    "mcp.client.streamable_http",
    "mcp.shared.dispatcher",
    "mcp.shared.jsonrpc_dispatcher",
    "httpx2",
)

_is_quiet: ContextVar[bool] = ContextVar("jupyter_chatd_mcp_quiet", default=False)


@contextlib.contextmanager
def quiet_sdk() -> Generator[None]:
    """Drop the SDK's lines of what runs in this block, and of tasks that are started in it."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_is_heard)  # adding it again does nothing
    token = _is_quiet.set(True)
    try:
        yield
    finally:
        _is_quiet.reset(token)


def _is_heard(_record: logging.LogRecord) -> bool:
    return not _is_quiet.get()
