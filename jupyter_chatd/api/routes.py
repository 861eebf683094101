"""All routes, in the order in which they are matched: fixed words before ids."""

from __future__ import annotations

from typing import Any

from . import chats, messages
from .base import CHAT
from .stream import StreamHandler

ROUTES: list[tuple[str, type[Any]]] = [
    *chats.ROUTES,
    *messages.ROUTES,
    (CHAT + r"/stream", StreamHandler),
]
