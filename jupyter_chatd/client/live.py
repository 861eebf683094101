"""A chat in the output of a cell, kept up to date while the agent works."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import aclosing, suppress
from importlib import import_module
from typing import Any

from .background import background
from .errors import ClientError
from .session import ChatSession

REFRESH = 0.25  # seconds between two pictures

Picture = Callable[[], Mapping[str, str]]
"""Returns the chat as it is known now, by MIME type."""


def show(session: ChatSession, picture: Picture) -> None:
    """Display a chat, and in a kernel go on displaying it in the same place until the agent is done."""
    ipython: Any = import_module("IPython.display")
    handle = ipython.display(picture(), raw=True, display_id=True)
    if not session.view.is_settled and _is_kernel():
        background().start(_refresh(session, picture, handle))


def _is_kernel() -> bool:
    """Whether an output can be replaced: a terminal's cannot."""
    ipython: Any = import_module("IPython.core.getipython")
    return hasattr(ipython.get_ipython(), "kernel")


async def _refresh(session: ChatSession, picture: Picture, handle: Any) -> None:
    with suppress(ClientError):  # the last picture says that the turn failed
        async with aclosing(session.views()) as views:
            async for _ in views:
                handle.update(picture(), raw=True)
                await asyncio.sleep(REFRESH)
