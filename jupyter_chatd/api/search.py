"""`GET chats/search`: messages by the words in them."""

from __future__ import annotations

from .. import wire
from ..errors import InvalidInputError
from ..store.search import Hit, SearchQuery, search_messages
from .base import BASE, ChatdHandler, permission
from .chats import archived_filter

MAX_HITS = 100


def hit_json(hit: Hit) -> dict[str, object]:
    """Return a message that was found; the snippet in pieces, so that nobody has to build HTML of it."""
    return {
        "chat_id": hit.chat_id,
        "chat_title": hit.chat_title,
        "archived": hit.archived,
        "message_id": hit.message_id,
        "role": hit.role.value,
        "created_at": wire.rfc3339(hit.created_at),
        "snippet": [{"text": piece.text, "match": piece.is_match} for piece in hit.snippet],
    }


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
        self.reply([hit_json(hit) for hit in hits])

    def _words(self) -> str:
        text = self.get_query_argument("q", "")
        if not text.strip():
            raise InvalidInputError("Invalid search.", detail="q: expected the words to look for, came none")
        return text


ROUTES = [(BASE + r"/search", SearchHandler)]
