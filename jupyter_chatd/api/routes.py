"""All routes, in the order in which they are matched: fixed words before ids."""

from __future__ import annotations

from typing import Any

from . import (
    actions,
    agent,
    base,
    chats,
    context,
    description,
    desktop,
    desktop_recording,
    files,
    mcp,
    messages,
    models,
    policy,
    prompts,
    search,
    stream,
    title,
    usage,
    watch,
    workspaces,
)

ROUTES: list[tuple[str, type[Any]]] = [
    *description.ROUTES,
    *watch.ROUTES,
    *models.ROUTES,
    *policy.ROUTES,
    *prompts.ROUTES,
    *files.ROUTES,
    *search.ROUTES,
    *mcp.ROUTES,
    *usage.ROUTES,
    *workspaces.ROUTES,
    *agent.ROUTES,
    *chats.ROUTES,
    *context.ROUTES,
    *title.ROUTES,
    *messages.ROUTES,
    *actions.ROUTES,
    *stream.ROUTES,
    *desktop.ROUTES,
    *desktop_recording.ROUTES,
    *base.ROUTES,
]
