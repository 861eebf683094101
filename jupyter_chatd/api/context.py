"""`chats/{id}/compact` and `chats/{id}/clear`, and the messages that mean the same."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from ..loop.service import ChatService
from ..messages import Part, TextPart
from . import requests
from .base import CHAT, ChatdHandler, permission
from .chats import chat_reply


class Command(StrEnum):
    """A message that is meant for the chat, not for the model."""

    COMPACT = "/compact"
    CLEAR = "/clear"


def find_command(parts: Sequence[Part]) -> Command | None:
    """Return the command that a message is when that is all it says."""
    match parts:
        case [TextPart(text=text)] if text.strip() in list(Command):
            return Command(text.strip())
        case _:
            return None


async def carry_out(service: ChatService, chat_id: str, command: Command) -> None:
    """Do what a command says.

    Raises:
        ConflictError: not possible in the chat's present state.
    """
    match command:
        case Command.COMPACT:
            await service.compact(chat_id)
        case Command.CLEAR:
            await service.clear(chat_id)


class CompactHandler(ChatdHandler):
    """`/chats/{id}/compact`."""

    @permission("write", "chats")
    async def post(self, chat_id: str) -> None:
        """Let the model summarise the history and go on from the summary; the chat runs meanwhile."""
        self.body(requests.NoFields)
        await self.find_chat(chat_id)
        self.reply(chat_reply(await self.service.compact(chat_id)))


class ClearHandler(ChatdHandler):
    """`/chats/{id}/clear`."""

    @permission("write", "chats")
    async def post(self, chat_id: str) -> None:
        """Let the model forget what was said."""
        self.body(requests.NoFields)
        await self.find_chat(chat_id)
        await self.service.clear(chat_id)
        self.reply(chat_reply(await self.find_chat(chat_id)))


ROUTES = [
    (CHAT + r"/compact", CompactHandler),
    (CHAT + r"/clear", ClearHandler),
]
