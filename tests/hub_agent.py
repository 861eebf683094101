"""The agent of a named server of a real JupyterHub, for tests that hold for the agents of all kinds.

One server serves any number of tests: each has the agent in a folder of its own.

    with hub_server(tmp_path_factory.mktemp("hub")) as server:
        async with agent_in(server, folder, home) as agent:
            await agent.facts()
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import httpx
from acceptance.hub import Hub, UserServer

from jupyter_chatd.workspace.agent.remote import RemoteAgent
from jupyter_chatd.workspaces.hub import WAIT_PIECE, explain

ANSWER_LIMIT = 60.0  # seconds
NAMED = "c = get_config()  # noqa\nc.JupyterHub.allow_named_servers = True\n"


@contextmanager
def hub_server(folder: Path) -> Iterator[UserServer]:
    """Start a hub with a user who has a named server; *folder* holds all of it."""
    with Hub(folder, config=lambda _url: NAMED, extensions=("fakes.folder_agent",)) as hub:
        hub.add_user("ada")
        yield hub.start_server("ada", "workspace")


@asynccontextmanager
async def agent_in(server: UserServer, folder: Path, home: Path) -> AsyncIterator[RemoteAgent]:
    """Have the server's agent work in *folder*, and give what asks it, as the provisioner connects."""
    places = {"directory": str(folder), "home": str(home)}
    async with httpx.AsyncClient(headers=server.headers, timeout=ANSWER_LIMIT) as client:
        (await client.get(f"{server.chats_url}/agent/hello")).raise_for_status()  # waits until it is there
        (await client.post(f"{server.url}tests/agent", json=places)).raise_for_status()
    remote = RemoteAgent(server.url, token=server.token, explain=explain, wait_piece_s=WAIT_PIECE)
    try:
        yield remote
    finally:
        await remote.aclose()
