"""Reading what an agent answers, and never more than the longest answer there is.

It may be no agent any more: a command can end the agent's program and answer in its place, and the other
server of a hub is its user's to change.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING

from ..protocol import WorkspaceError

if TYPE_CHECKING:
    import httpx

MIB = 1024 * 1024
USUAL_BYTES = MIB
"""Of an answer that says nothing else."""
LINE_BYTES = MIB
"""Of a piece of live output: the first has all that is kept, 128 KiB, and escapes are six times as long."""
_PIECES_A_TURN = 32
"""Of the event loop, which many tiny pieces would hold up."""

GARBAGE = "The workspace's agent gave an answer that makes no sense. Stop and start the workspace."


class AgentAnswerError(WorkspaceError):
    """The agent answered with something that is no answer."""


async def read_whole(response: httpx.Response, *, limit_bytes: int, limit_s: float) -> bytes:
    """Return the body.

    Raises:
        AgentAnswerError: it is longer than *limit_bytes*, or packed, which would hide how long it is.
        httpx.TransportError: it breaks off, or has not come after *limit_s*.
    """
    import httpx

    body = bytearray()
    try:
        async with asyncio.timeout(limit_s), aclosing(_pieces(response)) as coming:
            async for piece in coming:
                _require_within(len(body) + len(piece), limit_bytes)
                body += piece
    except TimeoutError as error:
        raise httpx.ReadTimeout("The answer does not end.") from error
    return bytes(body)


async def read_texts(response: httpx.Response) -> AsyncGenerator[str | None]:
    """Yield what the lines of the body hold: JSON, each a text or null.

    Raises:
        AgentAnswerError: a line is longer than `LINE_BYTES`, or something else.
        httpx.TransportError: it breaks off.
    """
    begun = bytearray()
    async with aclosing(_pieces(response)) as coming:
        async for piece in coming:
            *ends, rest = piece.split(b"\n")
            for end in ends:
                _require_within(len(begun) + len(end), LINE_BYTES)
                yield _text_of(begun + end)
                begun.clear()
            _require_within(len(begun) + len(rest), LINE_BYTES)
            begun += rest


async def _pieces(response: httpx.Response) -> AsyncGenerator[bytes]:
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise AgentAnswerError(GARBAGE)
    count = 0
    async for piece in response.aiter_raw():
        yield piece
        count += 1
        if count % _PIECES_A_TURN == 0:
            await asyncio.sleep(0)


def _require_within(size: int, limit_bytes: int) -> None:
    if size > limit_bytes:
        raise AgentAnswerError(
            f"The workspace's agent answered with more than {limit_bytes} bytes, which is too long for any "
            "answer to this. It may not be the agent any more: stop and start the workspace."
        )


def _text_of(line: bytearray) -> str | None:
    try:
        text: object = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise AgentAnswerError(GARBAGE) from error
    if text is None or isinstance(text, str):
        return text
    raise AgentAnswerError(GARBAGE)
