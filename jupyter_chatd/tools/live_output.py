"""Output of what a tool runs, published while it comes."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing

from ..workspace import utf8
from ..workspace.protocol import WorkspaceError
from .protocol import ToolContext
from .text import OUTPUT_BYTES, printable

log = logging.getLogger(__name__)

LIVE_END = "\n... [live output ends here; the result has the rest] ...\n"


async def emit_live(context: ToolContext, following: AsyncGenerator[str, None], *, run_id: str) -> None:
    """Publish output as it comes, until it ends or `OUTPUT_BYTES` were shown. Closes *following*.

    Args:
        run_id: The process or the execution that gives it, for the log.
    """
    room = OUTPUT_BYTES
    try:
        async with aclosing(following) as pieces:
            async for piece in pieces:
                data = printable(piece).encode()
                shown = utf8.prefix(data, room)
                if shown:
                    context.emit(shown.decode())
                room -= len(shown)
                if len(shown) < len(data):
                    context.emit(LIVE_END)
                    return
    except WorkspaceError as error:  # the result still comes with all of it
        log.warning("No live output of %s in chat %s: %s", run_id, context.chat_id, error)
