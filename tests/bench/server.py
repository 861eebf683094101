"""A whole Jupyter server with the extension in a process of its own, and clients of it in this one."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from tornado.httpclient import HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

from jupyter_chatd.store import Store
from tests.servers import CHATS, Dirs, JupyterServer

from . import engine
from .harness import cpu_of

EXTENSIONS = {"jupyter_chatd": False, "tests.bench.extension": True, "tests.bench.probe": True}
MODEL_CALLS = 1000  # at once: the benches ask how many the server stands, not how many it lets in
TURN_TIMEOUT = 120.0  # seconds


class Server:
    """A running server and what a bench asks of it."""

    def __init__(self, server: JupyterServer, client: httpx.AsyncClient) -> None:
        self.url = server.url
        self.pid = server.pid
        self._headers = server.headers
        self._client = client

    @property
    def cpu(self) -> float:
        """CPU seconds that the server's process has used."""
        return cpu_of(self.pid)

    @property
    def memory(self) -> int:
        """Resident bytes of the server's process."""
        return resident(self.pid)

    async def create(self, text: str, *, model: str) -> str:
        """Create a chat whose first turn begins at once; return its id."""
        return (await self._post("", {"content": [{"type": "text", "text": text}], "model": model}))["id"]

    async def send(self, chat_id: str, text: str) -> None:
        """Send a message."""
        await self._post(f"/{chat_id}/messages", {"content": [{"type": "text", "text": text}]})

    async def _post(self, path: str, body: object) -> Any:
        reply = await self._client.post(f"{CHATS}{path}", json=body)
        reply.raise_for_status()
        return reply.json()

    async def start_heartbeat(self) -> None:
        """Begin to measure how late the server's loop is."""
        (await self._client.post("bench/beat")).raise_for_status()

    async def stop_heartbeat(self) -> list[float]:
        """Return the lateness of every beat, seconds."""
        return (await self._client.delete("bench/beat")).raise_for_status().json()["late"]

    async def modules(self) -> set[str]:
        """Return what the server has imported."""
        return set((await self._client.get("bench/modules")).raise_for_status().json()["modules"])

    async def newest_message(self, chat_id: str) -> int:
        """Return the id of a chat's newest message."""
        reply = await self._client.get(f"{CHATS}/{chat_id}/messages", params={"limit": 1})
        return reply.raise_for_status().json()["messages"][0]["id"]

    async def follow(self, chat_id: str, *, after_id: int = 0) -> Subscriber:
        """Open a chat's stream; what came up to *after_id* is not told."""
        url = f"{self.url}{CHATS}/{chat_id}/stream?after_id={after_id}".replace("http", "ws", 1)
        socket = await websocket_connect(HTTPRequest(url, headers=self._headers), max_message_size=1 << 30)
        return Subscriber(socket)


class Subscriber:
    """A client of one chat's stream, and what it was told."""

    def __init__(self, socket: WebSocketClientConnection) -> None:
        self._socket = socket
        self._is_resting = False
        self.live = ""
        """The newest answer, as its deltas told it."""
        self.stored = ""
        """The newest answer, as it was stored."""
        self.error: str | None = None

    async def until_rest(self) -> Answer:
        """Read until the present turn, or the next one, has ended.

        Raises:
            RuntimeError: it failed.
        """
        self.live = self.stored = ""
        async with asyncio.timeout(TURN_TIMEOUT):
            while not (self._is_resting and (self.stored or self.error)):
                await self._events()
        if self.error is not None:
            raise RuntimeError(f"The turn failed: {self.error}")
        return Answer(live=self.live, stored=self.stored)

    async def until_told(self) -> None:
        """Read what a stream begins with."""
        while not any(event["type"] == "queue_update" for event in await self._events()):
            pass

    async def _events(self) -> list[dict[str, Any]]:
        """The next frame's events, taken in."""
        events = json.loads(await self._socket.read_message() or "{}").get("data", [])
        for event in events:
            self._take(event)
        return events

    def _take(self, event: Mapping[str, Any]) -> None:
        match event:
            case {"type": "message_part", "message_part": {"part": {"type": "text", "text": text}}}:
                self.live += text
            case {"type": "preview_reset"}:
                self.live = ""
            case {"type": "message", "message": {"role": "assistant", "content": [{"text": text}]}}:
                self.stored = text
            case {"type": "error", "error": {"message": message}}:
                self.error = message
            case {"type": "status", "status": {"status": status}}:
                self._is_resting = status in ("waiting", "error")

    def close(self) -> None:
        """Leave."""
        self._socket.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer of counted words."""

    live: str
    stored: str

    @property
    def lost(self) -> int:
        """How many of its words never came live."""
        return len(set(self.stored.split()) - set(self.live.split()))


def resident(pid: int) -> int:
    """Return the resident bytes of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096


@contextlib.asynccontextmanager
async def running(
    folder: Path, *, env: Mapping[str, str] | None = None, histories: Sequence[tuple[str, int]] = ()
) -> AsyncGenerator[tuple[Server, list[str]], None]:
    """Start a server on *folder*; gives it and the ids of the chats that it has.

    Args:
        folder: Everything of the server's user.
        env: More environment variables.
        histories: Chats to store before the start: each one's model and number of messages.
    """
    settings = {
        "ServerApp": {"jpserver_extensions": EXTENSIONS},
        "JupyterChatd": {"max_model_calls": MODEL_CALLS},
    }
    dirs = Dirs(folder)
    server = JupyterServer(dirs, env=env, settings=settings)
    chat_ids = await _store_chats(dirs.database, histories)
    try:
        await asyncio.to_thread(server.start)
        async with httpx.AsyncClient(base_url=server.url, headers=server.headers, timeout=60) as client:
            yield Server(server, client), chat_ids
    finally:
        await asyncio.to_thread(server.terminate)


async def _store_chats(database: Path, histories: Sequence[tuple[str, int]]) -> list[str]:
    async with Store(database) as store:
        return [await engine.import_chat(store, messages=count, model=model) for model, count in histories]
