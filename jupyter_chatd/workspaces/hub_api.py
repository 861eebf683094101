"""The part of a JupyterHub's REST API that starts and stops the named servers of one user.

What is here was measured on JupyterHub 5 and 6; the routes and replies are those of its documentation.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pydantic import ValidationError

from .. import handshakes
from ..messages import JsonValue
from ..wire.values import adapter_of
from .provisioner import ProvisionError

if TYPE_CHECKING:
    import httpx

CONNECT_LIMIT = 5.0  # seconds
ANSWER_LIMIT = 10.0  # seconds for what the hub only has to look up

SCOPES = ("servers!user", "delete:servers!user", "read:servers!user", "access:servers!user")
"""What a server's token of the hub must have, in the words of an admin's configuration."""
_NEEDED = {
    "start:servers": "servers!user",
    "delete:servers": "delete:servers!user",
    "read:servers": "read:servers!user",
    "access:servers": "access:servers!user",
}
"""By the scope that the hub grants, what an admin writes for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HubAccount:
    """Whose servers they are, and what lets this server act for them."""

    api_url: str
    """Of the hub's REST API, without a slash at the end."""
    user: str
    token: str = field(repr=False)


def account_of(environ: Mapping[str, str]) -> HubAccount | None:
    """Return the account whose server this is.

    `None` when no JupyterHub has started it, or one with `internal_ssl`, which wants certificates.
    """
    url, token = environ.get("JUPYTERHUB_API_URL"), environ.get("JUPYTERHUB_API_TOKEN")
    user = environ.get("JUPYTERHUB_USER")
    if not (url and token and user) or environ.get("JUPYTERHUB_SSL_KEYFILE"):
        return None
    return HubAccount(api_url=url.rstrip("/"), user=user, token=token)


@dataclass(frozen=True, slots=True, kw_only=True)
class HubServer:
    """How the hub says that a server stands."""

    name: str
    is_ready: bool
    pending: str | None
    """`spawn`, `stop` or another word while the hub is about it."""
    path: str
    """Behind the hub's proxy; with a slash at the end."""
    full_url: str | None
    """`None` where the hub does not know how its proxy is reached."""

    @property
    def is_active(self) -> bool:
        """Whether something of it runs, or is about to."""
        return self.is_ready or self.pending is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """One thing that a server which starts has to tell."""

    message: str
    is_ready: bool = False
    has_failed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The hub does not do it."""

    status: int
    message: str
    """In the hub's words; may be empty."""


class HubUnavailableError(ProvisionError):
    """The hub does not answer, so nobody knows how a server stands."""


class HubApi:
    """Asks the hub. Holds no connection between two calls.

    Every method raises `HubUnavailableError` when the hub does not answer, and `ProvisionError` when its
    answer makes no sense.

    Args:
        answer_limit_s: Seconds for what the hub only has to look up, or to begin.
    """

    def __init__(self, account: HubAccount, *, answer_limit_s: float = ANSWER_LIMIT) -> None:
        self.account = account
        self._answer_limit_s = answer_limit_s
        self._tls: ssl.SSLContext | None = None

    async def tls(self) -> ssl.SSLContext:
        """Return what checks certificates; made once, as that reads many files."""
        if self._tls is None:
            self._tls = await asyncio.to_thread(ssl.create_default_context)
        return self._tls

    async def missing_scopes(self) -> tuple[str, ...]:
        """Return which of `SCOPES` the token lacks, in that order."""
        async with self._ask("GET", "user") as reply:
            if reply.status_code in (401, 403):
                return SCOPES
            held: list[str] = _object(await _whole(reply)).get("scopes") or []
        return tuple(written for scope, written in _NEEDED.items() if not self._has(scope, held))

    def _has(self, scope: str, held: list[str]) -> bool:
        granted = {scope, f"{scope}!user", f"{scope}!user={self.account.user}"}
        return any(one in granted or one.startswith(f"{scope}!group=") for one in held)

    async def servers(self) -> dict[str, HubServer]:
        """Return the user's servers by name, also those that do not run.

        Raises:
            ProvisionError: the token may not look.
        """
        path = f"users/{quote(self.account.user, safe='')}?include_stopped_servers"
        async with self._ask("GET", path) as reply:
            if reply.status_code != 200:
                raise await self._refused(reply)
            servers: dict[str, Any] | None = _object(await _whole(reply)).get("servers")
        if servers is None:  # the hub leaves out what one may not see
            raise ProvisionError(lacks(("read:servers!user",)))
        return {name: _server(value) for name, value in servers.items()}

    async def find(self, name: str) -> HubServer | None:
        """Return how a server stands, running or not; `None` when the user has none of that name.

        Raises:
            ProvisionError: the token may not look.
        """
        return (await self.servers()).get(name)

    async def start(self, name: str, options: Mapping[str, JsonValue]) -> Refusal | None:
        """Begin to start a server; it may run then, or be about to. `None` when the hub does it."""
        async with self._ask("POST", self._path(name), dict(options), is_quick=False) as reply:
            return (
                None if reply.status_code in (201, 202) else _refusal(reply.status_code, await _whole(reply))
            )

    async def stop(self, name: str, *, remove: bool = False) -> Refusal | None:
        """Begin to stop a server, and have the hub forget it; `None` when it does, or knows of none."""
        async with self._ask("DELETE", self._path(name), {"remove": True} if remove else None) as reply:
            if reply.status_code in (202, 204, 404):
                return None
            return _refusal(reply.status_code, await _whole(reply))

    async def progress(self, name: str) -> AsyncGenerator[Progress, None]:
        """Yield what a starting server tells, until it runs or has failed, or the hub tells no more."""
        async with self._ask("GET", f"{self._path(name)}/progress", is_quick=False) as reply:
            if reply.status_code != 200:
                return
            async for line in reply.aiter_lines():
                if line.startswith("data:") and (event := _progress(line.removeprefix("data:"))):
                    yield event
                    if event.is_ready or event.has_failed:
                        return

    def _path(self, name: str) -> str:
        return f"users/{quote(self.account.user, safe='')}/servers/{quote(name, safe='')}"

    async def _refused(self, reply: httpx.Response) -> ProvisionError:
        refusal = _refusal(reply.status_code, await _whole(reply))
        return ProvisionError(f"The hub refuses: {refusal.message or f'status {refusal.status}'}.")

    @asynccontextmanager
    async def _ask(
        self, method: str, path: str, body: object = None, *, is_quick: bool = True
    ) -> AsyncGenerator[httpx.Response]:
        import httpx

        account = self.account
        limits = httpx.Timeout(self._answer_limit_s if is_quick else None, connect=CONNECT_LIMIT)
        headers = {"Authorization": f"token {account.token}"}
        hooks = {"request": [handshakes.watch]}
        tls = await self.tls()
        try:
            async with (
                httpx.AsyncClient(timeout=limits, verify=tls, trust_env=False, event_hooks=hooks) as client,
                client.stream(method, f"{account.api_url}/{path}", headers=headers, json=body) as reply,
            ):
                yield reply
        except httpx.TimeoutException as error:
            raise HubUnavailableError("The JupyterHub does not answer in time. Try again later.") from error
        except httpx.TransportError as error:
            raise HubUnavailableError("The JupyterHub cannot be reached. Try again later.") from error


def lacks(scopes: tuple[str, ...]) -> str:
    """Return what to tell of scopes that the token does not have."""
    return (
        f"this server's token of the hub lacks the scopes {', '.join(scopes)}. Whoever runs the hub grants "
        "them by c.Spawner.server_token_scopes and a role of the user; then restart this server."
    )


async def _whole(reply: httpx.Response) -> bytes:
    return await reply.aread()


def _object(body: bytes) -> dict[str, Any]:
    try:
        return adapter_of(dict[str, Any]).validate_json(body)
    except ValidationError as error:
        raise ProvisionError("The JupyterHub gave an answer that makes no sense.") from error


def _server(value: dict[str, Any]) -> HubServer:
    try:
        return HubServer(
            name=str(value["name"]),
            is_ready=bool(value["ready"]),
            pending=value.get("pending") or None,
            path=str(value["url"]),
            full_url=value.get("full_url") or None,
        )
    except KeyError as error:
        raise ProvisionError(f"The JupyterHub tells nothing of {error} of a server.") from error


def _refusal(status: int, body: bytes) -> Refusal:
    try:
        value = json.loads(body)
        message = value["message"]
    except (ValueError, KeyError, TypeError):
        message = ""
    return Refusal(status=status, message=str(message).strip())


def _progress(text: str) -> Progress | None:
    try:
        event = json.loads(text)
        message = str(event.get("message", "")).strip()
        return Progress(
            message=message, is_ready=bool(event.get("ready")), has_failed=bool(event.get("failed"))
        )
    except (ValueError, AttributeError):
        return None  # a line that is no event tells nothing
