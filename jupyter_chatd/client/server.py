"""Where a Jupyter server is and what it lets in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit, urlunsplit

CHATS = "api/experimental/chats"

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_PAGES = frozenset({"lab", "tree", "doc", "notebooks", "consoles", "edit", "terminals", "login"})
"""First words of the paths of pages: what follows is no part of a server's address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A Jupyter server. Its token opens all that the user may do: it is never shown."""

    url: str
    """Up to the base URL, with a slash at the end."""
    token: str = field(default="", repr=False)
    sock: str | None = None
    """Path of a Unix socket; `url` then only gives the base URL."""
    root_dir: str | None = None
    """The folder that it serves, where that is known."""

    @property
    def chats_url(self) -> str:
        """The base of the chat routes."""
        return f"{self.url}{CHATS}"

    @property
    def shown(self) -> str:
        """How to name it to a person."""
        return f"unix:{self.sock}" if self.sock else self.url

    @property
    def is_local(self) -> bool:
        """It is on this machine, so no proxy stands between."""
        return self.sock is not None or urlsplit(self.url).hostname in _LOOPBACK

    @property
    def headers(self) -> Mapping[str, str]:
        """What proves who asks. Never put into an address: a hub refuses it there, and logs keep it."""
        return {"Authorization": f"token {self.token}"} if self.token else {}

    def is_same_place(self, other: Server) -> bool:
        """Whether both addresses lead to one server, whatever they call this machine."""
        return self.sock == other.sock and _place(self.url) == _place(other.url)


def parse_address(text: str) -> Server:
    """Return the server of an address that a person copied, such as `http://127.0.0.1:8888/lab?token=…`.

    Raises:
        ValueError: it is no such address.
    """
    parts = urlsplit(text.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(
            "Expected the address of a Jupyter server, such as http://127.0.0.1:8888/, "
            f"came {parts.scheme}://{parts.hostname or ''}{parts.path[:80]}."
        )
    token = "".join(parse_qs(parts.query).get("token", [])[:1])
    return Server(url=urlunsplit((parts.scheme, parts.netloc, _base_path(parts.path), "", "")), token=token)


def _base_path(path: str) -> str:
    kept: list[str] = []
    for word in path.split("/"):
        if word in _PAGES:
            break
        if word:
            kept.append(word)
    return "".join(f"/{word}" for word in kept) + "/"


def _place(url: str) -> tuple[str, int | None, str]:
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    return ("localhost" if host in _LOOPBACK else host), port, parts.path.rstrip("/")
