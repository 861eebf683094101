"""How many model calls may be in flight, and whose turn it is."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

RESERVED = 1 / 8
"""Share of the slots that only families without one may take: whatever the others do, a new chat begins."""


@dataclass(slots=True, eq=False)
class _Waiting:
    family_id: str
    turn: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class ModelSlots:
    """Lets model calls through, as many at a time as there are slots; fair between families of chats.

    Who has fewer calls in flight comes first, then who came first. It counts calls, never runners: a parent
    that waits cannot starve its children.
    """

    def __init__(self, count: int) -> None:
        self._free = count
        self._reserve = int(count * RESERVED)
        self._held: Counter[str] = Counter()
        self._waiting: list[_Waiting] = []

    @asynccontextmanager
    async def take(self, family_id: str) -> AsyncGenerator[None]:
        """Wait for a slot and hold it for the length of the block."""
        await self._enter(family_id)
        try:
            yield
        finally:
            self._leave(family_id)

    async def _enter(self, family_id: str) -> None:
        waiting = _Waiting(family_id)
        self._waiting.append(waiting)
        self._let_through()
        try:
            await waiting.turn
        except asyncio.CancelledError:
            if waiting in self._waiting:
                self._waiting.remove(waiting)
            else:  # let through and cancelled in the same moment
                self._leave(family_id)
            raise

    def _leave(self, family_id: str) -> None:
        self._free += 1
        self._held[family_id] -= 1
        if not self._held[family_id]:
            del self._held[family_id]
        self._let_through()

    def _let_through(self) -> None:
        while (chosen := self._next()) is not None:
            self._waiting.remove(chosen)
            self._free -= 1
            self._held[chosen.family_id] += 1
            chosen.turn.set_result(None)

    def _next(self) -> _Waiting | None:
        possible = [one for one in self._waiting if self._may_have_one(one)]
        return min(possible, key=lambda one: self._held[one.family_id], default=None)

    def _may_have_one(self, one: _Waiting) -> bool:
        needed_by_others = self._reserve if self._held[one.family_id] else 0
        return self._free > needed_by_others and not one.turn.cancelled()
