"""A chat as views follow it, and its picture in the output of a cell."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import aclosing, suppress
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..messages import Chat as ChatRow
from . import display
from .background import background
from .errors import ClientError
from .session import ChatSession

REFRESH = 0.25  # seconds between two pictures
RENEWAL_LIMIT = (
    10.0  # seconds that a cell waits for the last picture, which would come too late for its output
)

WIDGET_LOADER = Path(__file__).parents[1] / "widgets/static/loader.js"
"""Missing in a checkout whose front end was not built."""

Output = Callable[[], Mapping[str, Any]]
"""Returns what to display now, by MIME type."""


@dataclass(frozen=True, slots=True)
class LiveChat:
    """What a view needs of a chat; keeps the caller's `Chat` from nothing, so that one may end."""

    row: ChatRow
    session: ChatSession

    def load(self) -> None:
        """Wait for what the server knows now; a server that does not answer leaves what was known."""
        with suppress(ClientError):
            background().run(self.session.current())

    def picture(self) -> Mapping[str, str]:
        """Return the chat as it is known, as text and as HTML, without asking the server."""
        return {
            "text/plain": display.plain_text(self.row, self.session.view),
            "text/html": display.html(self.row, self.session.view),
        }

    def small_picture(self) -> Mapping[str, str]:
        """Return the same in at most about `display.SMALL` bytes, for a file that keeps many."""
        return display.small_picture(self.row, self.session.view)


def show(live: LiveChat) -> None:
    """Display a chat, and in a kernel go on displaying it in the same place until the agent is done."""
    handle = _display(live.picture)
    if not live.session.view.is_settled and is_kernel():
        background().start(_refresh(live.session, live.picture, handle))


def show_widget(live: LiveChat, output: Output) -> Future[None] | None:
    """Display a widget, which keeps itself up to date.

    Returns:
        What ends when the copy beside it was renewed, once the agent is done; `None` if it is already.
    """
    handle = _display(output)
    if live.session.view.is_settled:
        return None
    return background().start(_renew_once(live.session, output, handle))


def can_show_widgets() -> bool:
    """Whether what widgets need is installed and built."""
    return find_spec("anywidget") is not None and WIDGET_LOADER.exists()


def is_kernel() -> bool:
    """Whether an output can be replaced: a terminal's cannot."""
    ipython: Any = import_module("IPython.core.getipython")
    return hasattr(ipython.get_ipython(), "kernel")


def _display(output: Output) -> Any:
    ipython: Any = import_module("IPython.display")
    return ipython.display(output(), raw=True, display_id=True)


async def _refresh(session: ChatSession, output: Output, handle: Any) -> None:
    with suppress(ClientError):  # the last picture says that the turn failed
        async with aclosing(session.views()) as views:
            async for _ in views:
                handle.update(output(), raw=True)
                await asyncio.sleep(REFRESH)


async def _renew_once(session: ChatSession, output: Output, handle: Any) -> None:
    with suppress(ClientError):
        await session.settled()
    handle.update(await asyncio.to_thread(output), raw=True)  # it may ask the server, through this loop
