"""What endpoints list, remembered for a while."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

from .discovery import discover_models
from .endpoint import Endpoint, Kind

LIFETIME = 60.0  # seconds after which an endpoint is asked again for its models

Listed = Mapping[str, int | None]
"""Names of models, each with its context limit in tokens, `None` where the endpoint does not tell."""


class ModelLists:
    """The lists of all endpoints that were asked. Those who ask for one at the same time share the answer."""

    def __init__(self) -> None:
        self._answers: dict[Endpoint, tuple[float, Listed | None]] = {}
        self._asking: dict[Endpoint, asyncio.Task[None]] = {}

    async def find(self, endpoint: Endpoint, *, silence: float) -> Listed | None:
        """Return the list of *endpoint*, not older than `LIFETIME`; `None` when it does not tell.

        Args:
            endpoint: Is asked unless its list is known.
            silence: Seconds for which one that did not tell is not asked again.
        """
        lifetime = silence if self._known(endpoint) is None else LIFETIME
        if self._age(endpoint) > lifetime:
            # Shielded: others may wait for the same answer.
            await asyncio.shield(self._ask(endpoint))
        return self._known(endpoint)

    def find_limit(self, endpoint: Endpoint, model: str) -> int | None:
        """Return the context limit of *model* in tokens, if it is known already."""
        return (self._known(endpoint) or {}).get(model)

    def ask_soon(self, endpoint: Endpoint) -> None:
        """Ask, beside what else goes on, an endpoint whose list is not known and may tell limits.

        Those of the models at vendors' own addresses the library knows; OpenRouter has too many.
        """
        tells = endpoint.kind is Kind.OPENROUTER or not endpoint.is_official
        if tells and self._known(endpoint) is None and self._age(endpoint) > LIFETIME:
            self._ask(endpoint)

    async def aclose(self) -> None:
        """Stop asking. May be called twice."""
        tasks = list(self._asking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _known(self, endpoint: Endpoint) -> Listed | None:
        return self._answers.get(endpoint, (0.0, None))[1]

    def _age(self, endpoint: Endpoint) -> float:
        """Seconds since the last answer."""
        answered_at, _ = self._answers.get(endpoint, (float("-inf"), None))
        return time.monotonic() - answered_at

    def _ask(self, endpoint: Endpoint) -> asyncio.Task[None]:
        if (running := self._asking.get(endpoint)) is None:
            running = asyncio.create_task(self._answer(endpoint), name="chatd-models")
            self._asking[endpoint] = running
        return running

    async def _answer(self, endpoint: Endpoint) -> None:
        try:
            self._answers[endpoint] = (time.monotonic(), await discover_models(endpoint))
        finally:
            del self._asking[endpoint]
