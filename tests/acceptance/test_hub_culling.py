"""A culler of servers that did nothing for ten seconds: a running turn keeps its server, a look does not."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fakes.openai_server import FakeOpenAI
from fakes.responder import respond
from fakes.threaded import in_thread
from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect

from .hub import Hub, UserServer, why_no_hub
from .test_hub import SampleHub

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(why_no_hub() is not None, reason=str(why_no_hub())),
]

CULLED_AFTER = 10.0  # seconds
PATIENCE = 90.0  # seconds
FAST = {
    "--timeout=3600": f"--timeout={CULLED_AFTER:g}",
    "--cull-every=300": "--cull-every=2",
    '"JUPYTERHUB_ACTIVITY_INTERVAL": "300"': '"JUPYTERHUB_ACTIVITY_INTERVAL": "2"',
}


@contextmanager
def looking(server: UserServer, chat_id: str) -> Iterator[list[str]]:
    """Follow a chat over a WebSocket, as a panel does, until the server is gone; gives what was told."""
    told: list[str] = []
    is_open = threading.Event()

    async def follow() -> None:
        url = f"{server.chats_url}/{chat_id}/stream".replace("http", "ws", 1)
        socket = await websocket_connect(HTTPRequest(url, headers=server.headers))
        is_open.set()
        while isinstance(text := await socket.read_message(), str):
            told.append(text)
        socket.close()

    thread = threading.Thread(target=lambda: asyncio.run(follow()), name="viewer", daemon=True)
    thread.start()
    assert is_open.wait(PATIENCE)
    yield told
    thread.join(PATIENCE)
    assert not thread.is_alive(), "the viewer was let go before its server ended"


def wait_until_gone(hub: Hub, user: str) -> float:
    """Wait until a user has no server, and return the seconds that took."""
    began = time.monotonic()
    while hub.server_state(user):
        assert time.monotonic() - began < PATIENCE, f"the server of {user} was not culled:\n{hub.log}"
        time.sleep(0.5)
    return time.monotonic() - began


def test_a_running_turn_keeps_its_server_and_somebody_who_looks_does_not(tmp_path: Path) -> None:
    with in_thread(FakeOpenAI(respond)) as vendor, SampleHub(tmp_path, vendor, FAST) as hub:
        hub.add_user("ada", groups=("staff",))
        hub.add_user("bob", groups=("staff",))
        ada = hub.start_server("ada")
        with ada.chats() as chats:
            running = chats.begin("run `sleep 600` with timeout 900s")
            began = time.monotonic()
            bob = hub.start_server("bob")
            with bob.chats() as own:
                idle = own.begin("say hello")
                own.settle(idle)
            with looking(bob, idle) as told:
                wait_until_gone(hub, "bob")
            assert told
            time.sleep(max(0.0, 2.5 * CULLED_AFTER - (time.monotonic() - began)))
            assert hub.server_state("ada").get("ready"), "the server was culled while its turn ran"
            assert chats.status(running) == "running"
            chats.interrupt(running)
            assert chats.settle(running)["status"] == "waiting"
        wait_until_gone(hub, "ada")
