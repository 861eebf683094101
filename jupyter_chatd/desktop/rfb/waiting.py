"""Who waits for the server to say something."""

from __future__ import annotations

import asyncio


class Waiters:
    """Futures of one connection; all of them fail when it ends, so that nobody waits for ever."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Future[None]] = set()
        self._error: Exception | None = None

    def new(self) -> asyncio.Future[None]:
        """Return a future for the caller to fulfil; already failed when the connection has ended."""
        future = asyncio.get_running_loop().create_future()
        if self._error is not None:
            _fail(future, self._error)
        else:
            self._waiting.add(future)
            future.add_done_callback(self._waiting.discard)
        return future

    def fail(self, error: Exception) -> None:
        """Raise *error* where somebody waits, now or later. Only the first call has an effect."""
        if self._error is not None:
            return
        self._error = error
        for future in tuple(self._waiting):
            _fail(future, error)


def fulfil(future: asyncio.Future[None] | None) -> None:
    """Wake who waits for *future*, if somebody still does."""
    if future is not None and not future.done():
        future.set_result(None)


def _fail(future: asyncio.Future[None], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
        future.exception()  # counts as seen: often nobody waits when a connection ends
