"""`chats/{id}/title/regenerate`."""

from __future__ import annotations

from . import requests
from .base import CHAT, ChatdHandler, permission
from .chats import chat_reply


class RegenerateHandler(ChatdHandler):
    """`/chats/{id}/title/regenerate`."""

    @permission("write", "chats")
    async def post(self, chat_id: str) -> None:
        """Let a model write a title for all that was said; the reply comes when it has."""
        self.body(requests.NoFields)
        chat = await self.find_chat(chat_id)
        self.reply(chat_reply(await self.extension.runtime.titler.regenerate(chat)))


ROUTES = [(CHAT + r"/title/regenerate", RegenerateHandler)]
