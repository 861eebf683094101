"""The chat that a word on the command line means."""

from __future__ import annotations

from ..client.client import AsyncClient
from ..messages import Chat
from .archive import is_chat_id
from .output import NEWEST, pick


async def find_chat(client: AsyncClient, word: str, *, archived: bool = False) -> Chat:
    """Return the chat that a person means, from a server; see `pick`.

    Raises:
        ClientError, RefusedError: there is none, or there are several.
    """
    if is_chat_id(word):
        return await client.get(word)
    return pick(await client.list(limit=NEWEST, archived=archived), word)
