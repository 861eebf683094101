"""Finding the server that a process belongs to.

The order is that of spec/jupyter.md §4.3, and there is no further step: a prompt that went to "some running
server" would act in somebody's other project.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from .errors import ClientError, NoServerError
from .records import find_record, running_servers
from .server import Server, parse_address

URL_VARIABLE = "JUPYTER_CHATD_URL"
TOKEN_FILE_VARIABLE = "JUPYTER_CHATD_TOKEN_FILE"
"""Names a file that holds the token: a token in the environment itself would reach every child process."""

ADVICE = (
    "Start this from a notebook of the server that is meant, or give its address: "
    f"url= and token=, or {URL_VARIABLE} and {TOKEN_FILE_VARIABLE} in the environment."
)

_ANY_ADDRESS = frozenset({"", "0.0.0.0", "::", "*"})


def find_own_server(
    url: str | None = None, token: str | None = None, *, environ: Mapping[str, str] = os.environ
) -> Server:
    """Return the server that this process belongs to, or the one that *url* names.

    Without a token, a given address is looked up among the servers of this user.

    Raises:
        NoServerError: there is none.
        ClientError: a given address or token file cannot be used.
    """
    if url is not None:
        return explicit_server(url, token)
    found = server_of_environment(environ, tried := [])
    if found is None:
        raise NoServerError(tried, advice=ADVICE)
    return found


def server_of_environment(environ: Mapping[str, str], tried: list[str]) -> Server | None:
    """Return the server that the environment leads to; `None`, and the places in *tried*, when none."""
    if url := environ.get(URL_VARIABLE):
        return explicit_server(url, _read_token(environ.get(TOKEN_FILE_VARIABLE)))
    tried.append(f"{URL_VARIABLE} in the environment: not set")
    return _parent_server(environ, tried) or _hub_server(environ, tried)


def explicit_server(url: str, token: str | None = None) -> Server:
    """Return the server at an address; its token is *token*, else the address's, else its record's.

    Raises:
        ClientError: *url* is no address of a server.
    """
    try:
        named = parse_address(url)
    except ValueError as error:
        raise ClientError(str(error)) from None
    token = token or named.token
    known = next((one.server for one in running_servers() if one.server.is_same_place(named)), None)
    if known is None:
        return replace(named, token=token)
    return replace(known, token=token or known.token)


def _read_token(path: str | None) -> str | None:
    if not path:
        return None
    try:
        return Path(path).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ClientError(
            f"{TOKEN_FILE_VARIABLE} names {path}, which cannot be read ({type(error).__name__}). "
            "Write the server's token into it, or unset the variable."
        ) from None


def _parent_server(environ: Mapping[str, str], tried: list[str]) -> Server | None:
    """The server that started this kernel."""
    text = environ.get("JPY_PARENT_PID", "")
    if not text.isdigit():
        tried.append("JPY_PARENT_PID, which a server sets for its kernels: not set")
        return None
    record = find_record(int(text))
    if record is None:
        tried.append(f"JPY_PARENT_PID is {text}: no record of a running server has this process id")
        return None
    return record.server


def _hub_server(environ: Mapping[str, str], tried: list[str]) -> Server | None:
    """The single-user server under a hub: directly where it listens, else through the hub's proxy."""
    token = environ.get("JUPYTERHUB_API_TOKEN")
    if not token:
        tried.append("JUPYTERHUB_API_TOKEN, which a hub sets for its servers: not set")
        return None
    url = next(_hub_addresses(environ), None)
    if url is None:
        tried.append(
            "JUPYTERHUB_API_TOKEN is set, but neither JUPYTERHUB_SERVICE_URL nor a public URL of the hub"
        )
        return None
    return Server(url=url if url.endswith("/") else f"{url}/", token=token)


def _hub_addresses(environ: Mapping[str, str]) -> Iterator[str]:
    if direct := environ.get("JUPYTERHUB_SERVICE_URL"):
        yield _reachable(direct)
    if public := environ.get("JUPYTERHUB_PUBLIC_URL"):
        yield public
    hub = environ.get("JUPYTERHUB_PUBLIC_HUB_URL") or environ.get("JUPYTERHUB_HOST")
    if hub and (prefix := environ.get("JUPYTERHUB_SERVICE_PREFIX")):
        parts = urlsplit(hub)
        yield urlunsplit((parts.scheme, parts.netloc, prefix, "", ""))


def _reachable(url: str) -> str:
    """Return the address to call for one to listen on: `0.0.0.0` is every interface, this machine's too."""
    parts = urlsplit(url)
    if (parts.hostname or "") not in _ANY_ADDRESS:
        return url
    port = f":{parts.port}" if parts.port else ""
    return urlunsplit((parts.scheme, f"127.0.0.1{port}", parts.path, "", ""))
