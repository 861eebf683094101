"""Which server a command talks to.

Like a kernel's, the search prefers the server that the process belongs to. Only here, where a person looks
on, may it go further: to the one server that this user runs. It never guesses among several.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from ..client.client import AsyncClient
from ..client.discovery import URL_VARIABLE, explicit_server, server_of_environment
from ..client.errors import ClientError, NoServerError
from ..client.records import running_servers
from ..client.server import Server
from ..providers.presets import MODEL_VARIABLES
from .private import private_server

PROBE_TIMEOUT = 3.0  # seconds that a server has to say whether it has an agent

AUTO, OWN, RUNNING = "auto", "own", "running"
ADVICE = "Start one with jupyter lab, or name one with --server."

Note = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What there is: the server that the surroundings lead to, or all that this user runs."""

    server: Server | None
    candidates: tuple[Server, ...] = ()
    tried: tuple[str, ...] = ()


@asynccontextmanager
async def server_for_prompt(choice: str, note: Note, *, cwd: Path) -> AsyncGenerator[Server, None]:
    """Give the server that a new chat begins on.

    Args:
        choice: `auto`, `own`, `running`, or an address.
        note: Is told what was chosen and why, when that is not obvious.
        cwd: Where the command was given.

    Raises:
        ClientError: there is none, or several would do.
    """
    server = None if choice == OWN else await _choose_for_prompt(choice, note, cwd)
    if server is not None:
        note(f"Using the server at {server.shown}{_in_root(server)}.")
        yield server
        return
    note(f"Starting a server for this command, in {cwd} …")
    async with private_server(cwd) as server:
        yield server


async def _choose_for_prompt(choice: str, note: Note, cwd: Path) -> Server | None:
    if choice != AUTO:
        return await running_server(choice, cwd=cwd)
    named = [name for name in MODEL_VARIABLES if os.environ.get(name)]
    if named and not _is_fixed(os.environ):
        note(f"{named[0]} is set here, where no running server sees it (--server running ignores it).")
        return None
    found = await look_around(cwd)
    if found.server is not None:
        return found.server
    near = [server for server in found.candidates if _serves(server, cwd)]
    if len(near) > 1:
        raise _ambiguous(near)
    return near[0] if near else None


async def running_server(choice: str, *, cwd: Path) -> Server:
    """Return a server that runs.

    Args:
        choice: `auto` or `running`: the one that the surroundings lead to, else the only one; or an address.
        cwd: Where the command was given; of several servers it takes the one that serves this folder.

    Raises:
        NoServerError: none runs.
        ClientError: several do.
    """
    if choice not in (AUTO, RUNNING):
        return explicit_server(choice)
    found = await look_around(cwd)
    if found.server is not None:
        return found.server
    near = [server for server in found.candidates if _serves(server, cwd)]
    usable = near if len(near) == 1 else list(found.candidates)
    if not usable:
        raise NoServerError(found.tried, advice=ADVICE)
    if len(usable) > 1:
        raise _ambiguous(usable)
    return usable[0]


async def find_running(choice: str, *, cwd: Path) -> Server | None:
    """Return a server to look at chats with; `None` when it must be the database: none runs, or several do.

    Raises:
        ClientError: *choice* is an address that cannot be used.
    """
    if choice not in (AUTO, RUNNING):
        return explicit_server(choice)
    found = await look_around(cwd)
    if found.server is not None:
        return found.server
    return found.candidates[0] if len(found.candidates) == 1 else None


async def prefer_running(choice: str, *, cwd: Path, may_start: bool) -> str:
    """Return the choice of a command that goes on with a chat: a server that runs, else one of its own.

    Raises:
        NoServerError: none runs, and starting one would be of no use.
    """
    if choice != AUTO:
        return choice
    try:
        await running_server(AUTO, cwd=cwd)
    except NoServerError:
        if may_start:
            return OWN
        raise
    return RUNNING


async def look_around(cwd: Path, environ: Mapping[str, str] = os.environ) -> Found:
    """Return what there is, without sending anything but the question whether a server has an agent."""
    tried: list[str] = []
    server = server_of_environment(environ, tried) or _server_of_terminal(environ, tried)
    if server is not None:
        return Found(server=server, tried=tuple(tried))
    servers = [record.server for record in running_servers()]
    answers = await asyncio.gather(*map(has_agent, servers))
    candidates = tuple(server for server, answer in zip(servers, answers, strict=True) if answer)
    tried.append(f"running servers of this user: {len(servers)}, with the agent: {len(candidates)}")
    return Found(server=None, candidates=candidates, tried=tuple(tried))


async def has_agent(server: Server) -> bool:
    """Whether a server answers and has the extension."""
    try:
        async with asyncio.timeout(PROBE_TIMEOUT), AsyncClient(server) as client:
            await client.list(limit=1)
    except (ClientError, TimeoutError):
        return False
    return True


def _server_of_terminal(environ: Mapping[str, str], tried: list[str]) -> Server | None:
    """The server whose terminal this is; Jupyter tells its terminals."""
    url = environ.get("JUPYTER_SERVER_URL")
    if not url:
        tried.append("JUPYTER_SERVER_URL, which a server sets in its terminals: not set")
        return None
    server = explicit_server(url)
    if not server.token:
        tried.append(f"JUPYTER_SERVER_URL is {url}: no running server of this user has that address")
        return None
    return server


def _is_fixed(environ: Mapping[str, str]) -> bool:
    """A server was chosen for this environment: by hand, or by a hub, whose server shares the environment."""
    return bool(environ.get(URL_VARIABLE) or environ.get("JUPYTERHUB_API_TOKEN"))


def _serves(server: Server, folder: Path) -> bool:
    return server.root_dir is not None and folder.is_relative_to(Path(server.root_dir).resolve())


def _in_root(server: Server) -> str:
    return f", whose commands run in {server.root_dir}" if server.root_dir else ""


def _ambiguous(servers: Sequence[Server]) -> ClientError:
    lines = [f"  --server {server.shown}{_in_root(server)}" for server in servers]
    return ClientError("\n".join(["Several servers run here. Choose one:", *lines]))
