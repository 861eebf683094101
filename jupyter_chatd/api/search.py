"""`GET chats/search`: messages by the words in them."""

from __future__ import annotations

from .. import wire
from ..errors import InvalidInputError
from ..store.search import SearchQuery, search_messages
from .base import BASE, ChatdHandler, permission
from .chats import archived_filter

MAX_HITS = 100


class SearchHandler(ChatdHandler):
    """`/chats/search`."""

    @permission("read", "chats")
    async def get(self) -> None:
        """Return the caller's messages that hold all words of `q`, best match first."""
        query = SearchQuery(
            owner_id=self.owner_id,
            text=self._words(),
            limit=self.number("limit", default=20, least=1, most=MAX_HITS),
            archived=archived_filter(self),
        )
        hits = await self.service.store.read(lambda conn: search_messages(conn, query))
        self.reply([wire.hit_json(hit) for hit in hits])

    def _words(self) -> str:
        text = self.get_query_argument("q", "")
        if not text.strip():
            raise InvalidInputError("Invalid search.", detail="q: expected the words to look for, came none")
        return text


ROUTES = [(BASE + r"/search", SearchHandler)]
