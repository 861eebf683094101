"""TLS handshakes that are given up: their connections are closed.

httpcore, below httpx, closes a connection whose handshake fails, but not one whose handshake is cancelled, as
by the stop button: as long as the other side is silent its socket stays open, until the loop ends.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_OPENED = ("connect_tcp.complete", "start_tls.complete")
_FAILED = "start_tls.failed"


class Handshake:
    """Hears how a request is connected: httpcore's `trace` extension. One per request."""

    def __init__(self) -> None:
        self._stream: Any = None

    async def __call__(self, event: str, info: Mapping[str, Any]) -> None:
        """Keep the connection in mind; close it when its handshake comes to nothing."""
        if event.endswith(_OPENED):
            self._stream = info["return_value"]
        elif event.endswith(_FAILED) and self._stream is not None:
            await self._stream.aclose()


async def watch(request: Any) -> None:
    """Watch the handshake of a request. A hook for the event `request` of a client of httpx or httpx2."""
    request.extensions["trace"] = Handshake()
