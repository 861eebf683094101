"""Keeps a server's secrets out of what it says: of errors, of its standard error, of its results."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import parse_qsl, urlsplit

from ..workspace.environment import looks_secret
from .config import McpServerConfig

HIDDEN = "[hidden]"
_SHORTEST = 6  # characters; a shorter value would hide innocent text


class Redactor:
    """Replaces the secrets of one server wherever they appear."""

    def __init__(self, config: McpServerConfig) -> None:
        secrets = {secret for secret in _secrets(config) if len(secret) >= _SHORTEST}
        # The longest first: one may be part of another.
        self._secrets = sorted(secrets, key=len, reverse=True)

    def hide(self, text: str) -> str:
        """Return *text* without them."""
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return text


def _secrets(config: McpServerConfig) -> Iterator[str]:
    for value in config.headers.values():
        yield value
        yield from value.split()[1:]  # `Bearer …`
    for name, value in config.env.items():
        if looks_secret(name):
            yield value
    for _, value in parse_qsl(urlsplit(config.url or "").query):
        yield value
