"""All routes, in the order in which they are matched: fixed words before ids."""

from __future__ import annotations

from typing import Any

from . import actions, base, chats, messages, models, stream, watch

ROUTES: list[tuple[str, type[Any]]] = [
    *watch.ROUTES,
    *models.ROUTES,
    *chats.ROUTES,
    *messages.ROUTES,
    *actions.ROUTES,
    *stream.ROUTES,
    *base.ROUTES,
]
