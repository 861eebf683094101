"""Chats that are over: archived, looked at once more when others have come after them, then deleted."""

from __future__ import annotations

import collections

import httpx

from jupyter_chatd.client import AsyncClient, ClientError, Server
from jupyter_chatd.messages import Message

SIZE = 40  # chats


class Attic:
    """Keeps the newest chats that are over, on a server that is never killed."""

    def __init__(self, server: Server, problems: list[str]) -> None:
        self._server = server
        self._problems = problems
        self._kept: collections.deque[tuple[str, tuple[Message, ...]]] = collections.deque()

    async def keep(self, chat_id: str, history: tuple[Message, ...]) -> None:
        """Take in a chat that is archived; the oldest one goes."""
        self._kept.append((chat_id, history))
        if len(self._kept) > SIZE:
            await self._look_and_delete()

    async def clear(self) -> None:
        """Let all chats go."""
        while self._kept:
            await self._look_and_delete()

    async def _look_and_delete(self) -> None:
        chat_id, history = self._kept.popleft()
        try:
            await self._look(chat_id, history)
            await self._delete(chat_id)
        except (ClientError, httpx.HTTPError) as error:
            self._problems.append(f"chat {chat_id} could not be deleted: {error}")

    async def _look(self, chat_id: str, history: tuple[Message, ...]) -> None:
        async with AsyncClient(self._server) as client:
            if await client.history(chat_id) != history:
                self._problems.append(f"chat {chat_id} changed after it was archived")

    async def _delete(self, chat_id: str) -> None:
        async with httpx.AsyncClient(headers=dict(self._server.headers), timeout=60) as http:
            (await http.post(f"{self._server.url}soak/purge/{chat_id}")).raise_for_status()
