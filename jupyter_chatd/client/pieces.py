"""What comes bit by bit from the background loop, for code that blocks and for code that does not."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, Generic, TypeVar

from ..events import StreamEvent
from .background import BackgroundLoop, background

T = TypeVar("T")


class Pieces(Generic[T]):
    """The pieces of *source*, for `for` and `async for`. Gone with this object, the source is closed.

    Args:
        source: Runs in the background loop.
        serve: Waits for a piece in the thread that asks for it.
    """

    def __init__(
        self, source: AsyncGenerator[T, None], serve: Callable[[Coroutine[Any, Any, T | None]], T | None]
    ) -> None:
        self._source = source
        self._serve = serve
        weakref.finalize(self, _close, background(), source).atexit = False

    def __iter__(self) -> Iterator[T]:
        while (piece := self._serve(self._next())) is not None:
            yield piece

    async def __aiter__(self) -> AsyncIterator[T]:
        while (piece := await asyncio.wrap_future(background().start(self._next()))) is not None:
            yield piece

    async def _next(self) -> T | None:
        return await anext(self._source, None)


class TextStream(Pieces[str]):
    """The pieces of an answer."""


class EventStream(Pieces[StreamEvent]):
    """All that a chat's stream tells."""


def _close(loop: BackgroundLoop, source: AsyncGenerator[Any, None]) -> None:
    loop.start(_aclose(source))


async def _aclose(source: AsyncGenerator[Any, None]) -> None:
    await source.aclose()
