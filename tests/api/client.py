"""How the tests speak with the server: JSON requests, and streams as WebSocket or as server-sent events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from tornado.httpclient import HTTPClientError
from tornado.websocket import WebSocketClientConnection

from .description import check_frame, check_reply

BASE = "api/experimental/chats"
PATIENCE = 45.0  # seconds until a test gives up on something that should come at once
MAX_MESSAGE = 2**26  # bytes in one message of a WebSocket
AT_REST = frozenset({"waiting", "error", "requires_action"})

Json = Any
Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back."""

    status: int
    text: str
    headers: Mapping[str, str]

    @property
    def json(self) -> Json:
        return json.loads(self.text)


def text_part(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}


class Api:
    """The routes, as one user of the server."""

    def __init__(self, fetch: Any, ws_fetch: Any, url: str, headers: Mapping[str, str]) -> None:
        self._fetch = fetch
        self._ws_fetch = ws_fetch
        self.url = url
        """The address of the chats."""
        self.headers = dict(headers)
        self.is_described = True
        """Whether every reply must be as openapi.yaml says; not where the extension is switched off."""

    def with_headers(self, **headers: str) -> Api:
        """The same routes with other headers: `_` stands for `-`; an empty value takes one away."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return Api(self._fetch, self._ws_fetch, self.url, self.headers | named)

    async def call(
        self,
        method: str,
        path: str = "",
        body: Json = None,
        *,
        raw: bytes | None = None,
        params: Sequence[tuple[str, str]] = (),
    ) -> Reply:
        """Send a request; *raw* is a body that may be no JSON."""
        reply = await self._fetch(
            BASE + path,
            method=method,
            body=raw if raw is not None else None if body is None else json.dumps(body),
            headers=dict(self.headers),
            params=params,
            raise_error=False,
            allow_nonstandard_methods=True,
            follow_redirects=False,
        )
        if self.is_described:
            check_reply(method, path, reply.code, reply.headers, reply.body or b"")
        return Reply(reply.code, (reply.body or b"").decode(), reply.headers)

    async def _expect(self, status: int, method: str, path: str, body: Json = None, **kwargs: Any) -> Json:
        reply = await self.call(method, path, body, **kwargs)
        assert reply.status == status, f"{method} {path}: {reply.status} {reply.text}"
        return reply.json if reply.text else None

    async def get(self, path: str = "", **params: object) -> Json:
        query = [(name, str(value)) for name, value in params.items()]
        return await self._expect(200, "GET", path, params=query)

    async def post(self, path: str, body: Json = None, *, status: int = 200) -> Json:
        return await self._expect(status, "POST", path, body)

    async def patch(self, path: str, body: Json, *, status: int = 200) -> Json:
        return await self._expect(status, "PATCH", path, body)

    async def delete(self, path: str, *, status: int = 204) -> Json:
        return await self._expect(status, "DELETE", path)

    # What most tests do

    async def create(self, text: str = "say hello", **fields: Json) -> Json:
        """Create a chat and return it."""
        return await self.post("", {"content": [text_part(text)], **fields}, status=201)

    async def create_id(self, text: str = "say hello", **fields: Json) -> str:
        return (await self.create(text, **fields))["id"]

    async def send(self, chat_id: str, text: str, *, status: int = 200, **fields: Json) -> Json:
        return await self.post(
            f"/{chat_id}/messages", {"content": [text_part(text)], **fields}, status=status
        )

    async def settle(self, chat_id: str, *, seconds: float = PATIENCE) -> Json:
        """Wait until nothing runs and the closed stream has left its read mark; return the chat."""
        async with self.follow(chat_id) as stream:
            await stream.status(*AT_REST, seconds=seconds)
        async with asyncio.timeout(seconds):
            while (chat := await self.get(f"/{chat_id}"))["has_unread"]:  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0.01)
        return chat

    async def finished(self, text: str = "say hello", **fields: Json) -> Json:
        """Create a chat and wait for the end of its first turn."""
        return await self.settle(await self.create_id(text, **fields))

    async def messages(self, chat_id: str) -> list[Json]:
        """All messages, oldest first."""
        return (await self.get(f"/{chat_id}/messages", after_id=0, limit=200))["messages"]

    async def results(self, chat_id: str) -> list[Json]:
        """The tool results, in the order of their rows."""
        rows = await self.messages(chat_id)
        return [part for row in rows if row["role"] == "tool" for part in row["content"]]

    # Streams

    @asynccontextmanager
    async def socket(self, path: str, **params: str) -> AsyncIterator[WebSocketClientConnection]:
        """Open a WebSocket.

        Raises:
            HTTPClientError: refused; `response` has the body.
        """
        socket = await self._ws_fetch(
            BASE + path, headers=dict(self.headers), params=params, max_message_size=MAX_MESSAGE
        )
        try:
            yield socket
        finally:
            socket.close()

    async def refused(self, path: str, **params: str) -> Reply:
        """Open a WebSocket that must be refused."""
        with pytest.raises(HTTPClientError) as caught:
            async with self.socket(path, **params):
                pass
        response = caught.value.response
        assert response is not None
        if self.is_described:
            check_reply("GET", path, response.code, response.headers, response.body)
        return Reply(response.code, response.body.decode(), response.headers)

    @asynccontextmanager
    async def follow(self, chat_id: str, **cursor: str) -> AsyncIterator[Follower]:
        """Follow a chat over a WebSocket."""
        async with (
            self.socket(f"/{chat_id}/stream", **cursor) as socket,
            Follower.reading(_frames_of(socket)) as follower,
        ):
            yield follower

    @asynccontextmanager
    async def follow_events(self, chat_id: str, **cursor: str) -> AsyncIterator[Follower]:
        """Follow a chat over server-sent events."""
        async with (
            httpx.AsyncClient(headers=self.headers, timeout=PATIENCE) as client,
            client.stream("GET", f"{self.url}/{chat_id}/stream", params=cursor) as reply,
        ):
            assert reply.status_code == 200, await reply.aread()
            async with Follower.reading(_sent_frames(reply), headers=reply.headers) as follower:
                yield follower


class Follower:
    """Reads frames of a stream."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self.headers = headers
        self.events: list[Event] = []
        """All that was taken so far."""
        self._frames: asyncio.Queue[Json] = asyncio.Queue()

    @classmethod
    @asynccontextmanager
    async def reading(
        cls, frames: AsyncGenerator[Json], *, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[Follower]:
        """Read *frames* in a task of its own, so that nobody who waits for one in vain ends them."""
        follower = cls(headers or {})
        task = asyncio.create_task(follower._read(frames))
        try:
            yield follower
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _read(self, frames: AsyncGenerator[Json]) -> None:
        async with aclosing(frames):
            async for frame in frames:
                self._frames.put_nowait(frame)
        self._frames.put_nowait({"type": "end"})

    async def frame(self, *, seconds: float = PATIENCE) -> Json:
        """The next frame; at the end of the stream one of the type `end`.

        Raises:
            TimeoutError: nothing came.
        """
        async with asyncio.timeout(seconds):
            frame = await self._frames.get()
        if frame["type"] != "end":
            check_frame("/{chat_id}/stream", {key: value for key, value in frame.items() if key != "id"})
        return frame

    async def more(self, *, seconds: float = PATIENCE) -> list[Event]:
        """The events of the next data frame."""
        while True:
            frame = await self.frame(seconds=seconds)
            assert frame["type"] in ("data", "ping"), f"instead of events came {frame}"
            if frame["type"] == "data":
                self.events += frame["data"]
                return frame["data"]

    async def until(self, holds: Callable[[Event], bool], *, seconds: float = PATIENCE) -> Event:
        """The first event, of those that have come or will come, for which *holds* is true."""
        async with asyncio.timeout(seconds):
            seen = 0
            while True:
                for event in self.events[seen:]:
                    if holds(event):
                        return event
                seen = len(self.events)
                await self.more()

    async def message(self, role: str) -> Event:
        """The first message of that role."""
        event = await self.until(
            lambda event: event["type"] == "message" and event["message"]["role"] == role
        )
        return event["message"]

    async def part(self, kind: str) -> Event:
        """The first live part of that type."""
        event = await self.until(
            lambda event: event["type"] == "message_part" and event["message_part"]["part"]["type"] == kind
        )
        return event["message_part"]

    async def status(self, *words: str, seconds: float = PATIENCE) -> str:
        """Wait until the newest status is one of *words*."""
        async with asyncio.timeout(seconds):
            while (now := self._status()) not in words:
                await self.more()
        return str(now)

    def _status(self) -> str | None:
        told = [event["status"]["status"] for event in self.events if event["type"] == "status"]
        return told[-1] if told else None


async def eventually(holds: Callable[[], bool]) -> None:
    """Wait for something that nothing tells of."""
    async with asyncio.timeout(PATIENCE):
        while not holds():  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.01)


async def _frames_of(socket: WebSocketClientConnection) -> AsyncGenerator[Json]:
    while (message := await socket.read_message()) is not None:
        yield json.loads(message)


async def _sent_frames(reply: httpx.Response) -> AsyncGenerator[Json]:
    """Frames as a WebSocket gives them, and in `id` the id of the event; comments are the pings."""
    identity: str | None = None
    async for line in reply.aiter_lines():
        name, _, value = line.partition(": ")
        match name:
            case "id":
                identity = value
            case "data":
                yield {**json.loads(value), "id": identity}
                identity = None
            case "" if value:
                yield {"type": value}
            case _:
                assert not line, f"neither event nor comment: {line}"
