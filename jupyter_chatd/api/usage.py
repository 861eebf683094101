"""`GET chats/{id}/usage` and `GET chats/cost/{user}/summary`: tokens and money."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta

from tornado import web

from .. import wire
from ..errors import InvalidInputError
from ..store.usage_report import chat_usage, owner_usage
from .base import BASE, CHAT, ChatdHandler, permission

DEFAULT_DAYS = 30
DAY = timedelta(days=1)
YEARS = range(1970, 9999)
KNOWN = frozenset({"start_date", "end_date", "token"})
"""What a query may hold; Jupyter itself reads the token."""


class ChatUsageHandler(ChatdHandler):
    """`/chats/{id}/usage`."""

    @permission("read", "chats")
    async def get(self, chat_id: str) -> None:
        """Return all that a chat and its children used so far."""
        chat = await self.find_chat(chat_id)
        summary = await self.service.store.read(lambda conn: chat_usage(conn, chat.id))
        self.reply(asdict(summary))


class CostSummaryHandler(ChatdHandler):
    """`/chats/cost/{user}/summary`."""

    @permission("read", "chats")
    async def get(self, user: str) -> None:
        """Return what the caller's chats used from `start_date` to `end_date`, in whole days."""
        owner_id = self.owner_id
        if user not in ("me", owner_id):
            raise web.HTTPError(403, "You can see your own costs only: ask for cost/me/summary.")
        first, last = self._days()
        summary = await self.service.store.read(
            lambda conn: owner_usage(conn, owner_id, first_day=first.isoformat(), last_day=last.isoformat())
        )
        self.reply(asdict(summary) | {"start_date": _beginning(first), "end_date": _beginning(last + DAY)})

    def _days(self) -> tuple[date, date]:
        """Return the first and the last day that are asked for.

        Raises:
            InvalidInputError: the query has something else, or ends before it begins.
        """
        self._refuse_others()
        now = datetime.fromtimestamp(self.service.store.clock(), UTC)
        end = self._moment("end_date", now) - timedelta(microseconds=1)
        start = self._moment("start_date", end - (DEFAULT_DAYS - 1) * DAY)
        if start > end:
            raise InvalidInputError("Invalid query.", detail="end_date: expected a time after start_date")
        return start.date(), end.date()

    def _refuse_others(self) -> None:
        """A misspelt date would answer another question. JupyterLab adds a bare number against caches."""
        unknown = [name for name in self.request.query_arguments if name not in KNOWN and not name.isdigit()]
        if unknown:
            detail = f"Expected start_date and end_date, came {', '.join(unknown)[:80]!r}"
            raise InvalidInputError("Invalid query.", detail=detail)

    def _moment(self, name: str, default: datetime) -> datetime:
        """Return a time from the query, in UTC; a day is its beginning."""
        text = self.get_query_argument(name, None)
        if text is None:
            return default
        try:
            moment = datetime.fromtimestamp(wire.utc_seconds(text), UTC)
        except (ValueError, OverflowError, OSError):
            moment = datetime.min.replace(tzinfo=UTC)
        if moment.year not in YEARS:
            detail = f"{name}: expected a day such as 2026-11-21, or an RFC 3339 time, came {text[:80]!r}"
            raise InvalidInputError("Invalid query.", detail=detail)
        return moment


def _beginning(day: date) -> str:
    return f"{day.isoformat()}T00:00:00Z"


ROUTES = [
    (BASE + r"/cost/(?P<user>[^/]+)/summary", CostSummaryHandler),
    (CHAT + r"/usage", ChatUsageHandler),
]
